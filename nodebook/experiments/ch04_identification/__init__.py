"""Chapter 04: system identification."""

EXPERIMENTS = (
    "complicated_dynamics",
    "noise_and_sparsity",
    "random_fields",
    "spiral_identification",
    "training_loop",
)
