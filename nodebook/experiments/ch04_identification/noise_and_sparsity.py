"""The linear spiral from noisier and fewer samples: neural ODE against least squares.

The data of ``spiral_identification`` (true flow) with 25 to 400 points over the same time (the
variants) and Gaussian noise of s.d. 0 to 0.3. Training is the deck's (Adam 0.01, 500 steps, a
random window of 1 to 5 time units and at most 32 points each step, at least two). Runge-Kutta steps
are at most 0.2 long.

Methods: ``windows`` (the deck's: random matrix to start from, windows start from noisy
observations), ``warm`` (the same from the estimate by differences), ``shooting`` (the same start,
all data every step, initial states of the windows learned), and the estimators ``differences``,
``logarithm`` and ``trajectory`` of ``nodebook.experiments.ch04_identification.linear_estimates``.

Metrics ``<noise>.<method>``, the noise in thousandths (``n10`` is 0.01): ``error`` (relative
error of the matrix, Frobenius, at most 10) and ``decay`` (bounded likewise; the true one is 0.1).
An estimator that failed by its own criterion, no fit converged, counts as lost: 10 for both.

What an optimiser found is recorded and judged, also of ``trajectory``: where noise or gaps leave
its sum of squares several minima (here from noise 0.2 on), another processor's roundings can lead
the same code to another of them. Only the closed forms are derived again from the data.
"""

import math

import numpy as np
import torch
from torch import Tensor

from nodebook.evidence import results
from nodebook.evidence.tolerance import Tolerance
from nodebook.experiments.ch04_identification.identification import (
    LOST,
    Matrices,
    as_array,
    fit_segments,
    fit_windows,
    noisy,
)
from nodebook.experiments.ch04_identification.linear_estimates import (
    ESTIMATORS,
    decay_and_frequency,
    relative_error,
)
from nodebook.experiments.ch04_identification.spiral_identification import (
    RECIPE,
    START,
    T_MAX,
    set_matrices,
    truth,
)
from nodelib.fields import Linear

VARIANTS = ("points-25", "points-50", "points-100", "points-200", "points-400")
SEEDS = tuple(range(10))
NEEDS = ()
TOLERANCE = {
    # the floor is for estimates from data without noise, exact up to the roundings of a logarithm
    "*": Tolerance(1e-5, 1e-10),
}

NOISES = {"n0": 0.0, "n10": 0.01, "n30": 0.03, "n100": 0.1, "n200": 0.2, "n300": 0.3}
TRAINED = ("windows", "warm", "shooting")
RECORDED = (*TRAINED, "trajectory")
METHODS = (*TRAINED, *ESTIMATORS)
LONGEST_STEP = 0.2


def times(variant: str) -> Tensor:
    """Times of the observations, (N,)."""
    return torch.linspace(0, T_MAX, int(variant.removeprefix("points-")), dtype=torch.float64)


def observations(variant: str, seeds) -> Tensor:
    """Data of all noises and seeds, in that order: (noises * S, N, 2)."""
    start = torch.tensor(START, dtype=torch.float64)
    clean = Linear(truth()).exact(times(variant), start).detach()
    return torch.cat([noisy(clean, deviation, seeds) for deviation in NOISES.values()])


def run_together(variant: str, seeds: tuple[int, ...]) -> dict[int, results.Outcome]:
    """Train all methods for all noises and seeds side by side."""
    t, observed = times(variant), observations(variant, seeds)
    owners = list(seeds) * len(NOISES)
    steps = math.ceil(float(t[1]) / LONGEST_STEP)
    fields = {name: Matrices(owners) for name in TRAINED}
    for name in ("warm", "shooting"):
        set_matrices(fields[name], t, observed)
    for name in ("windows", "warm"):
        fit_windows(fields[name], t, observed, owners, RECIPE, steps=steps)
    fit_segments(fields["shooting"], t, observed, RECIPE, steps=steps)
    outcomes = {}
    for k, seed in enumerate(seeds):
        tensors = {
            f"{noise}.{name}": field.matrix.detach()[row * len(seeds) + k]
            for row, noise in enumerate(NOISES)
            for name, field in fields.items()
        }
        for noise, rows in zip(NOISES, observed[k :: len(seeds)].numpy(), strict=True):
            fitted = ESTIMATORS["trajectory"](t.numpy(), rows)
            tensors[f"{noise}.trajectory"] = torch.from_numpy(fitted)
        outcomes[seed] = results.Outcome(
            metrics=metrics(variant, seed, tensors), tensors=tensors, parameters=4
        )
    return outcomes


def rederive(run: results.Run) -> dict[str, object]:
    """All metrics from the recorded matrices and, for the closed forms, from the data."""
    return metrics(run.variant, run.seed, run.tensors())


def metrics(variant: str, seed: int, tensors: dict[str, Tensor]) -> dict[str, object]:
    """Everything measured about one seed."""
    t, observed = times(variant).numpy(), observations(variant, (seed,)).numpy()
    found: dict[str, object] = {}
    for noise, rows in zip(NOISES, observed, strict=True):
        found[noise] = {}
        for name in METHODS:
            kept = name in RECORDED
            matrix = as_array(tensors[f"{noise}.{name}"]) if kept else ESTIMATORS[name](t, rows)
            found[noise][name] = judge(matrix)
    return found


def judge(matrix: np.ndarray) -> dict[str, float]:
    """Errors of one estimate of the matrix; what is not finite is lost."""
    if not np.isfinite(matrix).all():
        return {"error": LOST, "decay": LOST}
    decay = decay_and_frequency(matrix)[0]
    return {
        "error": min(relative_error(matrix, as_array(truth())), LOST),
        "decay": max(-LOST, min(decay, LOST)),
    }
