"""How much longer training takes for the ODE-Net than for the ResNet as printed, and how long.

``printed``: a step of each. The networks are those of ``nodebook.documents.heartbeat_networks``:
the layers that the slides print, the ODE-Net solved by Dormand-Prince and differentiated by
``odeint_adjoint`` of torchdiffeq, as the slides say. They do not say the tolerance; it is tried at
1e-3, as in the example of Chen et al. 2018 whose network theirs resembles, and at 1e-2, in both
passes alike. A step is the loss of a batch of 128 training beats and its gradient in all
parameters. By the log of the slides an epoch of the ODE-Net takes longer from epoch to epoch, so
evaluations are counted ``untrained`` and ``trained``, with the weights of the recorded networks of
``heartbeats``; the times are of those.

Its metrics:

- ``forward.<tolerance>.<state>`` and ``backward.<tolerance>.<state>``: evaluations of the field in
  the two passes
- ``slower.<tolerance>``: processor time of the ODE-Net's step over that of the ResNet's,
  medians of steps in turn; a ratio within one process, which other work on the machine moves little
- ``grows.<tolerance>``: evaluations of both passes, trained over untrained; ``rises``: "yes" if
  over 1 at each tolerance

``epoch`` and ``epoch-rk4``: our ODE-Net, by Dormand-Prince and by two steps of the classical
Runge-Kutta method, is trained by beat with the plan of ``heartbeats``, cut to one epoch, on two
threads:

- ``minutes`` by the clock, ``steps``, and ``nfe``, mean evaluations of the field in a forward pass
- ``nfe_at_start``: those of the first, which verification makes again
"""

import statistics
import time
from dataclasses import replace

import torch
import torchdiffeq
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodebook.benchmarks.differentiation import Counted
from nodebook.documents.heartbeat_networks import ODENet, ResBlock, printed_network
from nodebook.evidence import results
from nodebook.experiments.ch09_heartbeats import sets
from nodebook.experiments.ch09_heartbeats.heartbeats import (
    PLAN,
    restored,
    shown,
    untrained,
)
from nodelib.models.heartbeats import BLOCKS, HeartbeatClassifier, heartbeat_classifier
from nodelib.training.batches import shuffled
from nodelib.training.heartbeats import fit
from nodelib.training.memory import keep_freed_memory

EPOCHS = {"epoch": "ode-net.by-beat", "epoch-rk4": "ode-net-rk4.by-beat"}
"""The variant of ``heartbeats`` of which one epoch is timed."""

VARIANTS = ("printed", *EPOCHS)
SEEDS = (0,)
NEEDS = ("mitdb",)
TOLERANCE = {"forward.*": 0.2, "backward.*": 0.2, "grows.*": 0.2, "nfe_at_start": 0.5}

BATCH, REPEATS = 128, 3
TOLERANCES = ("1e-3", "1e-2")
STATES = ("untrained", "trained")
THREADS = 2


def run(variant: str, seed: int) -> results.Outcome:
    """Count and time."""
    keep_freed_memory()
    metrics = epoch(EPOCHS[variant], seed) if variant in EPOCHS else steps(seed)
    return results.Outcome(metrics=metrics, data=[sets.whole("by-beat").provenance])


def rederive(recorded: results.Run) -> dict[str, object]:
    """The evaluations; times are of one machine."""
    if recorded.variant in EPOCHS:
        return {"nfe_at_start": at_start(EPOCHS[recorded.variant], recorded.seed)}
    return evaluations(recorded.seed)


def steps(seed: int) -> dict[str, object]:
    """A step of each printed network, counted and timed."""
    metrics = evaluations(seed)
    residual = printed(ours("resnet", "trained", seed))
    for text in TOLERANCES:
        metrics[f"slower.{text}"] = slower(
            residual, printed(ours("ode-net", "trained", seed), text)
        )
    return metrics


