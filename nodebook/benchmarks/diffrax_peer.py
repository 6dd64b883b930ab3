"""The comparison problems of chapter 03 in JAX, differentiated by diffrax, where it is installed.

diffrax (Kidger 2021) is no requirement of this book. Where it is missing, ``version`` is None and
the tables leave it out.
"""

import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nodebook.benchmarks.gradient_problems import Autonomous, Problem, TimedNetwork
from nodelib.fields import ForcedVanDerPol

WAYS = {
    "diffrax-checkpoint": "RecursiveCheckpointAdjoint",
    "diffrax-adjoint": "BacksolveAdjoint",
}
"""Name of each way and diffrax's class for it; the first is its default."""


def version() -> str | None:
    """Version of diffrax and of JAX, or None where diffrax is not installed."""
    if importlib.util.find_spec("diffrax") is None:
        return None
    return f"{importlib.metadata.version('diffrax')} (JAX {importlib.metadata.version('jax')})"


def gradient_function(way: str, problem: Problem, rtol: float, atol: float) -> Callable[[], Tensor]:
    """A compiled function of nothing that gives the gradient in z0 and in the parameters.

    The first call compiles. One vector in float64: z0, then the parameters, as
    ``differentiation.Gradients.vector`` has them.
    """
    import diffrax
    import jax

    jax.config.update("jax_enable_x64", True)
    field, loss = _in_jax(problem)
    adjoint = getattr(diffrax, WAYS[way])()
    t0, t1 = problem.t.tolist()

    def end_loss(inputs: tuple) -> Any:
        z0, parameters = inputs
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Dopri5(),
            t0,
            t1,
            None,
            z0,
            parameters,
            adjoint=adjoint,
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        )
        return loss(solution.ys[-1])

    compiled = jax.jit(jax.grad(end_loss))
    start = jax.numpy.asarray(problem.z0.numpy())
    weights = [jax.numpy.asarray(p.detach().numpy()) for p in problem.field.parameters()]

    def gradient() -> Tensor:
        in_z0, in_weights = jax.block_until_ready(compiled((start, weights)))
        arrays = [in_z0, *in_weights]
        return torch.cat([torch.from_numpy(jax.device_get(x).copy()).reshape(-1) for x in arrays])

    return gradient


def trajectory_gradient(
    field: Autonomous, z0: Tensor, t: Tensor, way: str = "diffrax-checkpoint"
) -> Callable[[float], Callable[[], Any]]:
    """For a tolerance, a compiled function of nothing that gives the gradient of a trajectory.

    It is the gradient of the sum of squares of all states at ``t``, in z0 and the parameters, by
    one of ``WAYS``. Other tolerances are not compiled again.
    """
    import diffrax
    import jax

    bend = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[field.kind]
    adjoint = getattr(diffrax, WAYS[way])()

    def slope(_: Any, z: Any, parameters: list) -> Any:
        inner, inner_bias, outer, outer_bias = parameters
        slope = bend(z @ inner.T + inner_bias) @ outer.T + outer_bias
        return slope - field.pull * z if field.pull else slope

    def total(inputs: tuple, tolerance: Any) -> Any:
        z, parameters = inputs
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(slope),
            diffrax.Dopri5(),
            float(t[0]),
            float(t[-1]),
            None,
            z,
            parameters,
            saveat=diffrax.SaveAt(ts=jax.numpy.asarray(t.numpy())),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            adjoint=adjoint,
        )
        return (solution.ys**2).sum()

    compiled = jax.jit(jax.grad(total))
    start = jax.numpy.asarray(z0.numpy())
    arrays = [jax.numpy.asarray(p.detach().numpy()) for p in field.parameters()]
    return lambda tolerance: lambda: jax.block_until_ready(compiled((start, arrays), tolerance))


def _in_jax(problem: Problem) -> tuple[Callable, Callable]:
    import jax.numpy as jnp

    def oscillator(t: Any, z: Any, parameters: list) -> Any:
        a, b = parameters[0]
        return jnp.stack(
            (
                z[1] + a * z[0] * jnp.sin(t),
                b * (1 - z[0] ** 2) * z[1] - z[0] + a * jnp.cos(2 * t),
            )
        )

    def network(t: Any, z: Any, parameters: list) -> Any:
        inner, inner_bias, outer, outer_bias = parameters
        clock = jnp.broadcast_to(t, (*z.shape[:-1], 1))
        hidden = jnp.tanh(jnp.concatenate((z, clock), -1) @ inner.T + inner_bias)
        return hidden @ outer.T + outer_bias

    def nonlinear_loss(z: Any) -> Any:
        return 0.5 * (z[0] - 1) ** 2 + z[0] * jnp.sin(z[1])

    def half_distance(z: Any) -> Any:
        return jnp.sum((z - 1) ** 2) / 2

    pairs = {ForcedVanDerPol: (oscillator, nonlinear_loss), TimedNetwork: (network, half_distance)}
    return pairs[type(problem.field)]
