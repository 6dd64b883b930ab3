"""The walk over events in blocks, which can be redone backwards to save memory."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nodelib.errors import ModelError

if TYPE_CHECKING:
    from nodelib.models.gru_ode.model import GRUODEBayes


@dataclass(frozen=True)
class Plan:
    """Steps over all gaps, gap first: lengths and numbers (K, B, 1), and the largest numbers."""

    dt: Tensor
    count: Tensor
    most: list[int]


def pass_events(
    model: "GRUODEBayes",
    h: Tensor,
    joint: Tensor,
    dt: Tensor,
    count: Tensor,
    x: Tensor,
    observed: Tensor,
    real: Tensor,
    most: tuple[int, ...],
) -> tuple[Tensor, Tensor, Tensor]:
    """Flow to each of K events and jump there.

    Args:
        model: the model.
        h: states (B, H).
        joint: the jump's ``joint_weight()``.
        dt, count: the plan of the gaps before the events, (K, B, 1).
        x, observed: values and mask, (K, B, F).
        real: false in padding, where nothing jumps, (K, B, 1).
        most: the largest count of each gap.

    Returns:
        The last states; predictions before the jumps (K, B, 2F); states after them (K, B, H).
    """
    before, after = [], []
    for k, steps in enumerate(most):
        h = model.flow(h, dt[k], count[k], steps)
        p = model.predict(h)
        mean, logvar = p.chunk(2, -1)
        jumped = model.jump(h, x[k], observed[k], mean, logvar, joint)
        h = torch.where(real[k], jumped, h)
        before.append(p)
        after.append(h)
    return h, torch.stack(before), torch.stack(after)


def in_blocks(
    model: "GRUODEBayes", h: Tensor, plan: Plan, x: Tensor, observed: Tensor, real: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``pass_events`` returns of all events, block by block."""
    joint = model.jump.joint_weight()
    size = model.checkpoint or len(x)
    before, after = [h.new_zeros(0, len(h), 2 * x.shape[-1])], [h.new_zeros(0, *h.shape)]
    for first in range(0, len(x), size or 1):
        rows = slice(first, first + size)
        gaps = slice(first, first + len(x[rows]))  # the gap to the end is none of these
        data = (plan.dt[gaps], plan.count[gaps], x[rows], observed[rows], real[rows])
        most = tuple(plan.most[gaps])
        if model.checkpoint and torch.is_grad_enabled():
            h, p, states = checkpoint(
                pass_events, model, h, joint, *data, most, use_reentrant=False
            )
        else:
            h, p, states = pass_events(model, h, joint, *data, most)
        before.append(p)
        after.append(states)
    return h, torch.cat(before), torch.cat(after)


def check_blocks(checkpoint: int | None) -> None:
    """ModelError for a block of no events."""
    if checkpoint is not None and checkpoint < 1:
        raise ModelError(f"checkpoint must be at least 1 event, not {checkpoint}")
