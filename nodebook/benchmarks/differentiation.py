"""Five ways to differentiate one and the same solve, and what each of them costs.

``differentiate`` runs a solve, a loss and its backward pass by one of ``WAYS`` and counts the field
evaluations of both passes. ``kept_by`` measures what the forward pass keeps for the backward one.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torchdiffeq
from torch import Tensor, nn

from nodelib.ode.gradients import odeint

WAYS: Mapping[str, str] = {
    "backprop": "nodelib, backprop",
    "checkpoint": "nodelib, checkpoint",
    "adjoint": "nodelib, adjoint",
    "torchdiffeq-backprop": "torchdiffeq, odeint",
    "torchdiffeq-adjoint": "torchdiffeq, odeint_adjoint",
}
"""Name of each way and how to write it in a table."""

MODES = ("backprop", "checkpoint", "adjoint")
"""The ways of this library: values of ``grad`` in ``nodelib.odeint``."""

TORCHDIFFEQ_NAMES = {"rk4_38": "rk4"}
"""Methods that have another name there: its ``rk4`` is the 3/8 rule."""


@dataclass(frozen=True)
class Gradients:
    """Gradients of a loss, and the field evaluations that both passes took.

    ``z0`` has the state's shape; ``theta`` holds all parameters in one vector; ``t`` has one entry
    for each requested time, or is None where the times wanted none; ``z`` are the states.
    """

    z: Tensor
    z0: Tensor
    theta: Tensor
    t: Tensor | None
    nfe_forward: int
    nfe_backward: int

    def vector(self) -> Tensor:
        """Gradients in the initial state and in the parameters as one float64 vector."""
        return torch.cat((self.z0.reshape(-1), self.theta)).double()


class Counted(nn.Module):
    """A field that counts its evaluations; its parameters are those of the field inside."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field, self.nfe = field, 0

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field's value."""
        self.nfe += 1
        return self.field(t, z)


def kept_bytes(result: Tensor, without: Sequence[Tensor] = ()) -> int:
    """Bytes of the tensors that the graph of ``result`` holds for its backward pass.

    The graph is walked, so that what was saved and thrown away again (rejected steps) does not
    count. Every storage counts once, however many operations hold it; the tensors in ``without`` do
    not count. Resident memory would be the wrong measure: it moves with the allocator's habits.
    """
    outside = {x.untyped_storage().data_ptr() for x in without}
    held: dict[int, Tensor] = {}
    seen, ahead = set(), [result.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        ahead += [behind for behind, _ in node.next_functions]
        for tensor in _saved(node):
            held.setdefault(tensor.untyped_storage().data_ptr(), tensor)
    return sum(x.untyped_storage().nbytes() for at, x in held.items() if at not in outside)


def _saved(node: Any) -> Iterator[Tensor]:
    if hasattr(node, "saved_tensors"):
        yield from node.saved_tensors
        return
    for name in _saved_names(type(node)):
        value = getattr(node, name)
        for entry in value if isinstance(value, tuple | list) else (value,):
            if isinstance(entry, Tensor):
                yield entry


@functools.cache
def _saved_names(kind: type) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_saved_"))


def solve_by(
    way: str,
    field: nn.Module,
    z0: Tensor,
    t: Tensor,
    *,
    method: str = "dopri5",
    rtol: float = 1e-7,
    atol: float = 1e-9,
    num_steps: int | None = None,
    step_size: float | None = None,
    max_steps: int = 10_000,
    adjoint_norm: Any = None,
) -> Tensor:
    """States at the times ``t``, ready to be differentiated by ``way`` (a key of ``WAYS``).

    ``num_steps`` asks for a fixed grid of that many equal steps in every interval, ``step_size``
    (of this library's ways) for one of steps at most that long, and ``max_steps`` bounds each
    adaptive solve. ``adjoint_norm`` is handed to torchdiffeq's adjoint ("seminorm", or a function
    of the tuple of its states).
    """
    if way in MODES:
        grid = {"num_steps": num_steps, "step_size": step_size, "max_steps": max_steps}
        options = {name: value for name, value in grid.items() if value is not None}
        return odeint(field, z0, t, method=method, rtol=rtol, atol=atol, grad=way, options=options)
    name = TORCHDIFFEQ_NAMES.get(method, method)
    settings: dict[str, Any] = {"method": name, "rtol": rtol, "atol": atol}
    if num_steps is not None:
        settings["options"] = {"grid_constructor": _even_grid(num_steps)}
    else:
        settings["options"] = {"max_num_steps": max_steps}
    if way == "torchdiffeq-backprop":
        return torchdiffeq.odeint(field, z0, t, **settings)
    if adjoint_norm is not None:
        settings["adjoint_options"] = {**settings["options"], "norm": adjoint_norm}
    return torchdiffeq.odeint_adjoint(field, z0, t, **settings)


def differentiate(
    way: str,
    field: nn.Module,
    z0: Tensor,
    t: Tensor,
    loss: Callable[[Tensor], Tensor],
    *,
    times: bool = False,
    **settings: Any,
) -> Gradients:
    """Gradients of ``loss(z)``, z of shape (len(t), *state), by ``way`` (a key of ``WAYS``).

    ``times`` asks for those in ``t`` too; the settings are those of ``solve_by``.
    """
    counted = Counted(field)
    z0 = z0.detach().requires_grad_()
    t = t.detach().requires_grad_(times)
    parameters = list(field.parameters())
    z = solve_by(way, counted, z0, t, **settings)
    forward = counted.nfe
    inputs = [z0, *parameters, *([t] if times else [])]
    found = torch.autograd.grad(loss(z), inputs, allow_unused=True, materialize_grads=True)
    theta = torch.cat([g.reshape(-1) for g in found[1 : 1 + len(parameters)]])
    in_time = found[-1] if times else None
    return Gradients(z.detach(), found[0], theta, in_time, forward, counted.nfe - forward)


def kept_by(way: str, field: nn.Module, z0: Tensor, t: Tensor, **settings: Any) -> int:
    """Bytes that ``way`` keeps between its passes, without the parameters, which exist anyway."""
    z = solve_by(way, field, z0.detach().requires_grad_(), t, **settings)
    return kept_bytes(z, without=list(field.parameters()))


def relative_error(found: Tensor, wanted: Tensor) -> float:
    """Euclidean norm of the difference over that of ``wanted``, both taken in float64."""
    found, wanted = found.detach().double(), wanted.detach().double()
    return float(torch.linalg.vector_norm(found - wanted) / torch.linalg.vector_norm(wanted))


def _even_grid(num_steps: int) -> Callable[[Any, Tensor, Tensor], Tensor]:
    """Grid of ``num_steps`` equal steps between successive times, in torchdiffeq's form."""

    def grid(field: Any, z0: Tensor, t: Tensor) -> Tensor:
        share = torch.arange(num_steps, dtype=t.dtype, device=t.device) / num_steps
        inner = t[:-1, None] + share * t.diff()[:, None]
        return torch.cat((inner.reshape(-1), t[-1:]))

    return grid
