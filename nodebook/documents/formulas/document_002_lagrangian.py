"""Document 002, section 6.1: the Lagrangian derivation of the adjoint, line by line.

There the state is h and the Lagrangian has h' - f.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nodebook.documents.formulas.system import System, loss, times_matrix
from nodebook.documents.formulas.verdicts import Evaluation, Formula


def integral_form(s: System) -> Evaluation:
    """The initial state plus the integral of the field."""
    return Evaluation(s.z0 + s.integral(s.f), s.z[-1])


def along_solutions(
    s: System, functional: Callable[[Tensor, Tensor], Tensor], z_theta: Tensor
) -> Tensor:
    """Derivative in theta of ``functional(z, theta)`` when z moves with theta as z_theta says."""
    derivatives = []
    for column, direction in enumerate(torch.eye(2, dtype=torch.float64)):
        along = (z_theta[..., column], direction)
        derivatives.append(torch.func.jvp(functional, (s.z, s.theta), along)[1])
    return torch.stack(derivatives)


def field_at(s: System, z: Tensor, theta: Tensor) -> Tensor:
    """The field with other parameters, along a path z (n, 2)."""
    return torch.func.functional_call(s.field, {"theta": theta}, (s.t, z))


def lagrangian(s: System) -> Evaluation:
    """Derivative of the Lagrangian in theta along solutions, for arbitrary multipliers."""
    multiplier, beta = s.smooth(2), s.smooth(2)[0]

    def functional(z: Tensor, theta: Tensor) -> Tensor:
        residual = s.derivative(z) - field_at(s, z, theta)
        return loss(z[-1]) + s.integral((multiplier * residual).sum(-1)) + beta @ (z[0] - s.z0)

    return Evaluation(along_solutions(s, functional, s.z_theta), s.gradients["theta"])


def lagrangian_derivative(s: System) -> Evaluation:
    """The two integrals, for an arbitrary multiplier."""
    linear = s.f_theta + s.f_z @ s.z_theta
    printed = s.loss_z @ s.integral(linear) + s.integral(
        times_matrix(s.smooth(2), s.derivative(s.z_theta) - linear)
    )
    return Evaluation(printed, s.gradients["theta"])


def integration_by_parts(s: System) -> Evaluation:
    """Both sides for an arbitrary multiplier."""
    multiplier = s.smooth(2)
    printed = multiplier[-1] @ s.z_theta[-1] - s.integral(
        times_matrix(s.derivative(multiplier), s.z_theta)
    )
    return Evaluation(printed, s.integral(times_matrix(multiplier, s.derivative(s.z_theta))))


def lagrangian_derivative_collected(s: System) -> Evaluation:
    """The rewritten derivative, for an arbitrary multiplier."""
    multiplier = s.smooth(2)
    constant = s.loss_z.expand_as(multiplier)
    bracket = (
        times_matrix(constant, s.f_z) - s.derivative(multiplier) - times_matrix(multiplier, s.f_z)
    )
    integrals = (
        s.integral(times_matrix(constant, s.f_theta))
        + s.integral(times_matrix(bracket, s.z_theta))
        - s.integral(times_matrix(multiplier, s.f_theta))
    )
    boundary = multiplier[-1] @ s.z_theta[-1]
    return Evaluation(integrals - boundary, s.gradients["theta"], corrected=integrals + boundary)


def _appendix_multiplier(s: System) -> Tensor:
    return s.solve_back(
        lambda t, z, multiplier: (s.loss_z - multiplier) @ s.field.jacobian_z(t, z),
        torch.zeros_like(s.loss_z),
    )


def lambda_initial_value_problem(s: System) -> Evaluation:
    """What is left of dL/dtheta once lambda solves the problem."""
    left = s.loss_z - _appendix_multiplier(s)
    return Evaluation(s.integral(times_matrix(left, s.f_theta)), s.gradients["theta"])


def substitution(s: System) -> Evaluation:
    """a(t) by the printed substitution, against dL/dh(t), at every t."""
    return Evaluation(_appendix_multiplier(s) - s.loss_z, s.adjoint)


FORMULAS = (
    Formula(
        "002-integral-form",
        "section 6.1",
        r"h(t_1) = h(t_0) + \int_{t_0}^{t_1} f(h(t), t, \theta)\,dt",
        "z(t1)",
        integral_form,
    ),
    Formula(
        "002-lagrangian",
        "section 6.1, Lagrangian",
        r"L = \mathcal L(h(t_1)) + \int_{t_0}^{t_1} \lambda^T (h' - f)\,dt + "
        r"\beta^T (h(t_0) - h_0),\quad \frac{dL}{d\theta} = \frac{d\mathcal L}{d\theta}",
        "dL/dθ",
        lagrangian,
    ),
    Formula(
        "002-lagrangian-derivative",
        "section 6.1, derivative of the Lagrangian",
        r"\begin{aligned}\frac{dL}{d\theta} ={}& \frac{dL}{dh}(t_1) \int_{t_0}^{t_1} \left("
        r"f_\theta + f_h h_\theta\right) dt \\ &+ \int_{t_0}^{t_1} \lambda^T \left(h'_\theta - "
        r"f_h h_\theta - f_\theta\right) dt\end{aligned}",
        "dL/dθ",
        lagrangian_derivative,
        note="dL/dh stands for the derivative of the loss, not of the Lagrangian.",
    ),
    Formula(
        "002-integration-by-parts",
        "section 6.1, integration by parts",
        r"\int_{t_0}^{t_1} \lambda^T h'_\theta\,dt = \lambda^T(t_1) h_\theta(t_1) - "
        r"\int_{t_0}^{t_1} \lambda'^T h_\theta\,dt",
        "the left side",
        integration_by_parts,
    ),
    Formula(
        "002-lagrangian-derivative-collected",
        "section 6.1, derivative rewritten",
        r"\begin{aligned}\frac{dL}{d\theta} ={}& \int \frac{dL}{dh}(t_1) f_\theta\,dt + \int \left("
        r"\frac{dL}{dh}(t_1) f_h - \lambda'^T - \lambda^T f_h\right) h_\theta\,dt \\ &- "
        r"\int \lambda^T f_\theta\,dt - \lambda^T(t_1) h_\theta(t_1)\end{aligned}",
        "dL/dθ",
        lagrangian_derivative_collected,
        correction=(
            r"\begin{aligned}\frac{dL}{d\theta} ={}& \int \frac{dL}{dh}(t_1) f_\theta\,dt + \int "
            r"\left(\frac{dL}{dh}(t_1) f_h - \lambda'^T - \lambda^T f_h\right) h_\theta\,dt \\ &- "
            r"\int \lambda^T f_\theta\,dt + \lambda^T(t_1) h_\theta(t_1)\end{aligned}"
        ),
        note=(
            "The sign of the last term. The document then sets λ(t1) = 0, so its result is not "
            "affected."
        ),
    ),
    Formula(
        "002-lambda-ivp",
        "section 6.1, problem (****)",
        r"\lambda'(t)^T = \left(\frac{dL}{dh}(t_1) - \lambda^T(t)\right) \frac{\partial f}"
        r"{\partial h},\quad \lambda(t_1) = 0",
        "dL/dθ from the terms that remain",
        lambda_initial_value_problem,
    ),
    Formula(
        "002-substitution",
        "section 6.1, substitution",
        r"-a^T(t) = \frac{dL}{dh}(t_1) - \lambda^T(t)",
        "dL/dh(t), which (**) makes of a",
        substitution,
        correction=r"a^T(t) = \frac{dL}{dh}(t_1) - \lambda^T(t)",
        note="As printed it gives a(t1) = −dL/dh(t1), against (**) on the next line.",
    ),
)
