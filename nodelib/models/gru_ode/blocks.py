"""The walk over events in blocks, which can be redone backwards to save memory, or compiled."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nodelib.errors import ModelError
from nodelib.models.gru_ode import compiled
from nodelib.ode.compilation import NoCompilerError

if TYPE_CHECKING:
    from nodelib.models.gru_ode.model import GRUODEBayes

Rows = tuple[Tensor, ...]
"""Lengths and numbers of the steps before K events (K, B, 1), their values and masks (K, B, F),
and which are real (K, B, 1): false in padding, where nothing jumps."""


@dataclass(frozen=True)
class Plan:
    """Steps over all gaps, gap first: lengths and numbers (K, B, 1), and the largest numbers."""

    dt: Tensor
    count: Tensor
    most: list[int]


def pass_event(
    model: "GRUODEBayes", h: Tensor, joint: Tensor, row: Rows, most: int
) -> tuple[Tensor, Tensor]:
    """Flow to the next event of each sample and jump there.

    Args:
        model: the model.
        h: states (B, H).
        joint: the jump's ``joint_weight()``.
        row: one row of ``Rows``.
        most: the largest number of steps of any sample.

    Returns:
        The states after the jumps, and what was predicted before them (B, 2F).
    """
    dt, count, x, observed, real = row
    h = model.flow(h, dt, count, most)
    p = model.predict(h)
    mean, logvar = p.chunk(2, -1)
    jumped = model.jump(h, x, observed, mean, logvar, joint)
    return torch.where(real, jumped, h), p


def pass_events(
    model: "GRUODEBayes", h: Tensor, joint: Tensor, rows: Rows, most: tuple[int, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """``pass_event`` over all rows, with the largest number of steps of each.

    Returns:
        The last states; predictions before the jumps (K, B, 2F); states after them (K, B, H).
    """
    before, after = [], []
    for k, steps in enumerate(most):
        h, p = pass_event(model, h, joint, tuple(part[k] for part in rows), steps)
        before.append(p)
        after.append(h)
    return h, torch.stack(before), torch.stack(after)


def in_blocks(
    model: "GRUODEBayes", h: Tensor, plan: Plan, x: Tensor, observed: Tensor, real: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``pass_events`` returns of all events, block by block."""
    joint = model.jump.joint_weight()
    events = len(x)  # the gap to the end is none of these
    rows = (plan.dt[:events], plan.count[:events], x, observed, real)
    most = tuple(plan.most[:events])
    if model.compiled and events:
        try:
            return compiled.in_blocks(model, h, joint, rows, max(most))
        except NoCompilerError as error:
            model.compiled = False
            warnings.warn(f"{error}; going on without compilation", stacklevel=4)
    size = model.checkpoint or events
    before, after = [h.new_zeros(0, len(h), 2 * x.shape[-1])], [h.new_zeros(0, *h.shape)]
    for first in range(0, events, size or 1):
        block = slice(first, first + size)
        data = (tuple(part[block] for part in rows), most[block])
        if model.checkpoint and torch.is_grad_enabled():
            h, p, states = checkpoint(pass_events, model, h, joint, *data, use_reentrant=False)
        else:
            h, p, states = pass_events(model, h, joint, *data)
        before.append(p)
        after.append(states)
    return h, torch.cat(before), torch.cat(after)


def check_blocks(checkpoint: int | None) -> None:
    """ModelError for a block of no events."""
    if checkpoint is not None and checkpoint < 1:
        raise ModelError(f"checkpoint must be at least 1 event, not {checkpoint}")
