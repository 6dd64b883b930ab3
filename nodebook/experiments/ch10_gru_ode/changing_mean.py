"""Two Ornstein-Uhlenbeck processes whose means move at a time within the series.

As in De Brouwer et al. 2019, where the mean of each process is another before and after a moment
that all series share; the moment and the sizes are ours. What moves the mean is known, so the state
is a process with still means plus a known curve, and the exact filter is that of still means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nodelib.data.sporadic import DoubleOU, Sampling, SporadicSeries


@dataclass(frozen=True)
class ChangingMean:
    """At time ``at`` the means of the two components move by ``by``."""

    still: DoubleOU = field(default_factory=DoubleOU)
    at: float = 3.0
    by: tuple[float, float] = (-1.0, 1.0)

    @property
    def noise(self) -> float:
        """Standard deviation of a measurement."""
        return self.still.noise

    def curve(self, times: np.ndarray) -> np.ndarray:
        """What the move has added to x by the times (N, E): (N, E, 2)."""
        since = np.clip(times - self.at, 0.0, None)[..., None]
        return np.array(self.by) * (1 - np.exp(-self.still.rate * since))

    def draw(self, n: int, sampling: Sampling, seed: Sequence[int]) -> SporadicSeries:
        """n series with noise; the same for the same seed."""
        series = self.still.draw(n, sampling, seed)
        x = np.where(series.mask, series.x + self.curve(series.times), 0.0)
        return replace(series, x=x)

    def filter(self, series: SporadicSeries) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of each entry before its event, exactly; see ``DoubleOU.filter``."""
        added = self.curve(series.times)
        mean, variance = self.still.filter(replace(series, x=series.x - added))
        return mean + added, variance
