"""The two networks of document 001 on heartbeats, layer by layer as its slides print them.

Plain PyTorch, as its users would write it: slower than ``nodelib.models.heartbeats``, and equal.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class ConcatConv1d(nn.Module):
    """A convolution that sees the time as one more channel."""

    def __init__(self) -> None:
        super().__init__()
        self._layer = nn.Conv1d(65, 64, 3, padding=1)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """(n, 64, length) to the same shape."""
        return self._layer(torch.cat([torch.ones_like(x[:, :1]) * t, x], 1))


class ODEfunc(nn.Module):
    """The field."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(32, 64)
        self.conv1 = ConcatConv1d()
        self.norm2 = nn.GroupNorm(32, 64)
        self.conv2 = ConcatConv1d()
        self.norm3 = nn.GroupNorm(32, 64)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """The field at time ``t`` and (n, 64, length)."""
        x = self.conv1(t, torch.relu(self.norm1(x)))
        return self.norm3(self.conv2(t, torch.relu(self.norm2(x))))


class ODENet(nn.Module):
    """``z(0) -> z(1)`` by a solver with the call of ``torchdiffeq.odeint``."""

    def __init__(self, solver: Callable[..., Tensor], settings: dict[str, Any]) -> None:
        super().__init__()
        self.odefunc = ODEfunc()
        self.solver, self.settings = solver, settings

    def forward(self, z: Tensor) -> Tensor:
        """(n, 64, length) to the same shape."""
        return self.solver(self.odefunc, z, torch.tensor([0.0, 1.0]), **self.settings)[-1]


class ResBlock(nn.Module):
    """A residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.gn1 = nn.GroupNorm(32, 64)
        self.conv1 = nn.Conv1d(64, 64, 3, padding=1, bias=False)
        self.gn2 = nn.GroupNorm(32, 64)
        self.conv2 = nn.Conv1d(64, 64, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 64, length) to the same shape."""
        return x + self.conv2(torch.relu(self.gn2(self.conv1(torch.relu(self.gn1(x))))))


def printed_network(*body: nn.Module) -> nn.Sequential:
    """The whole network on beats (n, 1, 187) around its ``body``: an ODENet, or six ResBlocks."""
    return nn.Sequential(
        nn.Conv1d(1, 64, 3),
        nn.GroupNorm(32, 64),
        nn.ReLU(inplace=True),
        nn.Conv1d(64, 64, 4, stride=2, padding=1),
        nn.GroupNorm(32, 64),
        nn.ReLU(inplace=True),
        nn.Conv1d(64, 64, 4, stride=2, padding=1),
        *body,
        nn.GroupNorm(32, 64),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(64, 5),
    )
