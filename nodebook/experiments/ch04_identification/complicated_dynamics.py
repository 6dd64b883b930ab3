"""Document 001's "more complicated random dynamics", learned by a network and by two rivals.

The deck prints a figure and no equation. The public code that its listing agrees with has the
field ``random_fields.TwoCentres``, with fixed constants, a network 2-16-16-2 with ELU, and 3,000
steps; start, times, noise, windows, Adam and its rate are those of the listing. Data come from the
true flow and models take one Runge-Kutta step between observations.

Every model is trained twice: on all 200 points (``whole``), and on the first 120, three fifths
of the time (``part``). Nothing was chosen by us: no validation data are needed, and the held-out
trajectories are test data.

Variants: ``listing`` is trained as the listing does. ``patient`` asks what the method can do: eight
windows a step instead of one, and a rate that falls along a cosine; all else is the same.

Models, all trained alike: ``network``; ``structure`` (``TwoCentres`` with its ten constants
unknown); ``map`` (a residual block, state to state one sampling interval later, with a network of
the same size: the discrete rival for data that are equally spaced).

Metrics ``<part>.<model>``: ``fit`` (relative trajectory error over the time of the data, from the
true start), ``beyond`` (over 100 points more; for ``part`` the 80 that were left out; over the
spread of the data), ``rest`` (eight trajectories of 60 points from starts in [-1.5, 1.5]^2);
``matched`` ("matched" if the RMS distance on each coordinate over the time of the data is within
the noise, 0.01, "roughly" within 0.1, else "missed"). Of ``network`` and ``structure`` the relative
field error: ``on`` (within 0.1 of the data), ``off`` (the rest of the box around them), and
``where`` it is at most 0.1 ("everywhere", "near the data", "nowhere"). ``finer`` is the error at
the midpoints of the sampling intervals, which the map can only reach by interpolation (linear).
``advantage`` of the network: "none" unless its error on ``rest`` is at most 0.9 times that of the
map.

The tensors hold the networks of ``SNAPSHOTS`` steps too, for the moving picture.
"""

import functools
from dataclasses import replace

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
from nodelib.fields.random import TwoCentres
from nodelib.models.networks import MLP, Field, load_weights, member_weights
from nodelib.models.structured_fields import two_centres_at_random
from nodelib.training import Recipe

VARIANTS = ("listing", "patient")
SEEDS = tuple(range(10))
NEEDS = ()
TOLERANCE = {"*": 1e-4}

START, T_MAX, POINTS, NOISE = (0.6, 0.3), 6.29 * 5, 200, 0.01
SEEN = {"whole": POINTS, "part": 120}
AHEAD = 100
SIZES, ACTIVATION = (2, 16, 16, 2), "elu"
RECIPE = Recipe(3000, 0.01)
WINDOWS = {"listing": 1, "patient": 8}
SCHEDULE = {"listing": "constant", "patient": "cosine"}
MODELS = ("network", "structure", "map")
SNAPSHOTS = (0, 30, 60, 120, 200, 300, 450, 650, 900, 1300, 1800, 2400, 3000)
NEAR, CLOSE = 0.1, 0.1
MARGIN = 0.5


