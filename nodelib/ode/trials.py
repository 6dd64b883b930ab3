"""The uncompiled evaluations in which a field is held to its contract before it is compiled.

What ``nodelib.ode.evaluations`` and ``nodelib.ode.dependence`` look at, no compiled loop can. A
field that has passed is not tried again until the compiler compiles it anew, which it does when
anything has changed that the field reads; one that has once failed is tried for every solve.
"""

from weakref import WeakKeyDictionary

from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode.dependence import WatchedField, owner_of
from nodelib.ode.evaluations import CountedField
from nodelib.ode.steps import Field, spare, time_like

_passed: WeakKeyDictionary[object, set[tuple[str, ...]]] = WeakKeyDictionary()
_failed: WeakKeyDictionary[object, bool] = WeakKeyDictionary()

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
            SolverError: as ``WatchedField`` and ``CountedField``.
        """
        self.passed = False
        if self.kept:
            _passed.pop(self.owner, None)
        watched = WatchedField(self.f, self.params, DRAWN)
        field, when = CountedField(watched, z), time_like(t, z)
        try:
            value = field(when, spare(z))
            field(when, z + FARTHER * value)
        except SolverError:
            if self.kept:
                _failed[self.owner] = True
            raise
        watched.warn_of_lost()
        if self.kept and self.owner not in _failed:
            _passed.setdefault(self.owner, set()).add(self.names)


def _can_be_kept(owner: object) -> bool:
    """Whether a weak reference to it may be a key."""
    return type(owner).__hash__ is not None and type(owner).__weakrefoffset__ != 0
