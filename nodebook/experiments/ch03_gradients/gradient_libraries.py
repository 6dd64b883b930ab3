"""The same gradient from different libraries: error and time at the same tolerance.

Variants are the problems of ``nodebook.benchmarks.gradient_problems``: ``nonlinear`` (one state of
two numbers) and ``network`` (16 states of eight numbers). Dormand-Prince's method, tolerance 1e-6
relative and absolute, float64. Metrics, by way (``differentiation.WAYS`` and, where diffrax is
installed, ``diffrax_peer.WAYS``):

- ``error.<way>``: relative error of the gradient in z0 and the parameters, against 1e-12
- ``reference_agreement``: relative distance of the reference from torchdiffeq's at 1e-12
- ``diffrax``: its version, or "absent"

The history holds the time of a gradient in ms, ``milliseconds.<way>``, and ``ratio.<way>``, its
quotient with that of torchdiffeq's ``odeint_adjoint``: medians of turns in which the ways
alternate, compilation left out. Nothing but the solve and its gradient is timed.
"""

import functools
import statistics
import time
from collections.abc import Callable, Mapping

from torch import Tensor

from nodebook.benchmarks import diffrax_peer, gradient_problems
from nodebook.benchmarks.differentiation import WAYS, differentiate, relative_error
from nodebook.benchmarks.gradient_problems import Problem
from nodebook.evidence import results

VARIANTS = ("nonlinear", "network")
SEEDS = (0, 1, 2)
NEEDS = ()
TOLERANCE = {"reference_agreement": 10.0, "*": 1e-3}

REQUESTED = {"rtol": 1e-6, "atol": 1e-6}
TIGHT = {"rtol": 1e-12, "atol": 1e-12}
PEER = "torchdiffeq-adjoint"
REPEATS = 25

NAMES: Mapping[str, str] = {
    **WAYS,
    **{way: f"diffrax, {name}" for way, name in diffrax_peer.WAYS.items()},
}
"""Every way that a recorded run may hold, and how to write it in a table."""


def problem(variant: str, seed: int) -> Problem:
    """The problem of a variant."""
    return {"nonlinear": gradient_problems.nonlinear, "network": gradient_problems.network}[
        variant
    ](seed)


def gradient_functions(problem: Problem) -> dict[str, Callable[[], Tensor]]:
    """For each way at hand a function of nothing that gives the gradient as one vector."""

    def by(way: str) -> Tensor:
        return differentiate(way, *problem.parts, **REQUESTED).vector()

    found: dict[str, Callable[[], Tensor]] = {way: functools.partial(by, way) for way in WAYS}
    if diffrax_peer.version():
        for way in diffrax_peer.WAYS:
            found[way] = diffrax_peer.gradient_function(way, problem, **REQUESTED)
    return found


def milliseconds(
    functions: Mapping[str, Callable[[], Tensor]], repeats: int = REPEATS
) -> dict[str, list[float]]:
    """Times of each function, taken in turns after one call that does not count."""
    taken: dict[str, list[float]] = {way: [] for way in functions}
    for turn in range(repeats + 1):
        for way, function in functions.items():
            began = time.perf_counter()
            function()
            if turn:
                taken[way].append(1e3 * (time.perf_counter() - began))
    return taken


def ratios(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """Median over the turns of each way's time over the peer's."""
    return {
        way: statistics.median(a / b for a, b in zip(times, taken[PEER], strict=True))
        for way, times in taken.items()
    }


def run(variant: str, seed: int) -> results.Outcome:
    """Errors, and times in the history."""
    solved = problem(variant, seed)
    functions = gradient_functions(solved)
    taken = milliseconds(functions)
    history = {
        "milliseconds": {way: statistics.median(times) for way, times in taken.items()},
        "ratio": ratios(taken),
    }
    return results.Outcome(metrics=_metrics(solved, functions), history=history)


def rederive(recorded: results.Run) -> dict[str, object]:
    """All errors whose library is at hand; times are not compared."""
    solved = problem(recorded.variant, recorded.seed)
    metrics = _metrics(solved, gradient_functions(solved))
    return {name: value for name, value in metrics.items() if name.startswith("error")}


def _metrics(
    solved: Problem, functions: Mapping[str, Callable[[], Tensor]]
) -> dict[str, float | str]:
    reference = differentiate("checkpoint", *solved.parts, **TIGHT).vector()
    theirs = differentiate("torchdiffeq-backprop", *solved.parts, **TIGHT).vector()
    return {
        **{f"error.{way}": relative_error(work(), reference) for way, work in functions.items()},
        "reference_agreement": relative_error(theirs, reference),
        "diffrax": diffrax_peer.version() or "absent",
    }
