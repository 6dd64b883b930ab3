"""Chapter 07: MNIST."""

EXPERIMENTS = (
    "mnist",
    "mnist_adjoint",
    "mnist_choices",
    "mnist_comparison",
    "mnist_memory",
    "mnist_mistaken",
    "mnist_robustness",
    "mnist_small",
    "mnist_solvers",
)
