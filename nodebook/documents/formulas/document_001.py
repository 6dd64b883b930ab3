"""Document 001: its first adjoint slide has a = dL/dz, from the second on a = -dL/dz.

Every formula is evaluated under the definition of the slide that it stands on, or, where the slide
has none, of the slide before. The printed class is in ``document_001_listing``.
"""

import torch
from torch import Tensor

from nodebook.documents.formulas import document_001_listing
from nodebook.documents.formulas.document_000 import adjoint_ode, terminal_condition
from nodebook.documents.formulas.system import (
    TIGHT,
    System,
    loss,
    times_matrix,
)
from nodebook.documents.formulas.verdicts import Evaluation, Formula
from nodelib.ode.solvers import solve


def _minus(s: System) -> Tensor:
    """a = -dL/dz(t), the definition of the second slide."""
    return -s.adjoint


def loss_integral(s: System) -> Evaluation:
    """The loss at the initial state plus the integral of the field."""
    return Evaluation(loss(s.z0 + s.integral(s.f)), s.loss)


def adjoint_solution(s: System) -> Evaluation:
    """a(t0) from a(t_N), against the gradient in the initial state."""
    slope = times_matrix(s.adjoint, s.f_z)
    return Evaluation(s.adjoint[-1] + s.integral(slope), s.gradients["z0"])


def adjoint_ode_minus(s: System) -> Evaluation:
    """Both sides of the adjoint equation for -dL/dz(t)."""
    a = _minus(s)
    return Evaluation(-times_matrix(a, s.f_z), s.derivative(a))


def z0_gradient(s: System) -> Evaluation:
    """The integral alone, from t1 to t0."""
    a = _minus(s)
    return Evaluation(-s.integral(times_matrix(a, s.f_z)), s.gradients["z0"], missing=-a[-1])


def theta_gradient(s: System) -> Evaluation:
    """The integral from t1 to t0."""
    return Evaluation(-s.integral(times_matrix(_minus(s), s.f_theta)), s.gradients["theta"])


def t0_gradient(s: System) -> Evaluation:
    """The integral alone, from t1 to t0."""
    a = _minus(s)
    return Evaluation(-s.integral((a * s.f_t).sum(-1)), s.gradients["t0"], missing=a[-1] @ s.f[-1])


def t1_gradient(s: System) -> Evaluation:
    """The product with df/dt at the end time."""
    a = _minus(s)[-1]
    return Evaluation(-a @ s.f_t[-1], s.gradients["t1"], corrected=-a @ s.f[-1])


def augmented_state(s: System) -> Evaluation:
    """(z, theta, t) at t1 from the augmented equation solved from t0."""

    def right(t: Tensor, state: Tensor) -> Tensor:
        z, theta, clock = state[:2], state[2:4], state[4]
        f = torch.func.functional_call(s.field, {"theta": theta}, (clock, z))
        return torch.cat((f, torch.zeros_like(theta), torch.ones(1, dtype=z.dtype)))

    start = torch.cat((s.z0, s.theta, s.t[:1]))
    end = solve(right, start, s.t[[0, -1]], **TIGHT).z[-1]
    return Evaluation(end, torch.cat((s.z[-1], s.theta, s.t[-1:])))


def augmented_jacobian(s: System) -> Evaluation:
    """The block matrix at every point, against automatic differentiation of f_aug."""

    def f_aug(state: Tensor) -> Tensor:
        z, theta, clock = state[:2], state[2:4], state[4]
        f = torch.func.functional_call(s.field, {"theta": theta}, (clock, z))
        return torch.cat((f, torch.zeros(2, dtype=z.dtype), torch.ones(1, dtype=z.dtype)))

    states = torch.cat((s.z, s.theta.expand_as(s.z), s.t[:, None]), 1)
    rows = torch.cat((s.f_z, s.f_theta, s.f_t[..., None]), 2)
    printed = torch.cat((rows, torch.zeros(len(s.t), 3, 5, dtype=rows.dtype)), 1)
    return Evaluation(printed, torch.func.vmap(torch.func.jacrev(f_aug))(states))


def augmented_adjoint_theta(s: System) -> Evaluation:
    """-a df/dtheta against the time derivative of a_theta := dL/dtheta(t)."""
    return Evaluation(-times_matrix(_minus(s), s.f_theta), s.derivative(s.loss_theta_from))


def augmented_adjoint_t(s: System) -> Evaluation:
    """-a df/dt against the time derivative of a_t := dL/dt(t)."""
    return Evaluation(-(_minus(s) * s.f_t).sum(-1), s.derivative(s.loss_clock_from))


_FIRST, _SECOND, _THIRD = (
    f"“Backprop Using Adjoint Method”, {which} slide" for which in ("first", "second", "third")
)
_MINUS = "With a = −∂L/∂z, as the slide before defines it."
_Z0 = (
    r"\frac{\partial\mathcal L}{\partial z(t_0)} = "
    r"\int_{t_1}^{t_0} a\,\frac{\partial f}{\partial z}\,dt"
)
_Z0_RIGHT = (
    r"\frac{\partial\mathcal L}{\partial z(t_0)} = -a(t_1) + "
    r"\int_{t_1}^{t_0} a\,\frac{\partial f}{\partial z}\,dt"
)
_MIXED = (
    "The slide takes a_θ and a_t with a plus sign and keeps a = −∂L/∂z from the slide before. "
    "With a = +∂L/∂z the equation holds, but then the slide's solutions do not."
)

