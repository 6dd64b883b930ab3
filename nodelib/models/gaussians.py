"""Diagonal Gaussians: log-density, Kullback-Leibler divergence, and sampling that has a gradient.

A Gaussian is given by its mean and the logarithm of its variance, entry by entry. Source: Kingma
and Welling 2014, appendix B; document 003's listing uses the same three.
"""

import math

import torch
from torch import Tensor

LOG_TWO_PI = math.log(2 * math.pi)


def log_density(x: Tensor, mean: Tensor, log_variance: Tensor | float) -> Tensor:
    """Logarithm of the density at ``x``, entry by entry, in the shape of the arguments."""
    log_variance = torch.as_tensor(log_variance, dtype=x.dtype)
    return -0.5 * (LOG_TWO_PI + log_variance + (x - mean).square() * (-log_variance).exp())


def kl_to_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of a Gaussian from the standard one, entry by entry, in nats."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance)


def kl(
    mean: Tensor, log_variance: Tensor, mean_2: Tensor, log_variance_2: Tensor | float
) -> Tensor:
    """Divergence of the first Gaussian from the second, entry by entry, in nats."""
    log_variance_2 = torch.as_tensor(log_variance_2, dtype=mean.dtype)
    ratio = (log_variance - log_variance_2).exp()
    apart = (mean - mean_2).square() * (-log_variance_2).exp()
    return 0.5 * (ratio + apart - 1 - log_variance + log_variance_2)


def sample(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """``mean + exp(log_variance / 2) noise``: a draw, with gradients of mean and log-variance."""
    return mean + (0.5 * log_variance).exp() * noise
