"""Synthetic sporadic series: Ornstein-Uhlenbeck processes, a Brusselator, and an exact filter.

A series is seen at random times of its own, at each of which only some of its components are
measured. After De Brouwer et al. 2019, "GRU-ODE-Bayes", whose synthetic data are two strongly
correlated Ornstein-Uhlenbeck processes and a Brusselator with noise. The constants are ours. So is
the choice that the mean to which an Ornstein-Uhlenbeck process returns is drawn from a normal
distribution for every series: then state and mean are jointly Gaussian, and what can be known of
the future is a Gaussian in closed form.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from nodelib.errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class SporadicSeries:
    """N series with E events each, in order of time; F components.

    Attributes:
        times: (N, E), increasing along each row, above 0.
        x: measured values, (N, E, F); 0 where nothing was measured.
        mask: which components were measured, (N, E, F).
        seen: which events a model may see, (N, E); the others are to be predicted.
    """

    times: np.ndarray
    x: np.ndarray
    mask: np.ndarray
    seen: np.ndarray

    def __post_init__(self) -> None:
        if self.mask.shape != self.x.shape or self.x.shape[:2] != self.times.shape:
            raise DataError(
                f"times {self.times.shape}, x {self.x.shape} and mask {self.mask.shape}: "
                "give (N, E), (N, E, F) and (N, E, F)"
            )
        if self.seen.shape != self.times.shape:
            raise DataError(f"seen has shape {self.seen.shape}, times {self.times.shape}")
        if not np.isfinite(self.times).all() or not np.isfinite(self.x[self.mask]).all():
            raise DataError("times and measured values must be finite: mask out what is missing")
        gaps = np.diff(self.times, axis=1, prepend=0.0)
        if (gaps <= 0).any():
            row, place = np.argwhere(gaps <= 0)[0]
            raise DataError(
                f"series {row}, event {place}: time {self.times[row, place]:g} is not after "
                "the one before; sort the events and join those at one time"
            )

    def take(self, which: np.ndarray) -> "SporadicSeries":
        """The series with these numbers."""
        return SporadicSeries(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    @property
    def targets(self) -> np.ndarray:
        """Entries to be predicted: measured, but not seen; (N, E, F)."""
        return self.mask & ~self.seen[..., None]


@dataclass(frozen=True)
class Sampling:
    """When and what is measured: ``seen`` events up to ``until``, ``ahead`` more up to ``end``.

    A component is measured with probability ``share`` at an event, and at least one always is.
    """

    seen: int = 12
    until: float = 6.0
    ahead: int = 4
    end: float = 9.0
    share: float = 0.5

    def draw(self, n: int, components: int, rng: np.random.Generator):
        """Times (n, E), masks (n, E, F) and which events are seen (n, E)."""
        past = np.sort(rng.uniform(0.0, self.until, (n, self.seen)), axis=1)
        future = np.sort(rng.uniform(self.until, self.end, (n, self.ahead)), axis=1)
        times = np.concatenate([past, future], axis=1)
        mask = rng.random((*times.shape, components)) < self.share
        nothing = ~mask.any(axis=-1)
        mask[nothing, rng.integers(0, components, nothing.sum())] = True
        seen = np.arange(times.shape[1]) < self.seen
        return times, mask, np.broadcast_to(seen, times.shape).copy()


@dataclass(frozen=True)
class DoubleOU:
    """Two correlated Ornstein-Uhlenbeck processes, ``dx = rate (m - x) dt + volatility dW``.

    The two Brownian motions have the correlation ``correlation``. Every series has means ``m`` of
    its own, normal around ``centres`` with standard deviation ``spread``; x(0) is normal around m
    with the stationary covariance; measurements have Gaussian noise.
    """

    rate: float = 0.5
    volatility: float = 0.3
    correlation: float = 0.99
    centres: tuple[float, float] = (0.5, -0.5)
    spread: float = 0.5
    noise: float = 0.05

    @property
    def stationary(self) -> np.ndarray:
        """Covariance of x around m after a long time, (2, 2)."""
        shape = np.array([[1.0, self.correlation], [self.correlation, 1.0]])
        return self.volatility**2 / (2 * self.rate) * shape

    def paths(self, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Exact draws of x at the times (N, E), without noise of measurement; (N, E, 2)."""
        root = np.linalg.cholesky(self.stationary)
        m = np.array(self.centres) + self.spread * rng.standard_normal((len(times), 2))
        x = m + rng.standard_normal(m.shape) @ root.T
        path = []
        for gap in np.diff(times, axis=1, prepend=0.0).T[..., None]:
            decay = np.exp(-self.rate * gap)
            fresh = rng.standard_normal(m.shape) @ root.T
            x = m + decay * (x - m) + np.sqrt(1 - decay**2) * fresh
            path.append(x)
        return np.stack(path, axis=1)

    def draw(self, n: int, sampling: Sampling, seed: Sequence[int]) -> SporadicSeries:
        """n series with noise; the same for the same seed."""
        rng = np.random.default_rng(np.random.SeedSequence(tuple(seed)))
        times, mask, seen = sampling.draw(n, 2, rng)
        x = self.paths(times, rng)
        x = x + self.noise * rng.standard_normal(x.shape)
        return SporadicSeries(times, np.where(mask, x, 0.0), mask, seen)

    def filter(self, series: SporadicSeries) -> tuple[np.ndarray, np.ndarray]:
        """What can be known: mean and variance of each entry before its event is taken in.

        The Kalman filter with the state (x, m): exact, because all is Gaussian. Events that are not
        ``seen`` are predicted and not taken in. Both results are (N, E, 2) and include the noise
        of measurement.
        """
        n = len(series.times)
        around = self.spread**2 * np.eye(2)
        mean = np.tile([*self.centres, *self.centres], (n, 1))
        start = np.block([[around + self.stationary, around], [around, around]])
        covariance = np.tile(start, (n, 1, 1))
        means, variances = [], []
        gaps = np.diff(series.times, axis=1, prepend=0.0)
        for k, gap in enumerate(gaps.T):
            decay = np.exp(-self.rate * gap)[:, None, None]
            move = np.tile(np.eye(4), (n, 1, 1))
            move[:, :2, :2] = decay * np.eye(2)
            move[:, :2, 2:] = (1 - decay) * np.eye(2)
            mean = np.einsum("nij,nj->ni", move, mean)
            covariance = move @ covariance @ move.transpose(0, 2, 1)
            covariance[:, :2, :2] += (1 - decay**2) * self.stationary
            means.append(mean[:, :2])
            spread = np.diagonal(covariance, axis1=1, axis2=2)[:, :2]
            variances.append(spread + self.noise**2)
            for f in range(2):  # noise is independent, so that components are taken in one by one
                used = (series.mask[:, k, f] & series.seen[:, k])[:, None]
                gain = covariance[:, :, f] / (covariance[:, f, f] + self.noise**2)[:, None]
                error = (series.x[:, k, f] - mean[:, f])[:, None]
                mean = np.where(used, mean + gain * error, mean)
                reduced = covariance - gain[:, :, None] * covariance[:, None, f, :]
                covariance = np.where(used[..., None], reduced, covariance)
        return np.stack(means, axis=1), np.stack(variances, axis=1)


