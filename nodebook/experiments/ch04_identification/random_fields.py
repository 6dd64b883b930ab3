"""Random vector fields of six kinds, each learned by a network and by models with structure.

For each kind and seed one field is drawn (``nodelib.fields.random``) and sampled: six training
trajectories of 101 points over 10 time units with Gaussian noise of s.d. 0.01, four trajectories
for validation and eight for the test, all from starts of their own in [-1.5, 1.5]^2. Models are
trained on random windows of 1 to 3 time units and at most 12 points, eight a step, each window with
its own irregular times. Width and rate were chosen for each model among ``SETTINGS``, after 1,000
steps, by the mean error on the validation trajectories of the seeds 100 and 101, which are fields
of their own (``choices``).

Models: ``network`` (2-64-64-2, tanh), ``polynomial`` (degree 3, 20 coefficients), ``hamiltonian``
(J grad H, two layers of 32), all trained alike; ``matching`` (the same polynomials, fitted in
closed form to central differences).

Metrics ``<kind>.<model>``: ``on`` (relative field error within 0.1 of the training trajectories),
``off`` (rest of the square [-1.8, 1.8]^2), ``rest`` (relative error of the test trajectories over
10 units), ``beyond`` (the training trajectories, solved from their true starts, from 10 to 20
units: extrapolation; over the spread of the data), ``validation``. ``<kind>.best``: the model with
the smallest ``rest``.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from nodebook.evidence import results
from nodebook.experiments.ch04_identification.identification import (
    distance_to,
    fit_windows,
    lattice,
    noisy,
    predict,
    relative_field_error,
    relative_trajectory_error,
    sample,
    starts_in_box,
)
from nodelib.fields.random import KINDS, draw_field, monomials
from nodelib.models.networks import MLP, Field, load_weights, member_weights
from nodelib.models.structured_fields import HamiltonianNetwork, Polynomial
from nodelib.training import Recipe
from nodelib.training.windows import Span

VARIANTS = ("kinds",)
SEEDS = tuple(range(5))
NEEDS = ()
TOLERANCE = {"*": 1e-3}

END, POINTS, NOISE, HALF = 10.0, 101, 0.01, 1.5
COUNTS = {"train": 6, "validation": 4, "test": 8}
SPAN, WINDOWS, STEPS_PER_INTERVAL = Span(1.0, 3.0, 12), 8, 2
RECIPE = Recipe(1500, 0.01, schedule="cosine", clip=1.0)
SETTINGS = {
    "network": ((32, 0.003), (32, 0.01), (32, 0.03), (64, 0.01), (64, 0.03)),
    "polynomial": ((0, 0.01), (0, 0.03)),
    "hamiltonian": ((32, 0.01), (32, 0.03)),
}
"""Units of a hidden layer and learning rate that were tried for each model."""

CHOSEN = {"network": (64, 0.01), "polynomial": (0, 0.01), "hamiltonian": (32, 0.01)}
"""Those that were chosen."""

TRAINED = ("network", "polynomial", "hamiltonian")
MODELS = (*TRAINED, "matching")
NEAR, SIDE = 0.1, 1.8

AGAIN = tuple(KINDS)[::3]
"""Kinds of fields that verification looks at."""
PART = " and ".join(AGAIN)


def times(until: float = END) -> Tensor:
    """Times of the observations, a tenth apart."""
    points = round(until / END * (POINTS - 1)) + 1
    return torch.linspace(0, until, points, dtype=torch.float64)


def starts(which: str, seed: int) -> Tensor:
    """Initial states of the trajectories of one part of the data: (count, 2)."""
    part = list(COUNTS).index(which)
    return starts_in_box(COUNTS[which], HALF, seed=10 * seed + part)


@functools.cache
def trajectories(kind: str, seed: int, which: str, until: float = END) -> Tensor:
    """True trajectories of one field, (count, N, 2)."""
    return sample(draw_field(kind, seed), starts(which, seed), times(until))


def observed(kind: str, seed: int) -> Tensor:
    """The training data of one field, (count, N, 2)."""
    return noisy(trajectories(kind, seed, "train"), NOISE, (seed,))[0]


def untrained(name: str, seeds, units: int) -> nn.Module:
    """A model of one kind, one for each entry of ``seeds``, side by side."""
    if name == "polynomial":
        return Polynomial(seeds)
    if name == "hamiltonian":
        return HamiltonianNetwork(units, seeds)
    return Field(MLP((2, units, units, 2), "tanh", seeds=seeds, dtype=torch.float64))


def matched(data: Tensor) -> Tensor:
    """Coefficients (1, 10, 2) by least squares of central differences: derivative matching."""
    t = times()
    slopes = (data[:, 2:] - data[:, :-2]) / (t[2] - t[0])
    terms = monomials(data[:, 1:-1]).reshape(-1, 10)
    found = np.linalg.lstsq(terms.numpy(), slopes.reshape(-1, 2).numpy(), rcond=None)[0]
    return torch.from_numpy(found)[None]


def learn(name: str, seeds, units: int, recipe: Recipe) -> nn.Module:
    """One model trained for all kinds and seeds, side by side in that order."""
    members = [(kind, seed) for kind in KINDS for seed in seeds]
    data = torch.stack([observed(*member) for member in members])
    owners = [seed for _, seed in members]
    model = untrained(name, owners, units)
    fit_windows(
        model,
        times(),
        data,
        owners,
        recipe,
        span=SPAN,
        count=WINDOWS,
        steps=STEPS_PER_INTERVAL,
    )
    return model


def run_together(variant: str, seeds: tuple[int, ...]) -> dict[int, results.Outcome]:
    """Train everything for all kinds and seeds."""
    learned = {
        name: learn(name, seeds, units, replace(RECIPE, rate=rate))
        for name, (units, rate) in CHOSEN.items()
    }
    outcomes = {}
    for k, seed in enumerate(seeds):
        tensors = {
            f"{kind}.{name}.{key}": value
            for row, kind in enumerate(KINDS)
            for name, model in learned.items()
            for key, value in member_weights(model, row * len(seeds) + k).items()
        }
        outcomes[seed] = results.Outcome(
            metrics=metrics(seed, tensors),
            tensors=tensors,
            parameters=learned["network"].network.count,
        )
    return outcomes


def rederive(run: results.Run) -> dict[str, object]:
    """The metrics of some kinds of fields, from the recorded weights."""
    return metrics(run.seed, run.tensors(), AGAIN)


def rederive_all(run: results.Run) -> dict[str, object]:
    """All metrics from the recorded weights."""
    return metrics(run.seed, run.tensors())


def metrics(
    seed: int, tensors: dict[str, Tensor], kinds: Sequence[str] = KINDS
) -> dict[str, object]:
    """Everything measured about the fields of one seed."""
    found: dict[str, object] = {}
    for kind in kinds:
        fields = {name: trained(kind, name, tensors) for name in TRAINED}
        fields["matching"] = load_weights(
            Polynomial((0,)), {"weights": matched(observed(kind, seed))}
        )
        found[kind] = {name: judge(kind, seed, field) for name, field in fields.items()}
        found[kind]["best"] = min(MODELS, key=lambda name: found[kind][name]["rest"])
    return found


def trained(kind: str, name: str, tensors: dict[str, Tensor]) -> nn.Module:
    """One trained model of one seed, with a leading axis of 1."""
    prefix = f"{kind}.{name}."
    weights = {
        key.removeprefix(prefix): value[None]
        for key, value in tensors.items()
        if key.startswith(prefix)
    }
    return load_weights(untrained(name, (0,), CHOSEN[name][0]), weights)


def judge(kind: str, seed: int, model: nn.Module) -> dict[str, float]:
    """Errors of one learned field."""
    true, t = draw_field(kind, seed), times(2 * END)
    train = trajectories(kind, seed, "train", 2 * END)
    points = lattice((-SIDE, -SIDE), (SIDE, SIDE), 41)
    near = distance_to(points, train[:, :POINTS].reshape(-1, 2)) <= NEAR
    with torch.no_grad():
        wanted, got = true(t[0], points), model(t[0], points[None])[0]
    ahead = predict(model, starts("train", seed)[None], t, steps=2)[0]
    errors = {
        "on": relative_field_error(got[near], wanted[near]),
        "off": relative_field_error(got[~near], wanted[~near]),
        "beyond": relative_trajectory_error(
            ahead[:, POINTS:], train[:, POINTS:], unit=train[:, :POINTS]
        ),
    }
    errors["rest"] = trajectory_error(kind, seed, "test", model)
    errors["validation"] = trajectory_error(kind, seed, "validation", model)
    return errors


def trajectory_error(kind: str, seed: int, part: str, model: nn.Module) -> float:
    """Relative error of one learned field on the trajectories of one part of the data."""
    paths = predict(model, starts(part, seed)[None], times(), steps=2)[0]
    return relative_trajectory_error(paths, trajectories(kind, seed, part))


def choices(name: str, steps: int = 1000, seeds: tuple[int, ...] = (100, 101)) -> list[float]:
    """Mean validation error of each setting of a model, on fields that are not recorded."""
    found = []
    for units, rate in SETTINGS[name]:
        learned = learn(name, seeds, units, replace(RECIPE, steps=steps, rate=rate))
        errors = []
        for k, (kind, seed) in enumerate((kind, seed) for kind in KINDS for seed in seeds):
            weights = member_weights(learned, k)
            alone = untrained(name, (0,), units)
            load_weights(alone, {key: value[None] for key, value in weights.items()})
            errors.append(trajectory_error(kind, seed, "validation", alone))
        found.append(float(np.mean(errors)))
    return found
