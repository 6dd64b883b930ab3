"""Chapter 06: latent ODEs."""

EXPERIMENTS = ("latent_listing", "latent_ode", "sampling_rate", "vae_digits")
