"""Euler's method on ``dy/dx = y``, ``y(0) = 1``, whose solution at 1 is the number e.

Metrics:

- ``order``: of Euler's error, from the last two step counts of ``COUNTS`` in float64
- ``closed_form``: largest relative distance of n steps from ``(1 + 1/n)^n``
- ``taylor``: power of h up to which one Euler step equals the Taylor series of the solution, which
  is the order of a Runge-Kutta method with the tableau of Euler's
- ``grid``: document 002's eq. (8) for i from 0 to n, judged as a formula: its last point against
  Euler's point at 1; ``grid.corrected_relative_error`` is that of i from 0 to n - 1
- ``points``: states that n = 8 steps give, the first included
- ``finest.<dtype>``: the count with the smallest error, ``error_at_finest.<dtype>``, and
  ``error_after.<dtype>``, the error at the largest count
- ``finer_is_better.<dtype>``: "always" if each count of ``COUNTS`` is better than the one before,
  else "down to rounding"
- ``any_accuracy.<dtype>``: "any" if the adaptive solve's error is within ten times every tolerance
  of ``TOLERANCES``, else "down to rounding"; ``floor.<dtype>`` is the smallest error, and
  ``accuracy.<dtype>`` the list of errors (-1 where the solver refuses)
- ``nfe.<method>.<error>``: evaluations of the field for an error of at most that, in float64

The history holds the errors against the counts and the tolerances.
"""

import functools
import math
from dataclasses import asdict
from itertools import pairwise

import torch
from torch import Tensor

from nodebook.documents.formulas.verdicts import Evaluation, judge
from nodebook.evidence import results
from nodelib.errors import SolverError
from nodelib.ode.solvers import solve

VARIANTS = ("exponential",)
SEEDS = (0,)
NEEDS = ()
TOLERANCE = {
    "grid.*error": 1e-6,
    "order": 1e-4,
    "closed_form": 100.0,
    "error_*": 1e-2,
    "floor.*": 10.0,
    "accuracy.*": 10.0,
}
PART = "without the counts up to 262,144, and the solver in double precision only"

COUNTS = tuple(2**k for k in range(19))
DTYPES = {"float32": torch.float32, "float64": torch.float64}
TOLERANCES = tuple(10.0**-k for k in range(2, 20))
METHODS = ("euler", "midpoint", "rk4", "dopri5")
TARGETS = (1e-1, 1e-2, 1e-4, 1e-6, 1e-8)


def field(t: Tensor, y: Tensor) -> Tensor:
    """``f(t, y) = y``."""
    return y


@functools.cache
def euler(n: int, dtype: torch.dtype = torch.float64, last: int | None = None) -> float:
    """Euler's value after the step with index ``last`` (default n - 1) of a grid of n steps."""
    steps = n if last is None else last + 1
    start = torch.ones((), dtype=dtype)
    options = {"method": "euler", "num_steps": steps, "max_steps": steps}
    return solve(field, start, [0.0, steps / n], **options).z[-1].item()


def euler_errors(dtype: torch.dtype) -> list[float]:
    """Relative error at 1 of every count of ``COUNTS``."""
    return [abs(euler(n, dtype) / math.e - 1) for n in COUNTS]


def tolerance_errors(dtype: torch.dtype) -> list[float]:
    """Relative error at 1 of an adaptive solve at each tolerance; -1 where it raises."""
    errors = []
    for tolerance in TOLERANCES:
        start = torch.ones((), dtype=dtype)
        try:
            solution = solve(field, start, [0.0, 1.0], rtol=tolerance, atol=tolerance)
        except SolverError:
            errors.append(-1.0)
        else:
            errors.append(abs(solution.z[-1].item() / math.e - 1))
    return errors


