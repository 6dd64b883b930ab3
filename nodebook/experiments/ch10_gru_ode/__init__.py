"""Chapter 10: GRU-ODE-Bayes."""

EXPERIMENTS = ("gru_ode_listings", "sporadic_study")
