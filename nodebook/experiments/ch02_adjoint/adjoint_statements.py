"""Statements about the adjoint that are no displayed formula, each put to a small test.

Seed 0 is the chapter's system; the other seeds draw its inputs. Metrics:

- ``one_block``: eq. (9) of document 002 with an integrand that is constant over one Euler block,
  against eq. (4), back-propagation through that block; relative difference
- ``one_call.<input>``: relative error of the gradients in theta, z0, t0 and t1 from a single call
  of the adjoint, against complex-step derivatives
- ``summary.<way>``: relative error of the gradient in theta from document 004's equations (4) and
  (5), solved back from t1 with no state but the last one (``as_printed``), and with the state
  solved back beside them (``with_state``)
- ``trick.matrix``, ``trick.vector``: multiplications and divisions that Gaussian elimination takes
  for a product with the solution of A B = C by solving for the matrix, and by solving for a vector,
  with 60 unknowns; ``trick.ratio`` of the two, ``trick.difference`` of the two products, relative
"""

import torch
from torch import Tensor

import nodelib
from nodebook.documents.formulas.system import TIGHT, Inputs, System, loss
from nodebook.documents.formulas.verdicts import relative_error
from nodebook.evidence import results
from nodebook.evidence.tolerance import Tolerance
from nodelib.fields import ForcedVanDerPol
from nodelib.ode.solvers import solve

VARIANTS = ("statements",)
SEEDS = (0, 1, 2)
NEEDS = ()
TOLERANCE = {"*": Tolerance(1e-6, 1e-8)}
"""The absolute part is for errors, which are rounding where a statement holds."""

UNKNOWNS = 60


def run(variant: str, seed: int) -> results.Outcome:
    """Test every statement on the system of ``seed``."""
    system = System(seed)
    metrics = {
        "one_block": one_block(system.inputs),
        "one_call": one_call(system),
        "summary": summary(system),
        "trick": trick(seed),
    }
    return results.Outcome(metrics=metrics)


def one_block(inputs: Inputs) -> float:
    """Relative difference of eq. (9), integrand constant over a unit step, from eq. (4)."""
    field = ForcedVanDerPol(inputs.theta)
    h = torch.tensor(inputs.z0, dtype=torch.float64)
    t = torch.tensor(inputs.t0, dtype=torch.float64)
    out = h + field(t, h)
    (through,) = torch.autograd.grad(loss(out), field.theta)
    with torch.no_grad():
        end = out.clone()
        constant = torch.autograd.functional.jacobian(loss, end) @ field.jacobian_theta(t, h)
        length = torch.tensor(1.0, dtype=torch.float64)
        integral = -(0 - length) * constant
    return relative_error(integral, through)


def one_call(system: System) -> dict[str, float]:
    """Errors of all four gradients from one backward pass of the adjoint."""
    inputs = system.inputs
    field = ForcedVanDerPol(inputs.theta)
    z0 = system.z0.clone().requires_grad_()
    times = torch.tensor([inputs.t0, inputs.t1], dtype=torch.float64, requires_grad=True)
    loss(nodelib.odeint(field, z0, times, grad="adjoint", **TIGHT)[-1]).backward()
    found = {"theta": field.theta.grad, "z0": z0.grad, "t0": times.grad[0], "t1": times.grad[1]}
    return {name: relative_error(value, system.gradients[name]) for name, value in found.items()}


def summary(system: System) -> dict[str, float]:
    """Errors of the gradient by document 004's summary, without and with the state."""
    field, last = system.field, system.z[-1]

    def pair(t: Tensor, z: Tensor, both: Tensor) -> Tensor:
        multiplier = both[:2]
        return -torch.cat(
            (multiplier @ field.jacobian_z(t, z), multiplier @ field.jacobian_theta(t, z))
        )

    end = torch.cat((system.loss_z, torch.zeros(2, dtype=torch.float64)))
    span = system.t[[-1, 0]]
    frozen = solve(lambda t, both: pair(t, last, both), end, span, **TIGHT).z[-1, 2:]
    beside = system.solve_back(pair, end)[0, 2:]
    exact = system.gradients["theta"]
    return {
        "as_printed": relative_error(frozen, exact),
        "with_state": relative_error(beside, exact),
    }


def trick(seed: int) -> dict[str, float]:
    """Operations of both ways to the product u^T B, where A B = C."""
    drawn = torch.Generator().manual_seed(seed)
    a, c = (torch.randn(UNKNOWNS, UNKNOWNS, generator=drawn).double() for _ in range(2))
    u = torch.randn(UNKNOWNS, generator=drawn).double()
    solution, matrix = eliminate(a, c)
    multiplier, vector = eliminate(a.T, u[:, None])
    product = UNKNOWNS * UNKNOWNS
    return {
        "matrix": matrix + product,
        "vector": vector + product,
        "ratio": (matrix + product) / (vector + product),
        "difference": relative_error(multiplier[:, 0] @ c, u @ solution),
    }


def eliminate(a: Tensor, right: Tensor) -> tuple[Tensor, int]:
    """Solve ``a x = right`` by Gaussian elimination with pivots; how many products it took."""
    a, x = a.clone(), right.clone()
    n, columns = len(a), right.shape[1]
    count = 0
    for k in range(n):
        pivot = k + int(a[k:, k].abs().argmax())
        a[[k, pivot]], x[[k, pivot]] = a[[pivot, k]], x[[pivot, k]]
        factors = a[k + 1 :, k] / a[k, k]
        a[k + 1 :, k:] -= factors[:, None] * a[k, k:]
        x[k + 1 :] -= factors[:, None] * x[k]
        count += (n - k - 1) * (1 + (n - k - 1) + columns)
    for k in reversed(range(n)):
        x[k] = (x[k] - a[k, k + 1 :] @ x[k + 1 :]) / a[k, k]
        count += columns * (n - k)
    return x, count
