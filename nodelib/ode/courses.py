"""The recorded steps of a compiled solve, and what is read from them.

Between steps the solution is a polynomial through their ends (``nodelib.ode.dense``): an output is
a sum of what is recorded of its step and of the next one, with weights that depend on the times
alone. So outputs are a product of a matrix with the records, and what a loss hands to them is
handed on by its transpose.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nodelib.ode import dense
from nodelib.ode.checkpointing import ELSEWHERE
from nodelib.ode.loops import Scheme

AFTER = 2
"""So many of the parts of ``dense.weights_between`` are recorded with the next step."""
SOME = 64
"""So many outputs are read at once, for which no matrix becomes large."""


@dataclass(frozen=True)
class Loop:
    """What one loop recorded.

    Attributes:
        first: the number of its first step.
        count: how many steps it took.
        times: (rows, 2) of float64, times and lengths of the steps.
        records: (rows + 1, recorded, *state), see ``loops.steps_forwards``.
        outputs: the numbers of the outputs that are read here.
        place: the rows of their steps.
        readings: how they are read, if they lie inside steps.
    """

    first: int
    count: int
    times: Tensor
    records: Tensor
    outputs: range
    place: Tensor
    readings: tuple["Reading", ...] = ()

    def reading(self, t: Tensor) -> "Loop":
        """The loop with its readings at the requested times ``t``."""
        if not self.outputs:
            return self
        kinds = self.records.shape[1]
        weights = _weights(self.clock(t), kinds).to(self.records.dtype)
        columns = self.place.unsqueeze(1) * kinds + torch.arange(kinds + AFTER)
        ends, found = self.place.tolist(), []
        for first in range(0, len(self.outputs), SOME):
            some = slice(first, first + SOME)
            low, high = ends[first], ends[some][-1] + 1
            rows = slice(low * kinds, high * kinds + AFTER)
            part = Reading.of(self.outputs[some], rows, columns[some], weights[some])
            found.append(part)
        return replace(self, readings=tuple(found))

    def clock(self, t: Tensor) -> list[Tensor]:
        """Times of the outputs, and starts and lengths of their steps (m,), in float64."""
        when = t[_slice(self.outputs)].detach()
        return [when.to(self.times), *self.times[self.place].unbind(1)]

    def read(self) -> list[Tensor]:
        """The outputs (m, *state), in pieces."""
        if not self.readings:
            return [self.records[self.place, 0]] if self.outputs else []
        rows, shape = _matrix(self.records), self.records.shape[2:]
        return [(x.matrix @ rows[x.rows]).view(len(x.outputs), *shape) for x in self.readings]

    def hand_on(self, grad_z: Tensor) -> Tensor:
        """What is handed to all outputs (n, *state), handed on to the records."""
        given = torch.empty_like(self.records)
        given[: self.count + 1] = 0
        if self.outputs and not self.readings:
            given.index_add_(0, self.place, grad_z[_slice(self.outputs)].unsqueeze(1))
        rows, grads = _matrix(given), _flat(grad_z)
        for reading in self.readings:
            rows[reading.rows].addmm_(reading.matrix.T, grads[_slice(reading.outputs)])
        return given

    def hand_to_times(self, t: Tensor, grad_z: Tensor, in_t: Tensor, in_times: Tensor) -> None:
        """What is handed to the outputs, handed on to their times and those of the steps.

        It is added to ``in_t`` (n,) and ``in_times`` (rows, 2), both of float64.
        """
        if not self.readings:
            return
        rows, grads = _matrix(self.records), _flat(grad_z)
        in_weights = [
            (grads[_slice(x.outputs)] @ rows[x.rows].T).gather(1, x.columns) for x in self.readings
        ]
        clock = [x.requires_grad_() for x in self.clock(t)]
        with torch.enable_grad():
            weights = _weights(clock, self.records.shape[1])
        when, *steps = torch.autograd.grad(weights, clock, torch.cat(in_weights).to(weights))
        in_t[_slice(self.outputs)] += when
        in_times.index_add_(0, self.place, torch.stack(steps, 1))


@dataclass(frozen=True)
class Reading:
    """Outputs that are read at once.

    Attributes:
        outputs: their numbers.
        rows: the rows of the records, as those of a matrix, that they are made of.
        columns: (m, parts), where in these the parts of each lie.
        matrix: (m, rows), by which these are multiplied.
    """

    outputs: range
    rows: slice
    columns: Tensor
    matrix: Tensor

    @classmethod
    def of(cls, outputs: range, rows: slice, columns: Tensor, weights: Tensor) -> "Reading":
        """The reading of outputs with these weights at columns of all records, both (m, parts)."""
        columns = columns - rows.start
        empty = weights.new_zeros(len(outputs), rows.stop - rows.start)
        return cls(outputs, rows, columns, empty.scatter_(1, columns, weights))


@dataclass(frozen=True)
class Course:
    """The accepted steps of a solve.

    Attributes:
        scheme: how it was solved.
        loops: the records, in order.
        lands: whether outputs are the states at rows, or lie between these and the next.
    """

    scheme: Scheme
    loops: tuple[Loop, ...]
    lands: bool

    @property
    def taken(self) -> int:
        """How many steps there are."""
        return sum(loop.count for loop in self.loops)

    def arrays(self) -> list[Tensor]:
        """The arrays of all loops, for autograd to keep."""
        return [x for loop in self.loops for x in (loop.times, loop.records)]

    def hollow(self) -> "Course":
        """The course without them."""
        return self.filled([ELSEWHERE] * (2 * len(self.loops)))

    def filled(self, arrays: Sequence[Tensor]) -> "Course":
        """The course with these arrays."""
        pairs = zip(self.loops, arrays[::2], arrays[1::2], strict=True)
        loops = tuple(replace(x, times=times, records=records) for x, times, records in pairs)
        return replace(self, loops=loops)

    def times(self) -> Tensor:
        """Times and lengths of all steps, (n, 2) in float64."""
        return torch.cat([loop.times[: loop.count] for loop in self.loops])

    def needed(self, output: int, last: int) -> int:
        """How many of the steps an output depends on; ``last`` is the number of the last one."""
        if output in (0, last):
            return self.taken if output else 0
        loop = next(loop for loop in self.loops if output in loop.outputs)
        place = int(loop.place[output - loop.outputs.start])
        return loop.first + place + (0 if self.lands else 1)


def _weights(clock: Sequence[Tensor], kinds: int) -> Tensor:
    """Weights of what is recorded before the steps (``kinds``) and after, (m, parts) in float64."""
    when, start, dt = clock
    return dense.weights_between((when - start) / dt, dt, kinds + AFTER)


def _slice(outputs: range) -> slice:
    """Outputs, to index with."""
    return slice(outputs.start, outputs.stop)


def _flat(states: Tensor) -> Tensor:
    """States as rows of a matrix."""
    return states.reshape(len(states), math.prod(states.shape[1:]))


def _matrix(records: Tensor) -> Tensor:
    """All that is recorded as rows of a matrix."""
    rows, kinds, *state = records.shape
    return records.view(rows * kinds, math.prod(state))
