"""The rules by which a claim is judged: a fixed vocabulary, given as data and never as code.

A rule compares what a document says (``theirs``) with measured values, one for each recorded run:

===================  ===============================================================================
rule                 reproduced if
===================  ===============================================================================
equals               every value is theirs
rounds_to            the mean, rounded to ``decimals`` or ``significant`` digits, is theirs
within               the mean is within ``tolerance`` of theirs (``in_part``: a wider tolerance)
no_worse             as ``within``, but exceeded where it is better by more than the tolerance
at_most, at_least    the mean is no larger, or no smaller, than theirs
classification_is    every value is ``value`` (``in_part``: values that count for a part of it)
formula              the formula, evaluated by the experiment, is classified as "holds"
all_of               every part, with its own metric, theirs and rule, is reproduced
sums_to              the document's own ``terms`` sum to theirs
share_of             ``part`` / ``whole``, the document's own numbers, rounds to theirs
===================  ===============================================================================

Otherwise the claim is refuted; it is corrected if ``corrected_to`` names the metric that holds what
it should have said. For ``formula`` that metric is the relative error of the corrected formula, and
the claim is corrected only if it is at most ``tolerance``.

A rule about a mean is asked at every value within two standard errors of it. If some would uphold
the statement and others refute it, it is not decided; if all uphold it, the weakest of their
verdicts stands. With ``scale: log``, ``at_most`` and ``at_least`` take the geometric mean.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nodebook.errors import LedgerError
from nodebook.evidence.summaries import is_number, span, standard_error, summarise

REPRODUCED, EXCEEDED, CORRECTED = "reproduced", "exceeded", "corrected"
REFUTED, IN_PART, NOT_DECIDED = "refuted", "holds in part", "not decided"
WEAKER = (EXCEEDED, REPRODUCED, IN_PART, REFUTED)
"""Verdicts on a number, from the strongest to the weakest."""

CLASSIFICATIONS = ("holds", "holds up to sign", "misses a term", "wrong")

Values = Callable[[str], list[Any]]


@dataclass(frozen=True)
class Finding:
    """What a rule says: the verdict, and our value as text."""

    kind: str
    ours: str


def judge(
    rule: Mapping[str, Any], theirs: Any, metric: str | None, values: Values, unit: str = ""
) -> Finding:
    """Apply a rule. ``values(name)`` gives the recorded values of a metric, one for each run.

    ``unit`` is written behind numbers.

    Raises:
        LedgerError: if the rule does not fit what it is applied to.
    """
    ((name, options),) = rule.items()
    if name == "all_of":
        return _all_of(options, values)
    if name in ARITHMETIC:
        return ARITHMETIC[name](options, _number(theirs, "theirs"), unit)
    if metric is None:
        raise LedgerError(f"rule {name} needs 'evidence.metric'")
    if name == "formula":
        return _formula(options, metric, values)
    measured = values(metric)
    if name in OF_MEAN:
        scale = OF_MEAN[name](options, _number(theirs, "theirs"))
        kind = _of_mean(scale, measured, log := options.get("scale") == "log")
        if log:
            return Finding(kind, span(measured, unit))
    else:
        kind = OF_EACH[name](options, theirs, measured)
    if kind != REFUTED or "corrected_to" not in options:
        return Finding(kind, summarise(measured, unit, options.get("value")))
    corrected = summarise(values(options["corrected_to"]), unit)
    if options["corrected_to"] == metric:
        return Finding(CORRECTED, corrected)
    return Finding(CORRECTED, f"{summarise(measured, unit)}; corrected to {corrected}")


def _equals(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    _same_type(theirs, measured)
    return REPRODUCED if all(value == theirs for value in measured) else REFUTED


def _rounds_to(options: Mapping[str, Any], theirs: float) -> "Scale":
    if "decimals" in options:
        unit = 10.0 ** -options["decimals"]
    else:
        magnitude = math.floor(math.log10(abs(theirs))) if theirs else 0
        unit = 10.0 ** (magnitude + 1 - options["significant"])
    limits = (theirs - unit / 2, theirs + unit / 2)
    return limits, lambda value: REPRODUCED if _rounds(value, theirs, unit) else REFUTED


def _within(options: Mapping[str, Any], theirs: float) -> "Scale":
    widths = [_width(options[key], theirs) for key in ("tolerance", "in_part") if key in options]

    def verdict(value: float) -> str:
        distance = abs(value - theirs)
        if distance <= widths[0]:
            return REPRODUCED
        return IN_PART if distance <= widths[-1] else REFUTED

    return [theirs + side * width for width in widths for side in (-1, 1)], verdict


def _no_worse(options: Mapping[str, Any], theirs: float) -> "Scale":
    limits, within = _within(options, theirs)
    better = 1 if options["better"] == "higher" else -1

    def verdict(value: float) -> str:
        gain = better * (value - theirs)
        return EXCEEDED if gain > _width(options["tolerance"], theirs) else within(value)

    return limits, verdict


def _at_most(options: Mapping[str, Any], theirs: float) -> "Scale":
    return [theirs], lambda value: REPRODUCED if value <= theirs else REFUTED


def _at_least(options: Mapping[str, Any], theirs: float) -> "Scale":
    return [theirs], lambda value: REPRODUCED if value >= theirs else REFUTED


def _of_mean(scale: "Scale", measured: Sequence[Any], log: bool) -> str:
    """The verdict of a rule about the mean, at all that lies within two standard errors of it."""
    limits, verdict = scale
    numbers = [_measured(value) for value in measured]
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


def _classification_is(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    _same_type(options["value"], measured)
    if all(value == options["value"] for value in measured):
        return REPRODUCED
    accepted = [options["value"], *options.get("in_part", [])]
    return IN_PART if any(value in accepted for value in measured) else REFUTED


def _formula(options: Mapping[str, Any], metric: str, values: Values) -> Finding:
    kinds = values(f"{metric}.classification")
    for kind in kinds:
        if kind not in CLASSIFICATIONS:
            raise LedgerError(f"metric {metric}.classification is {kind!r}, no classification")
    kind = max(kinds, key=CLASSIFICATIONS.index)
    error = max(map(_measured, values(f"{metric}.relative_error")))
    if kind == "holds":
        return Finding(REPRODUCED, f"holds (relative error {error:.2g})")
    written = f"{kind} (relative error {error:.2g}"
    if "corrected_to" not in options:
        return Finding(REFUTED, written + ")")
    corrected = max(map(_measured, values(options["corrected_to"])))
    if corrected > options["tolerance"]:
        return Finding(REFUTED, f"{written}, of the correction {corrected:.2g})")
    return Finding(CORRECTED, f"{written}, corrected {corrected:.2g})")


def _all_of(parts: Sequence[Mapping[str, Any]], values: Values) -> Finding:
    findings = [judge(part["rule"], part["theirs"], part["metric"], values) for part in parts]
    ours = "; ".join(
        f"{part['label']}: {finding.ours}" if "label" in part else finding.ours
        for part, finding in zip(parts, findings, strict=True)
    )
    kinds = {finding.kind for finding in findings}
    if kinds <= {REPRODUCED, EXCEEDED}:
        return Finding(REPRODUCED, ours)
    if len(kinds) == 1:
        return Finding(kinds.pop(), ours)
    if kinds & {REPRODUCED, EXCEEDED, IN_PART}:
        return Finding(IN_PART, ours)
    return Finding(NOT_DECIDED if NOT_DECIDED in kinds else REFUTED, ours)


def _sums_to(options: Mapping[str, Any], theirs: float, unit: str) -> Finding:
    total = sum(options["terms"])
    agrees = math.isclose(total, theirs, rel_tol=1e-12)
    return Finding(REPRODUCED if agrees else CORRECTED, summarise([total], unit))


def _share_of(options: Mapping[str, Any], theirs: float, unit: str) -> Finding:
    share, decimals = options["part"] / options["whole"], options["decimals"]
    agrees = _rounds(share, theirs, 10.0**-decimals)
    return Finding(REPRODUCED if agrees else CORRECTED, f"{share:.{decimals + 1}f} {unit}".strip())


def _rounds(value: float, rounded: float, unit: float) -> bool:
    return abs(value - rounded) <= unit / 2 * (1 + 1e-9)


def _width(tolerance: Mapping[str, float], theirs: float) -> float:
    return tolerance.get("absolute", abs(theirs) * tolerance.get("relative", 0.0))


def _measured(value: Any) -> float:
    return _number(value, "the metric")


def _number(value: Any, what: str) -> float:
    if not is_number(value):
        raise LedgerError(f"this rule compares numbers, but {what} is {value!r}")
    return value


def _same_type(expected: Any, measured: Sequence[Any]) -> None:
    for value in measured:
        if is_number(expected) != is_number(value) or (
            not is_number(value) and type(expected) is not type(value)
        ):
            raise LedgerError(f"the rule expects {expected!r}, but the metric is {value!r}")


Scale = tuple[Sequence[float], Callable[[float], str]]
"""Where a rule about a mean changes its verdict, and its verdict on a number."""

OF_MEAN: dict[str, Callable[[Mapping[str, Any], float], Scale]] = {
    "rounds_to": _rounds_to,
    "within": _within,
    "no_worse": _no_worse,
    "at_most": _at_most,
    "at_least": _at_least,
}
OF_EACH: dict[str, Callable[[Mapping[str, Any], Any, Sequence[Any]], str]] = {
    "equals": _equals,
    "classification_is": _classification_is,
}
ARITHMETIC = {"sums_to": _sums_to, "share_of": _share_of}
