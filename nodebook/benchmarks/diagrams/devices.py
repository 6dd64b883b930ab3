"""What a GPU is worth for a solve: the time of a gradient on it and on the processor beside it.

Two fields of one hidden layer with tanh, 2-50-2 and 64-256-64, on [0, 1] with 30 output times,
tolerance 1e-4, single precision, for batches of 64 to 65,536 states; uncompiled. The processor
works on all the threads that torch uses, the GPU is waited for. Needs a GPU.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nodebook.benchmarks import harness, ways
from nodebook.benchmarks.contests.gradients import gradient
from nodebook.benchmarks.gradient_problems import Autonomous, starts
from nodelib.errors import NodelibError

FIELDS = {"2-50-2": (2, 50), "64-256-64": (64, 256)}
STATES = (64, 1024, 16384, 65536)
SOLVERS = {name: solver for name, solver in ways.SOLVERS.items() if name != "compiled"}
TOLERANCES = {"rtol": 1e-4, "atol": 1e-4}


@dataclass(frozen=True)
class Point:
    """A way on a device at one number of states: the median of its times, and their quartiles."""

    field: str
    device: str
    way: str
    states: int
    milliseconds: float
    low: float
    high: float
    repeats: int


def measure(repeats: int) -> list[Point]:
    """Time all ways on both devices in turn.

    Raises:
        NodelibError: if there is no GPU.
    """
    if not torch.cuda.is_available():
        raise NodelibError('the benchmark "devices" needs a GPU that PyTorch can use')
    gpu = torch.device("cuda")
    names = {"cpu": "processor", "cuda": torch.cuda.get_device_name(gpu)}
    tasks = {}
    for name, sizes in FIELDS.items():
        for device in (torch.device("cpu"), gpu):
            field = Autonomous("tanh", *sizes).to(device)
            for count in STATES:
                z0 = starts(count, sizes[0]).to(device)
                for way, solver in SOLVERS.items():
                    task = functools.partial(waited, solver, field, z0)
                    tasks[name, names[device.type], way, count] = task
    taken = harness.in_turn(tasks, repeats)
    return [Point(*key, *harness.quartiles(x), repeats) for key, x in taken.items()]


def waited(solver: Callable[..., Tensor], field: Autonomous, z0: Tensor) -> tuple[Tensor, ...]:
    """A gradient, waited for."""
    times = torch.linspace(0.0, 1.0, 30, device=z0.device)
    found = gradient(solver, field, z0, times, TOLERANCES)
    if z0.device.type == "cuda":
        torch.cuda.synchronize(z0.device)
    return found
