"""Where the time of a gradient goes: in operators, in memory, and between them.

The work is the network 2-50-2 with tanh, 64 states, 100 output times on [0, 25], tolerance 1e-5.
PyTorch's profiler tells the time inside of each operator and inside of compiled code; of operators
what makes, fills, copies and joins tensors is counted as memory, and what no operator accounts for
as Python (the dispatch of operators and the bookkeeping of automatic differentiation belong to it).
The profiler takes time itself, about a microsecond an operator, most of it on Python's account. So
what is Python's of a profiled run is too much; and what is left of a run without the profiler, when
the operators' own time in the profiled run is taken off, too little.
"""

import functools
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from nodebook.benchmarks import harness
from nodebook.benchmarks.contests.gradients import gradient
from nodebook.benchmarks.gradient_problems import Autonomous, starts
from nodebook.benchmarks.ways import SOLVERS

LANDING = ("backprop", "checkpoint")
"""The ways that are also measured as they were before there was dense output."""
MEMORY = ("empty", "zeros", "ones", "new_", "fill_", "zero_", "clone", "copy_", "cat", "stack")
"""How names of operators begin that make, fill, copy or join tensors."""

COMPILED = "## Call CompiledFxGraph"
"""How the profiler calls compiled code."""


@dataclass(frozen=True)
class Point:
    """A way: the median of its time, and a profiled run.

    Attributes:
        milliseconds: without the profiler.
        profiled: with it, and of that ``computing`` and ``memory``.
        operators: calls of them.
    """

    way: str
    milliseconds: float
    operators: int
    profiled: float
    computing: float
    memory: float
    repeats: int


def measure(repeats: int) -> list[Point]:
    """Time all ways in turn, then profile each."""
    field, times = Autonomous("tanh"), torch.linspace(0.0, 25.0, 100)
    solvers: dict[str, Callable[..., Tensor]] = {}
    for name, solver in SOLVERS.items():
        if name in LANDING:
            solvers[f"{name}, landing"] = functools.partial(solver, options={"land": True})
        solvers[name] = solver
    tolerances = {"rtol": 1e-5, "atol": 1e-5}
    tasks = {
        name: functools.partial(gradient, solver, field, starts(64), times, tolerances)
        for name, solver in solvers.items()
    }
    for task in tasks.values():
        task()
    taken = harness.in_turn(tasks, repeats)
    return [
        Point(name, 1e3 * statistics.median(taken[name]), *shares(task), repeats)
        for name, task in tasks.items()
    ]


def shares(task: harness.Timed) -> tuple[int, float, float, float]:
    """Calls of operators, and the milliseconds of a profiled run, its computing and its memory."""
    with profile(activities=[ProfilerActivity.CPU]) as record:
        whole = harness.seconds(task)
    calls, computing, memory = 0, 0.0, 0.0
    for event in record.key_averages():
        kind, _, name = event.key.partition("::")
        if kind == "aten":
            calls += event.count
        if kind == "aten" and name.startswith(MEMORY):
            memory += event.self_cpu_time_total
        elif kind == "aten" or event.key.startswith(COMPILED):
            computing += event.self_cpu_time_total
    return calls, 1e3 * whole, 1e-3 * computing, 1e-3 * memory
