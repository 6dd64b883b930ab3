"""What a field depends on: the parameters whose gradient a solve must give.

A solve that is differentiated by hand gives gradients only to the tensors it is told of. One that
is left out would get none, and nobody would notice. So the graph of the field's first value is
walked, and a tensor that is met there but was not listed is an error.
"""

import functools
from collections.abc import Iterable, Iterator
from types import CellType

import torch
from torch import Tensor, nn

from nodelib.errors import SolverError
from nodelib.ode.joined import JoinedField
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
    owner = _owner(f)
    if isinstance(owner, nn.Module):
        listed += owner.parameters()
    wanted = tuple({id(tensor): tensor for tensor in listed if tensor.requires_grad}.values())
    _refuse_nested(wanted)
    return wanted


def modules_of(f: Field) -> tuple[nn.Module, ...]:
    """The modules that ``f`` is seen to use.

    They are the one that it is, is a method of or is a ``partial`` of, and those that a function
    is handed, closes over, or reads as globals.
    """
    if isinstance(f, nn.Module):
        return (f,)
    seen: list[object] = []
    while isinstance(f, functools.partial | JoinedField):
        if isinstance(f, functools.partial):
            seen += (*f.args, *f.keywords.values())
        f = _inner(f)
    owner = _owner(f)
    if isinstance(owner, nn.Module):
        return (owner,)
    seen += (owner, *getattr(owner, "__dict__", {}).values())
    code = getattr(getattr(f, "__func__", f), "__code__", None)
    if code is not None:
        function = getattr(f, "__func__", f)
        seen += (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        seen += (cell.cell_contents for cell in function.__closure__ or () if _filled(cell))
        seen += (function.__globals__.get(name) for name in code.co_names)
    modules = (getattr(x, "__self__", x) for x in seen)
    return tuple({id(x): x for x in modules if isinstance(x, nn.Module)}.values())


class WatchedField:
    """A field whose first value is searched for tensors that are not in ``params``.

    For use without gradient: the first value is computed with one, searched, and detached. Its
    graph is freed with it.
    """

    def __init__(self, f: Field, params: tuple[Tensor, ...]) -> None:
        self.f, self.params = f, params
        self.searched = False

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        if self.searched:
            return self.f(t, z)
        self.searched = True
        value, unlisted = self._searched(t, z.detach())
        if unlisted is not None:
            # A field that differentiates inside makes a tensor of its own unless its state has a
            # gradient.
            _, unlisted = self._searched(t.detach(), z.detach().clone().requires_grad_())
        if unlisted is not None:
            raise SolverError(
                f"The field depends on a tensor of shape {tuple(unlisted.shape)} that requires a "
                f"gradient but is neither a parameter of a module that is the field nor listed in "
                f'params: list it there, detach it, or use grad="backprop". (Where the field makes '
                f"it itself, by detaching its state to differentiate inside, no mode would give "
                f"the right gradient: differentiate in the state itself.)"
            )
        return value.detach() if isinstance(value, Tensor) else value

    def _searched(self, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """The value with its graph, and the first tensor met there that is not listed."""
        t = t.detach()
        with torch.enable_grad():
            value = self.f(t, z)
        if not (isinstance(value, Tensor) and value.requires_grad):
            return value, None
        known = {_edge(x) for x in (z, t, *self.params) if x.requires_grad}
        return value, next(_leaves([_edge(value)], known), None)


def _owner(f: Field) -> object:
    """What ``f`` is, or is a method of, under any number of ``partial``."""
    while isinstance(f, functools.partial | JoinedField):
        f = _inner(f)
    return getattr(f, "__self__", f)


def _inner(f: functools.partial | JoinedField) -> Field:
    return f.func if isinstance(f, functools.partial) else f.f


def _filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


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
