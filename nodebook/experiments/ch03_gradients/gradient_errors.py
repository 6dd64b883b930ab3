"""How far gradients are from the truth: against tolerance, against Euler's step, and as printed.

Seed 0 of each variant is the problem that the chapter shows; the others draw it anew.

Variant ``linear``: the gradients of a linear equation against their closed form.

- ``<dtype>.<way>.<tolerance>``: the largest relative error of the gradients in z0, theta and t
- ``best.<dtype>.<way>``: the smallest of these over the tolerances

Variant ``steps``: fixed grids of n steps on the nonlinear problem, with errors relative to a
gradient computed at a tolerance of 1e-12.

- ``<method>.discrete.<n>``: error of the gradient of the discrete solve ("checkpoint")
- ``<method>.continuous.<n>``: error of the adjoint equation solved on the same grid
- ``<method>.apart.<n>``: their distance; ``<method>.order.<which>``: minus the slope of each
- ``solvers.coarse``, ``solvers.tight``: the largest distance between gradients that different
  solvers give: all methods with 10 steps, and the adaptive ones at a tolerance of 1e-10

Variant ``deck``: document 001's listing (Euler steps of at most 0.05) on the nonlinear problem with
four output times, all in the loss; relative error (absolute value of the difference over the
correct value) of each returned gradient, ``as_printed.<entry>`` and ``corrected.<entry>``, with
steps a hundred times finer ``as_printed_fine.<entry>`` and ``corrected_fine.<entry>``, and
``ours.<entry>`` for our continuous adjoint on the deck's grid; ``apart.<entry>`` between the two.
"""

import functools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from nodebook.benchmarks import gradient_problems
from nodebook.benchmarks.differentiation import WAYS, Gradients, differentiate, relative_error
from nodebook.benchmarks.gradient_problems import Problem
from nodebook.documents import adjoint_listing
from nodebook.documents.formulas.system import loss as nonlinear_loss
from nodebook.evidence import results

VARIANTS = ("linear", "steps", "deck")
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()

TOLERANCES = tuple(10.0**-k for k in range(3, 13))
DTYPES = {"float64": torch.float64, "float32": torch.float32}
FLOAT32_LIMIT = 1e-8
"""Below this tolerance a float32 solver only chases rounding errors."""

STEPS = (10, 20, 40, 80, 160, 320, 640)
METHODS = ("euler", "midpoint", "rk4")
TIGHT = {"rtol": 1e-12, "atol": 1e-13}
FEW_STEPS = "The continuous adjoint with Euler"
FINE_STEP = 0.0005
WEIGHTS = (0.7, 0.5, -0.8, 1.0)
FLOORS = {"float64": 1e-11, "float32": 1e-5}
"""Errors below these are rounding."""

LOOSE, COARSE = 1e-8, 160
"""Tolerances from the first and grids up to the second are solved again by verification."""
PART = f"the listing, tolerances of at least {LOOSE:g}, and grids of at most {COARSE} steps"

TOLERANCE = {"float32.*": 0.5, "best.float32.*": 0.5, "*": 1e-3}


def tolerances_of(dtype: str) -> tuple[float, ...]:
    """The tolerances that are tried in a precision."""
    return tuple(x for x in TOLERANCES if dtype == "float64" or x > FLOAT32_LIMIT)


def linear_error(problem: Problem, way: str, dtype: str, tolerance: float) -> float:
    """Largest relative error of the gradients of a linear problem in z0, theta and t."""
    exact = gradient_problems.linear_gradients(problem)
    found = differentiate(
        way, *problem.to(DTYPES[dtype]).parts, times=True, rtol=tolerance, atol=tolerance
    )
    return max(relative_error(getattr(found, name), exact[name]) for name in exact)


