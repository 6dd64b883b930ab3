"""The field as a solver calls it: counted, held to its contract, and not able to spoil the solve.

The contract: ``f(t, z)`` returns a tensor of the shape, dtype and device of the state and leaves
its arguments as they are. It may fill and return one buffer time and again: values are copied where
they could change afterwards, which the first ones tell, and that no other changes is checked.
States that are needed afterwards are copied by who calls (``spare``).
"""

import weakref

import torch
from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode.steps import Field

#: Evaluations after which a state is compared with what it was, and the memory of values with that
#: of those before, for writes that leave no trace (through ``.data`` or a NumPy array): that costs
#: too much for every one.
WATCHED = 2


class KeptContract:
    """A field of this library, which returns new tensors and changes none."""


class CountedField:
    """A field that counts its evaluations and refuses values of the wrong kind.

    Under ``torch.autocast`` values of lower precision are cast to the dtype of the state.

    Raises:
        SolverError: when called, if the field returns no tensor, or one of another shape, dtype or
            device than the state; changes the state in place; changes a value that it returned
            before and that is part of a graph; or returns a tensor batched by ``vmap``.
    """

    def __init__(self, f: Field, z0: Tensor) -> None:
        if not callable(f):
            raise SolverError(f"The field must be a function f(t, z), not {type(f).__name__}.")
        self.f, self.nfe = f, 0
        self.shape, self.dtype, self.device = z0.shape, z0.dtype, z0.device
        self.trusted = isinstance(f, KeptContract)
        self.transformed = transforms_active()
        self.last: weakref.ref[Tensor] | None = None  # it does not keep the graph
        self.first: list[Tensor] = []
        self.reuses = self.transformed

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        self.nfe += 1
        if self.trusted:
            return self.f(t, z)
        watched = self.nfe <= WATCHED
        version = z._version
        before = z.detach().clone() if watched and not self.transformed else None
        try:
            value = self.f(t, z)
        except RuntimeError as error:
            if "in-place operation" in str(error) and "leaf Variable" in str(error):
                _refuse_in_place("its state")
            raise
        if z._version != version or (before is not None and _written(z, before)):
            _refuse_in_place("its state")
        if self.last is not None:
            last = self.last()
            if last is not None and last._version:
                _refuse_in_place("a value that it had returned before")
            self.last = None
        if (
            not isinstance(value, Tensor)
            or value.shape != self.shape
            or value.dtype != self.dtype
            or value.device != self.device
        ):
            value = self._cast(float(t), value)
        if self.transformed and is_batched(value):
            refuse_vmap()
        if value._version or value._base is not None:
            return value.clone()
        graphed = value.requires_grad and torch.is_grad_enabled()
        if not graphed and (watched or self.reuses):
            return self._watched(value)
        self.last = weakref.ref(value)
        return value

    def _watched(self, value: Tensor) -> Tensor:
        """A copy of ``value``; learns whether the field returns one piece of memory repeatedly."""
        if not self.reuses:
            place = value.data_ptr()
            self.reuses = any(place == before.data_ptr() for before in self.first)
            self.first = [] if self.reuses or self.nfe >= WATCHED else [*self.first, value]
        return value.clone()

    def _cast(self, t: float, value: object) -> Tensor:
        """``value`` in the state's dtype if autocast lowered it; SolverError otherwise."""
        if not isinstance(value, Tensor):
            raise SolverError(
                f"The field returned {type(value).__name__} at t = {t:g}; "
                f"it must return a tensor like the state."
            )
        if (
            value.shape == self.shape
            and value.device == self.device
            and value.dtype in (torch.float16, torch.bfloat16)
            and torch.is_autocast_enabled(self.device.type)
        ):
            return value.to(self.dtype)
        raise SolverError(
            f"The field returned shape {tuple(value.shape)}, {value.dtype} on {value.device} at "
            f"t = {t:g}; the state has shape {tuple(self.shape)}, {self.dtype} on {self.device}. "
            f"Make them equal."
        )


def _written(z: Tensor, before: Tensor) -> bool:
    """Whether ``z`` has other entries than ``before``, which were finite."""
    return not torch.equal(z.detach(), before) and bool(torch.isfinite(before).all())


def transforms_active() -> bool:
    """Whether derivatives are being taken in other ways than backwards through a graph.

    They are within ``torch.func`` transforms and within a level of forward-mode derivatives.
    """
    return (
        torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0
    )


def is_batched(tensor: Tensor) -> bool:
    """Whether a ``vmap`` hides a batch axis of ``tensor``."""
    functorch = torch._C._functorch
    if functorch.is_legacy_batchedtensor(tensor):
        return True
    while functorch.is_functorch_wrapped_tensor(tensor):
        if functorch.is_batchedtensor(tensor):
            return True
        tensor = functorch.get_unwrapped(tensor)
    return False


def refuse_vmap() -> None:
    """SolverError: a solve takes decisions from its numbers, which vmap hides."""
    raise SolverError(
        "A solve cannot run under torch.func.vmap: give the batch an axis of the state and let the "
        "field work on it."
    )


def _refuse_in_place(what: str) -> None:
    raise SolverError(
        f"The field changed {what} in place, which would spoil the solve: let it compute a new "
        f"tensor (torch.clamp, not clamp_) or work on a copy (z.clone())."
    ) from None
