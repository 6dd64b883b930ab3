"""Steps of training of the ODE-Net of heartbeats, against torchdiffeq's two ways, in one process.

A step is the loss of a batch of 128 beats and its gradient in all parameters, by Dormand-Prince at
the tolerance that the recorded networks were trained with. The peer is the network as document 001
prints it, with the same weights: by ``odeint_adjoint``, as the document says, and by ``odeint``.
Ours is measured as it was trained, with a first step of a half, against the peers as they are and
with that first step; and with a first step that it chooses itself, as the peers do. ResNet against
the printed ResNet shows what the layers alone are worth.
"""

import functools
from collections.abc import Callable

import torch
import torchdiffeq
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodebook.benchmarks.harness import Contest
from nodebook.documents.heartbeat_networks import ODENet, ResBlock, printed_network
from nodelib.models.heartbeats import BLOCKS, SAMPLES, SOLVER, heartbeat_classifier
from nodelib.seeds import generator
from nodelib.training.memory import keep_freed_memory

BATCH = 128
PEERS = {
    "torchdiffeq odeint_adjoint": torchdiffeq.odeint_adjoint,
    "torchdiffeq odeint": torchdiffeq.odeint,
}


def contests() -> list[Contest]:
    """The ODE-Net with and without a given first step, and the ResNet."""
    keep_freed_memory()
    random = generator(0)
    beats = torch.rand(BATCH, SAMPLES, generator=random)
    classes = torch.randint(5, (BATCH,), generator=random)
    step = functools.partial(gradient, beats=beats, classes=classes)
    limits = {key: SOLVER[key] for key in ("method", "rtol", "atol")}
    made = []
    free, given = ("", {}), (", first step 0.5", SOLVER["options"])
    for own, other in ((given, free), (given, given), (free, free)):
        ours = heartbeat_classifier("ode-net", seed=0)
        ours.body.settings = {**SOLVER, "options": own[1]}
        for name, solver in PEERS.items():
            peer = printed_network(ODENet(solver, {**limits, "options": dict(other[1])}))
            made.append(
                Contest(
                    f"training step, ODE-Net{own[0]}",
                    f"{name}{other[0]}",
                    functools.partial(step, ours),
                    functools.partial(step, alike(ours, peer)),
                )
            )
    ours = heartbeat_classifier("resnet", seed=0)
    peer = alike(ours, printed_network(*(ResBlock() for _ in range(BLOCKS))))
    sides = functools.partial(step, ours), functools.partial(step, peer)
    return [*made, Contest("training step, ResNet", "printed ResNet", *sides)]


@torch.no_grad()
def alike(ours: nn.Module, peer: nn.Sequential) -> Callable[[Tensor], Tensor]:
    """The printed network with our weights, on beats (n, 187)."""
    for own, printed in zip(ours.by_layer(), peer.parameters(), strict=True):
        printed.copy_(own)
    return nn.Sequential(nn.Unflatten(1, (1, SAMPLES)), peer)


def gradient(network: nn.Module, beats: Tensor, classes: Tensor) -> tuple[Tensor, ...]:
    """Gradients of the loss in all parameters."""
    loss = cross_entropy(network(beats), classes)
    return torch.autograd.grad(loss, list(network.parameters()))