def on_grid(problem: Problem, way: str, method: str, steps: int) -> Gradients:
    """Gradients on a fixed grid; the warning about few Euler steps is what is measured here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=FEW_STEPS)
        return differentiate(way, *problem.parts, method=method, num_steps=steps)


def grid_errors(
    problem: Problem, method: str, reference: Tensor, grids: Sequence[int] = STEPS
) -> dict[str, list[float]]:
    """Errors "discrete" and "continuous", and "apart", at each number of steps."""
    errors: dict[str, list[float]] = {"discrete": [], "continuous": [], "apart": []}
    for steps in grids:
        discrete = on_grid(problem, "checkpoint", method, steps).vector()
        continuous = on_grid(problem, "adjoint", method, steps).vector()
        errors["discrete"].append(relative_error(discrete, reference))
        errors["continuous"].append(relative_error(continuous, reference))
        scale = torch.linalg.vector_norm(reference)
        errors["apart"].append(float(torch.linalg.vector_norm(discrete - continuous) / scale))
    return errors


def order(errors: list[float]) -> float:
    """Order of an error in the step, from the last two grids above rounding."""
    usable = [k for k, error in enumerate(errors) if error > FLOORS["float64"]][-2:]
    (first, last), ratio = usable, STEPS[usable[1]] / STEPS[usable[0]]
    return math.log(errors[first] / errors[last]) / math.log(ratio)


def deck_problem(seed: int) -> Problem:
    """The nonlinear problem with four times and a loss on all of them, as a batch of one."""
    problem = gradient_problems.nonlinear(seed)
    t0, t1 = problem.t.tolist()
    times = torch.tensor([t0 + share * (t1 - t0) for share in (0, 0.35, 0.65, 1)]).double()

    def loss(z: Tensor) -> Tensor:
        terms = zip(WEIGHTS, nonlinear_loss(z), strict=True)
        return sum(weight * value.sum() for weight, value in terms)

    return Problem(problem.field, problem.z0[None], times, loss)


def deck_gradients(
    problem: Problem, as_printed: bool, longest: float = adjoint_listing.LONGEST_STEP
) -> dict[str, Tensor]:
    """The gradients that document 001's listing returns, entry by entry."""
    z0, t = problem.z0.clone().requires_grad_(), problem.t.clone().requires_grad_()
    value = problem.loss(
        adjoint_listing.solve(problem.field, z0, t, as_printed=as_printed, longest=longest)
    )
    in_z0, in_t, theta = torch.autograd.grad(value, (z0, t, problem.field.theta))
    return _entries(in_z0, theta, in_t)


def same_grid_gradients(problem: Problem) -> dict[str, Tensor]:
    """The same entries by this library's continuous adjoint on the same Euler grid."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=FEW_STEPS)
        found = differentiate(
            "adjoint",
            *problem.parts,
            times=True,
            method="euler",
            step_size=adjoint_listing.LONGEST_STEP,
        )
    return _entries(found.z0, found.theta, found.t)


def true_gradients(problem: Problem) -> dict[str, Tensor]:
    """The same entries, at a tolerance of 1e-12."""
    found = differentiate("checkpoint", *problem.parts, times=True, **TIGHT)
    return _entries(found.z0, found.theta, found.t)


def run(variant: str, seed: int) -> results.Outcome:
    """All errors of one variant."""
    return results.Outcome(metrics=METRICS[variant](seed))


def rederive(recorded: results.Run) -> dict[str, object]:
    """The errors at loose tolerances and on coarse grids, but those at the level of rounding."""
    metrics = FEWER[recorded.variant](recorded.seed)
    return _above_rounding(metrics, recorded)


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All metrics but those at the level of rounding."""
    return _above_rounding(METRICS[recorded.variant](recorded.seed), recorded)


def _above_rounding(metrics: dict[str, float], recorded: results.Run) -> dict[str, object]:
    """The metrics without what differs between machines."""
    return {
        name: value
        for name, value in metrics.items()
        if min(value, recorded.metrics[name]) > _floor(name)
    }


