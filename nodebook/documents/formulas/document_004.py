"""Document 004: section 1 has a = -dL/dh, section 2 a Lagrangian with multiplier lambda."""

import torch
from torch import Tensor

from nodebook.documents.formulas.document_001 import adjoint_ode_minus
from nodebook.documents.formulas.document_002_lagrangian import (
    along_solutions,
    field_at,
    integral_form,
)
from nodebook.documents.formulas.system import System, loss, times_matrix
from nodebook.documents.formulas.verdicts import Evaluation, Formula
from nodelib.ode.solvers import solve


def euler_step(s: System) -> Evaluation:
    """The printed step, against one step of the library's Euler method."""
    printed = s.z0 + (s.t[-1] - s.t[0]) * s.f[0]
    step = solve(s.field, s.z0, s.t[[0, -1]], method="euler", num_steps=1)
    return Evaluation(printed, step.z[-1])


def linear_trick(s: System) -> Evaluation:
    """v^T C with A^T v = u against u^T B with A B = C, for random matrices."""
    a, c = (torch.from_numpy(s.rng.normal(size=(5, k))) for k in (5, 3))
    u = torch.from_numpy(s.rng.normal(size=5))
    return Evaluation(torch.linalg.solve(a.T, u) @ c, u @ torch.linalg.solve(a, c))


def lagrangian(s: System) -> Evaluation:
    """Derivative of psi in theta along solutions, for an arbitrary multiplier."""
    multiplier = s.smooth(2)

    def psi(z: Tensor, theta: Tensor) -> Tensor:
        residual = s.derivative(z) - field_at(s, z, theta)
        return loss(z[-1]) - s.integral((multiplier * residual).sum(-1))

    return Evaluation(along_solutions(s, psi, s.z_theta), s.gradients["theta"])


def lagrangian_derivative(s: System) -> Evaluation:
    """The derivative of the loss at fixed end state less that of the constraint."""
    constraint = _constraint_derivative(s, s.smooth(2), s.z_theta)
    return Evaluation(s.loss_z @ s.z_theta[-1] - constraint, s.gradients["theta"])


def _constraint_derivative(s: System, multiplier: Tensor, z_theta: Tensor) -> Tensor:
    def constraint(z: Tensor, theta: Tensor) -> Tensor:
        residual = s.derivative(z) - field_at(s, z, theta)
        return s.integral((multiplier * residual).sum(-1))

    return along_solutions(s, constraint, z_theta)


def integration_by_parts(s: System) -> Evaluation:
    """The last line against the first, on a path that solves nothing."""
    multiplier, path = s.smooth(2), s.z + s.smooth(2)
    f = field_at(s, path, s.theta)
    boundary = multiplier[-1] @ path[-1] - multiplier[0] @ path[0]
    inner = (s.derivative(multiplier) * path + multiplier * f).sum(-1)
    reference = s.integral((multiplier * (s.derivative(path) - f)).sum(-1))
    return Evaluation(boundary - s.integral(inner), reference)


def parts_derivative(s: System) -> Evaluation:
    """The last line, for an arbitrary dependence of z on theta that keeps z(t0)."""
    multiplier, z_theta = s.smooth(2), s.smooth(2, 2)
    z_theta = z_theta - z_theta[0]
    inner = times_matrix(s.derivative(multiplier), z_theta) + times_matrix(
        multiplier, s.f_z @ z_theta + s.f_theta
    )
    printed = multiplier[-1] @ z_theta[-1] - s.integral(inner)
    return Evaluation(printed, _constraint_derivative(s, multiplier, z_theta))


def gradient_collected(s: System) -> Evaluation:
    """The last of the three lines, for an arbitrary multiplier."""
    multiplier = s.smooth(2)
    bracket = s.derivative(multiplier) + times_matrix(multiplier, s.f_z)
    printed = (
        (s.loss_z - multiplier[-1]) @ s.z_theta[-1]
        + s.integral(times_matrix(bracket, s.z_theta))
        + s.integral(times_matrix(multiplier, s.f_theta))
    )
    return Evaluation(printed, s.gradients["theta"])


def adjoint_solution(s: System) -> Evaluation:
    """lambda(t0) from lambda(t1), against the gradient in the initial state."""
    printed = s.loss_z + s.integral(times_matrix(s.adjoint, s.f_z))
    return Evaluation(printed, s.gradients["z0"])


