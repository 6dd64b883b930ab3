"""Three ways to differentiate an ODE solve, behind one function, ``odeint``.

``"backprop"``
    Ordinary backpropagation through the accepted steps. Every stage of every step is kept.
``"checkpoint"`` (default)
    The states at the accepted steps are kept; backwards, one step at a time is taken again and
    differentiated. The gradient is that of ``"backprop"`` to rounding error, for the memory of one
    step and of one state per step. This is the remedy that the discussion of the reconstruction
    error calls for (chapter 03).
``"adjoint"``
    The continuous adjoint of Chen et al. 2018, algorithm 1: state, adjoint state and parameter
    gradient are solved backwards from each output time to the one before, restarted from the
    state that the forward pass had there. Nothing between output times is kept.

Within ``torch.func`` transforms, forward-mode derivatives and ``torch.inference_mode`` every mode
computes what "backprop" does, since only that can be differentiated there. Second derivatives are
for "backprop" alone; ``torch.func.vmap`` over a solve is refused.

"checkpoint" and "adjoint" evaluate the field again in the backward pass. Generator states (fixed
grids of "checkpoint"), autocast and the buffers of modules that the field is seen to use are put
back for it, and a field that has changed since the solve is refused: where a step that is taken
again ends elsewhere ("checkpoint"), where the field has another value at one output ("adjoint"),
and where the public attributes, the parameters or the mode of its modules changed. What changes
none of these, such as a number in a closure that the field multiplies by exactly zero, goes unseen.

Limits, in every mode. A field that detaches its state or a parameter is taken at its word: no
gradient goes that way. Writes that leave no trace in a tensor (through ``.data`` or a NumPy array)
are looked for in the first two evaluations of a solve and of its backward pass only; what is
written to ``z0.data`` after the solve is noticed by "checkpoint" alone. What a field sets aside
(an attribute, a list) has a gradient with "backprop" alone. A field that draws random numbers needs
a fixed grid, and not "adjoint". Backward passes of one field in several threads at a time are safe
where it draws nothing and its parameters have no hooks.

The step lengths carry no gradient in any mode: only the requested times do (chapter 02 derives
these gradients).
"""

import contextlib
import functools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode import tableaus
from nodelib.ode.adjoint import solve_with_adjoint
from nodelib.ode.arguments import (
    MAX_STEPS,
    Tolerances,
    check_state,
    checked_times,
    steps_per_interval,
    time_tensor,
    tolerance_number,
)
from nodelib.ode.checkpointing import solve_checkpointed
from nodelib.ode.compilation import NoCompilerError, require_compiler
from nodelib.ode.compiled import solve_compiled
from nodelib.ode.dependence import AttachedField, WatchedField, parameters_of
from nodelib.ode.evaluations import transforms_active
from nodelib.ode.joined import JoinedField, JoinedState, TupleField
from nodelib.ode.solvers import Solution, SolveStats, solve
from nodelib.ode.steps import Field

MODES = ("backprop", "checkpoint", "adjoint")
FORWARD = ("step_size", "num_steps", "first_step", "max_steps", "land")
RETURN = ("method", "rtol", "atol", "step_size", "num_steps")
WAYS_BACK = {"seminorm": "adjoint_seminorm", "record": "record_backward"}
BACKWARD = (*(f"adjoint_{name}" for name in RETURN), *WAYS_BACK.values())

#: Steps per interval below which Euler's method earns a warning from the continuous adjoint.
FEW_STEPS = 100


