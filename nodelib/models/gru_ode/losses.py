"""The two losses of GRU-ODE-Bayes, of Gaussians given by mean and log-variance.

Source: De Brouwer et al. 2019, section 2.4. Before the jump the state should have predicted the
observation (negative log-likelihood); after it, its prediction should be what the observation said:
the Kullback-Leibler divergence from the prediction to ``N(x, noise^2)``.
"""

import math

from torch import Tensor

from nodelib.models.gaussians import kl, log_density

NOISE = 0.01
"""Standard deviation of an observation in the second loss, as in the reference computation."""


def gaussian_nll(x: Tensor, mean: Tensor, logvar: Tensor, observed: Tensor) -> Tensor:
    """``-log N(x; mean, exp(logvar))`` with its constant, zero where not observed; elementwise."""
    # Masked before exp as well: of a feature not observed even an overflow must not count.
    x, mean, logvar = x * observed, mean * observed, logvar * observed
    return -log_density(x, mean, logvar) * observed


def gaussian_kl(
    x: Tensor, mean: Tensor, logvar: Tensor, observed: Tensor, noise: float = NOISE
) -> Tensor:
    """``KL(N(mean, exp(logvar)) || N(x, noise^2))``, zero where not observed; elementwise."""
    x, mean, logvar = x * observed, mean * observed, logvar * observed
    return kl(mean, logvar, x, 2 * math.log(noise)) * observed
