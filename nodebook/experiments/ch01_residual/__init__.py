"""Chapter 01: from residual networks to ODEs."""

EXPERIMENTS = (
    "backpropagated_blocks",
    "crossing",
    "depth_limit",
    "depth_training",
    "euler_exponential",
    "first_gradients",
    "recurrent_sampling",
    "uniqueness",
)
