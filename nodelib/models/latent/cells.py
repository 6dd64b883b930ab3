"""The plain recurrent network, several side by side: parameters have a leading axis of networks.

PyTorch's own recurrent layers hold one network and take no gaps. Here S networks, one for each
seed, read their sequences as one, and a state stays as it was where nothing was observed. A step of
such a small network costs next to nothing beside the bookkeeping of automatic differentiation, so
the backward pass is written by hand: back-propagation through time, with the gradient of the
weights taken once for all steps.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.models.networks import Affine

PART = 1_000_003


def part_seeds(seeds: Sequence[int], part: int) -> list[int]:
    """Seeds for one part of a model, so that no two parts of it start alike."""
    return [PART * (part + 1) + seed for seed in seeds]


def generators(seeds: Sequence[int], part: int) -> list[torch.Generator]:
    """A generator for each of ``part_seeds``."""
    return [torch.Generator().manual_seed(seed) for seed in part_seeds(seeds, part)]


class Recurrent(nn.Module):
    """S plain recurrent networks: ``h' = tanh(x W + b + h U)``, from ``h = 0`` on.

    ``U`` starts as a random orthogonal matrix, so that a state neither fades nor explodes at first:
    what was read a hundred steps ago can still be learnt from.

    Args:
        inputs, hidden: sizes.
        seeds: one for each network.
        part: which part of a larger model this is.
    """

    def __init__(self, inputs: int, hidden: int, *, seeds: Sequence[int], part: int = 0) -> None:
        super().__init__()
        draw = generators(seeds, part)
        self.enter = Affine(inputs, hidden, generators=draw, alone=False)
        turns = [torch.linalg.qr(torch.randn(hidden, hidden, generator=g)).Q for g in draw]
        self.turn = nn.Parameter(torch.stack(turns))

    def step(self, x: Tensor, h: Tensor) -> Tensor:
        """One step, from inputs (S, B, inputs) and states (S, B, hidden) to states."""
        return torch.tanh(torch.baddbmm(self.enter(x), h, self.turn))

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        """States after each place of sequences (S, B, T, inputs), as (T, S, B, hidden).

        Where ``observed``, (S, B, T), is false the state stays as it was.
        """
        entered = self.enter(x).permute(2, 0, 1, 3).contiguous()
        keep = observed.permute(2, 0, 1).unsqueeze(-1).to(x.dtype).contiguous()
        return _Recurrence.apply(entered, self.turn, keep)


class _Recurrence(torch.autograd.Function):
    """``h[k] = keep[k] tanh(entered[k] + h[k-1] U) + (1 - keep[k]) h[k-1]``, for all k."""

    @staticmethod
    def forward(ctx: Any, entered: Tensor, turn: Tensor, keep: Tensor) -> Tensor:
        states = torch.empty_like(entered)
        proposals = torch.empty_like(entered)
        h = torch.zeros_like(entered[0])
        for k in range(len(entered)):
            proposal = proposals[k]
            torch.baddbmm(entered[k], h, turn, out=proposal).tanh_()
            h = torch.lerp(h, proposal, keep[k], out=states[k])
        ctx.save_for_backward(turn, keep, states, proposals)
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        turn, keep, states, proposals = ctx.saved_tensors
        slope = keep * (1 - proposals.square())
        skip = 1 - keep
        back = turn.transpose(1, 2)
        inner = torch.empty_like(states)
        h = torch.zeros_like(gradient[0])
        for k in reversed(range(len(states))):
            h = h + gradient[k]
            torch.mul(h, slope[k], out=inner[k])
            h = torch.baddbmm(h.mul_(skip[k]), inner[k], back)
        before = states[:-1].permute(1, 3, 0, 2).flatten(2)
        after = inner[1:].permute(1, 0, 2, 3).flatten(1, 2)
        return inner, before @ after, None


def gaps(t: Tensor, observed: Tensor) -> Tensor:
    """Time since the observation before, since ``t[0]`` at the first; (S, B, T).

    ``t`` has shape (T,) and increases. The values at places that are not observed mean nothing.
    """
    last = torch.where(observed, t, t[0]).cummax(dim=-1).values
    return t - torch.cat([t[:1].expand_as(last[..., :1]), last[..., :-1]], dim=-1)


def gaps_ahead(t: Tensor, observed: Tensor, end: float) -> Tensor:
    """Time to the observation after, to ``end`` at the last; (S, B, T), as ``gaps``."""
    after = torch.where(observed, t, end).flip(-1).cummin(dim=-1).values.flip(-1)
    return torch.cat([after[..., 1:], torch.full_like(after[..., :1], end)], dim=-1) - t
