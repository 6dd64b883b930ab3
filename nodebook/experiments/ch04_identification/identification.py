"""Learning a vector field from windows of noisy trajectories, many models side by side.

The data of document 001: one trajectory of a known field, sampled and disturbed. Fields are learned
by the fit of short windows (``windows``), or by multiple shooting, where every window's initial
state is learned too. All models of one call are trained side by side and none sees the others.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nodelib.ode.solvers import solve
from nodelib.ode.steps import Field
from nodelib.seeds import generator
from nodelib.training import History, Recipe, train
from nodelib.training.windows import DECK, Span, consecutive, draw, mean_square, solve_intervals

NOISE_STREAM, START_STREAM = 1_000_003, 1_000_033
"""Streams of random numbers of a seed that are not those of its training steps."""

LOST = 10.0
"""Largest relative error that is written down: beyond it a prediction is simply lost."""


class Matrices(nn.Module):
    """Linear fields ``A_k z``, one for each seed, on states (S, ..., d); ``matrix`` is (S, d, d).

    Entries start normal with standard deviation 1/2, as in the code that document 001 builds on.
    """

    def __init__(self, seeds: Sequence[int], d: int = 2) -> None:
        super().__init__()
        starts = [
            torch.randn(d, d, generator=generator(seed, START_STREAM), dtype=torch.float64) / 2
            for seed in seeds
        ]
        self.matrix = nn.Parameter(torch.stack(starts))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field of each member at its states."""
        rows = z.reshape(z.shape[0], -1, z.shape[-1])
        return torch.bmm(rows, self.matrix.mT).reshape(z.shape)


class Shooting(nn.Module):
    """A field, and an initial state for each window: what multiple shooting learns."""

    def __init__(self, field: nn.Module, starts: Tensor) -> None:
        super().__init__()
        self.field = field
        self.starts = nn.Parameter(starts.clone())


def sample(
    field: Field, z0: Tensor, times: Tensor, *, method: str = "dopri5", steps: int | None = None
) -> Tensor:
    """States of ``field`` at the times (N,) from ``z0`` (..., d), as (..., N, d), no gradient.

    To a tolerance of 1e-8, or with ``steps`` steps of a fixed grid in each interval.
    """
    options = {"rtol": 1e-8, "atol": 1e-8} if steps is None else {"num_steps": steps}
    with torch.no_grad():
        return solve(field, z0, times, method=method, max_steps=100_000, **options).z.movedim(0, -2)


def noisy(clean: Tensor, deviation: float, seeds: Sequence[int]) -> Tensor:
    """``clean`` (..., d) once for each seed, plus Gaussian noise: (S, ..., d)."""
    draws = [
        torch.randn(clean.shape, generator=generator(seed, NOISE_STREAM), dtype=clean.dtype)
        for seed in seeds
    ]
    return clean + deviation * torch.stack(draws)


def fit_windows(
    field: nn.Module,
    times: Tensor,
    observed: Tensor,
    seeds: Sequence[int],
    recipe: Recipe,
    *,
    span: Span = DECK,
    count: int = 1,
    seen: Sequence[int] | None = None,
    starts: Tensor | None = None,
    method: str = "rk4",
    steps: int = 1,
    advance: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> History:
    """Train by random windows, as document 001 does: a window starts from its first observation.

    Args:
        field: S fields side by side on states (S, W, d), trained in place.
        times, observed, seeds, span, count, seen: see ``windows.draw``.
        recipe: how to train.
        starts: states (S, N, d) from which windows start, instead of the observations.
        method, steps: solver on each interval between observations.
        advance: what predicts the points (S, W, n, d) from the field, the first states (S, W, d)
            and the times (S, W, n), instead of that solver.
        on_step: see ``training.train``.
    """

    def loss(step: int) -> Tensor:
        windows = draw(times, observed, seeds, step, span=span, count=count, seen=seen)
        first = windows.z[..., 0, :]
        if starts is not None:
            first = starts[torch.arange(len(seeds))[:, None], windows.index[..., 0]]
        if advance is not None:
            return mean_square(advance(field, first, windows.t), windows)
        predicted = solve_intervals(field, first, windows.t, method=method, steps=steps)
        return mean_square(predicted, windows)

    return train(field, loss, recipe, members=len(seeds), on_step=on_step)


def fit_segments(
    field: nn.Module,
    times: Tensor,
    observed: Tensor,
    recipe: Recipe,
    *,
    longest: float = 5.0,
    learn_starts: bool = True,
    steps: int = 1,
) -> History:
    """Train on all data at once, cut into consecutive windows (RK4).

    With ``learn_starts`` each window's initial state is a parameter (multiple shooting); without,
    it is the window's first observation. See ``fit_windows`` for the other arguments.
    """
    windows = consecutive(times, observed, longest)
    first = windows.z[..., 0, :]
    model = Shooting(field, first) if learn_starts else field

    def loss(step: int) -> Tensor:
        begin = model.starts if learn_starts else first
        return mean_square(solve_intervals(field, begin, windows.t, steps=steps), windows)

    return train(model, loss, recipe, members=len(observed))


def starts_in_box(count: int, half: float, seed: int, d: int = 2) -> Tensor:
    """``count`` initial states, uniform in the cube [-half, half]^d: (count, d)."""
    random = generator(seed, START_STREAM)
    return half * (2 * torch.rand(count, d, generator=random, dtype=torch.float64) - 1)


def lattice(low: Sequence[float], high: Sequence[float], points: int = 41) -> Tensor:
    """A rectangular lattice in the plane, ``points`` a side: (points^2, 2), rows vary slowest."""
    x, y = (
        torch.linspace(a, b, points, dtype=torch.float64) for a, b in zip(low, high, strict=True)
    )
    across, up = torch.meshgrid(x, y, indexing="xy")
    return torch.stack((across, up), -1).reshape(-1, 2)


def distance_to(points: Tensor, data: Tensor) -> Tensor:
    """Distance of each point (P, d) from the nearest of the data (N, d): (P,)."""
    return torch.cdist(points, data).min(1).values


def relative_field_error(found: Tensor, true: Tensor) -> float:
    """Root of the mean squared difference of two fields' values (P, d), over the true one's."""
    return _bounded(float((found - true).square().sum().sqrt() / true.square().sum().sqrt()))


def relative_trajectory_error(found: Tensor, true: Tensor, unit: Tensor | None = None) -> float:
    """RMS distance of trajectories (..., N, d), over the spread of the true ones; at most ``LOST``.

    The spread is the RMS distance of the true states from their mean; of the states ``unit``
    instead, where they are given.
    """
    states = (true if unit is None else unit).reshape(-1, true.shape[-1])
    spread = (states - states.mean(0)).square().sum(-1).mean().sqrt()
    return _bounded(float((found - true).square().sum(-1).mean().sqrt() / spread))


def _bounded(error: float) -> float:
    return min(error, LOST) if math.isfinite(error) else LOST


def predict(
    field: Field, z0: Tensor, times: Tensor, *, method: str = "rk4", steps: int = 1
) -> Tensor:
    """States (..., N, d) of a learned field at times (N,) on a fixed grid, which cannot fail."""
    with torch.no_grad():
        t = times.expand(*z0.shape[:-1], -1)
        return solve_intervals(field, z0, t, method=method, steps=steps)


def as_array(tensor: Tensor) -> np.ndarray:
    """The values of a tensor, without its gradient."""
    return tensor.detach().numpy()
