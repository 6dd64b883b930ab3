"""Models that infer a hidden state: variational autoencoder, latent ODE, recurrent baseline."""
