"""Chapter 02's theorem beyond one loss at the end, checked against gradients without an adjoint.

Seed 0 is the chapter's system; the other seeds draw its inputs. Variants:

- ``running``: a running loss added; ``<input>.adjoint`` and ``<input>.reference`` (complex step),
  ``<input>.relative_error`` against it, ``<input>.difference_error`` against central differences;
  for the inputs theta, z0 and times (t0 and t1).
- ``observations``: losses at four times and a running loss to a fifth; the same for theta, z0 and
  the times.
- ``parameters``: other parameters on each of four intervals (theta, z0, times: the switching
  times), ``shared.relative_error`` for one vector on all, and ``functional.relative_error`` for
  the derivative along a function of time.
- ``blocks``: Euler steps as one linear system. ``transposed.relative_error`` and
  ``direct.relative_error`` against automatic differentiation, and ``order`` of the error against
  the exact gradient; the history has these errors.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from nodebook.documents.formulas import blocks, hamiltonian
from nodebook.documents.formulas.hamiltonian import Problem
from nodebook.documents.formulas.system import Inputs, System, chebyshev, loss
from nodebook.documents.formulas.verdicts import relative_error
from nodebook.evidence import results

VARIANTS = ("running", "observations", "parameters", "blocks")
SEEDS = (0, 1, 2)
NEEDS = ()
TOLERANCE = {"*": 1e-6}

PLACES = (0.0, 0.3, 0.55, 0.8, 1.0)
WEIGHTS = (0.4, 0.7, -0.8, 1.0, 0.0)
COUNTS = (8, 16, 32, 64, 128, 256)


def running_problem(inputs: Inputs) -> Problem:
    """The chapter's loss at the end and a running loss."""
    return Problem.shared(inputs, (0.0, 1.0), (0.0, 1.0))


def observed_problem(inputs: Inputs) -> Problem:
    """Losses at four times, the first included, and a running loss that goes on to a fifth."""
    return Problem.shared(inputs, PLACES, WEIGHTS)


def switched_problem(inputs: Inputs, seed: int) -> Problem:
    """Four intervals with parameters of their own, a loss at the end and a running loss."""
    rng = np.random.default_rng([seed, 2])
    shared = Problem.shared(inputs, PLACES, (0.0, 0.0, 0.0, 0.0, 1.0))
    rows = np.array(inputs.theta) + rng.uniform(-0.3, 0.3, (4, 2))
    thetas = tuple(tuple(row) for row in rows.tolist())
    return Problem(shared.z0, shared.times, shared.weights, thetas)


def wave(t: float) -> np.ndarray:
    """The change of the parameters along which the functional derivative is taken."""
    return np.array([np.sin(3 * t), 0.5 * np.cos(2 * t)])


def functional_by_adjoint(problem: Problem, points: int = 40) -> float:
    """The integral of H_theta times ``wave``, by Clenshaw-Curtis quadrature on every interval."""
    solution = hamiltonian.adjoint(problem, points=points)
    total = 0.0
    for t, gradient in zip(solution.t, solution.by_theta, strict=True):
        _, weights, _ = chebyshev(points, t[0].item(), t[-1].item())
        change = torch.from_numpy(np.stack([wave(time) for time in t.tolist()]))
        total += (weights @ (gradient * change).sum(-1)).item()
    return total


def _inputs(gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gradients with one parameter vector on all intervals: theta instead of thetas."""
    rest = {name: value for name, value in gradients.items() if name != "thetas"}
    return {"theta": gradients["thetas"].sum(0), **rest}


def _compare(problem: Problem, shared: bool) -> dict[str, object]:
    found = [hamiltonian.adjoint(problem).gradients]
    found += [hamiltonian.complex_step(problem), hamiltonian.differences(problem)]
    if shared:
        found = [_inputs(gradients) for gradients in found]
    metrics: dict[str, object] = {}
    for name, value in found[0].items():
        metrics[f"{name}.adjoint"] = value.tolist()
        metrics[f"{name}.reference"] = found[1][name].tolist()
        metrics[f"{name}.relative_error"] = relative_error(value, found[1][name])
        metrics[f"{name}.difference_error"] = relative_error(value, found[2][name])
    return metrics


def _parameters(inputs: Inputs, seed: int) -> dict[str, object]:
    metrics = _compare(switched_problem(inputs, seed), shared=False)
    shared = observed_problem(inputs)
    pieces = hamiltonian.adjoint(shared).gradients["thetas"]
    whole = hamiltonian.complex_step(shared)["thetas"].sum(0)
    metrics["shared.relative_error"] = relative_error(pieces.sum(0), whole)
    exact = hamiltonian.functional_derivative(shared, wave)
    found = functional_by_adjoint(shared)
    metrics["functional.adjoint"], metrics["functional.reference"] = found, exact
    metrics["functional.relative_error"] = abs(found / exact - 1)
    return metrics


def block_gradients(s: System, count: int) -> dict[str, Tensor]:
    """dL/dtheta of ``count`` Euler steps: by two linear solves, by hand, and by autograd."""
    passed = blocks.run(s, s.theta.expand(count, 2))
    a, c, u = blocks.linear_system(passed)
    theta = s.theta.clone().requires_grad_()
    last = blocks.states(s, theta.expand(count, 2), s.z0)[-1]
    return {
        "direct": u @ torch.linalg.solve(a, c),
        "transposed": torch.linalg.solve(a.T, u) @ c,
        "backpropagation": blocks.backpropagate(passed)[1].sum(0),
        "autograd": torch.autograd.grad(loss(last), theta)[0],
    }


def _blocks(s: System) -> tuple[dict[str, object], dict[str, list[float]]]:
    runs = [block_gradients(s, count) for count in COUNTS]
    metrics: dict[str, object] = {
        f"{way}.relative_error": max(relative_error(run[way], run["autograd"]) for run in runs)
        for way in ("direct", "transposed", "backpropagation")
    }
    errors = [relative_error(run["transposed"], s.gradients["theta"]) for run in runs]
    metrics["order"] = math.log2(errors[-2] / errors[-1])
    return metrics, {"n": list(COUNTS), "exact": errors}


def run(variant: str, seed: int) -> results.Outcome:
    """Check one part of the chapter on the system of ``seed``."""
    inputs = Inputs.draw(seed)
    if variant == "blocks":
        metrics, history = _blocks(System(seed))
        return results.Outcome(metrics=metrics, history=history)
    if variant == "parameters":
        return results.Outcome(metrics=_parameters(inputs, seed))
    problem = running_problem(inputs) if variant == "running" else observed_problem(inputs)
    return results.Outcome(metrics=_compare(problem, shared=True))


def rederive(recorded: results.Run) -> dict[str, object]:
    """All metrics but the errors, which are rounding and differ between machines."""
    metrics = run(recorded.variant, recorded.seed).metrics
    return {name: value for name, value in metrics.items() if not name.endswith("error")}
