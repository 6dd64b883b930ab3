"""Chapter 09: heartbeats, ResNet against ODE-Net."""

EXPERIMENTS = (
    "heartbeats",
    "heartbeat_baselines",
    "heartbeat_comparison",
    "heartbeat_dropped",
    "heartbeat_layers",
    "heartbeat_solvers",
    "heartbeat_times",
)
