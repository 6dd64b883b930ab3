"""Two-dimensional spirals, each seen in part, with noise, and at times of its own.

What is from Chen et al. 2018, section 5.1: 1,000 spirals, half of them clockwise and half
counter-clockwise, each from a start of its own, 100 equally spaced points with Gaussian noise, of
which 30, 50 or all 100 are observed. What is from the public example of that paper's authors: the
curves (Archimedean, three turns in 1,000 fine steps, growing by 0.3 for each radian; the clockwise
ones have a radius of 15 over the angle that is left), the two centres, 5 to the right and to the
left of the origin, and the noise of 0.3. What is ours: starts are between the fine steps 0 and 700,
so that 100 further points exist for every spiral and both kinds end at a radius of about 5; each
spiral has observed points of its own; and the two kinds may share one centre, so that the side on
which a point lies does not give the direction away.

About a shared centre other things than the order of the points still do. In the steps that are
observed, 0 to 799, the clockwise curve stays between the radii 0.76 and 3.14, the other one goes
from 0 to 4.52. And as both lead outwards, the radius falls with the angle in one and rises in the
other, in whatever order the points are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from nodelib.errors import DataError

FINE = 1000
TURNS = 3
GROWTH = 0.3
SHIFT = 5.0
NOISE = 0.3
POINTS = 100
LAST_START = 700
SPACING = 2 * np.pi * TURNS / (FINE - 1)
"""Time between neighbouring points: a counter-clockwise spiral turns by one radian in one unit."""

SPLITS = ("train", "validation", "test")
SHARES = (0.7, 0.1, 0.2)


@dataclass(frozen=True, eq=False)
class Spirals:
    """N spirals on a common grid of ``points + further`` places; time 0 is each one's first point.

    Attributes:
        t: times of the grid, (T,).
        truth: the curve, (N, T, 2).
        noisy: the curve with noise, (N, T, 2).
        observed: which points a model may see, (N, T); never a further one.
        clockwise: direction, (N,).
        start: fine step at which each begins, (N,).
    """

    t: np.ndarray
    truth: np.ndarray
    noisy: np.ndarray
    observed: np.ndarray
    clockwise: np.ndarray
    start: np.ndarray

    def take(self, which: np.ndarray) -> "Spirals":
        """The spirals with these numbers."""
        own = {f.name: getattr(self, f.name)[which] for f in fields(self) if f.name != "t"}
        return Spirals(t=self.t, **own)

    def seen(self, observed: np.ndarray) -> "Spirals":
        """The same spirals with other observed points, (N, T)."""
        return replace(self, observed=observed)


def curve(step: np.ndarray, clockwise: np.ndarray, *, shift: float = SHIFT) -> np.ndarray:
    """Points of the two curves at the fine steps ``step``, shape (*step.shape, 2).

    ``clockwise`` says which of the two; it is broadcast against ``step``.
    """
    turned = np.asarray(step) * SPACING
    left = 2 * np.pi * TURNS + 1 - turned
    angle = np.where(clockwise, left, turned)
    radius = GROWTH * np.where(clockwise, 50 / left, turned)
    centre = np.where(clockwise, -shift, shift)
    return np.stack([radius * np.cos(angle) + centre, radius * np.sin(angle)], axis=-1)


def make(
    seed: int,
    *,
    n: int = 1000,
    observed: int = POINTS,
    further: int = POINTS,
    noise: float = NOISE,
    shift: float = SHIFT,
    last_start: int = LAST_START,
) -> Spirals:
    """Draw ``n`` spirals, half of each direction, in random order.

    The same seed gives the same curves and noise whatever ``observed`` is, and the points that are
    observed of few are among those that are observed of more.

    Args:
        seed: of all that is random.
        n: number of spirals, even.
        observed: how many of the first 100 points of each are observed, drawn at random.
        further: how many more points the grid has after them; the grid of a spiral ends within the
            1,000 fine steps, so at most 200 if the last start is 700.
        noise: standard deviation of each coordinate's noise.
        shift: distance of the two centres from the origin; 0 for one common centre.
        last_start: last fine step at which a spiral may begin.

    Raises:
        DataError: if a number is out of its range.
    """
    if n < 2 or n % 2:
        raise DataError(f"n = {n}: give an even number of spirals, half go each way round")
    if not 1 <= observed <= POINTS:
        raise DataError(f"observed = {observed}: it must lie between 1 and {POINTS}")
    if not 0 <= last_start <= FINE - POINTS:
        raise DataError(f"last_start = {last_start}: it must lie between 0 and {FINE - POINTS}")
    if not 0 <= further <= FINE - last_start - POINTS:
        most = FINE - last_start - POINTS
        raise DataError(f"further = {further}: it must lie between 0 and {most}")
    if noise < 0:
        raise DataError(f"noise = {noise}: a standard deviation is not negative")
    rng = np.random.default_rng(np.random.SeedSequence((seed, 6)))
    clockwise = rng.permutation(np.arange(n) % 2 == 0)
    start = rng.integers(0, last_start + 1, n)
    order = rng.random((n, POINTS)).argsort(axis=1).argsort(axis=1)
    grid = np.arange(POINTS + further)
    truth = curve(start[:, None] + grid, clockwise[:, None], shift=shift)
    noisy = truth + noise * rng.standard_normal(truth.shape)
    mask = np.zeros(truth.shape[:2], bool)
    mask[:, :POINTS] = order < observed
    return Spirals(grid * SPACING, truth, noisy, mask, clockwise, start)


def split(n: int, seed: int, shares: Sequence[float] = SHARES) -> dict[str, np.ndarray]:
    """Numbers of the training, validation and test spirals: each spiral is in one part only."""
    order = np.random.default_rng(np.random.SeedSequence((seed, 7))).permutation(n)
    edges = np.rint(np.cumsum(shares)[:-1] * n).astype(int)
    return dict(zip(SPLITS, map(np.sort, np.split(order, edges)), strict=True))


def nearest_curve(spirals: Spirals, *, shift: float = SHIFT) -> np.ndarray:
    """What one who knows the two curves would say: the best fit among all starts, (N, T, 2).

    Least squares on the observed points over both directions and all starts, which is maximum
    likelihood; a bound on what can be learnt from such observations, not a model.
    """
    starts = np.arange(LAST_START + 1)
    grid = np.arange(len(spirals.t))
    kinds = np.repeat([True, False], len(starts))
    shelf = curve(np.tile(starts, 2)[:, None] + grid, kinds[:, None], shift=shift)
    best = []
    for points, seen in zip(spirals.noisy, spirals.observed, strict=True):
        distance = np.square(shelf[:, seen] - points[seen]).sum(axis=(1, 2))
        best.append(shelf[distance.argmin()])
    return np.array(best)
