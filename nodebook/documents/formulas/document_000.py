"""Document 000: lambda = dL/dz, the end time called tau, the start time 0 (ours t1 and t0).

The proof varies a functional of three free functions. It is evaluated with an arbitrary multiplier
and arbitrary variations, those of the initial state included, and its derivatives are compared with
forward-mode automatic differentiation of the functional itself.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nodebook.documents.formulas.system import System, loss, times_matrix
from nodebook.documents.formulas.verdicts import Evaluation, Formula


def _functional(system: System) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def functional(z: Tensor, multiplier: Tensor, theta: Tensor) -> Tensor:
        f = torch.func.functional_call(system.field, {"theta": theta}, (system.t, z))
        residual = f - system.derivative(z)
        return loss(z[-1]) + system.integral((multiplier * residual).sum(-1))

    return functional


def _directions(system: System) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """A point (z, lambda, theta) with arbitrary lambda, and arbitrary variations of the three."""
    at = (system.z, system.smooth(2), system.theta)
    along = (system.smooth(2), system.smooth(2), system.smooth(2)[0])
    return at, along


def _vary(system: System, at: tuple[Tensor, ...], along: tuple[Tensor, ...]) -> Tensor:
    return torch.func.jvp(_functional(system), at, along)[1]


def _only(along: tuple[Tensor, ...], place: int) -> tuple[Tensor, ...]:
    return tuple(x if i == place else torch.zeros_like(x) for i, x in enumerate(along))


def adjoint_ode(s: System) -> Evaluation:
    """Both sides of the adjoint equation for dL/dz(t), at every point."""
    return Evaluation(-times_matrix(s.adjoint, s.f_z), s.derivative(s.adjoint))


def theta_gradient_slide(s: System) -> Evaluation:
    """The integral from t1 to t0, without a minus sign."""
    return Evaluation(-s.integral(times_matrix(s.adjoint, s.f_theta)), s.gradients["theta"])


def theta_gradient_proof(s: System) -> Evaluation:
    """The integral from 0 to tau, with lambda solved from the printed equations."""
    multiplier = s.solve_back(lambda t, z, y: -y @ s.field.jacobian_z(t, z), s.loss_z)
    return Evaluation(s.integral(times_matrix(multiplier, s.f_theta)), s.gradients["theta"])


def functional_equals_loss(s: System) -> Evaluation:
    """The functional along a solution, for an arbitrary multiplier."""
    return Evaluation(_functional(s)(s.z, s.smooth(2), s.theta), s.loss)


def variation_of_loss(s: System) -> Evaluation:
    """The gradient times the change, against the variation along neighbouring solutions."""
    at, (_, multiplier_change, theta_change) = _directions(s)
    neighbours = (s.z_theta @ theta_change, multiplier_change, theta_change)
    return Evaluation(s.gradients["theta"] @ theta_change, _vary(s, at, neighbours))


def first_variation(s: System) -> Evaluation:
    """The variation along all three against the sum of the three."""
    at, along = _directions(s)
    parts = sum(_vary(s, at, _only(along, place)) for place in range(3))
    return Evaluation(parts, _vary(s, at, along))


def variation_lambda(s: System) -> Evaluation:
    """The time derivative of the solution against the field."""
    return Evaluation(s.f, s.derivative(s.z))


def variation_theta(s: System) -> Evaluation:
    """The variation in theta alone."""
    at, along = _directions(s)
    printed = s.integral(times_matrix(at[1], s.f_theta)) @ along[2]
    return Evaluation(printed, _vary(s, at, _only(along, 2)))


def variation_z(s: System) -> Evaluation:
    """The variation in z alone."""
    at, along = _directions(s)
    linear = torch.einsum("nij,nj->ni", s.f_z, along[0]) - s.derivative(along[0])
    printed = s.loss_z @ along[0][-1] + s.integral((at[1] * linear).sum(-1))
    return Evaluation(printed, _vary(s, at, _only(along, 0)))


def integration_by_parts(s: System) -> Evaluation:
    """Both sides for an arbitrary multiplier and variation."""
    multiplier, change = s.smooth(2), s.smooth(2)
    boundary = multiplier[-1] @ change[-1] - multiplier[0] @ change[0]
    printed = s.integral((s.derivative(multiplier) * change).sum(-1)) - boundary
    return Evaluation(printed, -s.integral((multiplier * s.derivative(change)).sum(-1)))


def variation_z_collected(s: System) -> Evaluation:
    """The variation in z after integration by parts."""
    at, along = _directions(s)
    multiplier, change = at[1], along[0]
    bracket = times_matrix(multiplier, s.f_z) + s.derivative(multiplier)
    printed = (
        (s.loss_z - multiplier[-1]) @ change[-1]
        + multiplier[0] @ change[0]
        + s.integral((bracket * change).sum(-1))
    )
    return Evaluation(printed, _vary(s, at, _only(along, 0)))


def terminal_condition(s: System) -> Evaluation:
    """The gradient of the loss in its argument against the limit of dL/dz(t) at tau."""
    return Evaluation(s.loss_z, s.limit_at_end(s.adjoint))


_ODE = r"\dot{\vec\lambda}^T = -\vec\lambda^T \frac{\partial f}{\partial\vec z}"

FORMULAS = (
    Formula(
        "000-adjoint-ode-slide",
        "section 2, slide “O Desafio: Como Treinar um Integrador?”, “Equação do Estado Adjunto”",
        _ODE,
        "time derivative of dL/dz(t)",
        adjoint_ode,
    ),
    Formula(
        "000-theta-gradient-slide",
        "section 2, slide “O Desafio: Como Treinar um Integrador?”, “Gradiente Final”",
        r"\frac{dL}{d\theta} = \int_{t_1}^{t_0} \vec\lambda^T \frac{\partial f}{\partial\theta} dt",
        "dL/dθ",
        theta_gradient_slide,
        correction=(
            r"\frac{dL}{d\theta} = \int_{t_0}^{t_1} \vec\lambda^T "
            r"\frac{\partial f}{\partial\theta} dt"
        ),
        note=(
            "The slide does not define λ; with λ = −∂L/∂z it would hold. It is read with the end "
            "value of the document's own proof, λ(τ) = ∂L/∂z(τ), which ends with the right limits."
        ),
    ),
    Formula(
        "000-functional",
        "“Pequena Prova”, the functional",
        r"\mathcal L = L(\vec z(\tau)) + \int_0^\tau \vec\lambda^T [f - \dot{\vec z}]\,dt = L",
        "the functional along a solution",
        functional_equals_loss,
    ),
    Formula(
        "000-variation-of-loss",
        "“Pequena Prova”, where the constraint holds",
        r"\delta\mathcal L = \delta L = \frac{dL}{d\theta}\,\delta\theta",
        "variation of the functional from one solution to the next",
        variation_of_loss,
    ),
    Formula(
        "000-first-variation",
        "“Pequena Prova”, first variation",
        r"\delta\mathcal L = \frac{\delta\mathcal L}{\delta\vec z}\delta\vec z"
        r" + \frac{\delta\mathcal L}{\delta\theta}\delta\theta"
        r" + \frac{\delta\mathcal L}{\delta\vec\lambda}\delta\vec\lambda",
        "variation along all three arguments",
        first_variation,
    ),
    Formula(
        "000-variation-lambda",
        "“Variação em Relação a λ”",
        r"\dot{\vec z} = f(\vec z, \theta, t)",
        "time derivative of the solution",
        variation_lambda,
    ),
    Formula(
        "000-variation-theta",
        "“Variação Explícita em Relação a θ”",
        r"\frac{\delta\mathcal L}{\delta\theta}\delta\theta = \int_0^\tau \vec\lambda^T"
        r" \frac{\partial f}{\partial\theta}\,dt\,\delta\theta",
        "variation in θ",
        variation_theta,
    ),
    Formula(
        "000-variation-z",
        "“Variação em Relação a z”",
        r"\frac{\delta\mathcal L}{\delta\vec z}\delta\vec z = "
        r"\frac{\partial L}{\partial\vec z(\tau)}\delta\vec z(\tau) + \int_0^\tau "
        r"\vec\lambda^T \left[\frac{\partial f}{\partial\vec z}\delta\vec z - "
        r"\delta\dot{\vec z}\right] dt",
        "variation in z",
        variation_z,
    ),
    Formula(
        "000-integration-by-parts",
        "“Aplicamos integração por partes”",
        r"-\int_0^\tau \vec\lambda^T \delta\dot{\vec z}\,dt = \int_0^\tau \dot{\vec\lambda}^T"
        r" \delta\vec z\,dt - [\vec\lambda^T \delta\vec z]_0^\tau",
        "the left side",
        integration_by_parts,
    ),
    Formula(
        "000-variation-z-collected",
        "“Substituindo”",
        r"\begin{aligned}\frac{\delta\mathcal L}{\delta\vec z}\delta\vec z ={}& \left("
        r"\frac{\partial L}{\partial\vec z(\tau)} - \vec\lambda^T(\tau)\right)\delta\vec z(\tau) + "
        r"\vec\lambda^T(0)\delta\vec z(0) \\ &+ \int_0^\tau\left[\vec\lambda^T\frac{\partial f}"
        r"{\partial\vec z} + \dot{\vec\lambda}^T\right]\delta\vec z\,dt\end{aligned}",
        "variation in z",
        variation_z_collected,
        note="Evaluated with a variation of the initial state, which the text then sets to zero.",
    ),
    Formula(
        "000-terminal-condition",
        "“Condição de Contorno no Tempo Final”",
        r"\vec\lambda^T(\tau) = \frac{\partial L}{\partial\vec z(\tau)}",
        "dL/dz(t) at the end",
        terminal_condition,
    ),
    Formula(
        "000-adjoint-ode-proof",
        "“Equação Diferencial do Estado Adjunto”, proof",
        _ODE,
        "time derivative of dL/dz(t)",
        adjoint_ode,
    ),
    Formula(
        "000-theta-gradient-proof",
        "“Por fim”",
        r"\frac{dL}{d\theta} = \int_0^\tau \vec\lambda^T(t) \frac{\partial f}{\partial\theta}\,dt",
        "dL/dθ",
        theta_gradient_proof,
    ),
)
