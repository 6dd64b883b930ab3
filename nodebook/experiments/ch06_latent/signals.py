"""The signals of chapter 06, sampled more or less often: spirals, and five minutes of ECG."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nodelib import data
from nodelib.data import spirals
from nodelib.models.latent.ode import Sizes
from nodelib.training.series import Series

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
