"""The ODE block of the ODE-Net of MNIST, against torchdiffeq's two ways, in one process.

The work is the block from the maps of 128 digits to its end, and back: the loss of the network and
its gradient in these maps and the parameters of the block, by Dormand-Prince at the tolerance that
the recorded networks were trained with. The convolutions before the block, which are the same for
all, are left out. Torchdiffeq solves the block twice: with the field as document 003 prints it,
which is what its users run, and with ours.

A third of the evaluations goes to a first step that is chosen with caution, by both libraries
alike. So backpropagation is measured once more with a first step of a half, against the peers as
they are and against the peers with the same first step.
"""

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torchdiffeq
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodebook.benchmarks.harness import Contest
from nodebook.documents.concatenated_field import ConcatenatedField, as_images, as_maps
from nodelib import data
from nodelib.models.classifiers import SOLVERS, ConvClassifier, classifier
from nodelib.ode.gradients import MODES
from nodelib.training.memory import keep_freed_memory

BATCH = 128
PEERS = {
    "torchdiffeq odeint": torchdiffeq.odeint,
    "torchdiffeq odeint_adjoint": torchdiffeq.odeint_adjoint,
}
FIRST_STEP = 0.5


class Peer(nn.Module):
    """The ODE block solved by torchdiffeq, on maps (36, n, 64)."""

    def __init__(
        self,
        solver: Callable[..., Tensor],
        field: nn.Module,
        *,
        printed: bool,
        first_step: float | None = None,
        tolerance: float | None = None,
    ) -> None:
        super().__init__()
        self.solver, self.printed = solver, printed
        self.limits = {key: SOLVERS["ode-net"][key] for key in ("method", "rtol", "atol")}
        if tolerance is not None:
            self.limits |= {"rtol": tolerance, "atol": tolerance}
        self.options = {} if first_step is None else {"first_step": first_step}
        self.f = ConcatenatedField(field) if printed else field

    def forward(self, maps: Tensor) -> Tensor:
        """The maps at t = 1."""
        start = as_images(maps).contiguous() if self.printed else maps
        times = torch.tensor([0.0, 1.0]).to(start)
        end = self.solver(self.f, start, times, **self.limits, options=self.options)[-1]
        return as_maps(end).contiguous() if self.printed else end


def contests() -> list[Contest]:
    """Every mode of ours against both of theirs, with the printed field and with ours."""
    keep_freed_memory()
    maps, labels = batch()
    block = functools.partial(gradient, maps=maps, labels=labels)
    # name, settings of ours, and the peers' fields and first steps
    plain = [(True, None), (False, None)]
    rounds = [(mode, {"grad": mode}, plain) for mode in MODES]
    ahead = {"options": {"first_step": FIRST_STEP}}
    rounds.append((f"backprop{told(FIRST_STEP)}", ahead, [(True, None), (True, FIRST_STEP)]))
    made = []
    for name, settings, peers in rounds:
        own = network(settings)
        for (peer_name, solver), (printed, first_step) in itertools.product(PEERS.items(), peers):
            peer = peer_network(solver, printed=printed, first_step=first_step)
            field = "printed" if printed else "our"
            made.append(
                Contest(
                    f"ODE block, {name}",
                    f"{peer_name}, {field} field{told(first_step)}",
                    functools.partial(block, own),
                    functools.partial(block, peer),
                )
            )
    return made


def told(first_step: float | None) -> str:
    """What the name of a side says of its first step."""
    return "" if first_step is None else f", first step {first_step}"


def network(settings: Mapping[str, Any]) -> ConvClassifier:
    """The ODE-Net of seed 0 with other settings of its solver."""
    made = classifier("ode-net", seed=0)
    made.body.settings = {**SOLVERS["ode-net"], **settings}
    return made


def peer_network(solver: Callable[..., Tensor], **settings: Any) -> ConvClassifier:
    """The ODE-Net of seed 0 with its block solved by a peer; the settings are those of ``Peer``."""
    made = network({})
    made.body = Peer(solver, made.body.f, **settings)
    return made


def batch() -> tuple[Tensor, Tensor]:
    """The maps (36, 128, 64) of digits with which the block starts, and their labels (128,)."""
    digits = data.mnist()
    images = torch.from_numpy(digits.train_images[:BATCH]) / 255
    with torch.no_grad():
        maps = network({}).maps(images)
    return maps, torch.from_numpy(digits.train_labels[:BATCH]).long()


def gradient(network: ConvClassifier, maps: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """Gradients of the loss in the maps before the block and the block's parameters."""
    maps = maps.clone().requires_grad_()
    loss = cross_entropy(network.scores(network.body(maps)), labels)
    return torch.autograd.grad(loss, [maps, *network.body.parameters()])
