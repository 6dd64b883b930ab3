"""The models of chapter 06 on spirals, and the sets that they are trained and tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nodebook import paths
from nodebook.evidence import results
from nodelib.data import spirals
from nodelib.data.spirals import POINTS, SPACING
from nodelib.models.latent.ode import LatentODE, Sizes
from nodelib.models.latent.recurrent import Forecaster
from nodelib.models.networks import load_weights
from nodelib.training import History, Recipe
from nodelib.training.series import Series, fit

PAPER = Sizes()
"""The paper's numbers of units."""


@dataclass(frozen=True)
class Plan:
    """What a variant trains: models, on ``counts`` points of curves ``shift`` from the origin.

    ``last_start`` is that of the training spirals alone; ``sizes`` are those of latent ODEs, whose
    divergence is ``annealed`` over so many steps. Encoders begin as those that were recorded of the
    same seed and number of points in the variant ``encoders_of``. A training that is ``resumable``
    goes on where it was interrupted.
    """

    models: tuple[str, ...]
    rates: tuple[float, ...] = (0.01,)
    steps: int = 4000
    shift: float = spirals.SHIFT
    counts: tuple[int, ...] = (30, 50, 100)
    batch: int = 32
    last_start: int = spirals.LAST_START
    sizes: Sizes = PAPER
    annealed: int = 0
    encoders_of: str = ""
    resumable: bool = False


PLANS = {
    "spirals": Plan(("ode", "ode_times", "rnn", "rnn_times"), rates=(0.003, 0.01)),
    "shared-centre": Plan(("ode_times",), shift=0.0),
    "grid-encoder": Plan(("ode_grid",)),
    "longer": Plan(("ode_times",), steps=12_000),
    "longer-recurrent": Plan(("rnn_times",), steps=12_000),
    "everywhere": Plan(
        ("ode_times", "rnn_times"), steps=12_000, last_start=spirals.LAST_START + POINTS
    ),
    "annealed": Plan(("ode_times",), steps=12_000, annealed=4000),
    "larger": Plan(
        ("ode_times",), steps=12_000, sizes=Sizes(encoder=50, field=(40, 40), decoder=40)
    ),
    "larger-batch": Plan(("ode_times",), steps=12_000, batch=128),
    "larger-batch-recurrent": Plan(("rnn_times",), steps=12_000, batch=128),
    "warm-encoder": Plan(("ode_times",), steps=12_000, encoders_of="longer"),
    **{
        f"long-{name}": Plan((name,), steps=40_000, batch=128, resumable=True)
        for name in ("ode", "ode_times", "rnn", "rnn_times")
    },
}

COUNTS = PLANS["spirals"].counts
LABELS = {
    "ode": "latent ODE, no times",
    "ode_times": "latent ODE, with times",
    "ode_grid": "latent ODE, grid at once",
    "rnn": "recurrent, no times",
    "rnn_times": "recurrent, with times",
}
ENCODER = ("encoder.", "posterior.")
"""How the names of an encoder's parameters begin."""
CLIP = 1.0
SCALE = 5.0
NODE = 10
BINS = 10
FAMILIAR = spirals.LAST_START - POINTS

Model = LatentODE | Forecaster


def build(name: str, seeds: Sequence[int], sizes: Sizes = PAPER) -> Model:
    """Untrained models of this name side by side; ``sizes`` are those of a latent ODE."""
    times = name.endswith("_times")
    if name.startswith("rnn"):
        return Forecaster(times=times, seeds=seeds)
    nodes = torch.arange(0, 2 * POINTS + 1, NODE) * SPACING
    if name == "ode_grid":
        sizes = replace(sizes, places=POINTS)
    return LatentODE(sizes, times=times, nodes=nodes, seeds=seeds)


def sets(
    seed: int,
    shift: float,
    counts: Sequence[int] = COUNTS,
    last_start: int = spirals.LAST_START,
) -> dict[str, dict]:
    """For each split and number of observations the spirals of a seed.

    ``last_start`` is that of the training spirals; those of the other parts are always the same.
    """
    parts = spirals.split(1000, seed)
    whole = {n: spirals.make(seed, observed=n, shift=shift) for n in counts}
    found = {
        part: {n: made.take(which) for n, made in whole.items()} for part, which in parts.items()
    }
    if last_start != spirals.LAST_START:
        found["train"] = {
            n: spirals.make(seed, observed=n, shift=shift, last_start=last_start).take(
                parts["train"]
            )
            for n in counts
        }
    return found


