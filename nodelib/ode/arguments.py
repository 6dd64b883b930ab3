"""What a caller hands to a solve, checked: times, states, tolerances, grids."""

import math
import numbers
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode.evaluations import is_batched, refuse_vmap
from nodelib.ode.steps import Norm

#: Budget of steps of one solve, unless asked otherwise.
MAX_STEPS = 10_000

Tolerances = float | Tensor | np.ndarray | Sequence[float]


@dataclass(frozen=True)
class Tolerance:
    """What a step's error is held against: ``atol + rtol |z|``, and the norm of their quotient.

    ``rtol`` and ``atol`` are numbers, or tensors that broadcast to the state; ``first_norm`` is the
    norm by which the first step is chosen.
    """

    rtol: float | Tensor
    atol: float | Tensor
    norm: Norm
    first_norm: Norm

    @classmethod
    def checked(
        cls,
        rtol: Tolerances,
        atol: Tolerances,
        z0: Tensor,
        norm: Norm,
        first_norm: Norm | None = None,
    ) -> "Tolerance":
        """The tolerance for states like ``z0``; SolverError unless rtol >= 0 and atol > 0."""
        limits = (_tolerance("rtol", rtol, z0), _tolerance("atol", atol, z0))
        return cls(*limits, norm, first_norm or norm)


def _tolerance(name: str, value: Tolerances, z0: Tensor) -> float | Tensor:
    if type(value) is float and 0 < value < math.inf:
        return value
    found = numbers_of(name, value)
    relative = name.endswith("rtol")
    least = "at least 0" if relative else "positive"
    good = torch.isfinite(found) & (found >= 0 if relative else found > 0)
    if not good.all():
        raise SolverError(f"{name} must be finite and {least}, not {value}.")
    if found.ndim == 0:
        return float(found)
    try:
        fits = torch.broadcast_shapes(found.shape, z0.shape) == z0.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise SolverError(
            f"{name} has shape {tuple(found.shape)}, which does not broadcast to the state's shape "
            f"{tuple(z0.shape)}: give one number, or one for each entry of the state."
        )
    return found.to(z0)


def tolerance_number(name: str, value: Tolerances) -> float:
    """A tolerance that must be one number: the backward solve has more entries than the state."""
    if numbers_of(name, value).ndim:
        raise SolverError(
            f"{name} must be one number: where the tolerances are given by component, give the "
            f"backward solve an adjoint_rtol and an adjoint_atol of its own."
        )
    return _tolerance(name, value, torch.zeros(()))


def numbers_of(name: str, values: object) -> Tensor:
    """``values`` as a float64 tensor; SolverError unless they are real numbers."""
    if isinstance(values, Sequence) and any(isinstance(x, Tensor) for x in values):
        raise SolverError(f"Give {name} as numbers or as one tensor: torch.stack them.")
    if isinstance(values, Tensor):
        real = not (values.is_complex() or values.is_meta or values.dtype == torch.bool)
        found = values.detach()
    else:
        try:
            found = np.array(values)
        except ValueError as error:  # ragged
            raise SolverError(f"{name} must hold real numbers: {error}.") from error
        real = found.dtype.kind in "iuf"
        found = found.astype(np.float64) if real else found
    if not real:
        kind = values.dtype if isinstance(values, Tensor) else f"{type(values).__name__} {values}"
        where = " without values (device meta)" if getattr(values, "is_meta", False) else ""
        raise SolverError(f"{name} must hold real numbers, not {kind}{where}.")
    return torch.as_tensor(found).to(torch.float64)


def time_tensor(t: Tensor | Sequence[float]) -> Tensor:
    """The times as a tensor: as they are, or in float64 if they are numbers."""
    if not isinstance(t, Tensor):
        return numbers_of("the times t", t)
    return t.clone() if t.is_inference() and not torch.is_inference_mode_enabled() else t


def checked_times(t: Tensor | Sequence[float]) -> list[float]:
    """The times as numbers; SolverError unless they are finite and strictly monotone."""
    if isinstance(t, Tensor) and is_batched(t):
        refuse_vmap()
    times = numbers_of("the times t", t)
    if times.ndim != 1 or not len(times):
        raise SolverError(f"The times t must have shape (n,), n >= 1, not {tuple(times.shape)}.")
    found = times.tolist()
    rest = found[1:]
    monotone = all(map(operator.lt, found, rest)) or all(map(operator.gt, found, rest))
    # Between two finite numbers there are no others.
    if monotone and math.isfinite(found[0]) and math.isfinite(found[-1]):
        return found
    if not all(map(math.isfinite, found)):
        raise SolverError("The times t hold NaN or Inf.")
    raise SolverError(
        "The times t must be strictly increasing or strictly decreasing: sort them and drop "
        f"repeated ones.{_coinciding(found, t)}"
    )


def _coinciding(times: list[float], t: object) -> str:
    """A word on the first two times that are equal, if any are."""
    first = next((i for i, (a, b) in enumerate(pairwise(times)) if a == b), None)
    if first is None:
        return ""
    word = f" t[{first}] and t[{first + 1}] are both {times[first]:.9g}"
    if isinstance(t, Tensor) and t.dtype != torch.float64:
        word += f" in {t.dtype}; if they were to differ, give the times in float64"
    return word + "."


def check_state(z0: Tensor) -> None:
    """SolverError unless the initial state is a finite float32 or float64 tensor."""
    if not isinstance(z0, Tensor) or z0.dtype not in (torch.float32, torch.float64):
        kind = z0.dtype if isinstance(z0, Tensor) else type(z0).__name__
        hint = ""
        if isinstance(z0, Tensor):
            hint = " (torch.view_as_real)" if z0.is_complex() else " (z0.float())"
        raise SolverError(f"The state z0 must be a float32 or float64 tensor, not {kind}{hint}.")
    if z0.is_meta or z0.layout != torch.strided:
        kind = "on the device meta, without values" if z0.is_meta else f"of layout {z0.layout}"
        raise SolverError(f"The state z0 must be an ordinary dense tensor, not {kind}.")
    if is_batched(z0):
        refuse_vmap()
    if not torch.isfinite(z0.detach()).all():
        raise SolverError("The state z0 holds NaN or Inf.")


def check_positive(**values: float | None) -> None:
    """SolverError with its name for a value that is given but no positive number."""
    for name, value in values.items():
        if value is None:
            continue
        if (
            not isinstance(value, numbers.Real | Tensor | np.ndarray)
            or numbers_of(name, value).ndim
        ):
            raise SolverError(f"{name} must be a positive number, not {value!r}.")
        if not 0 < value < math.inf:
            raise SolverError(f"{name} must be a positive number, not {value}.")


def steps_per_interval(
    times: list[float], step_size: float | None, num_steps: int | None, max_steps: int
) -> list[int]:
    """How many equal steps a fixed grid takes in every interval between requested times."""
    if step_size is not None and num_steps is not None:
        raise SolverError("Give step_size or num_steps, not both.")
    check_positive(step_size=step_size, num_steps=num_steps)
    if num_steps is not None and num_steps != int(num_steps):
        raise SolverError(f"num_steps must be a whole number, not {num_steps}.")
    if step_size is None:
        counts = [int(num_steps or 1)] * (len(times) - 1)
    else:
        gaps = [abs(b - a) for a, b in pairwise(times)]
        counts = [max(1, math.ceil(gap / step_size - 1e-9)) for gap in gaps]
    if sum(counts) > max_steps:
        raise SolverError(
            f"The fixed grid has {sum(counts)} steps, more than max_steps = {max_steps}. "
            f"Take longer steps or raise max_steps."
        )
    return counts
