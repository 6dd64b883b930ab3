"""The walk over events in blocks: compiled, or redone backwards to save memory.

A step over one event is some forty small operations; what they cost is mostly not arithmetic. A
block of events compiled as one removes that.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch._dynamo.exc import BackendCompilerFailed
from torch.utils.checkpoint import checkpoint

from nodelib.errors import ModelError

if TYPE_CHECKING:
    from nodelib.models.gru_ode.model import GRUODEBayes

EVENTS = 8
"""Events in a compiled block: more cost less a step and longer to compile."""


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


@cache
def compiled() -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """``pass_events`` compiled, once for the whole process."""
    return torch.compile(pass_events, dynamic=False, fullgraph=True)


def in_blocks(
    model: "GRUODEBayes", h: Tensor, plan: Plan, x: Tensor, observed: Tensor, real: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``pass_events`` returns of all events, block by block.

    The last block of a compiled walk is filled up with events that are not real.
    """
    joint = model.jump.joint_weight()
    size = EVENTS if model.compiled else model.checkpoint or len(x)
    before, after = [h.new_zeros(0, len(h), 2 * x.shape[-1])], [h.new_zeros(0, *h.shape)]
    for first in range(0, len(x), size or 1):
        rows = slice(first, first + size)
        here = len(x[rows])
        gaps = slice(first, first + here)  # the gap to the end is none of these
        data = (plan.dt[gaps], plan.count[gaps], x[rows], observed[rows], real[rows])
        most = tuple(plan.most[gaps])
        run = pass_events
        if model.compiled:
            data = tuple(fill(y, size) for y in data)
            most = (max(most),) * size
            run = run_compiled
        if model.checkpoint and torch.is_grad_enabled():
            h, p, states = checkpoint(run, model, h, joint, *data, most, use_reentrant=False)
        else:
            h, p, states = run(model, h, joint, *data, most)
        before.append(p[:here])
        after.append(states[:here])
    return h, torch.cat(before), torch.cat(after)


def fill(rows: Tensor, size: int) -> Tensor:
    """``rows`` with zeros behind, ``size`` in all."""
    missing = size - len(rows)
    return torch.cat((rows, rows.new_zeros(missing, *rows.shape[1:]))) if missing else rows


def run_compiled(model: "GRUODEBayes", *args) -> tuple[Tensor, Tensor, Tensor]:
    """The compiled block; where there is no C++ compiler, a warning and the block as it is."""
    try:
        return compiled()(model, *args)
    except BackendCompilerFailed as error:
        if "InvalidCxxCompiler" not in str(error):
            raise
        warnings.warn(
            "There is no C++ compiler (g++ or clang++), so the model runs uncompiled.",
            UserWarning,
            stacklevel=2,
        )
        model.compiled = False
        return pass_events(model, *args)


def check_blocks(compile: bool, adaptive: bool, checkpoint: int | None) -> None:
    """ModelError where these settings do not go together."""
    if compile and adaptive:
        raise ModelError("a walk with an adaptive solver cannot be compiled: give steps or delta_t")
    if checkpoint is not None and checkpoint < 1:
        raise ModelError(f"checkpoint must be at least 1 event, not {checkpoint}")
