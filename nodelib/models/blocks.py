"""Blocks of networks: plain, residual, and given by an ODE (chapter 01).

A **residual block** maps ``z`` to ``z + f(t, z)``. An **ODE block** maps ``z(t0)`` to ``z(t1)``,
where ``dz/dt = f(t, z)``. Euler's method with one step of length 1 is a residual block, and with n
such steps it is n residual blocks with shared weights: the numbers are equal, bit for bit.
He et al. 2016 for the first, Chen et al. 2018 for the second.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.ode.gradients import integrate
from nodelib.ode.solvers import SolveStats
from nodelib.ode.steps import Field, time_like


class TimedField(nn.Module):
    """The field ``f(t, z) = network((z, t))``: the time is one more input of the network.

    For networks side by side the state has their leading axis, as ``nodelib.models.networks.MLP``
    wants.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at a time and at states (..., d); the network has d + 1 inputs."""
        return self.network(torch.cat((z, time_like(t, z).expand(*z.shape[:-1], 1)), -1))


class PlainBlock(nn.Module):
    """``z -> activation(network(z))``."""

    def __init__(self, network: nn.Module, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.activation = network, activation

    def forward(self, z: Tensor) -> Tensor:
        """The output of the block."""
        return self.activation(self.network(z))


class ResidualBlock(nn.Module):
    """``z -> z + f(t, z)``, with the number ``t`` of the block as the time.

    ``forward`` raises ModelError where ``f`` changes the shape: nothing could be added then.
    """

    def __init__(self, f: Field, t: float = 0.0) -> None:
        super().__init__()
        self.f, self.t = f, t

    def forward(self, z: Tensor) -> Tensor:
        """The output of the block, of the shape of ``z``."""
        change = self.f(time_like(self.t, z), z)
        if change.shape != z.shape:
            raise ModelError(
                f"a residual block adds f(t, z) to z: f gave shape {tuple(change.shape)} for "
                f"{tuple(z.shape)}; project z to that shape before the block"
            )
        return z + change


def residual_network(fields: Iterable[Field]) -> nn.Sequential:
    """Residual blocks one after the other, block k at time k; one field given n times is shared."""
    return nn.Sequential(*(ResidualBlock(f, float(k)) for k, f in enumerate(fields)))


class ODEBlock(nn.Module):
    """``z(t0) -> z(t1)`` along ``dz/dt = f(t, z)``.

    Args:
        f: the field; its parameters are the block's. Where part of it is the same at every time,
            it may have a method ``prepared(z)`` that computes this once for a solve from a state
            like ``z`` and returns a field that uses it and the tensors that this field depends on.
        t0, t1: where it begins and ends.
        settings: the further keyword arguments of ``nodelib.integrate`` but ``params``: method,
            rtol, atol, grad, options.

    Attributes:
        settings: those; they hold no parameters and may be changed after training.
        stats: the cost of the last forward pass, None before the first.
        backward: the costs of the backward passes through it.

    Raises:
        ModelError: if ``t0`` is ``t1``. When called, ``SolverError`` as ``nodelib.integrate`` does.
    """

    def __init__(self, f: Field, t0: float = 0.0, t1: float = 1.0, **settings: Any) -> None:
        super().__init__()
        if t0 == t1:
            raise ModelError(f"an ODE block needs two different times, not t0 = t1 = {t0}")
        self.f, self.span, self.settings = f, (float(t0), float(t1)), settings
        self.stats: SolveStats | None = None
        self.backward: list[SolveStats] = []

    @classmethod
    def of_steps(cls, f: Field, steps: int, method: str = "euler") -> "ODEBlock":
        """``steps`` steps of length 1 from time 0; with "euler" a residual network, shared ``f``.

        Raises:
            ModelError: if ``steps`` is not positive.
        """
        if steps < 1:
            raise ModelError(f"steps must be at least 1, not {steps}")
        return cls(f, 0.0, steps, method=method, grad="backprop", options={"num_steps": steps})

    def forward(self, z: Tensor) -> Tensor:
        """The state at ``t1``, of the shape of ``z``."""
        return self.states(z, self.span)[-1]

    def states(self, z: Tensor, times: Sequence[float]) -> Tensor:
        """The states at several times, the first of which belongs to ``z``: (times, *state)."""
        clock = torch.tensor(times, dtype=torch.float64)
        field, params = self.f.prepared(z) if hasattr(self.f, "prepared") else (self.f, None)
        solution = integrate(field, z, clock, params=params, **self.settings)
        self.stats, self.backward = solution.stats, solution.backward
        return solution.z
