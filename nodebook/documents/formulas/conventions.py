"""Each document's letters, signs and limits for the adjoint, as text and as numbers.

``CONVENTIONS`` is the one source of the table on the page of notation and in chapter 02.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nodebook.documents.formulas.system import System, times_matrix


@dataclass(frozen=True)
class Followed:
    """A document's route on a system, in its own convention; None for what it does not print.

    Attributes:
        end, start: its adjoint at t1 and at t0, (2,).
        theta, z0: its printed gradients in the parameters and the initial state, (2,).
    """

    end: Tensor
    start: Tensor
    theta: Tensor | None = None
    z0: Tensor | None = None


@dataclass(frozen=True)
class Convention:
    """One row: texts hold ``$math$``, a dash stands for what is not printed.

    Attributes:
        where: document and place.
        adjoint: letter, and what it is in derivatives of the loss.
        constraint: the term that is added to the loss.
        end: value at the end time.
        theta, z0: gradients in the parameters and in the initial state, as printed.
        follow: evaluates them; None where no adjoint is printed.
    """

    where: str
    adjoint: str
    constraint: str
    end: str
    theta: str
    z0: str
    follow: Callable[[System], Followed] | None = None


def _adjoint(s: System, end: Tensor) -> Tensor:
    """Solution of the equation on which all agree, ``a' = -a f_z``, from its end value (n, 2)."""
    return s.solve_back(lambda t, z, a: -a @ s.field.jacobian_z(t, z), end)


def _by_theta(s: System, a: Tensor) -> Tensor:
    """The integral from t0 to t1; its negative is the one from t1 to t0."""
    return s.integral(times_matrix(a, s.f_theta))


def _by_z(s: System, a: Tensor) -> Tensor:
    return s.integral(times_matrix(a, s.f_z))


def _ours(s: System) -> Followed:
    a = _adjoint(s, s.loss_z)
    return Followed(a[-1], a[0], _by_theta(s, a), a[0])


def _forwards(s: System) -> Followed:
    a = _adjoint(s, s.loss_z)
    return Followed(a[-1], a[0], _by_theta(s, a))


def _slide_000(s: System) -> Followed:
    a = _adjoint(s, s.loss_z)
    return Followed(a[-1], a[0], -_by_theta(s, a))


def _first_slide_001(s: System) -> Followed:
    a = _adjoint(s, s.loss_z)
    return Followed(a[-1], a[0], z0=a[-1] + _by_z(s, a))


def _later_slides_001(s: System) -> Followed:
    a = _adjoint(s, -s.loss_z)
    return Followed(a[-1], a[0], -_by_theta(s, a), -_by_z(s, a))


def _appendix_002(s: System) -> Followed:
    multiplier = s.solve_back(
        lambda t, z, y: (s.loss_z - y) @ s.field.jacobian_z(t, z), torch.zeros_like(s.loss_z)
    )
    a = multiplier - s.loss_z
    return Followed(a[-1], a[0], _by_theta(s, a))


def _section_1_of_004(s: System) -> Followed:
    a = _adjoint(s, -s.loss_z)
    return Followed(a[-1], a[0])


def _section_2_of_004(s: System) -> Followed:
    a = _adjoint(s, s.loss_z)
    return Followed(a[-1], a[0], _by_theta(s, a), a[-1] + _by_z(s, a))


CONVENTIONS = (
    Convention(
        "ours",
        r"$\lambda = +\partial L/\partial z$",
        r"$+\int\lambda^{\mathsf T}(f - \dot z)$",
        r"$\nabla L$",
        r"$\int_{t_0}^{t_1} f_\theta^{\mathsf T}\lambda$",
        r"$\lambda(t_0)$",
        _ours,
    ),
    Convention(
        "Chen et al.",
        r"$a = +\partial L/\partial z$",
        "–",
        r"$\partial L/\partial z(t_1)$",
        r"$-\int_{t_1}^{t_0} a^{\mathsf T} f_\theta$",
        r"$a(t_0)$",
        _ours,
    ),
    Convention(
        "000, slide",
        r"$\vec\lambda$, no definition",
        "–",
        "–",
        r"$\int_{t_1}^{t_0}\vec\lambda^{\mathsf T} f_\theta$",
        "–",
        _slide_000,
    ),
    Convention(
        "000, proof",
        r"$\vec\lambda$, by its end value $+$",
        r"$+\int_0^\tau\vec\lambda^{\mathsf T}(f - \dot{\vec z})$",
        r"$\partial L/\partial\vec z(\tau)$",
        r"$\int_0^\tau\vec\lambda^{\mathsf T} f_\theta$",
        "–",
        _forwards,
    ),
    Convention(
        "001, first slide",
        r"$\mathbf a = +dL/d\mathbf z$",
        "–",
        r"$dL/d\mathbf z(t_N)$",
        "–",
        r"$\mathbf a(t_N) - \int_{t_N}^{t_0}\mathbf a^{\mathsf T} f_z$",
        _first_slide_001,
    ),
    Convention(
        "001, later slides",
        r"$a = -\partial\mathcal L/\partial z$",
        "–",
        "–",
        r"$\int_{t_1}^{t_0} a f_\theta$",
        r"$\int_{t_1}^{t_0} a f_z$",
        _later_slides_001,
    ),
    Convention(
        "002, section 4",
        r"$a = +\partial\mathcal L/\partial z$",
        "–",
        r"$\partial\mathcal L/\partial z(t_1)$",
        r"$-\int_{t_1}^{t_0} a^{\mathsf T} f_\theta$",
        r"$a(t_0)$",
        _ours,
    ),
    Convention(
        "002, appendix",
        r"$a = \lambda - \frac{dL}{dh}(t_1)$ as printed",
        r"$+\int\lambda^{\mathsf T}(h' - f)$",
        r"$\lambda(t_1) = 0$",
        r"$-\int_{t_1}^{t_0} a^{\mathsf T} f_\theta$",
        "–",
        _appendix_002,
    ),
    Convention("003", "–", "–", "–", "–", "–"),
    Convention(
        "004, section 1",
        r"$a = -\partial L/\partial\mathbf h$",
        "–",
        "–",
        "–",
        "–",
        _section_1_of_004,
    ),
    Convention(
        "004, section 2",
        r"$\lambda$, by its end value $+$",
        r"$-\int_{t_0}^{t_1}\lambda(\dot z - f)$",
        r"$\partial\mathcal L/\partial z(t_1)$",
        r"$\int_{t_0}^{t_1}\lambda f_\theta$",
        r"$\lambda(t_1) - \int_{t_1}^{t_0}\lambda f_z$",
        _section_2_of_004,
    ),
)
