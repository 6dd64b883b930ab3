"""How the time of a gradient grows: with the batch, the state, the output times, the evaluations.

A network with tanh and 50 hidden units on [0, 25], tolerance 1e-5, single precision; where nothing
else is said 64 states of two numbers and 100 output times. Evaluations are those of Kutta's 3/8
rule on a grid, four a step, with two output times. The exponent is the slope of the logarithm of
the time over that of the size, by least squares over the larger half of the sizes.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nodebook.benchmarks import harness
from nodebook.benchmarks.gradient_problems import Autonomous, starts
from nodebook.benchmarks.ways import SOLVERS, ways

SIZES = {
    "states": (1, 8, 64, 256, 1024, 4096),
    "numbers in a state": (2, 8, 32, 128, 512),
    "output times": (2, 10, 100, 1000),
    "evaluations": (40, 160, 640, 2560),
}
NAMES = ("backprop", "checkpoint", "compiled", "torchdiffeq odeint", "diffrax")
TOLERANCE, END, STAGES = 1e-5, 25.0, 4


@dataclass(frozen=True)
class Point:
    """A way at a size of one quantity: the median of its times, and their quartiles."""

    quantity: str
    way: str
    size: int
    milliseconds: float
    low: float
    high: float
    repeats: int


def measure(repeats: int) -> list[Point]:
    """Time all ways at all sizes in turn, so that a clock that drifts moves all alike."""
    tasks = {
        (quantity, name, size): task
        for quantity, sizes in SIZES.items()
        for size in sizes
        for name, task in works(quantity, size)
    }
    for task in tasks.values():
        task()
    taken = harness.in_turn(tasks, repeats)
    return [Point(*key, *harness.quartiles(x), repeats) for key, x in taken.items()]


def works(quantity: str, size: int) -> Iterator[tuple[str, harness.Timed]]:
    """Every way at one size of one quantity."""
    states = size if quantity == "states" else 64
    numbers = size if quantity == "numbers in a state" else 2
    outputs = size if quantity == "output times" else 100
    field = Autonomous("tanh", numbers)
    z0 = starts(states, numbers)
    if quantity == "evaluations":
        yield from on_grid(field, z0, size // STAGES)
        return
    for way in ways(field, z0, torch.linspace(0.0, END, outputs), adjoints=False):
        if way.name in NAMES:
            yield way.name, way.at(TOLERANCE)


def on_grid(field: Autonomous, z0: Tensor, steps: int) -> Iterator[tuple[str, harness.Timed]]:
    """The gradient of the end of a solve on a grid."""
    for name, solver in SOLVERS.items():
        if name.startswith("torchdiffeq"):  # which calls the 3/8 rule so
            grid = {"method": "rk4", "options": {"step_size": END / steps}}
        else:
            grid = {"method": "rk4_38", "options": {"num_steps": steps}}
        yield name, functools.partial(of_end, functools.partial(solver, **grid), field, z0)


def of_end(solver: Callable[..., Tensor], field: Autonomous, z0: Tensor) -> tuple[Tensor, ...]:
    """Gradients in the initial state and the parameters of the summed squares of the end."""
    start = z0.clone().requires_grad_()
    end = solver(field, start, torch.tensor([0.0, END]))[-1]
    return torch.autograd.grad(end.square().sum(), (start, *field.parameters()))
