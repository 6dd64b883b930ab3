"""A training step of GRU-ODE-Bayes against the plain loop over the union of times.

A step is the loss of a batch of series of 512 events at times of their own, 7 features of which
half are observed, 64 states, the minimal cell with imputation, one Euler step over each gap, and
its gradient in all parameters. The loop has as many gaps as all series together have events, so
only its first ``WALKED`` times are measured: one side of a ratio is then a whole step, and the
other the stated share of one; the names say by how much the ratio must be divided.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nodebook.benchmarks.harness import Contest
from nodebook.benchmarks.union_of_times import UnionOfTimes
from nodelib.models.gru_ode import Events, GRUODEBayes, Sizes, Stepping, make_events

EVENTS, FEATURES, HIDDEN, MIXING = 512, 7, 64, 1e-4
BATCHES = (1, 16, 64, 256)
WALKED = 512


def contests() -> list[Contest]:
    """At batches of 1, 16, 64 and 256, on all of the threads."""
    made = []
    for batch in BATCHES:
        events = series(batch)
        peer = UnionOfTimes(FEATURES, HIDDEN)
        share = batch * EVENTS // WALKED
        ours = functools.partial(step, model(), events)
        theirs = functools.partial(walk_step, peer, events)
        whole = "union loop" if share == 1 else f"union loop, 1/{share} of its times"
        made.append(Contest(f"batch {batch}", whole, ours, theirs))
    return made


def series(batch: int) -> Events:
    """Random series of one seed."""
    random = torch.Generator().manual_seed(0)
    times = EVENTS * torch.rand(batch, EVENTS, generator=random, dtype=torch.float64)
    values = torch.randn(batch, EVENTS, FEATURES, generator=random)
    observed = torch.rand(batch, EVENTS, FEATURES, generator=random) < 0.5
    return make_events(times.sort(1).values, values, observed)


def model() -> GRUODEBayes:
    """The model of seed 0."""
    stepping = Stepping("euler", steps=1)
    return GRUODEBayes(Sizes(FEATURES, HIDDEN), stepping, impute=True, seed=0)


def step(own: GRUODEBayes, events: Events) -> tuple[Tensor, ...]:
    """Gradients of the loss of a batch in all parameters."""
    return gradients(own, lambda: own(events).loss(MIXING))


def walk_step(peer: UnionOfTimes, events: Events) -> tuple[Tensor, ...]:
    """Gradients of the loss over the first times of the union."""
    values, observed = events.values, events.observed.float()
    return gradients(peer, lambda: peer(events.times, values, observed, MIXING, WALKED))


def gradients(network: nn.Module, loss: Callable[[], Tensor]) -> tuple[Tensor, ...]:
    """Of a loss in all parameters that it depends on."""
    return torch.autograd.grad(loss(), list(network.parameters()), allow_unused=True)
