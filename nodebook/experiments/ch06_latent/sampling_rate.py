"""Does a finer output grid raise the sampling rate, and how far can one run past the end?

A latent ODE is trained on every k-th point of a signal and then asked for all of them: those held
back in between, and those past the last. Plain interpolation of the same samples is the measure.

Variants: ``spirals`` (``nodelib.data.spirals``, split as in ``latent_ode``, every 2nd, 5th or
10th of 100 noisy points; errors against the curve, on 200 test spirals, in units of 5) and ``ecg``
(the five real minutes of ``data.toy_ecg``, 360 Hz, every 4th, 8th or 16th sample, windows of 0.71
s; training on the first three minutes, validation on the fourth, test on the fifth; errors against
the recorded samples, in units of the signal's standard deviation). Training windows begin on a grid
of 16 samples, so that no model ever sees a sample that is held back.

The latent ODE is that of ``latent_ode``, with an encoder that reads the regular grid at once; for
the ECG it is larger (``ECG_SIZES``). ``RATE``, the number of steps and the noise that is assumed of
the ECG were settled on the validation parts with seed 100, by the error at held-back points. In
reality these would not be at hand, which favours the latent ODE. So does its encoder, with which
errors on further points are smaller in ``latent_ode``.

Metrics, root mean square errors of the test part:

- ``between.<way>.<k>``: at the held-back points from the first to the last sample; ways: ``ode``;
  ``spline``, the cubic spline through the samples; ``smooth``, the cubic smoothing spline that
  knows the noise (spirals only); ``linear``; ``mean``, the mean of the samples
- ``between.ratio.<k>``: that of ``ode`` over that of ``spline``; ``between.ratio_smooth.<k>``
- ``at_samples.<k>``: difference of ``ode`` from the samples at the samples themselves
- ``past.<way>.<k>``: at the points past the last sample, for as long again; ``hold`` holds the last
  sample
- ``past.ratio.<k>``: error of ``ode`` over that of a simple guess, ``hold`` (spirals) or ``mean``
  (ecg); ``past.ratio_spline.<k>``: over that of ``spline``
- ``past.growth.<k>``: error of ``ode`` in the last tenth of that time over that in the first
- ``grid_change.<k>``: how far ``ode``'s outputs at the samples move if the solver's grid is made as
  fine as the signal's

The history holds the error past the end by tenth.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.interpolate import CubicSpline, UnivariateSpline
from torch import Tensor

from nodebook.evidence import results
from nodebook.experiments.ch06_latent.signals import (
    Signal,
    signal,
)
from nodelib import data
from nodelib.models.latent.ode import LatentODE
from nodelib.models.networks import load_weights, member_weights
from nodelib.training import History, Recipe
from nodelib.training.series import Series, fit, rms

VARIANTS = ("spirals", "ecg")
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
TOLERANCE = {"*.spline.*": 1e-9, "*.smooth.*": 1e-6, "grid_change*": 0.1, "*": 5e-3}

RATE = 0.01
BATCH, CLIP = 32, 1.0
TENTHS = 10


def build(of: Signal, seeds: Sequence[int], node: int | None = None) -> LatentODE:
    """Untrained models side by side; ``node`` replaces the signal's own."""
    node = of.node if node is None else node
    nodes = torch.arange(0, 2 * of.length + node, node) * float(of.t[1] - of.t[0])
    return LatentODE(of.sizes, times=False, nodes=nodes, seeds=seeds)


def alone(of: Signal, weights: Mapping[str, Tensor], node: int | None = None) -> LatentODE:
    """One model from its weights."""
    return load_weights(build(of, [0], node), {key: value[None] for key, value in weights.items()})


@torch.no_grad()
def predict(model: LatentODE, shown: Series, t: np.ndarray) -> np.ndarray:
    """Predictions at the times ``t``, (N, T, n)."""
    at = torch.as_tensor(t, dtype=torch.float32)
    return model.predict(shown.t, shown.x, shown.observed, at)[0].numpy().astype(np.float64)


