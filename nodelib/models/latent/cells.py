"""The plain recurrent network, several side by side: parameters have a leading axis of networks.

PyTorch's own recurrent layers hold one network and take no gaps. Here S networks, one for each
seed, read their sequences as one, and a state stays as it was where nothing was observed. A step of
such a small network costs next to nothing beside the bookkeeping of automatic differentiation, so
the backward pass is written by hand: back-propagation through time. Networks whose sequences are
over are left out of a step where they come last, so give those with the longest first.
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
        return self._walk(x, observed)[0]

    def last(self, x: Tensor, observed: Tensor) -> Tensor:
        """The last of these states alone, (S, B, hidden)."""
        return self._walk(x, observed)[1]

    def _walk(self, x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        # The bias is the weight of one more input, which is always 1.
        entries = nn.functional.pad(x, (0, 1), value=1.0).permute(2, 0, 1, 3).contiguous()
        weights = torch.cat([self.enter.weight, self.enter.bias.unsqueeze(1)], dim=1)
        keep = observed.permute(2, 0, 1).unsqueeze(-1).to(x.dtype).contiguous()
        return _Recurrence.apply(entries, weights, self.turn, keep, _at_work(observed))


def packed(x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Sequences (S, B, T, n) without what is not observed, and which of their places are in use.

    What is observed moves to the front in its order, and all are cut to the longest, P: values
    (S, B, P, n), zero where a place is not in use, and marks (S, B, P).
    """
    counts = observed.sum(-1, keepdim=True)
    longest = int(counts.max())
    place = torch.where(observed, observed.cumsum(-1) - 1, longest)  # the others share one place
    room = x.new_zeros(*x.shape[:2], longest + 1, x.shape[-1])
    moved = room.scatter(2, place.unsqueeze(-1).expand_as(x), x)
    return moved[:, :, :longest], torch.arange(longest, device=x.device) < counts


def _at_work(observed: Tensor) -> list[int]:
    """For each place how many networks, from the first on, have an observation there or later."""
    later = observed.flip(-1).cummax(-1).values.flip(-1).any(1)
    numbers = torch.arange(1, len(later) + 1, device=observed.device).unsqueeze(1)
    return torch.where(later, numbers, 0).amax(0).tolist()


class _Recurrence(torch.autograd.Function):
    """``h[k] = keep[k] tanh(entries[k] W + h[k-1] U) + (1 - keep[k]) h[k-1]``: all, and the last.

    At place k only the first ``working[k]`` networks go on; the states of the others stay.
    """

    @staticmethod
    def forward(
        ctx: Any, entries: Tensor, weights: Tensor, turn: Tensor, keep: Tensor, working: list[int]
    ) -> tuple[Tensor, Tensor]:
        states = entries.new_empty(*entries.shape[:-1], turn.shape[-1])
        proposals = torch.empty_like(states)
        h = torch.zeros_like(states[0])
        for k, m in enumerate(working):
            proposal = torch.bmm(entries[k, :m], weights[:m], out=proposals[k, :m])
            proposal.baddbmm_(h[:m], turn[:m]).tanh_()
            torch.lerp(h[:m], proposal, keep[k, :m], out=states[k, :m])
            states[k, m:] = h[m:]
            h = states[k]
        ctx.set_materialize_grads(False)
        ctx.working = working
        ctx.save_for_backward(entries, weights, turn, keep, states, proposals)
        return states, h.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, each: Tensor | None, last: Tensor | None) -> tuple[Tensor | None, ...]:
        entries, weights, turn, keep, states, proposals = ctx.saved_tensors
        h = torch.zeros_like(states[0]) if last is None else last.clone()
        of_weights, of_turn = torch.zeros_like(weights), torch.zeros_like(turn)
        of_entries = torch.zeros_like(entries) if ctx.needs_input_grad[0] else None
        skip, back, enter = 1 - keep, turn.transpose(1, 2), weights.transpose(1, 2)
        for k in reversed(range(len(states))):
            m = ctx.working[k]
            if each is not None:
                h += each[k]
            own = h[:m]
            inner = torch.ops.aten.tanh_backward(own * keep[k, :m], proposals[k, :m])
            own.mul_(skip[k, :m]).baddbmm_(inner, back[:m])
            of_weights[:m].baddbmm_(entries[k, :m].transpose(1, 2), inner)
            if k:
                of_turn[:m].baddbmm_(states[k - 1, :m].transpose(1, 2), inner)
            if of_entries is not None:
                torch.bmm(inner, enter[:m], out=of_entries[k, :m])
        return of_entries, of_weights, of_turn, None, None


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
