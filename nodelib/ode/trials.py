"""The uncompiled evaluations in which a field is held to its contract before it is compiled.

What ``nodelib.ode.evaluations`` and ``nodelib.ode.dependence`` look at, no compiled loop can. A
field that has passed is not tried again until the compiler compiles it anew, which it does when
anything has changed that the field reads; one that has once failed is tried for every solve.
"""

from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode.dependence import WatchedField, functions_in, owner_of, tensors_of
from nodelib.ode.evaluations import CountedField
from nodelib.ode.replay import attributes_of, buffers_kept, settled
from nodelib.ode.steps import Field, spare, time_like

_passed: WeakKeyDictionary[object, set[tuple[str, ...]]] = WeakKeyDictionary()
_failed: WeakSet[object] = WeakSet()

#: Why random numbers are refused.
DRAWN = "a compiled solve cannot draw again (without compile=True another can)"
#: How far along its value the state of the second evaluation lies.
FARTHER = 1e-3


class Trial:
    """The trial of a field whose parameters ``params`` are called ``names``.

    ``passed``: whether it needs none.
    """

    def __init__(self, f: Field, params: tuple[Tensor, ...], names: tuple[str, ...]) -> None:
        self.f, self.params, self.names, self.owner = f, params, names, owner_of(f)
        self.kept = _can_be_kept(self.owner)
        self.passed = self.kept and names in _passed.get(self.owner, ())

    def hold(self, t: float, z: Tensor) -> None:
        """Try the field at a time and a state.

        Raises:
            SolverError: as ``WatchedField`` and ``CountedField``; if the field changes tensors or
                attributes of its modules; or if it uses a ``torch.autograd.Function``, whose
                backward the compiler would not ask.
        """
        self.passed = False
        if self.kept:
            _passed.pop(self.owner, None)
        try:
            with buffers_kept(self.f):
                self._evaluate(time_like(t, z), z)
        except SolverError:
            if self.kept:
                _failed.add(self.owner)
            raise
        if self.kept and self.owner not in _failed:
            _passed.setdefault(self.owner, set()).add(self.names)

    def _evaluate(self, t: Tensor, z: Tensor) -> None:
        attributes = attributes_of(self.f)
        tensors = [x for x in tensors_of(self.f) if not x.is_inference()]
        versions = [x._version for x in tensors]
        watched = WatchedField(self.f, self.params, DRAWN)
        field = CountedField(watched, z)
        value = field(t, spare(z))
        field(t, z + FARTHER * value)
        watched.warn_of_lost()
        left = settled(attributes, attributes_of(self.f))
        for module, name in attributes.keys() - left.keys():
            raise SolverError(
                f"The field changes {type(module).__name__}.{name} when it is evaluated, which "
                f"none may that is compiled: use compile=False (or eval(), for running statistics)."
            )
        if versions != [x._version for x in tensors]:
            raise SolverError(
                "The field changes a tensor when it is evaluated, which none may that is "
                "compiled: use compile=False."
            )
        with torch.enable_grad():
            graphed = self.f(t, z.detach().clone().requires_grad_())
        for node in functions_in(graphed):
            raise SolverError(
                f"The field uses a torch.autograd.Function ({type(node).__name__}), whose own "
                f"gradient a compiled solve would not take: use compile=False."
            )


def _can_be_kept(owner: object) -> bool:
    """Whether a weak reference to it may be a key."""
    return type(owner).__hash__ is not None and type(owner).__weakrefoffset__ != 0