def integrate(
    f: Field | TupleField,
    z0: Tensor | Sequence[Tensor],
    t: Tensor | Sequence[float],
    *,
    method: str = "dopri5",
    rtol: Tolerances = 1e-7,
    atol: Tolerances = 1e-9,
    grad: str = "checkpoint",
    params: Iterable[Tensor] | None = None,
    options: Mapping[str, Any] | None = None,
    compile: bool = False,
) -> Solution:
    """Solve ``dz/dt = f(t, z)``, ``z(t[0]) = z0``; differentiable in z0, t and parameters.

    Args:
        f: the field ``f(t, z)``: an ``nn.Module`` (or its method, or a ``functools.partial`` of
            one), whose parameters then get gradients, or a function. ``t`` is a 0-dimensional
            tensor. It returns a tensor like the state and changes neither argument.
        z0: initial state, any shape, float32 or float64; or a tuple of such tensors of one dtype,
            for which the field takes and returns tuples.
        t: times, shape (n,), strictly increasing or strictly decreasing; ``t[0]`` belongs to
            ``z0``. As a tensor that requires a gradient, every entry gets one. In the unit in
            which the field is a rate.
        method: see ``nodelib.ode.solvers.solve``.
        rtol, atol: see ``nodelib.ode.solvers.solve``; for a tuple of states also a tuple with one
            entry for each tensor. By component they need ``adjoint_rtol`` and ``adjoint_atol`` for
            "adjoint".
        grad: "backprop", "checkpoint" or "adjoint"; see the module.
        params: further tensors that ``f`` depends on and that want a gradient; "backprop" needs no
            list.
        options: ``step_size``, ``num_steps``, ``first_step``, ``max_steps`` and ``land`` of
            ``nodelib.ode.solvers.solve``. For "adjoint" also ``adjoint_method``, ``adjoint_rtol``,
            ``adjoint_atol``, ``adjoint_step_size`` and ``adjoint_num_steps`` for the backward
            solve, each by default as forwards (``max_steps`` bounds every interval of it);
            ``adjoint_seminorm``, by which its steps are chosen by the errors of state and adjoint
            state alone, not of the parameters' gradient, on which nothing else depends (Kidger et
            al. 2021, "Hey, that's not an ODE"): fewer steps, and a larger error of that gradient;
            and ``record_backward``.
        compile: whether the steps are compiled to one loop forwards and one backwards, for
            "checkpoint"; see ``nodelib.ode.compiled``. The first call takes tens of seconds
            (``.stats.compiling``), as does one with another field, method, shape or dtype. Others
            take a twentieth to a half of the time, the smaller the field and the batch the less
            (``nodelib bench compiled``). The field must be one that
            ``torch.compile(fullgraph=True)`` takes, and change nothing. Adaptive methods read
            their outputs from the steps (``land=False``). On a processor only; without a C++
            compiler, or with a PyTorch older than 2.13, there is a warning, and no compilation.

    Returns:
        The solution. ``.z`` holds the states at the times, shape (n, *state), or a tuple of such
        tensors; ``.stats`` what they cost. ``.backward`` has one entry per backward pass, which
        counts the evaluations of the field that it made (none for "backprop"); for "adjoint" it is
        an ``AdjointStats``, which with ``record_backward`` also holds the trajectory of the
        backward solve (of a tuple, as flat vectors).

    Raises:
        SolverError: see ``nodelib.ode.solvers.solve``; also for an unknown mode or option, for a
            field that depends on a tensor that is not listed, that cuts its state off to
            differentiate inside, or (in "checkpoint" without a fixed grid and in "adjoint") that
            draws random numbers; for a lazy module, or, in "adjoint", complex parameters;
            and in the backward pass: where the
            adjoint cannot be solved, where second or batched derivatives are asked of another mode
            than "backprop", and (as ``ChangedFieldError``) where the field has changed since.

    Warns:
        UserWarning: if Euler's method takes few steps for "adjoint": the gradient is then off; if
            the field sets an attribute to what has a gradient in "backprop" only.
    """
    if grad not in MODES:
        raise SolverError(f"Unknown grad {grad!r}. Known: {', '.join(MODES)}.")
    if not callable(f):
        raise SolverError(f"The field must be a function f(t, z), not {type(f).__name__}.")
    if compile and grad != "checkpoint":
        raise SolverError(f'compile=True is for grad="checkpoint", not {grad!r}.')
    options = dict(options or {})
    known = FORWARD + (BACKWARD if grad == "adjoint" else ())
    unknown = sorted(set(options) - set(known))
    if unknown:
        hint = ' (adjoint_... only with grad="adjoint")' if set(unknown) <= set(BACKWARD) else ""
        raise SolverError(f"Unknown options {unknown}{hint}. Known: {', '.join(known)}.")
    arguments = {"method": method, "rtol": rtol, "atol": atol}
    arguments |= {name: options[name] for name in FORWARD if name in options}
    if not isinstance(z0, tuple | list):
        return _solution(f, z0, t, grad, params, arguments, options, compile)
    state = JoinedState(z0)
    arguments |= {name: state.tolerance(name, arguments[name]) for name in ("rtol", "atol")}
    arguments["norm"] = state.norm
    field = JoinedField(f, state)
    solution = _solution(field, state.join(z0), t, grad, params, arguments, options, compile)
    return replace(solution, z=state.split(solution.z))


