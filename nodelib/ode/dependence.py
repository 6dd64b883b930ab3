"""What a field depends on: the parameters whose gradient a solve must give.

A solve that is differentiated by hand gives gradients only to the tensors it is told of. One that
is left out would get none, and nobody would notice. So the graph of the field's first value is
walked, and a tensor that is met there but was not listed is an error.
"""

import functools
import warnings
from collections.abc import Iterable, Iterator
from types import CellType, FunctionType, MethodType, ModuleType

import torch
from torch import Tensor, nn

from nodelib.errors import SolverError
from nodelib.ode.generators import generator_states
from nodelib.ode.joined import JoinedField
from nodelib.ode.steps import Field

#: How far, and in how long lists, modules are looked for.
DEPTH, SHORT = 2, 64
CUT_OFF = (
    "(Where the field makes a tensor itself, by detaching its state to differentiate inside, no "
    "mode would give the right gradient: differentiate in the state itself.)"
)


def parameters_of(f: Field, params: Iterable[Tensor] | None) -> tuple[Tensor, ...]:
    """The tensors that ``f`` is said to depend on and that require a gradient, each once.

    They are the parameters of the module that ``f`` is, is a method of, or is a ``partial`` of, and
    those in ``params``.

    Raises:
        SolverError: if an entry of ``params`` is no tensor, or is computed from another one listed,
            whose gradient would then be counted twice; or if a parameter has no shape yet.
    """
    listed = list(params) if params is not None else []
    for entry in listed:
        if not isinstance(entry, Tensor):
            raise SolverError(f"params must hold tensors, not {type(entry).__name__}.")
    owner = owner_of(f)
    if isinstance(owner, nn.Module):
        listed += owner.parameters()
    if any(nn.parameter.is_lazy(tensor) for tensor in listed):
        raise SolverError(
            "The field has parameters without a shape (a lazy module): evaluate it once before it "
            "is solved."
        )
    wanted = tuple({id(tensor): tensor for tensor in listed if tensor.requires_grad}.values())
    _refuse_nested(wanted)
    return wanted


def modules_of(f: Field) -> tuple[nn.Module, ...]:
    """The modules that ``f`` is seen to use.

    They are the one that it is, is a method of or is a ``partial`` of, and those that a function
    is handed, closes over, or reads as globals, also in short lists, tuples and dictionaries, as
    attributes of other objects, and through other functions, up to ``DEPTH`` of these in a row.
    """
    while isinstance(f, JoinedField):
        f = f.f
    if isinstance(f, nn.Module):
        return (f,)
    return tuple(x for x in _parts(f) if isinstance(x, nn.Module))


def tensors_of(f: Field) -> tuple[Tensor, ...]:
    """The tensors that ``f`` is seen to use other than through modules; see ``modules_of``."""
    while isinstance(f, JoinedField):
        f = f.f
    return tuple(x for x in _parts(f) if isinstance(x, Tensor))


def _parts(f: object) -> list[object]:
    """The modules and tensors that ``f`` is seen to use, each once."""
    found: dict[int, object] = {}
    seen: set[int] = set()
    ahead: list[tuple[object, int]] = [(f, 0)]
    while ahead:
        x, depth = ahead.pop()
        if isinstance(x, nn.Module | Tensor):
            found[id(x)] = x
        elif depth <= DEPTH and id(x) not in seen:
            seen.add(id(x))
            ahead += [(y, depth + 1) for y in _held(x)]
    return list(found.values())


