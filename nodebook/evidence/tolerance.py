"""How far a number may move between two processors before it counts as another number.

Other processors add in another order and have other vector instructions, so that the last digits
of a number move. A recorded number agrees with one that is derived again if they are within a
share of their size (``relative``) *or* within a distance (``absolute``): without the second,
1e-16 and 3e-16, both rounding where the exact value is zero, would differ by a factor of three.
"""

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RELATIVE = 1e-9
"""For what no tolerance is declared: some 1e6 roundings of double precision."""

FLOOR = 1e-12
"""Where an experiment declares no other: some 1e4 roundings of numbers near one, in doubles."""


@dataclass(frozen=True)
class Tolerance:
    """Two numbers agree within ``relative`` times the larger, or within ``absolute``."""

    relative: float = RELATIVE
    absolute: float = FLOOR


Declared = Mapping[str, float | Tolerance]
"""By pattern of a flattened name ("loss.*"): a tolerance, or a relative one as a number."""


def find(name: str, declared: Declared) -> Tolerance | None:
    """The tolerance of the first pattern that ``name`` fits; None if none is declared."""
    for pattern, value in declared.items():
        if fnmatch.fnmatchcase(name, pattern):
            return value if isinstance(value, Tolerance) else Tolerance(value)
    return None


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Whether a flattened name fits one of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def agree(recorded: Any, got: Any, declared: Tolerance | None) -> bool:
    """Whether two leaves are the same: texts equal, whole numbers too unless one is declared."""
    if not _is_number(recorded) or not _is_number(got):
        return type(recorded) is type(got) and recorded == got
    if isinstance(recorded, int) and isinstance(got, int) and declared is None:
        return recorded == got
    allowed = declared or Tolerance()
    return math.isclose(recorded, got, rel_tol=allowed.relative, abs_tol=allowed.absolute)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
