"""Existence and uniqueness: five scalar fields, and what solvers do on each.

======================  ============================  =============================================
field                   from                          solutions forwards
======================  ============================  =============================================
``lipschitz``           ``y' = tanh 3y``, y(0) = 0    one, for all time
``blow_up``             ``y' = y^2``, y(0) = 1        one, ``1 / (1 - t)``, until t = 1
``two_solutions``       ``y' = 2 sqrt|y|``, y(0) = 0  0, t^2, and 0 followed by ``(t - c)^2``
``decay``               ``y' = -2 sgn(y) sqrt|y|``    one, 0, though not Lipschitz at 0
``osgood``              ``y' = -y log|y|``, y(0) = 0  one, 0, though not Lipschitz at 0 (Osgood)
======================  ============================  =============================================

Metrics of a field, each a property that is measured, not typed:

- ``quotient.<field>.<k>``: largest ``|f(y) - f(0)| / |y|`` for ``|y|`` from ``10^-k`` on, and
  ``lipschitz.<field>``: whether it stays bounded as k goes from 3 to 300
- ``spread.<field>.<k>``: how far apart at time 1 the exact solutions are that start at the initial
  value and ``10^-k`` above it, for ``blow_up`` at time 0.9 (its start is 1, and from k = 30 on the
  sum is rounded to 1); ``unique.<field>``: whether that vanishes with ``10^-k``
- ``sufficient``, ``necessary``: whether every Lipschitz field here has a unique solution, and
  whether every unique one is Lipschitz; ``global``: whether the locally Lipschitz field that blows
  up has a solution for all time

What solvers do, ``<field>.<solver>.<...>``, from 0 to 1 (``blow_up``: to 0.9 and to 1.1):
``value``, the last state, or ``raised``, the error's name, and ``says``, its first words; ``nfe``;
``smallest``, the smallest step accepted. ``two_solutions`` also starts at 1e-30, ``decay`` starts
at 1/4, which reaches 0 at time 1/2, goes on to 1, and comes back from there (``back``).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torchdiffeq
from scipy.integrate import solve_ivp
from torch import Tensor

from nodebook.evidence import results
from nodelib.errors import SolverError
from nodelib.ode.solvers import solve

VARIANTS = ("fields",)
SEEDS = (0,)
NEEDS = ()
#: What happens at a singularity is rounding: evaluations and remainders there differ by machine.
TOLERANCE = {"decay.*": 10.0, "blow_up_past.*": 10.0, "osgood_nudged.*": 10.0, "*": 1e-3}

RTOL, ATOL = 1e-6, 1e-9
POWERS = (3, 10, 30, 100, 300)


@dataclass(frozen=True)
class Equation:
    """A scalar equation ``y' = f(y)``, ``y(0) = start``.

    ``flow(y, t)`` is the state at time t of the solution from y at 0; where there are several, the
    greatest. None where it has ceased to exist.
    """

    f: Callable[[Tensor], Tensor]
    start: float
    flow: Callable[[float, float], float | None]

    def field(self, t: Tensor, y: Tensor) -> Tensor:
        """``f(t, y)``, which does not depend on t."""
        return self.f(y)


def _tanh(y: float, t: float) -> float:
    """Of ``y' = tanh 3y``: ``sinh 3y(t) = sinh(3 y) e^(3t)``."""
    return math.asinh(math.sinh(3 * y) * math.exp(3 * t)) / 3


def _parabola(y: float, t: float) -> float:
    """Of ``y' = 2 sqrt|y|`` from y >= 0: ``(sqrt y + t)^2``, the greatest solution."""
    return (math.sqrt(y) + t) ** 2


def _landing(y: float, t: float) -> float:
    """Of ``y' = -2 sgn(y) sqrt|y|``: ``(sqrt y - t)^2`` until it is 0, and 0 from then on."""
    return math.copysign(max(0.0, math.sqrt(abs(y)) - t) ** 2, y)


def _osgood(y: float, t: float) -> float:
    """Of ``y' = -y log y`` from 0 <= y < 1: ``y^exp(-t)``."""
    return y ** math.exp(-t)


EQUATIONS = {
    "lipschitz": Equation(lambda y: torch.tanh(3 * y), 0.0, _tanh),
    "blow_up": Equation(lambda y: y * y, 1.0, lambda y, t: y / (1 - y * t) if y * t < 1 else None),
    "two_solutions": Equation(lambda y: 2 * y.abs().sqrt(), 0.0, _parabola),
    "decay": Equation(lambda y: -2 * y.sign() * y.abs().sqrt(), 0.0, _landing),
    "osgood": Equation(lambda y: -torch.xlogy(y, y.abs()), 0.0, _osgood),
}


def quotient(equation: Equation, power: int) -> float:
    """Largest difference quotient between the start and points ``10^-power`` to 0.1 above it."""
    gaps = torch.logspace(-power, -1, 200, dtype=torch.float64)
    start = torch.tensor(equation.start, dtype=torch.float64)
    change = equation.f(start + gaps) - equation.f(start)
    return float((change / (start + gaps - start).clamp_min(1e-320)).abs().max())


def spread(equation: Equation, power: int, time: float) -> float:
    """Distance at a time of the solutions from the start and from ``10^-power`` above it."""
    apart = equation.flow(equation.start + 10.0**-power, time)
    least = 0.0 if equation.start == 0 else equation.flow(equation.start, time)
    return abs(apart - least)


