"""Recurrent networks as discrete dynamics, beside the ODE that they become with small steps.

Each starts from a state read off the first observation, ``h_0 = E x_0``, moves it from sample to
sample without further input, and reads ``x_k = C h_k``. With a network ``f`` of one hidden layer:

- ``"rnn"``: ``h_{k+1} = tanh f(h_k)``, a map that knows no time
- ``"rnn_gap"``: ``h_{k+1} = tanh f(h_k, g_k)``, with the interval ``g_k`` as one more input
- ``"residual"``: ``h_{k+1} = h_k + g_k f(h_k)``: Euler's method
- ``"ode"``: ``h' = f(h)`` for a time ``g_k``: one Runge-Kutta 4 step

Intervals are in units of the interval of regular sampling.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models.networks import MLP
from nodelib.ode import tableaus
from nodelib.ode.steps import runge_kutta_step

KINDS = ("rnn", "rnn_gap", "residual", "ode")


class RecurrentModel(nn.Module):
    """S models of one kind side by side; see the module.

    Args:
        kind: one of ``KINDS``.
        seeds: one for each model.
        size, hidden, observed: numbers of units of the state, of f's hidden layer, and of x.

    Raises:
        ModelError: for an unknown kind.
    """

    def __init__(
        self,
        kind: str,
        *,
        seeds: Sequence[int],
        size: int = 8,
        hidden: int = 32,
        observed: int = 2,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ModelError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
        self.kind, self.members = kind, len(seeds)
        inputs = size + 1 if kind == "rnn_gap" else size
        self.f = MLP((inputs, hidden, size), seeds=seeds)
        self.encode = MLP((observed, size), seeds=[1000 + seed for seed in seeds])
        self.decode = MLP((size, observed), seeds=[2000 + seed for seed in seeds])

    def step(self, h: Tensor, gap: Tensor) -> Tensor:
        """The state (S, B, size) one interval later; ``gap`` has shape (S, B, 1)."""
        if self.kind == "rnn":
            return torch.tanh(self.f(h))
        if self.kind == "rnn_gap":
            return torch.tanh(self.f(torch.cat((h, gap), -1)))
        if self.kind == "residual":
            return h + gap * self.f(h)
        return runge_kutta_step(lambda _, z: gap * self.f(z), tableaus.RK4, 0.0, 1.0, h)[0]

    def scaled_step(self, h: Tensor, gap: Tensor) -> Tensor:
        """The map of a unit interval read as Euler's method: ``h + gap (map(h) - h)``."""
        return h + gap * (self.step(h, torch.ones_like(gap)) - h)

    def forward(self, first: Tensor, gaps: Tensor, step=None, parts: int = 1) -> Tensor:
        """Observations (S, B, n + 1, observed) from the first one (S, B, observed) on.

        ``gaps`` (S, B, n) holds the intervals; ``step`` is a method to use instead of ``step``;
        every interval is walked in ``parts`` equal steps.
        """
        step = self.step if step is None else step
        h = self.encode(first)
        states = [h]
        for gap in (gaps / parts).unsqueeze(-1).unbind(2):
            for _ in range(parts):
                h = step(h, gap)
            states.append(h)
        return self.decode(torch.stack(states, 2))