def series(every: Sequence[spirals.Spirals]) -> Series:
    """One set of spirals for each network, scaled, as the models take them."""
    return Series.of(every[0].t, [s.noisy / SCALE for s in every], [s.observed for s in every])


def strides(name: str, n: int) -> dict[str, float]:
    """The strides on offer beyond the observations, in points; one that means nothing to an ODE."""
    if not name.startswith("rnn"):
        return {"any": 1.0}
    mean = (POINTS + 1) / (n + 1)
    return {"mean": mean} if name == "rnn" else {"one": 1.0, "mean": mean}


@torch.no_grad()
def predict(model: Model, shown: Series, stride: float = 1.0) -> np.ndarray:
    """Predictions at all places of the grid, (S, N, T, 2), in the units of the curves.

    A recurrent network predicts the further points only; the others are NaN.
    """
    first = shown.until(POINTS)
    if isinstance(model, LatentODE):
        return SCALE * model.predict(first.t, first.x, first.observed, shown.t).numpy()
    after = shown.t[POINTS:]
    told = SCALE * model.forecast(first.t, first.x, first.observed, after, stride * SPACING)
    blank = np.full((*shown.x.shape[:2], POINTS, 2), np.nan, np.float32)
    return np.concatenate([blank, told.numpy()], axis=2)


def alone(name: str, weights: Mapping[str, Tensor], sizes: Sizes = PAPER) -> Model:
    """One model from its weights."""
    made = build(name, [0], sizes)
    return load_weights(made, {key: value[None] for key, value in weights.items()})


def recorded_model(tensors: Mapping[str, Tensor], name: str, n: int, sizes: Sizes = PAPER) -> Model:
    """One model of a recorded run."""
    start = f"{name}/{n}/"
    return alone(
        name,
        {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)},
        sizes,
    )


def retold(
    variant: str,
    tensors: Mapping[str, Tensor],
    chosen: Mapping[str, Mapping],
    name: str,
    test: spirals.Spirals,
    n: int,
) -> tuple[Model, np.ndarray]:
    """One model of a recorded run, and its predictions (N, T, 2) of spirals, in its stride."""
    model = recorded_model(tensors, name, n, PLANS[variant].sizes)
    stride = strides(name, n)[chosen[name][str(n)]["stride"]]
    return model, predict(model, series([test]), stride)[0]


def warm(model: Model, variant: str, name: str, members: Sequence[tuple[int, int]]) -> None:
    """Give each network the encoder recorded in another variant, of its seed and observations."""
    found = {seed: results.one("latent_ode", variant, seed).tensors() for seed, _ in members}
    for key, parameter in model.named_parameters():
        if key.startswith(ENCODER):
            rows = [found[seed][f"{name}/{n}/{key}"] for seed, n in members]
            parameter.data.copy_(torch.stack(rows))


def train_all(
    variant: str,
    name: str,
    train: Sequence[spirals.Spirals],
    members: Sequence[tuple[int, int]],
    rate: float,
) -> tuple[Model, History]:
    """Train models of one name side by side as a variant has it, each on its own spirals.

    ``members`` are their seeds, and how many points of each spiral are observed.
    """
    plan = PLANS[variant]
    seeds = [seed for seed, _ in members]
    model = build(name, seeds, plan.sizes)
    if plan.encoders_of:
        warm(model, plan.encoders_of, name, members)
    kept = paths.build() / "training" / f"latent_ode-{variant}-{name}-{rate:g}.safetensors"
    history = fit(
        model,
        series(train).until(POINTS),
        Recipe(plan.steps, rate, "one-cycle", clip=CLIP),
        seeds=seeds,
        scale=spirals.NOISE / SCALE,
        batch=plan.batch,
        annealed=plan.annealed,
        label=f"{name} at {rate:g}",
        checkpoint=kept if plan.resumable else None,
    )
    return model, history
