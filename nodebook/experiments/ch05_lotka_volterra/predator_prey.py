"""Lotka-Volterra trajectories to learn from, and measures of what was learned (chapter 05).

The system is ``nodelib.fields.LotkaVolterra`` with its default rates, period about 3 near the
equilibrium (3, 1.5). Populations and time have no units. Trajectories start anywhere in
``STARTS``; the initial state is known, and what is seen of it later has Gaussian noise. Training,
validation and test trajectories are different ones, drawn from different generators.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nodelib.errors import ModelError
from nodelib.fields import LotkaVolterra
from nodelib.ode.gradients import odeint
from nodelib.seeds import generator

GAP = 0.2
INTERVALS = 15
HORIZON = GAP * INTERVALS
STARTS = ((1.0, 6.0), (0.5, 4.0))
BOX = ((0.1, 8.5), (0.1, 6.0))
TEST_TRAJECTORIES = 16
BEYOND = 3
NEAR = 0.25
EDGE = 20.0

_TRAINING, _VALIDATION, _TEST = 1, 2, 3


@dataclass(frozen=True)
class Setting:
    """What there is to learn from.

    Attributes:
        trajectories: number of training trajectories; a single one starts at (1, 1).
        noise: standard deviation of the noise of every later observation.
        window: intervals that a model is trained to predict in one go, from every observation that
            has as many after it; ``INTERVALS`` for all of a trajectory from its known start.
    """

    trajectories: int = 8
    noise: float = 0.1
    window: int = INTERVALS

    def __post_init__(self) -> None:
        if self.trajectories < 1 or self.noise < 0 or not 1 <= self.window <= INTERVALS:
            raise ModelError(
                f"{self}: give at least one trajectory, noise of at least 0, "
                f"and a window of 1 to {INTERVALS} intervals"
            )


SETTINGS = {
    "several": Setting(),
    "clean": Setting(noise=0.0),
    "one": Setting(trajectories=1),
    "windows": Setting(window=5),
}


@dataclass(frozen=True)
class Observations:
    """Trajectories of S seeds side by side, float64.

    ``states`` has shape (INTERVALS + 1, S, trajectories, 2), with the known start first; ``clean``
    are the same without noise; ``window`` is that of the setting.
    """

    times: Tensor
    states: Tensor
    clean: Tensor
    window: int


def windows(states: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Pieces of trajectories (n, S, k, 2), one from every state that has ``window`` after it.

    Returns their starts (S, rows, 2) and the states that follow (window, S, rows, 2).
    """
    pieces = states.unfold(0, window + 1, 1).permute(4, 1, 0, 2, 3).flatten(2, 3)
    return pieces[0], pieces[1:]


def times(intervals: int = INTERVALS) -> Tensor:
    """The times of the observations from 0, (intervals + 1,)."""
    return GAP * torch.arange(intervals + 1, dtype=torch.float64)


def training(setting: Setting, seeds: Sequence[int]) -> Observations:
    """The training trajectories of each seed: starts and noise are drawn from it."""
    return _observations(setting, seeds, _TRAINING, setting.trajectories)


def validation(setting: Setting, seeds: Sequence[int], trajectories: int = 4) -> Observations:
    """Further trajectories of each seed with the same noise, to choose settings by."""
    return _observations(setting, seeds, _VALIDATION, trajectories)


@cache
def test_truth() -> Tensor:
    """The test trajectories without noise, on to ``BEYOND`` horizons: (times, trajectories, 2)."""
    starts = _starts(generator(0, _TEST), TEST_TRAJECTORIES)
    return exact(starts, times(BEYOND * INTERVALS))


@torch.no_grad()
def exact(starts: Tensor, t: Tensor) -> Tensor:
    """The true trajectories from ``starts`` (..., 2) at the times t: (len(t), ..., 2)."""
    # Landing, as when the networks were trained: the data stay the same to the last bit.
    limits = {"rtol": 1e-9, "atol": 1e-9, "options": {"land": True}}
    return odeint(LotkaVolterra(), starts.double(), t.double(), **limits)


