"""A residual network is Euler's method: exactly at unit steps, and in the limit of many layers.

The field of seed k is a network with two hidden layers of 16 tanh units on states of size 4, or the
same with time as a fifth input; five initial states. Metrics:

- ``bit_for_bit.<dtype>``: whether n residual blocks with shared weights give the very numbers of
  our Euler solve with n unit steps and of torchdiffeq's, n = 1, 2, 10, 100, time in the field
- ``scaled``: relative error of document 004's rewriting ``h + dt (F(h) / dt)`` of ``h + F(h)``,
  and ``scaled_bits``: whether its bits agree where dt is a power of two (always: dividing by it is
  exact), and for dt = 0.1 (by the last bits of F, so by the processor)
- ``error.<method>.<n>``: relative error at t = 2 of n blocks of the method, ``order.<method>``
- ``nfe.<method>.<target>``: evaluations for that relative error; ``saved.<target>`` is Euler's
  number over the least of the others, ``best.<target>`` the method that has it
- ``budget.<nfe>``: the method with the smallest error for at most that many evaluations
- ``composition``: relative error of ``flow(s) after flow(t)`` against ``flow(s + t)``, irrational
  times, one of them negative: a layer for every real number
- ``points.adaptive``: states at accepted steps of a solve, ``points.uniform``: whether they are
  equally spaced
- ``global_over_local``: largest ratio of an adaptive solve's error at the end to its tolerance
- ``own_weights.<n>``: relative distance of n blocks with weights of their own, drawn independently
  and steps 1/n long, from the ODE whose weights are their mean; ``own_weights.order`` of its fall

The history holds errors against evaluations, also of the adaptive method.
"""

import math
from collections.abc import Sequence

import torch
import torchdiffeq
from torch import Tensor

from nodebook.documents.formulas.verdicts import relative_error
from nodebook.evidence import results
from nodebook.evidence.tolerance import Tolerance
from nodelib.models.blocks import ODEBlock, TimedField, residual_network
from nodelib.models.networks import MLP, Field
from nodelib.ode.solvers import solve
from nodelib.ode.tableaus import find

VARIANTS = ("network",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
TOLERANCE = {
    # an adaptive solve's error over its tolerance, down to 1e-12: there a tenth of it is rounding
    "global_over_local": 1e-2,
    # relative errors: below 1e-11 the reference, solved to 1e-13, decides them and not the method
    "*": Tolerance(1e-4, 1e-11),
}
# x = dt (x / dt) for dt = 0.1 turns on the last bit of x, which is the processor's
BY_PROCESSOR = ("scaled_bits.tenth",)

SIZE, STATES, END = 4, 5, 2.0
DEPTHS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)
METHODS = ("euler", "midpoint", "rk4")
TARGETS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8)
BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128)
TIGHT = {"rtol": 1e-13, "atol": 1e-13}


def start(seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Initial states (5, 4), the same numbers in every dtype."""
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.randn(STATES, SIZE, generator=generator).to(dtype)


def autonomous(seed: int, gain: float = 3.0) -> Field:
    """The field without time; its weights are ``gain`` times the usual, so that it is nonlinear."""
    field = Field(MLP((SIZE, 16, 16, SIZE), seeds=seed, dtype=torch.float64))
    with torch.no_grad():
        for layer in field.network.layers:
            layer.weight.mul_(gain)
    return field


def same_bits(seed: int, dtype: torch.dtype, counts: Sequence[int] = (1, 2, 10, 100)) -> bool:
    """Whether residual blocks, our Euler steps and torchdiffeq's give identical numbers."""
    field = TimedField(MLP((SIZE + 1, 16, 16, SIZE), seeds=seed, dtype=dtype))
    z = start(seed, dtype)
    agree = []
    with torch.no_grad():
        for n in counts:
            blocks = residual_network([field] * n)(z)
            ours = ODEBlock.of_steps(field, n)(z)
            times = torch.arange(n + 1, dtype=dtype)
            theirs = torchdiffeq.odeint(field, z, times, method="euler")[-1]
            agree += [torch.equal(blocks, ours), torch.equal(blocks, theirs)]
    return all(agree)


@torch.no_grad()
def scaled_step(seed: int, dt: float) -> tuple[bool, float]:
    """Document 004's rewriting of one step with ``G = F / dt``: equal bits, and relative error."""
    field, z = autonomous(seed), start(seed)
    change = field(torch.zeros(()), z)
    plain, scaled = z + change, z + dt * (change / dt)
    return torch.equal(plain, scaled), relative_error(scaled, plain)


@torch.no_grad()
def endpoint(field: Field, z: Tensor, method: str, n: int) -> Tensor:
    """The states at ``END`` by n blocks of a method."""
    return solve(field, z, [0.0, END], method=method, num_steps=n).z[-1]


@torch.no_grad()
def exact(field: Field, z: Tensor, end: float = END) -> Tensor:
    """The states at ``end``, to about twelve digits."""
    return solve(field, z, [0.0, end], **TIGHT).z[-1]


@torch.no_grad()
def adaptive(field: Field, z: Tensor, true: Tensor) -> tuple[list[int], list[float]]:
    """Evaluations and errors of Dormand-Prince's method at tolerances 1e-1 to 1e-12."""
    nfe, errors = [], []
    for k in range(1, 13):
        solution = solve(field, z, [0.0, END], rtol=10.0**-k, atol=10.0**-k)
        nfe.append(solution.stats.nfe)
        errors.append(relative_error(solution.z[-1], true))
    return nfe, errors


def least(nfe: Sequence[int], errors: Sequence[float], target: float) -> int | None:
    """Fewest evaluations of those whose error is at most ``target``."""
    return min((n for n, e in zip(nfe, errors, strict=True) if e <= target), default=None)


@torch.no_grad()
def composition_error(seed: int) -> float:
    """Flow by s after flow by t against flow by s + t, for s = pi / 2 and t = -sqrt(2) / 2."""
    field, z = autonomous(seed), start(seed)
    s, t = math.pi / 2, -math.sqrt(2) / 2
    return relative_error(exact(field, exact(field, z, t), s), exact(field, z, s + t))


@torch.no_grad()
def own_weights(seed: int, counts: Sequence[int]) -> list[float]:
    """Distance of n linear blocks with independent weights from the ODE with their mean."""
    generator = torch.Generator().manual_seed(2000 + seed)
    mean = torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64) / 2
    z = start(seed)
    limit = z @ torch.linalg.matrix_exp(mean).T
    distances = []
    for n in counts:
        h = z
        for _ in range(n):
            noise = torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64)
            h = h + h @ (mean + noise).T / n
        distances.append(relative_error(h, limit))
    return distances