def _held(x: object) -> Iterable[object]:
    """What ``x`` is made of, as far as a field made of ``x`` may use it."""
    if isinstance(x, str | bytes | int | float | Tensor | type | ModuleType | None):
        return ()
    if isinstance(x, list | tuple | dict):
        return () if len(x) > SHORT else list(x.values() if isinstance(x, dict) else x)
    if isinstance(x, MethodType):
        return x.__self__, x.__func__
    if isinstance(x, functools.partial):
        return x.func, *x.args, *x.keywords.values()
    if isinstance(x, FunctionType):
        parts = [*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
        parts += [cell.cell_contents for cell in x.__closure__ or () if _filled(cell)]
        known = x.__globals__
        return parts + [known[name] for name in x.__code__.co_names if name in known]
    return list(getattr(x, "__dict__", {}).values())


class WatchedField:
    """A field whose first value is searched for tensors that are not in ``params``.

    For use without gradient: the first value is computed with one, searched, and detached. Its
    graph is freed with it. ``warn_of_lost`` warns of what the field set aside with a gradient then,
    and without one later. Where the field must not draw random numbers, ``no_draws`` says why, and
    its second evaluation is watched (in the first it may draw what it then keeps).
    """

    def __init__(self, f: Field, params: tuple[Tensor, ...], no_draws: str = "") -> None:
        self.f, self.params, self.no_draws = f, params, no_draws
        self.calls = 0
        self.aside: list[tuple[nn.Module, str, Tensor]] = []

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > 2 or (self.calls == 2 and not self.no_draws):
            return self.f(t, z)
        if self.calls == 2:
            return self._undrawn(t, z)
        value, unlisted = self._searched(t, z.detach())
        if unlisted is not None:
            # A field that differentiates inside makes a tensor of its own unless its state has a
            # gradient.
            _, unlisted = self._searched(t.detach(), z.detach().clone().requires_grad_())
        if unlisted is not None:
            raise SolverError(
                f"The field depends on a tensor of shape {tuple(unlisted.shape)} that requires a "
                f"gradient but is neither a parameter of a module that is the field nor listed in "
                f'params: list it there, detach it, or use grad="backprop". {CUT_OFF}'
            )
        self.aside = [
            (module, name, x)
            for root in modules_of(self.f)
            for module in root.modules()
            for name, x in vars(module).items()
            if isinstance(x, Tensor) and x.grad_fn is not None
        ]
        return value.detach() if isinstance(value, Tensor) else value

    def warn_of_lost(self) -> None:
        """UserWarning for an attribute that had a gradient, now has none and another value."""
        for module, name, before in self.aside:
            x = vars(module).get(name)
            if not isinstance(x, Tensor) or x.requires_grad or x.shape != before.shape:
                continue
            if not torch.equal(x, before):
                warnings.warn(
                    f"The field sets {type(module).__name__}.{name}, which has no gradient in this "
                    f"mode: a loss that uses it goes without its part. Make it a part of the state "
                    f'(z0 may be a tuple) or use grad="backprop"; if no loss uses it, detach it.',
                    UserWarning,
                    stacklevel=2,
                )
        self.aside = []

    def _undrawn(self, t: Tensor, z: Tensor) -> Tensor:
        before = generator_states(z.device)
        value = self.f(t, z)
        if not all(map(torch.equal, before, generator_states(z.device))):
            raise SolverError(
                f"The field draws random numbers (dropout?), which {self.no_draws}: take a fixed "
                f'grid (options num_steps or step_size) with grad="checkpoint" or "backprop", or '
                f"call eval() on what draws."
            )
        return value

    def _searched(self, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """The value with its graph, and the first tensor met there that is not listed."""
        t = t.detach()
        with torch.enable_grad():
            value = self.f(t, z)
        if not (isinstance(value, Tensor) and value.requires_grad):
            return value, None
        known = {_edge(x) for x in (z, t, *self.params) if x.requires_grad}
        return value, next(_leaves([_edge(value)], known), None)


class AttachedField:
    """A field for backpropagation, refused where it cuts its state off to differentiate inside.

    It makes a leaf of the graph that equals its state then, a new one in every evaluation. The
    first two are looked at.
    """

    def __init__(self, f: Field) -> None:
        self.f = f
        self.calls = 0
        self.known: list[Tensor] = []

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        self.calls += 1
        value = self.f(t, z)
        if self.calls > 2 or not (isinstance(value, Tensor) and value.requires_grad):
            return value
        leaves = list(_leaves([_edge(value)], {_edge(x) for x in (z, t) if x.requires_grad}))
        if self.calls == 1:
            self.known = leaves
            return value
        for leaf in leaves:
            new = all(leaf is not known for known in self.known)
            if new and leaf.shape == z.shape and torch.equal(leaf.detach(), z.detach()):
                raise SolverError(f"The field cuts its state off the graph. {CUT_OFF}")
        self.known = []
        return value


def owner_of(f: Field) -> object:
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
    if all(param.is_leaf for param in params):
        return
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


def functions_in(value: Tensor) -> Iterator[object]:
    """The nodes of the graph of ``value`` whose backward is somebody's own."""
    for node, _ in _edges([_edge(value)] if value.requires_grad else [], set()):
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            yield node


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
