"""Work and precision: the time that a gradient takes against its error, at several tolerances.

The libraries do not reach the same error at the same tolerance, so a comparison at one tolerance
says little: what counts is the time to an error. The works are a network 2-50-2 with tanh, for 1,
64 and 1,024 states and 100 output times on [0, 25]; the same with ReLU for 64 states; the first for
64 states and five output times on [0, 4], where it can be solved backwards too; and the ODE block
of the ODE-Net of MNIST, batch 128 (see ``nodebook.benchmarks.contests.mnist``), each solver
choosing its own first step, the peers with the field as document 003 prints it. Single precision,
one way after the other in every round, each once before it is timed unless it takes long, lest the
first of a library pay for the caches of another; compiling is not part of a time.
"""

import functools
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchdiffeq
from torch import Tensor

from nodebook.benchmarks import harness
from nodebook.benchmarks.contests import mnist
from nodebook.benchmarks.differentiation import relative_error
from nodebook.benchmarks.gradient_problems import Autonomous, starts
from nodebook.benchmarks.ways import Way, joined, reference, ways
from nodelib.training.memory import keep_freed_memory

TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
DIGITS = "ODE block of MNIST, batch 128"
UNIT = "torchdiffeq odeint"
SLOW_SECONDS, SLOW_REPEATS = 1.0, 3
"""What takes longer is timed so often only."""


@dataclass(frozen=True)
class Work:
    """One gradient by several ways, at several tolerances; ``unit`` is that of the ratios' peer."""

    name: str
    ways: list[Way]
    reference: Callable[[], Tensor]
    tolerances: tuple[float, ...] = TOLERANCES
    unit: float = 1e-4


@dataclass(frozen=True)
class Point:
    """A way at a tolerance: the median of the times, and the relative error of the gradient.

    ``ratio`` is the median of its time over that of ``UNIT`` at the work's unit tolerance in the
    same round; ``low`` and ``high`` are the quartiles.
    """

    work: str
    way: str
    tolerance: float
    milliseconds: float
    ratio: float
    low: float
    high: float
    error: float
    repeats: int


def works() -> list[Work]:
    """All works."""
    made = [small("tanh", 64, 4.0, 5, adjoints=True)]
    made += [small("tanh", states, 25.0, 100) for states in (1, 64, 1024)]
    return [*made, small("relu", 64, 25.0, 100), digits()]


def small(kind: str, states: int, end: float, outputs: int, *, adjoints: bool = False) -> Work:
    """A network 2-50-2."""
    field, times = Autonomous(kind), torch.linspace(0.0, end, outputs)
    z0 = starts(states)
    name = f"{kind}, states: {states:,}, outputs: {outputs}"
    exact = functools.partial(reference, field, z0, times)
    return Work(name, ways(field, z0, times, adjoints=adjoints), exact)


def digits() -> Work:
    """The ODE block of the ODE-Net of MNIST."""
    maps, labels = mnist.batch()

    def ours(grad: str, tolerance: float) -> harness.Timed:
        network = mnist.network({"grad": grad, "rtol": tolerance, "atol": tolerance})
        return functools.partial(mnist.gradient, network, maps, labels)

    def theirs(name: str, tolerance: float) -> harness.Timed:
        network = mnist.peer_network(mnist.PEERS[name], printed=True, tolerance=tolerance)
        return functools.partial(mnist.gradient, network, maps, labels)

    def exact() -> Tensor:
        network = mnist.peer_network(torchdiffeq.odeint, printed=True, tolerance=1e-7).double()
        return joined(mnist.gradient(network, maps.double(), labels))

    found = [
        Way(grad, functools.partial(ours, grad), joined) for grad in ("backprop", "checkpoint")
    ]
    found += [
        Way(told_as, functools.partial(theirs, name), joined)
        for told_as, name in (
            (UNIT, "torchdiffeq odeint"),
            ("torchdiffeq adjoint", "torchdiffeq odeint_adjoint"),
        )
    ]
    return Work(DIGITS, found, exact, tolerances=(1e-1, 1e-2, 1e-3, 1e-4), unit=1e-3)


def measure(repeats: int) -> list[Point]:
    """Time all ways of all works in turn."""
    keep_freed_memory()
    return [point for work in works() for point in measured(work, repeats)]


def measured(work: Work, repeats: int) -> list[Point]:
    """Time the ways of one work in turn, after a warm-up that gives the errors."""
    exact = work.reference()
    tasks, errors, slow = {}, {}, set()
    for way in work.ways:
        for tolerance in work.tolerances:
            task = tasks[way.name, tolerance] = way.at(tolerance)
            errors[way.name, tolerance] = relative_error(way.vector(task()), exact)
            if harness.seconds(task) > SLOW_SECONDS:
                slow.add((way.name, tolerance))
    unit = (UNIT, work.unit)
    rounds = []
    for turn in range(repeats):
        due = [key for key in tasks if turn < SLOW_REPEATS or key not in slow or key == unit]
        rounds.append(
            {
                key: (harness.seconds if key in slow else harness.warm_seconds)(tasks[key])
                for key in due
            }
        )
    points = []
    for key in tasks:
        own = [taken for taken in rounds if key in taken]
        ratios = [taken[key] / taken[unit] for taken in own]
        low, middle, high = statistics.quantiles(ratios, n=4)
        milliseconds = 1e3 * statistics.median(taken[key] for taken in own)
        times = (milliseconds, middle, low, high)
        points.append(Point(work.name, *key, *times, errors[key], len(own)))
    return points
