"""Rules about the mean of several runs: where they change their verdict, and how sure one can be.

See ``nodebook.evidence.rules`` for the vocabulary.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from nodebook.errors import LedgerError
from nodebook.evidence.summaries import is_number, standard_error

REPRODUCED, EXCEEDED, CORRECTED = "reproduced", "exceeded", "corrected"
REFUTED, IN_PART, NOT_DECIDED = "refuted", "holds in part", "not decided"
WEAKER = (EXCEEDED, REPRODUCED, IN_PART, REFUTED)
"""Verdicts on a number, from the strongest to the weakest."""

Scale = tuple[Sequence[float], Callable[[float], str]]
"""Where a rule about a mean changes its verdict, and its verdict on a number."""


def _rounds_to(options: Mapping[str, Any], theirs: float) -> Scale:
    if "decimals" in options:
        unit = 10.0 ** -options["decimals"]
    else:
        magnitude = math.floor(math.log10(abs(theirs))) if theirs else 0
        unit = 10.0 ** (magnitude + 1 - options["significant"])
    limits = (theirs - unit / 2, theirs + unit / 2)
    return limits, lambda value: REPRODUCED if rounds(value, theirs, unit) else REFUTED


def _within(options: Mapping[str, Any], theirs: float) -> Scale:
    widths = [_width(options[key], theirs) for key in ("tolerance", "in_part") if key in options]

    def verdict(value: float) -> str:
        distance = abs(value - theirs)
        if distance <= widths[0]:
            return REPRODUCED
        return IN_PART if distance <= widths[-1] else REFUTED

    return [theirs + side * width for width in widths for side in (-1, 1)], verdict


def _no_worse(options: Mapping[str, Any], theirs: float) -> Scale:
    limits, within = _within(options, theirs)
    better = 1 if options["better"] == "higher" else -1

    def verdict(value: float) -> str:
        gain = better * (value - theirs)
        return EXCEEDED if gain > _width(options["tolerance"], theirs) else within(value)

    return limits, verdict


def _at_most(options: Mapping[str, Any], theirs: float) -> Scale:
    return [theirs], lambda value: REPRODUCED if value <= theirs else REFUTED


def _at_least(options: Mapping[str, Any], theirs: float) -> Scale:
    return [theirs], lambda value: REPRODUCED if value >= theirs else REFUTED


def of_mean(scale: Scale, measured: Sequence[Any], log: bool = False) -> str:
    """The verdict of a rule about the mean, at all that lies within two standard errors of it.

    With ``log`` it is the geometric mean that counts.

    Raises:
        LedgerError: if a value is no number, or, with ``log``, none above zero.
    """
    limits, verdict = scale
    numbers = [number(value, "the metric") for value in measured]
    if log and min(numbers) <= 0:
        raise LedgerError(f"scale log needs positive numbers, but the metric is {min(numbers)!r}")
    back = math.exp if log else float
    numbers = [math.log(number) for number in numbers] if log else numbers
    middle, margin = statistics.fmean(numbers), 2 * standard_error(numbers)
    low, mean, high = map(back, (middle - margin, middle, middle + margin))
    points = sorted([low, high, *(limit for limit in limits if low <= limit <= high)])
    asked = [mean, *points, *((left + right) / 2 for left, right in pairwise(points))]
    kinds = {verdict(value) for value in (asked if margin else [mean])}
    if REFUTED in kinds and len(kinds) > 1:
        return NOT_DECIDED
    return max(kinds, key=WEAKER.index)


def number(value: Any, what: str) -> float:
    """``value`` if it is a number.

    Raises:
        LedgerError: saying ``what`` it should be, if it is none.
    """
    if not is_number(value):
        raise LedgerError(f"this rule compares numbers, but {what} is {value!r}")
    return value


def rounds(value: float, rounded: float, unit: float) -> bool:
    """Whether ``value`` in steps of ``unit`` is ``rounded``."""
    return abs(value - rounded) <= unit / 2 * (1 + 1e-9)


def _width(tolerance: Mapping[str, float], theirs: float) -> float:
    return tolerance.get("absolute", abs(theirs) * tolerance.get("relative", 0.0))


OF_MEAN: dict[str, Callable[[Mapping[str, Any], float], Scale]] = {
    "rounds_to": _rounds_to,
    "within": _within,
    "no_worse": _no_worse,
    "at_most": _at_most,
    "at_least": _at_least,
}