def _linear(seed: int) -> dict[str, float]:
    metrics = _linear_errors(seed)
    for dtype in DTYPES:
        for way in WAYS:
            errors = [metrics[f"{dtype}.{way}.{x:.0e}"] for x in tolerances_of(dtype)]
            metrics[f"best.{dtype}.{way}"] = min(errors)
    return metrics


def _linear_errors(seed: int, from_tolerance: float = 0.0) -> dict[str, float]:
    problem = gradient_problems.linear(seed)
    return {
        f"{dtype}.{way}.{x:.0e}": linear_error(problem, way, dtype, x)
        for dtype in DTYPES
        for way in WAYS
        for x in tolerances_of(dtype)
        if x >= from_tolerance
    }


def _steps(seed: int) -> dict[str, float]:
    metrics = _step_errors(seed)
    for method in METHODS:
        for name in ("discrete", "continuous", "apart"):
            errors = [metrics[f"{method}.{name}.{n}"] for n in STEPS]
            metrics[f"{method}.order.{name}"] = order(errors)
    return metrics


def _step_errors(seed: int, grids: Sequence[int] = STEPS) -> dict[str, float]:
    problem = gradient_problems.nonlinear(seed)
    reference = differentiate("checkpoint", *problem.parts, **TIGHT).vector()
    metrics = {}
    for method in METHODS:
        for name, errors in grid_errors(problem, method, reference, grids).items():
            metrics |= {
                f"{method}.{name}.{n}": error for n, error in zip(grids, errors, strict=True)
            }
    coarse = [on_grid(problem, "checkpoint", method, 10) for method in METHODS]
    tight = [
        differentiate("checkpoint", *problem.parts, method=m, rtol=1e-10, atol=1e-10)
        for m in ("bosh3", "dopri5", "tsit5")
    ]
    metrics["solvers.coarse"] = _spread(coarse, reference)
    metrics["solvers.tight"] = _spread(tight, reference)
    return metrics


def _deck(seed: int) -> dict[str, float]:
    problem = deck_problem(seed)
    true = true_gradients(problem)
    found = {
        "as_printed": deck_gradients(problem, as_printed=True),
        "corrected": deck_gradients(problem, as_printed=False),
        "as_printed_fine": deck_gradients(problem, as_printed=True, longest=FINE_STEP),
        "corrected_fine": deck_gradients(problem, as_printed=False, longest=FINE_STEP),
        "ours": same_grid_gradients(problem),
    }
    return {
        f"{name}.{entry}": relative_error(values[entry], true[entry])
        for name, values in found.items()
        for entry in true
    } | {
        f"apart.{entry}": relative_error(found["corrected"][entry], found["ours"][entry])
        for entry in ("z0", "theta")
    }


METRICS: Mapping[str, Callable[[int], dict[str, float]]] = {
    "linear": _linear,
    "steps": _steps,
    "deck": _deck,
}


FEWER: Mapping[str, Callable[[int], dict[str, float]]] = {
    "linear": functools.partial(_linear_errors, from_tolerance=LOOSE),
    "steps": functools.partial(_step_errors, grids=[n for n in STEPS if n <= COARSE]),
    "deck": _deck,
}


def _entries(z0: Tensor, theta: Tensor, t: Tensor) -> dict[str, Tensor]:
    return {
        "z0": z0.reshape(-1),
        "theta": theta.reshape(-1),
        "t_first": t[:1],
        "t_interior": t[1:-1],
        "t_last": t[-1:],
    }


def _spread(found: list[Gradients], reference: Tensor) -> float:
    vectors = [gradients.vector() for gradients in found]
    scale = torch.linalg.vector_norm(reference)
    return max(float(torch.linalg.vector_norm(a - b) / scale) for a in vectors for b in vectors)


def _floor(name: str) -> float:
    return FLOORS["float32" if "float32" in name else "float64"]
