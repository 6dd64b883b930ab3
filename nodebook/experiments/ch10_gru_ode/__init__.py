"""Chapter 10: GRU-ODE-Bayes."""

EXPERIMENTS = ("sporadic_study",)