class Steps(nn.Module):
    """A map from each state to the one a sampling interval later, ``z + network(z)``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> Tensor:
        """The next state."""
        return z + self.network(z)

    def walk(self, z0: Tensor, count: int) -> Tensor:
        """``count`` states (..., count, d) from ``z0``, itself the first."""
        states = [z0]
        for _ in range(count - 1):
            states.append(self(states[-1]))
        return torch.stack(states, -2)


def times(part: str = "whole") -> Tensor:
    """Times of the observations, (N,)."""
    return torch.linspace(0, T_MAX, POINTS, dtype=torch.float64)[: SEEN[part]]


def models(seeds) -> dict[str, nn.Module]:
    """Untrained models for all seeds, side by side."""
    return {
        "network": Field(MLP(SIZES, ACTIVATION, seeds=seeds, dtype=torch.float64)),
        "structure": two_centres_at_random(seeds),
        "map": Steps(MLP(SIZES, ACTIVATION, seeds=seeds, dtype=torch.float64)),
    }


@functools.cache
def clean(part: str = "whole") -> Tensor:
    """The true trajectory at the times of the data, (N, 2)."""
    return sample(TwoCentres(), torch.tensor(START, dtype=torch.float64), times(part))


def run_together(variant: str, seeds: tuple[int, ...]) -> dict[int, results.Outcome]:
    """Train the three models for all seeds, on the whole and on a part, side by side."""
    members = [(part, seed) for part in SEEN for seed in seeds]
    owners, seen = [seed for _, seed in members], [SEEN[part] for part, _ in members]
    observed = noisy(clean(), NOISE, owners)
    learned, histories, frames = models(owners), {}, []

    def keep(step: int) -> None:
        if step in SNAPSHOTS:
            frames.append([member_weights(learned["network"], k) for k in range(len(seeds))])

    for name, model in learned.items():
        extra = {"advance": _walked} if name == "map" else {}
        extra |= {"on_step": keep} if name == "network" else {}
        histories[name] = fit_windows(
            model,
            times(),
            observed,
            owners,
            replace(RECIPE, schedule=SCHEDULE[variant]),
            count=WINDOWS[variant],
            seen=seen,
            **extra,
        )
    outcomes = {}
    for k, seed in enumerate(seeds):
        tensors = {
            f"{part}.{name}.{key}": value
            for row, part in enumerate(SEEN)
            for name, model in learned.items()
            for key, value in member_weights(model, row * len(seeds) + k).items()
        }
        for step, frame in zip(SNAPSHOTS, frames, strict=True):
            tensors |= {f"frame{step}.{key}": value.float() for key, value in frame[k].items()}
        outcomes[seed] = results.Outcome(
            metrics=metrics(tensors),
            history={name: history.thinned(k, 60) for name, history in histories.items()},
            tensors=tensors,
            parameters=learned["network"].network.count,
        )
    return outcomes


def rederive(run: results.Run) -> dict[str, object]:
    """All metrics from the recorded weights."""
    return metrics(run.tensors())


def one_model(name: str, tensors: dict[str, Tensor], prefix: str) -> nn.Module:
    """A model of one seed (leading axis 1): of the tensors whose names begin with ``prefix.``."""
    weights = {
        key.removeprefix(f"{prefix}."): value[None].double()
        for key, value in tensors.items()
        if key.startswith(f"{prefix}.")
    }
    return load_weights(models((0,))[name], weights).requires_grad_(False)


def metrics(tensors: dict[str, Tensor]) -> dict[str, object]:
    """Everything measured about one seed."""
    return {part: judge(part, tensors) for part in SEEN}


@functools.cache
def held_out(part: str) -> tuple[Tensor, ...]:
    """Times half a sampling interval apart, the true course, other starts and their courses."""
    n = SEEN[part]
    ahead = AHEAD + n if part == "whole" else POINTS
    dt = T_MAX / (POINTS - 1)
    half = torch.arange(2 * ahead - 1, dtype=torch.float64) * dt / 2
    course = sample(TwoCentres(), torch.tensor(START, dtype=torch.float64), half)
    others = starts_in_box(8, 1.5, seed=1)
    return half, course, others, sample(TwoCentres(), others, half[:119])[..., ::2, :]


def judge(part: str, tensors: dict[str, Tensor]) -> dict[str, object]:
    """The errors of the models of one seed that saw one part of the data."""
    n = SEEN[part]
    half, fine, others, rest = held_out(part)
    z0, ahead = torch.tensor(START, dtype=torch.float64), (len(half) + 1) // 2
    found: dict[str, object] = {}
    for name in MODELS:
        model = one_model(name, tensors, f"{part}.{name}")
        if name == "map":
            whole, elsewhere = model.walk(z0[None], ahead)[0], model.walk(others[None], 60)[0]
            between = (whole[: n - 1] + whole[1:n]) / 2
        else:
            course = predict(model, z0[None], half)[0]
            whole, between = course[::2], course[1 : 2 * n - 1 : 2]
            elsewhere = predict(model, others[None], half[:119])[0][..., ::2, :]
        rms = float((whole[:n] - fine[: 2 * n : 2]).square().mean().sqrt())
        found[name] = {
            "fit": relative_trajectory_error(whole[:n], fine[: 2 * n : 2]),
            "finer": relative_trajectory_error(between, fine[1 : 2 * n - 1 : 2]),
            "beyond": relative_trajectory_error(
                whole[n:], fine[2 * n :: 2], unit=fine[: 2 * n : 2]
            ),
            "rest": relative_trajectory_error(elsewhere, rest),
            "matched": closeness(rms),
        }
        if name != "map":
            found[name] |= field_errors(part, model)
    better = found["network"]["rest"] <= 0.9 * found["map"]["rest"]
    found["advantage"] = "some" if better else "none"
    return found


def closeness(rms: float) -> str:
    """What a distance per coordinate is called."""
    if rms <= NOISE:
        return "matched"
    return "roughly" if rms <= 10 * NOISE else "missed"


def field_errors(part: str, model: nn.Module) -> dict[str, object]:
    """Relative error of a learned field on the data and in the rest of their box."""
    points, near = box(part)
    with torch.no_grad():
        wanted = TwoCentres()(torch.zeros(()), points)
        got = model(torch.zeros(()), points[None])[0]
    on = relative_field_error(got[near], wanted[near])
    off = relative_field_error(got[~near], wanted[~near])
    where = "nowhere" if on > CLOSE else "near the data" if off > CLOSE else "everywhere"
    return {"on": on, "off": off, "where": where}


@functools.cache
def box(part: str) -> tuple[Tensor, Tensor]:
    """A lattice over the box around the data with a margin, and which points are near the data."""
    data = clean(part)
    low, high = data.min(0).values - MARGIN, data.max(0).values + MARGIN
    points = lattice(low.tolist(), high.tolist(), 61)
    return points, distance_to(points, data) <= NEAR


def _walked(model: Steps, first: Tensor, t: Tensor) -> Tensor:
    return model.walk(first, t.shape[-1])
