"""Chapter 03: gradient checks."""

EXPERIMENTS = (
    "backward_evaluations",
    "gradient_errors",
    "gradient_libraries",
    "gradient_memory",
    "reconstruction",
)