def epoch(variant: str, seed: int) -> dict[str, object]:
    """A training of one epoch, timed."""
    beats, plan = shown(variant, "train"), replace(PLAN, epochs=1)
    network, threads = untrained(variant, seed), torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        history = fit(network, beats, plan, seed=seed, label="one epoch").history
    finally:
        torch.set_num_threads(threads)
    return {
        "minutes": history.seconds / 60,
        "steps": len(history.losses),
        "nfe": statistics.fmean(history.notes),
        "nfe_at_start": history.notes[0],
    }


@torch.no_grad()
def at_start(variant: str, seed: int) -> float:
    """Evaluations of the field in the first forward pass of that training."""
    network, beats = untrained(variant, seed), shown(variant, "train")
    x, _, _ = beats.tensors(torch.device("cpu"))
    network(x[shuffled(len(x), PLAN.batch, seed=seed)(0)])
    return float(network.body.stats.nfe)


def evaluations(seed: int) -> dict[str, object]:
    """Evaluations of the field in both passes, and by how much they grow with training."""
    metrics: dict[str, object] = {}
    for text in TOLERANCES:
        for state in STATES:
            found = counted(printed(ours("ode-net", state, seed), text))
            metrics[f"forward.{text}.{state}"], metrics[f"backward.{text}.{state}"] = found
        before, after = (
            metrics[f"forward.{text}.{state}"] + metrics[f"backward.{text}.{state}"]
            for state in STATES
        )
        metrics[f"grows.{text}"] = after / before
    grown = all(metrics[f"grows.{text}"] > 1 for text in TOLERANCES)
    return metrics | {"rises": "yes" if grown else "no"}


def ours(kind: str, state: str, seed: int) -> HeartbeatClassifier:
    """Our network: at its start, or recorded."""
    if state == "untrained":
        return heartbeat_classifier(kind, seed=seed)
    return restored(results.one("heartbeats", f"{kind}.by-beat", seed))


@torch.no_grad()
def printed(network: HeartbeatClassifier, tolerance: str | None = None) -> nn.Sequential:
    """The printed network with the weights of ours: an ODE-Net where a tolerance is given."""
    if tolerance is None:
        made = printed_network(*(ResBlock() for _ in range(BLOCKS)))
    else:
        limits = {"method": "dopri5", "rtol": float(tolerance), "atol": float(tolerance)}
        made = printed_network(ODENet(torchdiffeq.odeint_adjoint, limits))
    for theirs, own in zip(made.parameters(), network.by_layer(), strict=True):
        theirs.copy_(own)
    return made


def batch() -> tuple[Tensor, Tensor]:
    """Beats (128, 1, 187) and classes of a step."""
    x, y, _ = sets.part("by-beat", "train").beats.tensors(torch.device("cpu"))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:BATCH]
    return x[order].unsqueeze(1), y[order]


def step(network: nn.Module, beats: Tensor, classes: Tensor) -> None:
    """Loss and gradient."""
    torch.autograd.grad(cross_entropy(network(beats), classes), list(network.parameters()))


def counted(network: nn.Sequential) -> tuple[int, int]:
    """Evaluations of the field in the forward and in the backward pass of a step."""
    beats, classes = batch()
    (block,) = (layer for layer in network if isinstance(layer, ODENet))
    block.odefunc = counter = Counted(block.odefunc)
    loss = cross_entropy(network(beats), classes)
    forward = counter.nfe
    torch.autograd.grad(loss, list(network.parameters()))
    return forward, counter.nfe - forward


def slower(residual: nn.Module, ode: nn.Module) -> float:
    """Processor time of a step of the ODE-Net over that of the ResNet, in turn after a warm-up."""
    beats, classes = batch()
    taken: list[list[float]] = [[], []]
    for _ in range(1 + REPEATS):
        for network, seconds in zip((residual, ode), taken, strict=True):
            began = time.process_time()
            step(network, beats, classes)
            seconds.append(time.process_time() - began)
    first, second = (statistics.median(seconds[1:]) for seconds in taken)
    return second / first
