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
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import CubicSpline, UnivariateSpline
from torch import Tensor

from nodebook.evidence import results
from nodelib import data
from nodelib.data import spirals
from nodelib.models.latent.ode import LatentODE, Sizes
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

ECG_LENGTH, ECG_GRID, ECG_NOISE = 256, 16, 0.2
ECG_SIZES = Sizes(
    observed=1, latent=8, encoder=64, field=(40, 40), decoder=30, places=ECG_LENGTH // 4
)
PARTS = {"train": (0, 180), "validation": (180, 240), "test": (240, 300)}


@dataclass(frozen=True, eq=False)
class Signal:
    """Signals of ``length`` points, and as many after them, cut into three parts.

    Attributes:
        t: times of all points, (T,).
        given: what is sampled, by part, (N, T, n).
        truth: what is compared with, by part, (N, T, n).
        length: points up to the end of what may be sampled.
        kept: values of k; every k-th point is sampled.
        grid: points between places of the encoder; divides all ``kept``.
        node: points between the solver's nodes in training.
        noise: standard deviation that models assume, in units of ``given``.
        sizes, steps: of the latent ODE and of its training.
        guess: the simple guess past the end, "hold" or "mean".
    """

    t: np.ndarray
    given: Mapping[str, np.ndarray]
    truth: Mapping[str, np.ndarray]
    length: int
    kept: tuple[int, ...]
    grid: int
    node: int
    noise: float
    sizes: Sizes
    steps: int
    guess: str

    def series(self, part: str, k: int) -> Series:
        """The sampled points of a part, on the encoder's grid, for one network."""
        x = self.given[part][:, : self.length : self.grid]
        places = np.arange(0, self.length, self.grid)
        seen = np.broadcast_to(places % k == 0, x.shape[:2])
        return Series.of(self.t[places], [x], [seen])


def spiral_signal(seed: int) -> Signal:
    """The spirals of a seed, in units of 5."""
    parts = spirals.split(1000, seed)
    made = spirals.make(seed)
    given = {part: made.noisy[which] / 5 for part, which in parts.items()}
    truth = {part: made.truth[which] / 5 for part, which in parts.items()}
    return Signal(
        made.t,
        given,
        truth,
        length=spirals.POINTS,
        kept=(2, 5, 10),
        grid=1,
        node=10,
        noise=spirals.NOISE / 5,
        sizes=Sizes(places=spirals.POINTS),
        steps=3000,
        guess="hold",
    )


def ecg_signal() -> Signal:
    """Windows of the five minutes of ECG, less their mean, over their standard deviation."""
    record = data.toy_ecg().record
    wave = record.signals[:, 0]
    known = wave[: round(PARTS["train"][1] * record.fs)]
    wave = (wave - known.mean()) / known.std()
    cut = {}
    for part, (begin, end) in PARTS.items():
        step = ECG_GRID if part == "train" else ECG_LENGTH
        first, last = round(begin * record.fs), round(end * record.fs) - 2 * ECG_LENGTH
        starts = np.arange(first, last + 1, step)
        cut[part] = wave[starts[:, None] + np.arange(2 * ECG_LENGTH)][:, :, None]
    t = 10 * np.arange(2 * ECG_LENGTH) / record.fs
    return Signal(
        t,
        cut,
        cut,
        length=ECG_LENGTH,
        kept=(4, 8, 16),
        grid=4,
        node=8,
        noise=ECG_NOISE,
        sizes=ECG_SIZES,
        steps=3000,
        guess="mean",
    )


def signal(variant: str, seed: int) -> Signal:
    """The signal of a variant; that of the ECG is the same for all seeds."""
    return spiral_signal(seed) if variant == "spirals" else ecg_signal()


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
