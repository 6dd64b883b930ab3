"""A variational autoencoder of binary images (Kingma and Welling 2014), several side by side."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nodelib.models.gaussians import kl_to_standard, log_density, sample
from nodelib.models.latent.cells import part_seeds
from nodelib.models.networks import MLP


class VAE(nn.Module):
    """S autoencoders: Gaussian code, Bernoulli pixels, one hidden layer each way.

    Args:
        pixels, hidden, latent: sizes.
        seeds: one for each network.
    """

    def __init__(self, pixels: int, hidden: int, latent: int, *, seeds: Sequence[int]) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = MLP((pixels, hidden, 2 * latent), "relu", seeds=part_seeds(seeds, 0))
        self.decoder = MLP((latent, hidden, pixels), "relu", seeds=part_seeds(seeds, 1))

    @property
    def count(self) -> int:
        """Parameters of one network."""
        return self.encoder.count + self.decoder.count

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code, each (S, B, latent), of images (S, B, pixels)."""
        return self.encoder(images).chunk(2, dim=-1)

    def decode(self, code: Tensor) -> Tensor:
        """Probability that a pixel is on, (S, B, pixels), of codes (S, B, latent)."""
        return torch.sigmoid(self.decoder(code))

    def log_likelihood(self, images: Tensor, code: Tensor) -> Tensor:
        """Log-probability of binary images given their codes, in nats, (S, B)."""
        return bernoulli(images, self.decoder(code)).sum(-1)

    def bound(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Expected log-likelihood from one draw, and divergence: the evidence lower bound's parts.

        Each (S, B), in nats; the bound is the first less the second. ``noise`` is (S, B, latent).
        """
        mean, log_variance = self.encode(images)
        likelihood = self.log_likelihood(images, sample(mean, log_variance, noise))
        return likelihood, kl_to_standard(mean, log_variance).sum(-1)

    def importance_bound(self, images: Tensor, noise: Tensor) -> Tensor:
        """The bound of Burda et al. 2016 from K draws, (S, B), for ``noise`` (K, S, B, latent).

        It lies between the evidence lower bound (K = 1) and the log-likelihood, on average.
        """
        mean, log_variance = self.encode(images)
        weights = []
        for eps in noise.unbind(0):
            code = sample(mean, log_variance, eps)
            prior = log_density(code, torch.zeros_like(code), 0.0)
            posterior = log_density(code, mean, log_variance)
            ratio = (prior - posterior).sum(-1)
            weights.append(self.log_likelihood(images, code) + ratio)
        return torch.stack(weights).logsumexp(0) - math.log(len(noise))


def bernoulli(images: Tensor, logits: Tensor) -> Tensor:
    """Log-probability of binary pixels, entry by entry, from the logits of their being on."""
    return images * logits - nn.functional.softplus(logits)
