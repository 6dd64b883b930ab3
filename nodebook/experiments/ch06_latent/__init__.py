"""Chapter 06: latent ODEs."""

EXPERIMENTS = (
    "latent_budgets",
    "latent_listing",
    "latent_ode",
    "latent_oracle",
    "sampling_rate",
    "vae_digits",
)
