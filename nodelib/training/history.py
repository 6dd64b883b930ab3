"""What a training run was like: losses, learning rates and time, step by step."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np


@dataclass
class History:
    """What a training run was like.

    ``losses`` has a row for each step and, for several networks side by side, a column for each;
    ``rates`` are the learning rates; ``notes`` are the numbers that ``train`` was told to note, one
    for each step; ``seconds`` is the time of training, of all the sittings of a run that was
    resumed together; ``devices`` are the names of those that it ran on, each with its steps;
    ``skipped`` are the steps that a network did not take, its loss or gradient not being finite,
    as ``[step, member]``.
    """

    losses: list[list[float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    notes: list[float] = field(default_factory=list)
    seconds: float = 0.0
    devices: dict[str, int] = field(default_factory=dict)
    skipped: list[list[int]] = field(default_factory=list)

    def of(self, member: int = 0) -> np.ndarray:
        """Losses of one network, one for each step."""
        return np.array([row[member] for row in self.losses])

    def thinned(self, member: int = 0, points: int = 100) -> dict[str, list[float]]:
        """Steps and losses at about ``points`` places, each the mean since the place before."""
        losses = self.of(member)
        edges = np.unique(np.linspace(0, len(losses), min(points, len(losses)) + 1).astype(int))
        spans = list(pairwise(edges))
        return {
            "step": [int(stop) for _, stop in spans],
            "loss": [float(losses[start:stop].mean()) for start, stop in spans],
        }
