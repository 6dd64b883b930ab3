"""How a state is taken over a gap: every sample over its own, in steps of its own.

A batch takes as many steps over its k-th gaps as the sample that needs most. A sample that needs
fewer stands still meanwhile: its steps have length zero. So its numbers do not depend on whom it is
batched with.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nodelib.errors import ModelError
from nodelib.ode import tableaus
from nodelib.ode.gradients import odeint
from nodelib.ode.steps import combine

EXPONENTIAL = "exponential"
"""The solver that is no Runge-Kutta method, see ``relaxation_step``."""

SLACK = 1e-3
"""Share of ``delta_t`` by which a gap may exceed a whole number of steps, as in the reference."""


@dataclass(frozen=True)
class Stepping:
    """Solver and steps over a gap.

    Attributes:
        solver: "euler", "midpoint", "heun", "rk4" or another of ``nodelib.ode.tableaus``, on equal
            steps; "exponential", of first order like Euler's and stable over gaps of any length;
            with ``adaptive`` a method with an embedded error estimate.
        steps: equal steps in every gap, whatever its length; or None.
        delta_t: longest step; a gap takes as many equal ones as it needs. Or None. Give exactly one
            of the two, or neither with ``adaptive``.
        most: steps in one gap above which the gap is refused.
        adaptive: whether steps are chosen by ``nodelib.ode`` from ``rtol`` and ``atol``. The
            samples of a batch then share their steps, and batches differ within the tolerance.
    """

    solver: str = "euler"
    steps: int | None = None
    delta_t: float | None = None
    most: int = 10_000
    adaptive: bool = False
    rtol: float = 1e-6
    atol: float = 1e-8
    tableau: tableaus.Tableau | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tableau = None if self.relaxes else tableaus.find(self.solver)
        # found once, not at every step
        object.__setattr__(self, "tableau", tableau and tableau.without_error)
        if self.adaptive:
            if tableau is None or tableau.embedded is None:
                raise ModelError(f"{self.solver!r} has no error estimate: take dopri5")
            if self.steps is not None or self.delta_t is not None:
                raise ModelError("an adaptive solver chooses its steps: leave out steps, delta_t")
        elif (self.steps is None) == (self.delta_t is None):
            raise ModelError("give one of steps (in every gap) and delta_t (the longest step)")
        if self.steps is not None and self.steps < 1:
            raise ModelError(f"steps must be at least 1, not {self.steps}")
        if self.delta_t is not None and not 0 < self.delta_t < float("inf"):
            raise ModelError(f"delta_t must be a positive number, not {self.delta_t}")

    @property
    def relaxes(self) -> bool:
        """Whether steps are those of ``relaxation_step``."""
        return self.solver == EXPONENTIAL

    def plan(self, gaps: Tensor) -> tuple[Tensor, Tensor]:
        """Length of the steps over gaps (B, K), and how many, both (B, K).

        Raises:
            ModelError: naming sample and gap, if one takes more than ``most`` steps.
        """
        if self.delta_t is None:
            count = torch.full_like(gaps, self.steps or 1)
        else:
            count = torch.ceil(gaps / self.delta_t - SLACK).clamp(min=1)
            far = (count > self.most).nonzero()
            if len(far):
                k, row = far[0].tolist()
                raise ModelError(
                    f"the gap of {float(gaps[k, row]):g} before row {row} of sample {k} takes "
                    f"{float(count[k, row]):.0f} steps of {self.delta_t:g}, more than {self.most}: "
                    f"count times from the start, take other units or raise most="
                )
        return gaps / count, count

    def advance(
        self,
        derivative: Callable[[Tensor], Any],
        h: Tensor,
        dt: Tensor,
        count: Tensor,
        most: int,
        params: tuple[Tensor, ...] = (),
    ) -> Tensor:
        """The state after one gap of each sample.

        Args:
            derivative: of h, from states (..., H); where the solver ``relaxes``, how fast h is
                drawn and where to, as ``GRUODECell.towards`` gives it.
            h: states (..., H).
            dt, count: the plan of these gaps, (..., 1).
            most: the largest of ``count``.
            params: what ``derivative`` depends on, for an adaptive solve.
        """
        if self.adaptive:
            span = dt * count
            if not bool(span.any()):
                return h
            return odeint(
                lambda t, z: span * derivative(z),
                h,
                h.new_tensor([0.0, 1.0]),
                method=self.solver,
                rtol=self.rtol,
                atol=self.atol,
                params=params,
            )[-1]
        if self.tableau is None:
            step = partial(relaxation_step, derivative)
        else:
            step = partial(autonomous_step, derivative, self.tableau)
        if self.delta_t is None:  # all take the same number of steps
            for _ in range(most):
                h = step(dt, h)
            return h
        for j in range(most):
            h = step(dt * (count > j), h)
        return h


def relaxation_step(
    towards: Callable[[Tensor], tuple[Tensor, Tensor]], dt: Tensor, h: Tensor
) -> Tensor:
    """The solution of ``dh/dt = rate (target - h)`` after ``dt`` with both held as they begin.

    Exponential Euler (Hochbruck and Ostermann 2010, Acta Numerica 19:209-286, section 2). The
    state goes some way to the target and never beyond, however long the step.
    """
    rate, target = towards(h)
    return h - (target - h) * torch.expm1(-rate * dt)


def autonomous_step(
    derivative: Callable[[Tensor], Tensor], tableau: tableaus.Tableau, dt: Tensor, h: Tensor
) -> Tensor:
    """One Runge-Kutta step of a field without time; ``dt`` (..., 1) is a sample's own."""
    stages: list[Tensor] = []
    for row in tableau.a:
        stages.append(derivative(h + combine(row, stages, dt) if stages else h))
    return h + combine(tableau.b, stages, dt)
