"""States that are several tensors, solved as one flat vector."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nodelib.errors import SolverError
from nodelib.ode.arguments import check_state, numbers_of
from nodelib.ode.steps import rms

#: A field of states that are tuples of tensors: a time and a tuple to a tuple of the same shapes.
TupleField = Callable[[Tensor, tuple[Tensor, ...]], Sequence[Tensor]]


class JoinedState:
    """Tensors of any shapes and of one dtype and device, as one vector and back."""

    def __init__(self, parts: Sequence[Tensor]) -> None:
        if not parts:
            raise SolverError("The state z0 is an empty tuple: give at least one tensor.")
        for part in parts:
            check_state(part)
        kinds = {(part.dtype, part.device) for part in parts}
        if len(kinds) > 1:
            named = ", ".join(f"{part.dtype} on {part.device}" for part in parts)
            raise SolverError(f"The tensors of z0 must share dtype and device, not be {named}.")
        self.shapes = [part.shape for part in parts]
        self.sizes = [part.numel() for part in parts]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """The parts one after the other, shape (size,)."""
        return torch.cat([part.reshape(-1) for part in parts])

    def split(self, flat: Tensor) -> tuple[Tensor, ...]:
        """The parts of vectors (..., size), each of shape (..., *shape)."""
        pieces = flat.split(self.sizes, -1)
        leading = flat.shape[:-1]
        return tuple(x.reshape(leading + s) for x, s in zip(pieces, self.shapes, strict=True))

    def norm(self, flat: Tensor) -> float:
        """The largest of the parts' root mean squares."""
        return max(rms(part) for part in flat.split(self.sizes))

    def tolerance(self, name: str, value: object) -> object:
        """A tolerance for the vector, of one given as a number or for each part."""
        if not isinstance(value, tuple | list):
            return value
        if len(value) != len(self.shapes):
            raise SolverError(f"{name} holds {len(value)} entries for {len(self.shapes)} tensors.")
        each = [numbers_of(name, x) for x in value]
        try:
            grown = [x.expand(shape) for x, shape in zip(each, self.shapes, strict=True)]
        except RuntimeError as error:
            raise SolverError(
                f"An entry of {name} does not broadcast to its tensor of z0: {error}"
            ) from error
        return self.join(grown)


class JoinedField:
    """A field of tuples as one of vectors.

    Raises:
        SolverError: when called, if the field does not return a tuple of the state's shapes.
    """

    def __init__(self, f: TupleField, state: JoinedState) -> None:
        self.f, self.state = f, state

    def __call__(self, t: Tensor, flat: Tensor) -> Tensor:
        parts = self.f(t, self.state.split(flat))
        if not isinstance(parts, tuple | list) or not all(isinstance(x, Tensor) for x in parts):
            raise SolverError(
                f"The field returned {type(parts).__name__} for a state that is a tuple of "
                f"{len(self.state.shapes)} tensors; it must return such a tuple."
            )
        if [part.shape for part in parts] != self.state.shapes:
            found, wanted = ([tuple(s) for s in x] for x in (_shapes(parts), self.state.shapes))
            raise SolverError(
                f"The field returned shapes {found}; the state has {wanted}. Make them equal."
            )
        return self.state.join(parts)


def _shapes(parts: Sequence[Tensor]) -> list[torch.Size]:
    return [part.shape for part in parts]
