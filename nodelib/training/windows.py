"""Windows of a trajectory: drawn at random, padded to one length, each solved in its own time.

A batch of windows has observations at different times and in different numbers. The usual remedy is
to solve all of them over the union of all times. Here each window advances over its own interval
between its own observations: the k-th step takes every window from its k-th observation to its
(k+1)-th, with a step length of its own. A batch then costs as many steps as its longest window
has intervals, whatever its size. Shorter windows repeat their last time, over which the
solution stands still.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode import tableaus
from nodelib.ode.steps import Field, runge_kutta_step
from nodelib.seeds import generator


@dataclass(frozen=True)
class Span:
    """How windows are drawn: lengths uniform in [shortest, longest], at most ``most`` points."""

    shortest: float = 1.0
    longest: float = 5.0
    most: int = 32


DECK = Span()
"""The windows of document 001."""


@dataclass(frozen=True)
class Windows:
    """Windows of trajectories, padded to the longest: any leading axes, then n points.

    ``index`` (..., n) says which observation each point is, ``t`` (..., n) when it was made, ``z``
    (..., n, d) what it was; ``real`` (..., n) is false where a point repeats the last of its
    window. The first two points are always real.
    """

    index: Tensor
    t: Tensor
    z: Tensor
    real: Tensor


def draw_one(times: Tensor, span: Span, random: torch.Generator) -> Tensor:
    """Indices (n,), in order, of the points of one window; drawn again until there are two.

    The window begins uniformly in the data, so early that the longest fits, and excludes its ends.
    Where it has more than ``span.most`` points, a random subset of them is kept.

    Raises:
        SolverError: if the data are shorter than the longest window.
    """
    latest = float(times[-1]) - span.longest
    if latest < float(times[0]):
        raise SolverError(
            f"The data end at {float(times[-1]):g}, before a window of length {span.longest:g} "
            f"would: shorten the windows."
        )
    while True:
        where, length = torch.rand(2, generator=random, dtype=torch.float64).tolist()
        start = float(times[0]) + where * (latest - float(times[0]))
        stop = start + span.shortest + length * (span.longest - span.shortest)
        inside = ((times > start) & (times < stop)).nonzero().flatten()
        if len(inside) > span.most:
            chosen = torch.randperm(len(inside), generator=random)[: span.most]
            inside = inside[chosen.sort().values]
        if len(inside) >= 2:
            return inside


def draw(
    times: Tensor,
    observed: Tensor,
    seeds: Sequence[int],
    step: int,
    *,
    span: Span = DECK,
    count: int = 1,
    seen: Sequence[int] | None = None,
) -> Windows:
    """``count`` random windows for each member and step; the same call draws the same ones.

    Args:
        times: shape (N,), increasing; the same for all.
        observed: (S, N, d), a trajectory for each member; or (S, K, N, d), K trajectories each,
            of which every window takes one at random.
        seeds: S seeds; members with the same seed get the same windows.
        step: number of the training step.
        span: what windows are like.
        count: windows of each member, W.
        seen: how many of the first observations each member may see; by default all of them.

    Returns:
        Windows with leading axes (S, W). With K trajectories, ``index`` counts within one of them.

    Raises:
        SolverError: if there is not one trajectory, or set of them, for each seed.
    """
    if observed.shape[0] != len(seeds) or observed.dim() not in (3, 4):
        raise SolverError(
            f"The observations must have shape (S, N, d) or (S, K, N, d) with S = {len(seeds)} "
            f"seeds, not {tuple(observed.shape)}."
        )
    members = list(zip(seeds, seen or [len(times)] * len(seeds), strict=True))
    drawn: dict[tuple[int, int], tuple[list[Tensor], Tensor]] = {}
    for seed, last in dict.fromkeys(members):
        random = generator(seed, step)
        indices = [draw_one(times[:last], span, random) for _ in range(count)]
        several = observed.shape[1] if observed.dim() == 4 else 1
        drawn[seed, last] = indices, torch.randint(several, (count,), generator=random)
    chosen = [index for member in members for index in drawn[member][0]]
    which = torch.stack([drawn[member][1] for member in members])
    index, real = pad(chosen)
    index, real = (x.reshape(len(seeds), count, -1) for x in (index, real))
    member = torch.arange(len(seeds))[:, None, None]
    if observed.dim() == 4:
        z = observed[member, which[:, :, None], index]
    else:
        z = observed[member, index]
    return Windows(index, times[index], z, real)


def pad(indices: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Index vectors of different lengths as one (len, n) tensor, and which entries are real.

    Shorter ones repeat their last entry.
    """
    longest = max(map(len, indices))
    rows = [torch.cat((x, x[-1:].expand(longest - len(x)))) for x in indices]
    real = torch.arange(longest) < torch.tensor([len(x) for x in indices])[:, None]
    return torch.stack(rows), real


def consecutive(times: Tensor, observed: Tensor, longest: float) -> Windows:
    """Cut trajectories into consecutive windows no longer than ``longest``; all data, none twice.

    The last point of a window is also the first of the next. ``times`` (N,), ``observed``
    (S, N, d); the leading axes of the windows are (S, W).
    """
    spacing = float(times.diff().max())
    reach = max(1, int(longest / spacing + 1e-9))
    starts = range(0, len(times) - 1, reach)
    pieces = [torch.arange(k, min(k + reach, len(times) - 1) + 1) for k in starts]
    index, real = pad(pieces)
    members = observed.shape[0]
    index, real = (x.expand(members, *x.shape) for x in (index, real))
    z = observed[torch.arange(members)[:, None, None], index]
    return Windows(index, times[index], z, real)


def solve_intervals(
    f: Field, z0: Tensor, t: Tensor, *, method: str = "rk4", steps: int = 1
) -> Tensor:
    """Solve many initial value problems at once, each at its own times.

    Args:
        f: the field; takes times (..., 1) and states (..., d).
        z0: initial states (..., d).
        t: times (..., n), not decreasing along the last axis; broadcast against ``z0[..., 0]``.
            ``t[..., 0]`` belongs to ``z0``. Where a time repeats, the state stands still.
        method: a name in ``nodelib.ode.tableaus.TABLEAUS``, taken on a fixed grid.
        steps: equal steps in every interval.

    Returns:
        States (..., n, d). They are not checked for overflow.

    Raises:
        SolverError: if a time is before its predecessor, or ``steps`` is not positive.
    """
    if steps < 1:
        raise SolverError(f"steps must be at least 1, not {steps}.")
    gaps = t.diff(dim=-1)
    if (gaps < 0).any():
        raise SolverError("The times t must not decrease along the last axis: sort them.")
    tableau = tableaus.find(method).without_error
    states = [z0]
    for k, gap in enumerate(gaps.unbind(-1)):
        dt = gap.unsqueeze(-1) / steps
        now, z = t[..., k].unsqueeze(-1), states[-1]
        for part in range(steps):
            z, _ = runge_kutta_step(f, tableau, now + part * dt, dt, z)
        states.append(z)
    return torch.stack(states, -2)


def mean_square(predicted: Tensor, windows: Windows) -> Tensor:
    """Mean squared difference from the observations for each member, (S,); padding counts not.

    As in document 001 the mean is over all points of the windows, the first included.
    """
    squares = (predicted - windows.z).square().mean(-1) * windows.real
    return squares.flatten(1).sum(1) / windows.real.flatten(1).sum(1)