@torch.no_grad()
def true_field(z: Tensor) -> Tensor:
    """The true field at states (..., 2), in float64."""
    return LotkaVolterra()(torch.zeros(()), z.double())


def grid(points: tuple[int, int] = (57, 40)) -> Tensor:
    """States on a regular grid of ``BOX``, (points, 2), prey varying slowest."""
    axes = [
        torch.linspace(*ends, n, dtype=torch.float64) for ends, n in zip(BOX, points, strict=True)
    ]
    return torch.cartesian_prod(*axes)


def near_data(states: Tensor, observations: Observations) -> Tensor:
    """Which states (m, 2) lie in the data's region, for each seed: (S, m).

    That region is within ``NEAR`` of a true training trajectory over the training time, where each
    population is measured in its standard deviation over the test trajectories.
    """
    spread = test_spread()
    fine = torch.linspace(0, HORIZON, 10 * INTERVALS + 1, dtype=torch.float64)
    near = []
    for starts in observations.clean[0]:
        orbit = exact(starts, fine).reshape(-1, 2)
        near.append(torch.cdist(states / spread, orbit / spread).amin(1) < NEAR)
    return torch.stack(near)


def test_spread() -> Tensor:
    """Standard deviation of each population over the test trajectories, (2,)."""
    return test_truth().reshape(-1, 2).std(0)


def field_error(found: Tensor, true: Tensor, where: Tensor) -> Tensor:
    """Relative error of fields (S, m, 2) against the true one (m, 2) where (S, m) is true: (S,).

    Root of the sum of squared differences over that of squared true values.
    """
    wrong = (found - true).square().sum(-1)
    size = true.square().sum(-1).expand_as(wrong)
    return ((wrong * where).sum(1) / (size * where).sum(1)).sqrt()


def trajectory_error(found: Tensor, true: Tensor) -> Tensor:
    """Error of trajectories (n, S, k, 2) against others that broadcast with them: (S,).

    Root mean square over times, trajectories and populations, in standard deviations of the test
    trajectories. A state outside ``[-EDGE, EDGE]`` counts as at its edge.
    """
    wrong = (found.clamp(-EDGE, EDGE) - true) / test_spread()
    return wrong.square().mean((0, 2, 3)).sqrt()


def drift(found: Tensor) -> Tensor:
    """How far trajectories (n, S, k, 2) leave their level of the conserved quantity: (S,).

    Mean absolute departure from the level of the start, over the mean height of the starts above
    the lowest level, which is that of the equilibrium. Populations count as at least 0.001 and at
    most ``EDGE``.
    """
    system = LotkaVolterra()
    with torch.no_grad():
        levels = system.invariant(found.clamp(1e-3, EDGE))
        a, b, c, d = system.rates
        lowest = system.invariant(torch.stack((c / d, a / b)))
        return (levels - levels[0]).abs().mean((0, 2)) / (levels[0] - lowest).mean(1)


def _observations(
    setting: Setting, seeds: Sequence[int], purpose: int, trajectories: int
) -> Observations:
    clean, noise = [], []
    for seed in seeds:
        draws = generator(seed, purpose)
        if purpose == _TRAINING and trajectories == 1:
            starts = torch.ones(1, 2, dtype=torch.float64)
        else:
            starts = _starts(draws, trajectories)
        clean.append(exact(starts, times()))
        noise.append(torch.randn(clean[-1].shape, generator=draws, dtype=torch.float64))
        noise[-1][0] = 0
    true = torch.stack(clean, 1)
    return Observations(times(), true + setting.noise * torch.stack(noise, 1), true, setting.window)


def _starts(draws: torch.Generator, trajectories: int) -> Tensor:
    low, high = torch.tensor(STARTS, dtype=torch.float64).T
    return low + (high - low) * torch.rand(trajectories, 2, generator=draws, dtype=torch.float64)