def train_all(
    of: Sequence[Signal], kept: Sequence[int], seeds: Sequence[int], rate: float = RATE
) -> tuple[LatentODE, History]:
    """Train models side by side, each on every k-th point of its own signal."""
    model = build(of[0], seeds)
    each = [one.series("train", k) for one, k in zip(of, kept, strict=True)]
    shown = Series(each[0].t, torch.cat([s.x for s in each]), torch.cat([s.observed for s in each]))
    recipe = Recipe(of[0].steps, rate, "one-cycle", clip=CLIP)
    history = fit(
        model, shown, recipe, seeds=seeds, scale=of[0].noise, batch=BATCH, label=f"rate {rate:g}"
    )
    return model, history


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Train for all k and seeds side by side, and test."""
    of = {seed: signal(variant, seed) for seed in seeds}
    members = [(seed, k) for seed in seeds for k in of[seed].kept]
    signals, kept = [of[seed] for seed, _ in members], [k for _, k in members]
    model, history = train_all(signals, kept, [seed for seed, _ in members])
    outcomes = {}
    for seed in seeds:
        own = [(i, k) for i, (member, k) in enumerate(members) if member == seed]
        tensors = {
            f"{k}/{name}": value for i, k in own for name, value in member_weights(model, i).items()
        }
        measured, past = measure(of[seed], tensors)
        outcomes[seed] = results.Outcome(
            metrics=measured,
            history={"training": {str(k): history.thinned(i, 60) for i, k in own}, "past": past},
            tensors=tensors,
            parameters=model.count,
            data=[data.toy_ecg().provenance] if variant == "ecg" else [],
        )
    return outcomes


def rederive(run: results.Run) -> dict[str, object]:
    """All metrics, from the recorded weights."""
    return measure(signal(run.variant, run.seed), run.tensors())[0]


def weights_of(tensors: Mapping[str, Tensor], k: int) -> dict[str, Tensor]:
    """The weights of one k."""
    start = f"{k}/"
    return {
        name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)
    }


def held_back(of: Signal, k: int) -> np.ndarray:
    """Points between the first and the last sample that are no samples."""
    points = np.arange((of.length - 1) // k * k)
    return points[points % k != 0]


def score_between(of: Signal, k: int, weights: Mapping[str, Tensor], part: str) -> float:
    """Error of the latent ODE at the held-back points."""
    points = held_back(of, k)
    told = predict(alone(of, weights), of.series(part, k), of.t[points])
    return rms(told - of.truth[part][:, points])


def by_hand(of: Signal, k: int, part: str = "test") -> dict[str, np.ndarray]:
    """What plain methods make of the samples of a part, each (N, T, n)."""
    places = np.arange(0, of.length, k)
    t, x = of.t[places], of.given[part][:, places]
    shape = of.truth[part].shape
    told = {
        "spline": CubicSpline(t, x, axis=1)(of.t),
        "linear": np.apply_along_axis(lambda v: np.interp(of.t, t, v), 1, x),
        "mean": np.broadcast_to(x.mean(axis=1, keepdims=True), shape),
        "hold": np.broadcast_to(x[:, -1:], shape),
    }
    if of.guess == "hold":
        weight = np.full(len(t), 1 / of.noise)
        told["smooth"] = np.apply_along_axis(
            lambda v: UnivariateSpline(t, v, w=weight, s=len(t))(of.t), 1, x
        )
    return told


def measure(of: Signal, tensors: Mapping[str, Tensor]) -> tuple[dict[str, dict], dict[str, dict]]:
    """Metrics on the test part, and errors past the end by tenth."""
    names = ("between", "at_samples", "past", "grid_change")
    found: dict[str, dict] = {name: {} for name in names}
    profile: dict[str, dict] = {}
    truth = of.truth["test"]
    for k in of.kept:
        weights, shown = weights_of(tensors, k), of.series("test", k)
        model, label = alone(of, weights), str(k)
        told = {"ode": predict(model, shown, of.t), **by_hand(of, k)}
        points, places = held_back(of, k), np.arange(0, of.length, k)
        last = places[-1] + 1
        error = {way: rms((x - truth)[:, points]) for way, x in told.items() if way != "hold"}
        beyond = {way: (x - truth)[:, last : last + of.length] for way, x in told.items()}
        past = {way: rms(x) for way, x in beyond.items() if way not in ("linear", "smooth")}
        for way, value in error.items():
            found["between"].setdefault(way, {})[label] = value
        for way, value in past.items():
            found["past"].setdefault(way, {})[label] = value
        tenths = {
            way: [rms(part) for part in np.array_split(beyond[way], TENTHS, axis=1)]
            for way in ("ode", "hold", "mean", "spline")
        }
        profile[label] = tenths
        found["between"].setdefault("ratio", {})[label] = error["ode"] / error["spline"]
        if "smooth" in error:
            found["between"].setdefault("ratio_smooth", {})[label] = error["ode"] / error["smooth"]
        found["past"].setdefault("ratio", {})[label] = past["ode"] / past[of.guess]
        found["past"].setdefault("ratio_spline", {})[label] = past["ode"] / past["spline"]
        found["past"].setdefault("growth", {})[label] = tenths["ode"][-1] / tenths["ode"][0]
        found["at_samples"][label] = rms((told["ode"] - of.given["test"])[:, places])
        finer = predict(alone(of, weights, node=1), shown, of.t[places])
        found["grid_change"][label] = rms(finer - told["ode"][:, places])
    return found, profile