def ours(equation: Equation, start: float, times: list[float], **method) -> dict[str, object]:
    """Our solver: its last state or its error, evaluations and smallest step."""
    settings = {"rtol": RTOL, "atol": ATOL, **method}
    y = torch.tensor(start, dtype=torch.float64)
    try:
        solution = solve(equation.field, y, times, record_steps=True, **settings)
    except SolverError as error:
        return {"raised": "SolverError", "says": str(error).split(":")[0].split(" (")[0]}
    return {
        "value": solution.z[-1].item(),
        "nfe": solution.stats.nfe,
        "smallest": min(abs(step.dt) for step in solution.steps),
    }


def torchdiffeqs(equation: Equation, start: float, times: list[float]) -> dict[str, object]:
    """torchdiffeq's dopri5: its last state or its error, and evaluations."""
    count = 0

    def field(t: Tensor, y: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return equation.f(y)

    y, t = torch.tensor(start, dtype=torch.float64), torch.tensor(times, dtype=torch.float64)
    try:
        value = torchdiffeq.odeint(field, y, t, rtol=RTOL, atol=ATOL)[-1].item()
    except AssertionError as error:
        return {"raised": "AssertionError", "says": str(error).split(" ")[0], "nfe": count}
    return {"value": value, "nfe": count}


def scipys(equation: Equation, start: float, times: list[float]) -> dict[str, object]:
    """scipy's RK45: its last state or what it says on failing, evaluations and smallest step."""

    def field(t: float, y: np.ndarray) -> np.ndarray:
        return equation.f(torch.from_numpy(y)).numpy()

    with np.errstate(all="ignore"):
        found = solve_ivp(field, (times[0], times[-1]), [start], rtol=RTOL, atol=ATOL)
    smallest = float(np.abs(np.diff(found.t)).min())
    if not found.success:
        return {"raised": "success = False", "says": found.message, "nfe": found.nfev}
    return {"value": float(found.y[0, -1]), "nfe": found.nfev, "smallest": smallest}


SOLVERS: dict[str, Callable[[Equation, float, list[float]], dict[str, object]]] = {
    "nodelib-dopri5": ours,
    "torchdiffeq-dopri5": torchdiffeqs,
    "scipy-rk45": scipys,
    "nodelib-rk4": lambda e, y, t: ours(e, y, t, method="rk4", num_steps=100),
    "nodelib-euler": lambda e, y, t: ours(e, y, t, method="euler", num_steps=100),
}


def asked() -> dict[str, tuple[Equation, float, list[float]]]:
    """What every solver is asked: a name, the equation, the start, and the times."""
    e = EQUATIONS
    return {
        "lipschitz": (e["lipschitz"], 0.25, [0.0, 1.0]),
        "blow_up_before": (e["blow_up"], 1.0, [0.0, 0.9]),
        "blow_up_past": (e["blow_up"], 1.0, [0.0, 1.1]),
        "two_solutions": (e["two_solutions"], 0.0, [0.0, 1.0]),
        "two_solutions_nudged": (e["two_solutions"], 1e-30, [0.0, 1.0]),
        "decay": (e["decay"], 0.25, [0.0, 1.0]),
        "decay_back": (e["decay"], 0.0, [1.0, 0.0]),
        "osgood": (e["osgood"], 0.0, [0.0, 1.0]),
        "osgood_nudged": (e["osgood"], 1e-30, [0.0, 1.0]),
    }


def run(variant: str, seed: int) -> results.Outcome:
    """Measure the fields, and ask the solvers; nothing is random."""
    metrics: dict[str, object] = {}
    lipschitz, unique = {}, {}
    for name, equation in EQUATIONS.items():
        time = 0.9 if name == "blow_up" else 1.0
        quotients = [quotient(equation, k) for k in POWERS]
        spreads = [spread(equation, k, time) for k in POWERS]
        metrics |= {f"quotient.{name}.{k}": q for k, q in zip(POWERS, quotients, strict=True)}
        metrics |= {f"spread.{name}.{k}": s for k, s in zip(POWERS, spreads, strict=True)}
        lipschitz[name] = quotients[-1] < 2 * quotients[0]
        unique[name] = spreads[-1] < 1e-3 * max(spreads[0], 1e-300) or spreads[-1] < 1e-12
    metrics |= {f"lipschitz.{name}": value for name, value in lipschitz.items()}
    metrics |= {f"unique.{name}": value for name, value in unique.items()}
    metrics["sufficient"] = all(unique[name] for name in unique if lipschitz[name])
    metrics["necessary"] = all(lipschitz[name] for name in unique if unique[name])
    metrics["condition"] = _condition(bool(metrics["sufficient"]), bool(metrics["necessary"]))
    blow_up = EQUATIONS["blow_up"]
    metrics["global.blow_up"] = blow_up.flow(blow_up.start, 1.1) is not None
    nfe = 0
    for question, (equation, start, times) in asked().items():
        for solver, call in SOLVERS.items():
            answer = call(equation, start, times)
            nfe += answer.get("nfe", 0)
            metrics |= {f"{question}.{solver}.{key}": value for key, value in answer.items()}
    return results.Outcome(metrics=metrics, nfe=nfe)


def _condition(sufficient: bool, necessary: bool) -> str:
    """What Lipschitz continuity is for uniqueness, in words."""
    if sufficient and necessary:
        return "sufficient and necessary"
    if sufficient:
        return "sufficient, not necessary"
    return "necessary, not sufficient" if necessary else "neither sufficient nor necessary"