def odeint(f, z0, t, **settings):
    """The states of ``integrate(f, z0, t, ...)``, which see: shape (n, *state).

    Stands in for ``torchdiffeq.odeint``, and ``functools.partial(odeint, grad="adjoint")`` for its
    ``odeint_adjoint``.
    """
    return integrate(f, z0, t, **settings).z


functools.update_wrapper(odeint, integrate, assigned=(), updated=())


def _solution(
    f: Field,
    z0: Tensor,
    t: Tensor | Sequence[float],
    grad: str,
    params: Iterable[Tensor] | None,
    arguments: dict[str, Any],
    options: dict[str, Any],
    compile: bool,
) -> Solution:
    if grad == "backprop":
        seen = f if transforms_active() or not torch.is_grad_enabled() else AttachedField(f)
        return _backpropagated(solve(seen, z0, t, **arguments))
    if torch.is_inference_mode_enabled() or transforms_active():
        return solve(f, z0, t, **arguments)
    listed = parameters_of(f, params)
    check_state(z0)
    times = checked_times(t)
    t = time_tensor(t)
    if compile:
        with contextlib.suppress(NoCompilerError):  # of which there was a warning
            require_compiler()
            return solve_compiled(f, z0, t, listed, arguments)
    if not torch.is_grad_enabled():
        return solve(f, z0, t, **arguments)
    if not any(x.requires_grad for x in (z0, t, *listed)):
        with torch.no_grad():
            return solve(WatchedField(f, listed), z0, t, **arguments)
    if z0.is_inference():
        z0 = z0.clone()
    if grad == "checkpoint":
        return solve_checkpointed(f, z0, t, listed, arguments)
    back = _backward_arguments(arguments, options, times)
    ways = {name: bool(options.get(key, False)) for name, key in WAYS_BACK.items()}
    return solve_with_adjoint(f, z0, t, listed, arguments, back, **ways)


def _backpropagated(solution: Solution) -> Solution:
    """``solution`` with a note in ``backward`` of every pass, which evaluates nothing again."""
    if solution.z.requires_grad:
        note = SolveStats(0, solution.stats.accepted, 0)
        backward = solution.backward
        solution.z.register_hook(lambda _: backward.append(note))
    return solution


def _backward_arguments(
    arguments: dict[str, Any], options: dict[str, Any], times: list[float]
) -> dict[str, Any]:
    """The arguments of the backward solves: the forward ones unless said otherwise; checked now."""
    back = {k: value for k, value in arguments.items() if k not in ("first_step", "norm", "land")}
    own = {name: options[f"adjoint_{name}"] for name in RETURN if f"adjoint_{name}" in options}
    if "step_size" in own or "num_steps" in own:
        back.pop("step_size", None)
        back.pop("num_steps", None)
    back |= own
    for name in ("rtol", "atol"):
        back[name] = tolerance_number(f"adjoint_{name}", back[name])
    adaptive = tableaus.find(back["method"]).embedded is not None
    fixed = "step_size" in back or "num_steps" in back
    if len(times) > 1 and (fixed or not adaptive):
        grid = (back.get("step_size"), back.get("num_steps"), back.get("max_steps", MAX_STEPS))
        fewest = min(min(steps_per_interval(ends, *grid)) for ends in pairwise(times))
        if back["method"] == "euler" and fewest < FEW_STEPS:
            warnings.warn(
                f"The continuous adjoint with Euler's method and {fewest} steps in an interval is "
                f"not the gradient of that solve: the two differ in proportion to the step. Take "
                f"more steps, a method of higher order, or the exact gradient of "
                f'grad="checkpoint".',
                UserWarning,
                stacklevel=5,
            )
    return back