def evaluations(method: str, target: float) -> int:
    """Evaluations with which a method first has a relative error of at most ``target`` at 1.

    On grids of 1, 2, 3, ... steps, growing by a tenth from 20 on.
    """
    start, n = torch.ones((), dtype=torch.float64), 1
    while True:
        options = {"method": method, "num_steps": n, "max_steps": n}
        solution = solve(field, start, [0.0, 1.0], **options)
        if abs(solution.z[-1].item() / math.e - 1) <= target:
            return solution.stats.nfe
        n += max(1, n // 10) if n >= 20 else 1


def taylor_order() -> int:
    """Highest power of h in which one step from 1 agrees with ``exp(h)``.

    One step is a polynomial in h: its coefficients are found exactly from its values at whole h.
    """
    values = [euler_step(h) for h in range(4)]
    first = [b - a for a, b in pairwise(values)]
    second = [b - a for a, b in pairwise(first)]
    coefficients = [values[0], first[0] - second[0] / 2, second[0] / 2]
    expected = [1.0, 1.0, 0.5]
    agreeing = [a == b for a, b in zip(coefficients, expected, strict=True)]
    return agreeing.index(False) - 1


def euler_step(h: float) -> float:
    """One step of length ``h`` from 1; none for 0."""
    if h == 0:
        return 1.0
    start = torch.ones((), dtype=torch.float64)
    return solve(field, start, [0.0, h], method="euler").z[-1].item()


def grid_verdict(n: int = 8) -> dict[str, object]:
    """Eq. (8) of document 002 with its printed range of i, against Euler's value at 1."""
    as_tensor = lambda value: torch.tensor([value], dtype=torch.float64)  # noqa: E731
    printed, corrected = euler(n, last=n), euler(n, last=n - 1)
    reference = (1 + 1 / n) ** n
    evaluation = Evaluation(*map(as_tensor, (printed, reference)), corrected=as_tensor(corrected))
    return asdict(judge(evaluation))


def run(variant: str, seed: int) -> results.Outcome:
    """Everything; nothing is random."""
    errors = {name: euler_errors(dtype) for name, dtype in DTYPES.items()}
    exact = [(1 + 1 / n) ** n for n in COUNTS]
    metrics: dict[str, object] = {
        "order": math.log2(errors["float64"][-2] / errors["float64"][-1]),
        "closed_form": max(abs(euler(n) / x - 1) for n, x in zip(COUNTS, exact, strict=True)),
    }
    for name in DTYPES:
        best = min(errors[name])
        falls = all(b < a for a, b in pairwise(errors[name]))
        metrics |= {
            f"finest.{name}": COUNTS[errors[name].index(best)],
            f"error_at_finest.{name}": best,
            f"error_after.{name}": errors[name][-1],
            f"finer_is_better.{name}": "always" if falls else "down to rounding",
        }
    metrics |= others(*DTYPES)
    adaptive = {name: metrics[f"accuracy.{name}"] for name in DTYPES}
    history = {"counts": COUNTS, "errors": errors, "tolerances": TOLERANCES, "adaptive": adaptive}
    return results.Outcome(metrics=metrics, history=history)


def others(*dtypes: str) -> dict[str, object]:
    """The metrics that do not need Euler's method with every count; the solver's in ``dtypes``."""
    points = solve(field, torch.ones(()), torch.linspace(0, 1, 9).tolist(), method="euler").z
    metrics: dict[str, object] = {
        "taylor": taylor_order(),
        "grid": grid_verdict(),
        "points": len(points),
    }
    for name in dtypes:
        errors = tolerance_errors(DTYPES[name])
        reached = all(0 <= e <= 10 * x for e, x in zip(errors, TOLERANCES, strict=True))
        metrics |= {
            f"any_accuracy.{name}": "any" if reached else "down to rounding",
            f"floor.{name}": min(e for e in errors if e >= 0),
            f"accuracy.{name}": errors,
        }
    for method in METHODS:
        targets = TARGETS[: {"euler": 3, "midpoint": 4}.get(method)]
        metrics |= {f"nfe.{method}.{x:.0e}": evaluations(method, x) for x in targets}
    return metrics


def rederive(recorded: results.Run) -> dict[str, object]:
    """What ``PART`` says."""
    return others("float64")


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """Everything."""
    return run(recorded.variant, recorded.seed).metrics
