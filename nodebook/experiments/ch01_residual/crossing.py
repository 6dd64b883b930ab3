"""The map x -> -x on [-1, 1]: what flows on a line cannot learn, and what repairs it.

Solutions of ``z' = f(t, z)`` on a line cannot cross, so that ``z(0) -> z(1)`` increases. The
increasing map nearest to ``-x`` in the mean square is the limit of maps that press everything
to 0, and its loss is the mean of ``x^2``: no flow reaches that bound. Models of seed k, two
hidden layers of 16 tanh units each:

- ``flow``: ``z' = f(z)``; ``timed``: ``z' = f(t, z)``
- ``augmented``: ``(z, a)' = f(z, a)``, ``a(0) = 0``, the output is z (Dupont et al. 2019)
- ``residual``: one block ``z + f(z)``
- ``euler``: ``z' = f(z)`` by three steps of Euler's method

The flows are trained through ten Runge-Kutta 4 steps. All models get the same 24 points, 800 steps
of Adam and the rate of ``RATES`` with the least mean loss on 50 validation points. Metrics, on 201
test points and with the flows solved to 1e-8:

- ``bound``: mean of ``x^2``; ``isotonic``: the same by isotonic regression
- ``loss.<model>``, ``over_bound.<model>``: that less the bound, over the bound
- ``increasing.<model>``: whether the map increases everywhere, ``decreasing.<model>``
- ``euler.as_flow``: loss of the field that Euler's three steps were trained with, solved to 1e-8
- ``represents.<kind>``: "yes" if the loss of the kind's model is below a hundredth of the bound
"""

from collections.abc import Mapping, Sequence

import torch
from sklearn.isotonic import isotonic_regression
from torch import Tensor, nn

from nodebook.evidence import results
from nodelib import odeint
from nodelib.models.blocks import TimedField
from nodelib.models.networks import MLP, Field, load_weights, member_weights
from nodelib.seeds import generator
from nodelib.training import Recipe, train

VARIANTS = ("negation",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
#: Losses near 0, and distances to the bound that are, depend on rounding.
TOLERANCE = {"*bound.*": 1e3, "loss.*": 0.1, "euler.*": 2e-2, "bound": 1e-6, "isotonic": 1e-6}

MODELS = ("flow", "timed", "augmented", "residual", "euler")
RATES = (3e-3, 1e-2, 3e-2)
STEPS = 800
TIGHT = {"rtol": 1e-8, "atol": 1e-8}


def build(model: str, seeds: int | Sequence[int]) -> nn.Module:
    """The field of a model, one network or several side by side."""
    if model == "timed":
        return TimedField(MLP((2, 16, 16, 1), seeds=seeds))
    size = 2 if model == "augmented" else 1
    return Field(MLP((size, 16, 16, size), seeds=seeds))


def apply(model: str, field: nn.Module, x: Tensor, tight: bool = False) -> Tensor:
    """The model's map of points (..., n, 1); ``tight`` solves the flows to 1e-8."""
    z = torch.cat((x, torch.zeros_like(x)), -1) if model == "augmented" else x
    if model == "residual":
        return z + field(torch.zeros(()), z)
    settings = {"method": "rk4", "grad": "backprop", "options": {"num_steps": 10}}
    if model == "euler":
        settings |= {"method": "euler", "options": {"num_steps": 3}}
    elif tight:
        settings = {"method": "dopri5", **TIGHT}
    return odeint(field, z, [0.0, 1.0], **settings)[-1][..., :1]


def points(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Equally spaced points of [-1, 1], shape (count, 1)."""
    return torch.linspace(-1, 1, count, dtype=dtype).unsqueeze(-1)


def loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean square of ``y - (-x)`` over the last two axes."""
    return (y + x).square().mean((-2, -1))


def fit(model: str, seeds: Sequence[int], recipe: Recipe):
    """Train the networks of one model side by side; returns the field and the history."""
    field = build(model, seeds)
    x = points(24).expand(len(seeds), -1, -1)
    history = train(
        field,
        lambda step: loss(x, apply(model, field, x)),
        recipe,
        members=len(seeds),
        label=model,
    )
    return field, history


@torch.no_grad()
def validation_loss(model: str, field: nn.Module, members: int) -> list[float]:
    """Loss of each network on 50 random points, on the grid of training."""
    x = 2 * torch.rand(50, 1, generator=generator(0, 1)) - 1
    x = x.expand(members, -1, -1)
    return loss(x, apply(model, field, x)).tolist()


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Train every model at every rate, choose the rates, and measure."""
    tensors: dict[int, dict[str, Tensor]] = {seed: {} for seed in seeds}
    losses: dict[int, dict[str, object]] = {seed: {} for seed in seeds}
    rates, tuning = {}, {}
    for model in MODELS:
        tried = {rate: fit(model, seeds, Recipe(STEPS, rate, "cosine")) for rate in RATES}
        found = {rate: validation_loss(model, tried[rate][0], len(seeds)) for rate in RATES}
        best = min(RATES, key=lambda rate: sum(found[rate]))
        rates[f"rate.{model}"] = best
        tuning[model] = {f"{rate:g}": found[rate] for rate in RATES}
        field, history = tried[best]
        for k, seed in enumerate(seeds):
            own = member_weights(field, k)
            tensors[seed] |= {f"{model}.{name}": value for name, value in own.items()}
            losses[seed][model] = history.thinned(k, 40)
    return {
        seed: results.Outcome(
            metrics={**rates, **measures(tensors[seed])},
            history={"validation_loss": tuning, "losses": losses[seed]},
            tensors=tensors[seed],
            parameters=sum(value.numel() for value in tensors[seed].values()),
        )
        for seed in seeds
    }


def rederive(recorded: results.Run) -> dict[str, object]:
    """Everything but the rates, from the weights."""
    return measures(recorded.tensors())


def restored(weights: Mapping[str, Tensor], model: str) -> nn.Module:
    """The recorded field of a model, in float64."""
    prefix = f"{model}."
    own = {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    return load_weights(build(model, 0), own).double()


@torch.no_grad()
def measures(weights: Mapping[str, Tensor]) -> dict[str, object]:
    """All metrics but the rates."""
    x = points(201, torch.float64)
    bound = float(x.square().mean())
    nearest = torch.from_numpy(isotonic_regression(-x[:, 0].numpy())).unsqueeze(-1)
    metrics: dict[str, object] = {"bound": bound, "isotonic": float(loss(x, nearest))}
    for model in MODELS:
        field = restored(weights, model)
        y = apply(model, field, x, tight=True)
        found = float(loss(x, y))
        metrics[f"loss.{model}"] = found
        metrics[f"over_bound.{model}"] = found / bound - 1
        metrics[f"increasing.{model}"] = bool((y.diff(dim=0) > 0).all())
        metrics[f"decreasing.{model}"] = bool((y.diff(dim=0) < 0).all())
        metrics[f"represents.{model}"] = "yes" if found < bound / 100 else "no"
    flow = apply("flow", restored(weights, "euler"), x, tight=True)
    metrics["euler.as_flow"] = float(loss(x, flow))
    return metrics
