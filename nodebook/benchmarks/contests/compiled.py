"""The gradient of a compiled solve against torchdiffeq's and, where it is installed, diffrax's.

A field 2-50-2 in single precision, 100 output times on [0, 25], tolerances 1e-5, for one, 64 and
1,024 states: forward and backward together, the loss the sum of squares of all outputs. Compiling
is not part of it. diffrax chooses its steps by another error estimate, and so takes fewer. The
adjoint of torchdiffeq is left out: solved backwards, this field runs away. With ReLU it would run
away forwards too; there the state is drawn back to zero (``PULL``), which keeps it below 4.
"""

import functools
from collections.abc import Callable

import torch
import torchdiffeq
from torch import Tensor, nn

from nodebook.benchmarks import diffrax_peer
from nodebook.benchmarks.contests.gradients import gradient
from nodebook.benchmarks.harness import Contest
from nodelib.ode.gradients import odeint

BATCHES = (1, 64, 1024)
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
TOLERANCES = {"rtol": 1e-5, "atol": 1e-5}
SCALE = 8.0
"""Of the last matrix, so that states move."""
PULL = {"tanh": 0.0, "relu": 2.0}
"""How fast states are drawn back to zero."""


class Autonomous(nn.Module):
    """A field of one hidden layer that does not depend on the time."""

    def __init__(self, activation: str, hidden: int = 50, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.inner, self.outer = nn.Linear(2, hidden), nn.Linear(hidden, 2)
        self.activation, self.pull = ACTIVATIONS[activation](), PULL[activation]
        with torch.no_grad():
            for layer, scale in ((self.inner, 1.0), (self.outer, SCALE)):
                bound = layer.in_features**-0.5
                for weight, size in ((layer.weight, scale * bound), (layer.bias, bound)):
                    weight.copy_(size * (2 * torch.rand(weight.shape, generator=generator) - 1))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``, shape (..., 2)."""
        slope = self.outer(self.activation(self.inner(z)))
        return slope - self.pull * z if self.pull else slope


def contests() -> list[Contest]:
    """The compiled solve against each peer, for each activation and number of states."""
    times = torch.linspace(0.0, 25.0, 100)
    made = []
    for activation in ACTIVATIONS:
        field = Autonomous(activation)
        for batch in BATCHES:
            z0 = torch.randn(batch, 2, generator=torch.Generator().manual_seed(1))
            run = functools.partial(
                gradient, field=field, z0=z0, times=times, tolerances=TOLERANCES
            )
            ours = functools.partial(run, functools.partial(odeint, compile=True))
            peers: dict[str, Callable[[], object]] = {
                "torchdiffeq odeint": functools.partial(run, torchdiffeq.odeint)
            }
            if diffrax_peer.version():
                peers["diffrax, compiled"] = diffrax_peer.trajectory_gradient(
                    activation, field, z0, times, **TOLERANCES
                )
            name = f"gradient, compiled, {activation}, states: {batch}"
            made += [Contest(name, peer, ours, theirs) for peer, theirs in peers.items()]
    return made
