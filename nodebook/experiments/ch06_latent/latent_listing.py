"""Document 003's listing of a latent ODE, line by line, on small random numbers.

What the listing computes is written here anew, in its own order of operations, and compared with
densities of ``torch.distributions``, in double precision. The two functions that it calls without
showing them, of the log-density and of the divergence, are taken to be what their names say.

Metrics:

- ``loss``: the listing's loss against the negative of a one-draw evidence lower bound
- ``draw``: its z0 against a draw from the Gaussian that it means (mean and variance, per entry)
- ``divergence``: its analytic divergence against that of ``torch.distributions``; these three have
  ``relative_error`` and ``classification``
- ``reads_backwards``: whether the encoder's answer changes with the first observation and with the
  last, and is that of our encoder, which reads the reversed observations forwards: "yes" or "no"
- ``encoder_sees_times``: whether it changes when the same observations lie at other times
"""

import math

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from nodebook.evidence import results
from nodelib.models.latent.ode import LatentODE, Sizes
from nodelib.ode.gradients import odeint
from nodelib.seeds import generator

VARIANTS = ("listing",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
TOLERANCE = {"*relative_error": 1e3}

BATCH, PLACES, LATENT, NOISE = 6, 9, 4, 0.3
HOLDS = 1e-10


def models(seed: int) -> LatentODE:
    """A small latent ODE without times, in double precision; its parts play the listing's."""
    nodes = torch.linspace(0, 1, PLACES, dtype=torch.float64)
    return LatentODE(Sizes(), times=False, nodes=nodes, seeds=[seed]).double()


def encoded(model: LatentODE, x: Tensor) -> tuple[Tensor, Tensor]:
    """The listing's first lines: one observation after the other, from the last to the first."""
    h = x.new_zeros(1, len(x), model.sizes.encoder)
    for place in reversed(range(x.shape[1])):
        h = model.encoder.step(x[None, :, place], h)
        out = model.posterior(h)[0]
    return out[:, :LATENT], out[:, LATENT:]


def listed_loss(model: LatentODE, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """The rest of the listing: draw, solve, decode, density, divergence, mean over the batch."""
    mean, log_variance = encoded(model, x)
    z0 = noise * torch.exp(0.5 * log_variance) + mean
    z = odeint(model.field, z0[None], t, method="rk4", grad="backprop")[:, 0].permute(1, 0, 2)
    told = model.decoder(z[None])[0]
    noise_log_variance = 2 * torch.log(torch.zeros_like(told) + NOISE)
    density = math.log(2 * math.pi) + noise_log_variance
    density = -0.5 * (density + (x - told) ** 2 / torch.exp(noise_log_variance))
    divergence = listed_divergence(mean, log_variance)
    return torch.mean(-density.sum(-1).sum(-1) + divergence.sum(-1), dim=0)


def listed_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Its divergence from the prior, whose mean and log-variance are both zeros."""
    prior_mean = prior_log_variance = torch.zeros_like(mean)
    ratio = torch.exp(log_variance) + (mean - prior_mean) ** 2
    ratio = ratio / torch.exp(prior_log_variance)
    return 0.5 * (ratio - 1 + prior_log_variance - log_variance)


@torch.no_grad()
def run(variant: str, seed: int) -> results.Outcome:
    """Evaluate every part."""
    draw, model = generator(seed), models(seed)
    x = torch.randn(BATCH, PLACES, 2, generator=draw, dtype=torch.float64)
    noise = torch.randn(BATCH, LATENT, generator=draw, dtype=torch.float64)
    t = model.nodes
    mean, log_variance = encoded(model, x)
    posterior = Normal(mean, (log_variance / 2).exp())
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    z0 = posterior.mean + posterior.stddev * noise
    z = odeint(model.field, z0[None], t, method="rk4", grad="backprop")
    seen = Normal(model.decode(z)[0], NOISE).log_prob(x).sum((1, 2))
    bound = (seen - kl_divergence(posterior, prior).sum(1)).mean()
    # many draws of the listing's z0 have the mean and the variance of that Gaussian
    wide = torch.special.ndtri((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000)
    draws = wide[:, None, None] * torch.exp(0.5 * log_variance) + mean
    moments = torch.stack([draws.mean(0), draws.std(0)])
    wanted = torch.stack([posterior.mean, posterior.stddev * wide.std()])
    return results.Outcome(
        metrics={
            "loss": compared(listed_loss(model, x, t, noise), -bound),
            "draw": compared(moments, wanted),
            "divergence": compared(
                listed_divergence(mean, log_variance), kl_divergence(posterior, prior)
            ),
            **order(model, x),
        }
    )


def compared(listed: Tensor, right: Tensor) -> dict[str, object]:
    """Largest difference over the size of what is right, and what that means."""
    error = float((listed - right).abs().max() / right.abs().max())
    return {"relative_error": error, "classification": "holds" if error < HOLDS else "wrong"}


def order(model: LatentODE, x: Tensor) -> dict[str, str]:
    """What the encoder's answer depends on."""
    answer = torch.cat(encoded(model, x), -1)
    changes = []
    for place in (0, -1):
        other = x.clone()
        other[:, place] += 1
        changes.append(bool((torch.cat(encoded(model, other), -1) - answer).abs().min() > 0))
    everywhere = torch.ones(1, *x.shape[:2], dtype=torch.bool)
    ours = torch.cat(model.encode(model.nodes, x[None], everywhere), -1)[0]
    backwards = all(changes) and bool((ours - answer).abs().max() < HOLDS)
    # the same values at other times: the listing's encoder is called with the values alone
    later = torch.cat(model.encode(2 * model.nodes**2, x[None], everywhere), -1)[0]
    return {
        "reads_backwards": "yes" if backwards else "no",
        "encoder_sees_times": "no" if torch.equal(later, ours) else "yes",
    }