@dataclass(frozen=True)
class Brusselator:
    """A chemical oscillator with noise in its state: ``dx = (1 - (b + 1) x + a x^2 y) dt + s dW``,

    ``dy = (b x - a x^2 y) dt + s dW``. It has a limit cycle where b > 1 + a. Solved by
    Euler-Maruyama with steps of ``step``; starts are uniform in (0.5, 3) and (0.5, 6).
    """

    a: float = 0.3
    b: float = 1.4
    volatility: float = 0.05
    noise: float = 0.05
    step: float = 0.02

    def drift(self, x: np.ndarray) -> np.ndarray:
        """Rates of change at states (..., 2)."""
        reaction = self.a * x[..., 0] ** 2 * x[..., 1]
        first = 1 - (self.b + 1) * x[..., 0] + reaction
        return np.stack([first, self.b * x[..., 0] - reaction], axis=-1)

    def paths(self, n: int, end: float, rng: np.random.Generator) -> np.ndarray:
        """States at the multiples of ``step`` up to ``end``, (n, T, 2)."""
        x = rng.uniform((0.5, 0.5), (3.0, 6.0), (n, 2))
        path = [x]
        for _ in range(round(end / self.step)):
            shock = self.volatility * np.sqrt(self.step) * rng.standard_normal(x.shape)
            x = x + self.step * self.drift(x) + shock
            path.append(x)
        return np.stack(path, axis=1)

    def draw(self, n: int, sampling: Sampling, seed: Sequence[int]) -> SporadicSeries:
        """n series with noise, each at the multiple of ``step`` nearest to its random times."""
        rng = np.random.default_rng(np.random.SeedSequence(tuple(seed)))
        times, mask, seen = sampling.draw(n, 2, rng)
        path = self.paths(n, sampling.end, rng)
        place = np.rint(times / self.step).astype(int)
        x = path[np.arange(n)[:, None], place]
        x = x + self.noise * rng.standard_normal(x.shape)
        return SporadicSeries(times, np.where(mask, x, 0.0), mask, seen)


def gaussian_nll(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Negative log-density of a normal distribution, in nats, entry by entry."""
    return 0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance)