def curves(seed: int) -> dict[str, dict[str, list]]:
    """Evaluations and errors of every method, on the fixed grids of ``DEPTHS`` and adaptive."""
    field, z = autonomous(seed), start(seed)
    true = exact(field, z)
    found = {}
    for method in METHODS:
        errors = [relative_error(endpoint(field, z, method, n), true) for n in DEPTHS]
        found[method] = {"nfe": [n * find(method).stages for n in DEPTHS], "error": errors}
    nfe, errors = adaptive(field, z, true)
    found["dopri5"] = {"nfe": nfe, "error": errors}
    return found


def order(errors: Sequence[float], floor: float = 1e-11) -> float:
    """Slope of the error between the last depth above rounding and a fifth or more of it."""
    last = max(i for i, e in enumerate(errors) if e > floor)
    first = max(i for i in range(last) if DEPTHS[i] <= DEPTHS[last] / 3)
    return math.log(errors[first] / errors[last]) / math.log(DEPTHS[last] / DEPTHS[first])


def run(variant: str, seed: int) -> results.Outcome:
    """Everything for the field of ``seed``."""
    found = curves(seed)
    metrics: dict[str, object] = {
        "bit_for_bit.float32": same_bits(seed, torch.float32),
        "bit_for_bit.float64": same_bits(seed, torch.float64),
        "scaled": scaled_step(seed, 0.1)[1],
        "scaled_bits.power_of_two": scaled_step(seed, 0.125)[0],
        "scaled_bits.tenth": scaled_step(seed, 0.1)[0],
        "composition": composition_error(seed),
    }
    for method in METHODS:
        errors = found[method]["error"]
        metrics |= {f"error.{method}.{n}": e for n, e in zip(DEPTHS, errors, strict=True)}
        metrics[f"order.{method}"] = order(errors)
    for target in TARGETS:
        needed = {m: least(c["nfe"], c["error"], target) for m, c in found.items()}
        metrics |= {f"nfe.{m}.{target:.0e}": n for m, n in needed.items() if n is not None}
        others = {m: n for m, n in needed.items() if n is not None and m != "euler"}
        best = min(others, key=lambda m: others[m])
        metrics[f"best.{target:.0e}"] = best
        if needed["euler"] is not None:
            metrics[f"saved.{target:.0e}"] = needed["euler"] / others[best]
    for budget in BUDGETS:
        within = [
            (e, m)
            for m, c in found.items()
            for n, e in zip(c["nfe"], c["error"], strict=True)
            if n <= budget
        ]
        metrics[f"budget.{budget}"] = min(within)[1]
    metrics["modern_wins"] = modern_wins(metrics)
    reached = enumerate(found["dopri5"]["error"], start=1)
    metrics["global_over_local"] = max(error * 10.0**k for k, error in reached)
    metrics |= _points(seed)
    counts = (10, 100, 1000, 10000)
    apart = own_weights(seed, counts)
    metrics |= {f"own_weights.{n}": e for n, e in zip(counts, apart, strict=True)}
    metrics["own_weights.order"] = math.log10(apart[0] / apart[-1]) / 3
    return results.Outcome(metrics=metrics, history={"depths": DEPTHS, "curves": found})


def modern_wins(metrics: dict[str, object]) -> str:
    """Whether other methods beat Euler's: "always", "except for the fewest evaluations", "no"."""
    winners = [metrics[f"budget.{budget}"] for budget in BUDGETS]
    lost = [winner == "euler" for winner in winners]
    if not any(lost):
        return "always"
    first = lost.index(False) if False in lost else len(lost)
    return "no" if first == len(lost) or any(lost[first:]) else "except for the fewest evaluations"


@torch.no_grad()
def _points(seed: int) -> dict[str, object]:
    field, z = autonomous(seed), start(seed)
    steps = solve(field, z, [0.0, END], rtol=1e-6, atol=1e-6, record_steps=True).steps
    lengths = [step.dt for step in steps]
    uniform = max(lengths) - min(lengths) < 1e-9
    return {"points.adaptive": len(steps) + 1, "points.uniform": uniform}
