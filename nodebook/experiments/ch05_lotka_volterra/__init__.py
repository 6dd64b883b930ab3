"""Chapter 05: Lotka-Volterra."""

EXPERIMENTS = ("lotka_volterra", "lotka_volterra_length", "lotka_volterra_tuning")
