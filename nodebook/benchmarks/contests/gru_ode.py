"""A training step of GRU-ODE-Bayes against the plain loop over the union of times.

A step is the loss of a batch of series of 512 events at times of their own, 7 features of which
half are observed, 64 states, the minimal cell with imputation, one Euler step over each gap, and
its gradient in all parameters. The loop has as many gaps as all series together have events, so
only its first ``WALKED`` times are measured: one side of a ratio is then a whole step, and the
other the stated share of one; the names say by how much the ratio must be divided.

Once more at batches of 64 and 512 the walk is compiled. The compilation is over before anything is
timed; the names of those contests say how long the first step took with it. An epoch of 7,500
series takes as many steps as there are batches in it.
"""

import functools
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nodebook.benchmarks.harness import Contest
from nodebook.benchmarks.union_of_times import UnionOfTimes
from nodelib.models.gru_ode import Events, GRUODEBayes, Sizes, Stepping, make_events

EVENTS, FEATURES, HIDDEN, MIXING = 512, 7, 64, 1e-4
BATCHES, COMPILED = (1, 16, 64, 256), (64, 512)
WALKED = 512


def contests() -> list[Contest]:
    """At batches of 1, 16, 64 and 256, and compiled at two; on all of the threads."""
    plain = [contest(f"batch {batch}", model(), series(batch)) for batch in BATCHES]
    return [*plain, *map(compiled, COMPILED)]


def compiled(batch: int) -> Contest:
    """A compiled model, after its compilation, against the loop."""
    own, events = model(compile=True), series(batch)
    began = time.perf_counter()
    step(own, events)
    first = time.perf_counter() - began
    return contest(f"batch {batch}, compiled (first step {first:.0f} s)", own, events)


def contest(name: str, own: GRUODEBayes, events: Events) -> Contest:
    """A model against the loop on the same events."""
    share = len(events.times) * EVENTS // WALKED
    peer = "union loop" if share == 1 else f"union loop, 1/{share} of its times"
    loop = UnionOfTimes(FEATURES, HIDDEN)
    return Contest(
        name,
        peer,
        functools.partial(step, own, events),
        functools.partial(walk_step, loop, events),
        share=share,
    )


def series(batch: int) -> Events:
    """Random series of one seed."""
    random = torch.Generator().manual_seed(0)
    times = EVENTS * torch.rand(batch, EVENTS, generator=random, dtype=torch.float64)
    values = torch.randn(batch, EVENTS, FEATURES, generator=random)
    observed = torch.rand(batch, EVENTS, FEATURES, generator=random) < 0.5
    return make_events(times.sort(1).values, values, observed)


def model(*, compile: bool = False) -> GRUODEBayes:
    """The model of seed 0."""
    stepping = Stepping("euler", steps=1)
    return GRUODEBayes(Sizes(FEATURES, HIDDEN), stepping, impute=True, compile=compile, seed=0)


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
