"""The vector field of GRU-ODE: a gated recurrent unit in the limit of small steps.

Source: De Brouwer, Simm, Arany & Moreau 2019, "GRU-ODE-Bayes", section 2.2. A GRU moves its state
to ``z h + (1 - z) u``; the difference, ``(1 - z)(u - h)``, is taken as the derivative of h.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


def slope(
    h: Tensor, reset: Tensor, update: Tensor, candidate: Callable[[Tensor], Tensor]
) -> Tensor:
    """``dh/dt = (1 - update)(tanh(candidate(reset h)) - h)`` of states (..., H).

    Args:
        h: the states.
        reset, update: the gates, in (0, 1), of the shape of h; the same for the minimal cell.
        candidate: from the gated states (..., H) to where h is drawn, before its tanh.
    """
    rate, target = pull(h, reset, update, candidate)
    return rate * (target - h)


def pull(
    h: Tensor, reset: Tensor, update: Tensor, candidate: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """How fast ``slope`` draws the states, and where to: the arguments are the same."""
    return 1 - update, torch.tanh(candidate(reset * h))


class GRUODECell(nn.Module):
    """``dh/dt = (1 - z)(u - h)`` with ``u = tanh(x_u + U_u (g h))``.

    The full cell has a reset gate g of its own beside the update gate z, both
    ``sigmoid(x + U h)``; the minimal cell uses one gate for both. So the two are one computation
    with two gates or with one.

    Args:
        hidden: size H of the state.
        inputs: size of the input that the gates and u see, or 0 for the autonomous field
            (all x are then zero, and there are no biases).
        full: whether the reset gate is separate.
        dtype: of the parameters.
    """

    def __init__(
        self, hidden: int, inputs: int, *, full: bool, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.hidden, self.gates = hidden, 2 if full else 1
        bound = hidden**-0.5
        size = self.gates * hidden
        self.gate_weight = nn.Parameter(torch.empty(size, hidden, dtype=dtype))
        self.candidate_weight = nn.Parameter(torch.empty(hidden, hidden, dtype=dtype))
        for weight in (self.gate_weight, self.candidate_weight):
            nn.init.uniform_(weight, -bound, bound)
        self.input = nn.Linear(inputs, size + hidden, dtype=dtype) if inputs else None

    def forward(self, x: Tensor | None, h: Tensor) -> Tensor:
        """The derivative of h (..., H) under the input x (..., inputs), None if autonomous."""
        rate, target = self.towards(x, h)
        return rate * (target - h)

    def towards(self, x: Tensor | None, h: Tensor) -> tuple[Tensor, Tensor]:
        """Where h is drawn, u, and how fast, 1 - z: the derivative is ``rate (target - h)``."""
        size = self.gates * self.hidden
        gates = linear(h, self.gate_weight)
        pushed = None
        if self.input is not None:
            pushed = self.input(x)
            gates = gates + pushed[..., :size]
        gates = torch.sigmoid(gates)
        reset, update = gates[..., : self.hidden], gates[..., size - self.hidden :]

        def candidate(gated: Tensor) -> Tensor:
            drawn = linear(gated, self.candidate_weight)
            return drawn if pushed is None else drawn + pushed[..., size:]

        return pull(h, reset, update, candidate)
