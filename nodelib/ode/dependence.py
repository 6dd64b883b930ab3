"""What a field depends on: the parameters whose gradient a solve must give.

A solve that is differentiated by hand gives gradients only to the tensors it is told of. One that
is left out would get none, and nobody would notice. So the graph of the field's first value is
walked, and a tensor that is met there but was not listed is an error.
"""

import functools
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from nodelib.errors import SolverError
from nodelib.ode.steps import Field


def parameters_of(f: Field, params: Iterable[Tensor] | None) -> tuple[Tensor, ...]:
    """The tensors that ``f`` is said to depend on and that require a gradient, each once.

    They are the parameters of the module that ``f`` is, is a method of, or is a ``partial`` of, and
    those in ``params``.

    Raises:
        SolverError: if an entry of ``params`` is no tensor, or is computed from another one listed,
            whose gradient would then be counted twice.
    """
    listed = list(params) if params is not None else []
    for entry in listed:
        if not isinstance(entry, Tensor):
            raise SolverError(f"params must hold tensors, not {type(entry).__name__}.")
    owner = f
    while isinstance(owner, functools.partial):
        owner = owner.func
    owner = getattr(owner, "__self__", owner)
    if isinstance(owner, nn.Module):
        listed += owner.parameters()
    wanted = tuple({id(tensor): tensor for tensor in listed if tensor.requires_grad}.values())
    _refuse_nested(wanted)
    return wanted


class WatchedField:
    """A field whose first value is searched for tensors that are not in ``params``.

    For use without gradient: the first value is computed with one, searched, and detached.
    """

    def __init__(self, f: Field, params: tuple[Tensor, ...]) -> None:
        self.f, self.params = f, params
        self.searched = False

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        if self.searched:
            return self.f(t, z)
        self.searched = True
        # This graph is thrown away: whoever counts or moves saved tensors shall not meet it.
        hooks = torch.autograd.graph.saved_tensors_hooks(_unchanged, _unchanged)
        with torch.enable_grad(), hooks:
            value = self.f(t.detach(), z.detach())
        if not (isinstance(value, Tensor) and value.requires_grad):
            return value
        for tensor in _leaves([_edge(value)], {_edge(param) for param in self.params}):
            raise SolverError(
                f"The field depends on a tensor of shape {tuple(tensor.shape)} that requires a "
                f"gradient but is neither a parameter of a module that is the field nor listed in "
                f'params: list it there, detach it, or use grad="backprop".'
            )
        return value.detach()


def _refuse_nested(params: tuple[Tensor, ...]) -> None:
    edges = {_edge(param) for param in params}
    for param in params:
        if param.grad_fn is None or len(params) == 1:
            continue
        above = [(node, number) for node, number in param.grad_fn.next_functions if node]
        if any(edge in edges for edge in _edges(above, set())):
            raise SolverError(
                f"The tensor of shape {tuple(param.shape)} in params is computed from another of "
                f"the field's parameters, whose gradient would be counted twice: list only "
                f'what the field uses itself, or use grad="backprop".'
            )


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


def _edge(tensor: Tensor) -> tuple[object, int]:
    """Where the gradient of ``tensor`` arrives in the graph."""
    return torch.autograd.graph.get_gradient_edge(tensor)[:2]


def _leaves(starts: list, stop: set) -> Iterator[Tensor]:
    """The leaves from which the ``starts`` are computed other than through ``stop``."""
    for node, _ in _edges(starts, stop):
        if hasattr(node, "variable"):
            yield node.variable


def _edges(starts: list, stop: set) -> Iterator[tuple[object, int]]:
    """The edges of the graph above ``starts``, these included, without those in ``stop``."""
    todo, seen = list(starts), set(stop)
    while todo:
        edge = todo.pop()
        if edge in seen:
            continue
        seen.add(edge)
        yield edge
        todo += [(node, number) for node, number in edge[0].next_functions if node is not None]