def theta_gradient(s: System) -> Evaluation:
    """The integral from t0 to t1."""
    return Evaluation(s.integral(times_matrix(s.adjoint, s.f_theta)), s.gradients["theta"])


FORMULAS = (
    Formula(
        "004-euler-step",
        "section 1, “Evaluating ODEs”",
        r"h(t_1) = h(t_0) + (t_1 - t_0)\,G(h(t_0), t_0, \theta)",
        "one Euler step",
        euler_step,
    ),
    Formula(
        "004-linear-trick",
        "section 1, “Training”",
        r"v^T C = v^T A B = (A^T v)^T B = u^T B,\quad AB = C,\ A^T v = u",
        "uᵀB",
        linear_trick,
    ),
    Formula(
        "004-adjoint-ode",
        "section 1, “Training”",
        r"\frac{da}{dt} = -a^T \frac{\partial G}{\partial h},\quad "
        r"a = -\frac{\partial L}{\partial h}",
        "time derivative of −dL/dh(t)",
        adjoint_ode_minus,
    ),
    Formula(
        "004-integral-form",
        "section 2",
        r"z_{t_1} = z_{t_0} + \int_{t_0}^{t_1} f(z(t), t, \theta)\,dt",
        "z(t1)",
        integral_form,
    ),
    Formula(
        "004-lagrangian",
        "section 2, new objective",
        r"\psi = \mathcal L(z(t_1)) - \int_{t_0}^{t_1} \lambda F\,dt,\quad "
        r"\frac{d\psi}{d\theta} = \frac{d\mathcal L}{d\theta}",
        "dL/dθ",
        lagrangian,
    ),
    Formula(
        "004-lagrangian-derivative",
        "section 2, its derivative",
        r"\frac{d\mathcal L}{d\theta} = \frac{\partial\mathcal L}{\partial z(t_1)}"
        r"\frac{dz(t_1)}{d\theta} - \frac{d}{d\theta}\int_{t_0}^{t_1} \lambda F\,dt",
        "dL/dθ",
        lagrangian_derivative,
    ),
    Formula(
        "004-integration-by-parts",
        "section 2, integral of λF",
        r"\int_{t_0}^{t_1} \lambda F\,dt = \lambda(t_1) z(t_1) - \lambda(t_0) z(t_0) - "
        r"\int_{t_0}^{t_1} [\dot\lambda z + \lambda f]\,dt",
        "the left side",
        integration_by_parts,
    ),
    Formula(
        "004-parts-derivative",
        "section 2, its derivative in θ",
        r"\begin{aligned}\frac{d}{d\theta}&\int_{t_0}^{t_1} \lambda F\,dt = "
        r"\lambda(t_1)\frac{dz(t_1)}{d\theta} \\ &- \int_{t_0}^{t_1}\left[\dot\lambda"
        r"\frac{dz}{d\theta} + \lambda\left(\frac{\partial f}{\partial z}\frac{dz}{d\theta} + "
        r"\frac{\partial f}{\partial\theta}\right)\right] dt"
        r"\end{aligned}",
        "the left side",
        parts_derivative,
    ),
    Formula(
        "004-gradient-collected",
        "section 2, dL/dθ collected",
        r"\begin{aligned}\frac{d\mathcal L}{d\theta} ={}& \left[\frac{\partial\mathcal L}"
        r"{\partial z(t_1)} - \lambda(t_1)\right]\frac{dz(t_1)}{d\theta} \\ &+ \int_{t_0}^{t_1}"
        r"\left[\dot\lambda + \lambda\frac{\partial f}{\partial z}\right]\frac{dz}{d\theta}\,dt + "
        r"\int_{t_0}^{t_1} \lambda\frac{\partial f}{\partial\theta}\,dt\end{aligned}",
        "dL/dθ",
        gradient_collected,
    ),
    Formula(
        "004-adjoint-solution-eq4",
        "section 2, equation 4",
        r"\lambda(t_0) = \lambda(t_1) - \int_{t_1}^{t_0} \lambda\frac{\partial f}{\partial z}\,dt,"
        r"\quad \lambda(t_1) = \frac{\partial\mathcal L}{\partial z(t_1)}",
        "dL/dz(t0)",
        adjoint_solution,
    ),
    Formula(
        "004-theta-gradient-eq5",
        "section 2, equation 5",
        r"\frac{d\mathcal L}{d\theta} = "
        r"\int_{t_0}^{t_1} \lambda\frac{\partial f}{\partial\theta}\,dt",
        "dL/dθ",
        theta_gradient,
    ),
)
