"""Where the error of a latent ODE comes from: its encoder, or what its field can carry.

The latent ODE with times of ``latent_ode`` is taken as it is recorded; nothing of it is trained
here. For every test spiral the state at time 0 is found anew, by the gradient of the solve, so that
it fits, under the model's own prior and the known noise:

- ``observed``: the noisy points that the encoder was shown. What is better than with the encoder is
  what the encoder leaves.
- ``told``: the first 100 points without noise: an oracle in the place of the encoder. What error is
  left on the further points is the field's and the decoder's.
- ``ahead``: the further points themselves, without noise. No state does much better than this one:
  what error is left, the field and the decoder cannot express at all.

Each begins at the encoder's mean and takes ``STEPS`` steps of Adam, fixed beforehand.

Variants are of ``latent_ode``. Metrics, ``n`` being 30, 50 or 100, and
``way`` the encoder or one of these:

- ``rmse.<way>.<n>.near``, ``.familiar``, ``.new``: as in ``latent_ode``, against the curve
- ``left.<n>.familiar``, ``.new``: error with ``observed`` over that with the encoder
- ``kept.<n>.familiar``, ``.new``: error with ``told`` over that with the encoder
"""

import torch
from torch import Tensor

from nodebook.evidence import results
from nodebook.experiments.ch06_latent.spiral_models import (
    COUNTS,
    PLANS,
    SCALE,
    recorded_model,
    sets,
)
from nodebook.experiments.ch06_latent.spiral_scores import by_ground, states
from nodelib.data import spirals
from nodelib.data.spirals import POINTS
from nodelib.models.latent.ode import LatentODE
from nodelib.training.series import rms

MODEL = "ode_times"
VARIANTS = ("longer", "long-ode_times")
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
TOLERANCE = {"*": 0.05}

STEPS, RATE = 300, 0.05
WAYS = ("observed", "told", "ahead")
PART = "the spirals with 30 points"


def run(variant: str, seed: int) -> results.Outcome:
    """Find the states for all numbers of observed points."""
    return results.Outcome(metrics=measured(variant, seed, COUNTS))


def rederive(recorded: results.Run) -> dict[str, object]:
    """Those of the fewest points."""
    return measured(recorded.variant, recorded.seed, COUNTS[:1])


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All of them."""
    return measured(recorded.variant, recorded.seed, COUNTS)


def measured(variant: str, seed: int, counts: tuple[int, ...]) -> dict[str, object]:
    """The metrics for some numbers of observed points."""
    tensors = results.one("latent_ode", variant, seed).tensors()
    parts = sets(seed, PLANS[variant].shift, counts)["test"]
    metrics: dict[str, object] = {}
    for n in counts:
        model, test = recorded_model(tensors, MODEL, n), parts[n]
        start = torch.as_tensor(states(model, test))[None]
        found = {"encoder": start, **fitted(model, test, start)}
        for way, state in found.items():
            for part, error in errors(model, test, state).items():
                metrics[f"rmse.{way}.{n}.{part}"] = error
        for name, way in (("left", "observed"), ("kept", "told")):
            for part in ("familiar", "new"):
                metrics[f"{name}.{n}.{part}"] = (
                    metrics[f"rmse.{way}.{n}.{part}"] / metrics[f"rmse.encoder.{n}.{part}"]
                )
    return metrics


def fitted(model: LatentODE, test: spirals.Spirals, start: Tensor) -> dict[str, Tensor]:
    """The most probable states at time 0 given some of the points, each (1, N, latent)."""
    exact = torch.as_tensor(test.truth / SCALE).float()[None]
    noisy = torch.as_tensor(test.noisy / SCALE).float()[None]
    shown = torch.as_tensor(test.observed)[None]
    first = (torch.arange(len(test.t)) < POINTS).expand(shown.shape)
    seen = torch.cat((shown, first, ~first), 1)  # in the order of WAYS, all ways at once
    x = torch.cat((noisy, exact, exact), 1)
    state = start.repeat(1, len(WAYS), 1).requires_grad_()
    optimiser, t = torch.optim.Adam([state], RATE), torch.as_tensor(test.t).float()
    precision = (SCALE / spirals.NOISE) ** 2
    for _ in range(STEPS):
        error = (model.decode(model.trajectory(state, t)) - x).square().sum(-1)
        loss = precision * torch.where(seen, error, 0.0).sum() + state.square().sum()
        (state.grad,) = torch.autograd.grad(loss, [state])
        optimiser.step()
    return dict(zip(WAYS, state.detach().chunk(len(WAYS), 1), strict=True))


@torch.no_grad()
def errors(model: LatentODE, test: spirals.Spirals, state: Tensor) -> dict[str, float]:
    """Errors of the trajectories from these states, against the curve."""
    t = torch.as_tensor(test.t).float()
    error = SCALE * model.decode(model.trajectory(state, t))[0].numpy() - test.truth
    return {"near": rms(error[:, :POINTS]), **by_ground(error[:, POINTS:], test)}
