"""The walk over events as compiled code: one loop over the events of a block, and its gradient.

``torch.compile`` of a walk written out event by event takes longer the more events there are, and
of 8 events minutes. Here the loop itself is an operator (PyTorch's ``scan``), so that the compiler
sees the code of one event, whatever their number. Blocks have one length, and the last is filled
with rows that change nothing: series of other lengths need no second compilation. Batches of
another size do, and so does another number of steps.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint

from nodelib.errors import ModelError
from nodelib.ode.compilation import called

if TYPE_CHECKING:
    from nodelib.models.gru_ode.blocks import Rows
    from nodelib.models.gru_ode.model import GRUODEBayes

BLOCK = 64
"""Events of a compiled loop, unless the model says how many are checkpointed together."""

MOST = 16
"""Steps in one gap above which compilation is refused: they are written out one by one."""


def in_blocks(
    model: "GRUODEBayes", h: Tensor, joint: Tensor, rows: "Rows", most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``blocks.pass_events`` returns of all events.

    Raises:
        ModelError: if a gap takes more than ``MOST`` steps.
        NoCompilerError: if there is no C++ compiler.
    """
    # Where gaps differ in their number of steps, those that need fewer stand still, so that a power
    # of 2 will do, and few numbers of steps are compiled for. Equal numbers are taken as they are.
    steps = most if model.stepping.delta_t is None else 1 << (most - 1).bit_length()
    if steps > MOST:
        raise ModelError(
            f"a gap takes {most} steps, compiled are at most {MOST}: take longer steps or "
            f"compile=False"
        )
    events, size = len(rows[0]), model.checkpoint or BLOCK
    rows = tuple(pad(part, (0, 0) * (part.dim() - 1) + (0, -events % size)) for part in rows)
    before, after = [], []
    for first in range(0, events, size):
        block = tuple(part[first : first + size] for part in rows)
        if model.checkpoint and torch.is_grad_enabled():
            h, p, states = checkpoint(_called, model, h, joint, block, steps, use_reentrant=False)
        else:
            h, p, states = _called(model, h, joint, block, steps)
        before.append(p)
        after.append(states)
    return h, torch.cat(before)[:events], torch.cat(after)[:events]


def _called(
    model: "GRUODEBayes", h: Tensor, joint: Tensor, block: "Rows", steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """``_scanned``, compiled at its first call."""
    return called(_scanned, model, h, joint, block, steps)


def _scanned(
    model: "GRUODEBayes", h: Tensor, joint: Tensor, block: "Rows", steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """All events of a block as one operator."""
    from torch._higher_order_ops.scan import scan

    from nodelib.models.gru_ode.blocks import pass_event

    def event(h: Tensor, row: "Rows") -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, p = pass_event(model, h, joint, row, steps)
        return h, (p, h.clone())  # what is handed on must not be what is kept

    h, (before, after) = scan(event, h, block)
    return h, before, after