FORMULAS = (
    Formula(
        "001-loss-integral",
        "“ODENet”, loss",
        r"L(z(t_1)) = L\left(z(t_0) + \int_{t_0}^{t_1} f\,dt\right)",
        "the loss",
        loss_integral,
    ),
    Formula(
        "001-adjoint-ode-slide1",
        _FIRST,
        r"\frac{da}{dt} = -a\,\frac{\partial f}{\partial z},\quad a = \frac{dL}{dz}",
        "time derivative of dL/dz(t)",
        adjoint_ode,
    ),
    Formula(
        "001-terminal-condition",
        _FIRST,
        r"a(t_N) = \frac{dL}{dz(t_N)}",
        "dL/dz(t) at the end",
        terminal_condition,
    ),
    Formula(
        "001-adjoint-solution",
        _FIRST,
        r"a(t_0) = a(t_N) - \int_{t_N}^{t_0} a^T \frac{\partial f}{\partial z}",
        "dL/dz(t0)",
        adjoint_solution,
        note="The dt of the last integral is not printed.",
    ),
    Formula(
        "001-adjoint-ode-slide2",
        _SECOND,
        r"\frac{da}{dt} = -a\,\frac{\partial f}{\partial z},\quad "
        r"a = -\frac{\partial\mathcal L}{\partial z}",
        "time derivative of −dL/dz(t)",
        adjoint_ode_minus,
    ),
    Formula(
        "001-z0-gradient-slide2",
        _SECOND,
        _Z0,
        "dL/dz(t0)",
        z0_gradient,
        correction=_Z0_RIGHT,
        note="The first slide has the boundary term.",
    ),
    Formula(
        "001-augmented-state",
        _THIRD,
        r"\frac{d}{dt}[z, \theta, t]^T = [f, 0, 1]^T",
        "(z, θ, t) at t1",
        augmented_state,
    ),
    Formula(
        "001-augmented-jacobian",
        _THIRD,
        r"\frac{\partial f_{aug}}{\partial[z,\theta,t]} = \begin{bmatrix} f_z & f_\theta & f_t \\"
        r" 0 & 0 & 0 \\ 0 & 0 & 0 \end{bmatrix}",
        "Jacobian of the augmented field",
        augmented_jacobian,
    ),
    Formula(
        "001-augmented-adjoint-z",
        _THIRD,
        r"\frac{da_{aug}}{dt} = -[a f_z \quad \cdot \quad \cdot]",
        "time derivative of −dL/dz(t)",
        adjoint_ode_minus,
    ),
    Formula(
        "001-augmented-adjoint-theta",
        _THIRD,
        r"\frac{da_{aug}}{dt} = -[\,\cdot \quad a f_\theta \quad \cdot\,],\quad "
        r"a_\theta = \frac{\partial\mathcal L}{\partial\theta(t)}",
        "time derivative of dL/dθ(t)",
        augmented_adjoint_theta,
        correction=r"\frac{da_\theta}{dt} = a f_\theta",
        note=_MIXED,
    ),
    Formula(
        "001-augmented-adjoint-t",
        _THIRD,
        r"\frac{da_{aug}}{dt} = -[\,\cdot \quad \cdot \quad a f_t],\quad "
        r"a_t = \frac{\partial\mathcal L}{\partial t(t)}",
        "time derivative of dL/dt(t)",
        augmented_adjoint_t,
        correction=r"\frac{da_t}{dt} = a f_t",
        note=_MIXED,
    ),
    Formula(
        "001-z0-gradient-slide3",
        f"{_THIRD}, solutions",
        _Z0,
        "dL/dz(t0)",
        z0_gradient,
        correction=_Z0_RIGHT,
        note=_MINUS,
    ),
    Formula(
        "001-theta-gradient",
        f"{_THIRD}, solutions",
        r"\frac{\partial\mathcal L}{\partial\theta} = "
        r"\int_{t_1}^{t_0} a\,\frac{\partial f}{\partial\theta}\,dt",
        "dL/dθ",
        theta_gradient,
        note=_MINUS,
    ),
    Formula(
        "001-t0-gradient",
        f"{_THIRD}, solutions",
        r"\frac{\partial\mathcal L}{\partial t_0} = "
        r"\int_{t_1}^{t_0} a\,\frac{\partial f}{\partial t}\,dt",
        "dL/dt0",
        t0_gradient,
        correction=(
            r"\frac{\partial\mathcal L}{\partial t_0} = a(t_1) f(z(t_1), t_1, \theta) + "
            r"\int_{t_1}^{t_0} a\,\frac{\partial f}{\partial t}\,dt"
        ),
        note=_MINUS,
    ),
    Formula(
        "001-t1-gradient",
        f"{_THIRD}, solutions",
        r"\frac{\partial\mathcal L}{\partial t_1} = -a(t)\,\frac{\partial f}{\partial t}",
        "dL/dt1",
        t1_gradient,
        correction=r"\frac{\partial\mathcal L}{\partial t_1} = -a(t_1) f(z(t_1), t_1, \theta)",
        note=f"{_MINUS} Read at t = t1. The factor is the field, not its time derivative.",
    ),
    *document_001_listing.FORMULAS,
)
