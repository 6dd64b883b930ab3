"""The two losses of GRU-ODE-Bayes, of Gaussians given by mean and log-variance.

Source: De Brouwer et al. 2019, section 2.4. Before the jump the state should have predicted the
observation (negative log-likelihood); after it, its prediction should be what the observation said:
the Kullback-Leibler divergence from the prediction to ``N(x, noise^2)``.
"""

import math

import torch
from torch import Tensor

NOISE = 0.01
"""Standard deviation of an observation in the second loss, as in the reference computation."""


def gaussian_nll(x: Tensor, mean: Tensor, logvar: Tensor, observed: Tensor) -> Tensor:
    """``-log N(x; mean, exp(logvar))`` with its constant, zero where not observed; elementwise."""
    error, logvar = (x - mean) * observed, logvar * observed
    constant = math.log(2 * math.pi)
    return 0.5 * (error.square() * torch.exp(-logvar) + logvar + constant * observed)


def gaussian_kl(
    x: Tensor, mean: Tensor, logvar: Tensor, observed: Tensor, noise: float = NOISE
) -> Tensor:
    """``KL(N(mean, exp(logvar)) || N(x, noise^2))``, zero where not observed; elementwise."""
    error, logvar = (x - mean) * observed, logvar * observed
    spread = (torch.exp(logvar) + error.square()) / (2 * noise**2)
    return (spread - 0.5 * logvar + (math.log(noise) - 0.5)) * observed
