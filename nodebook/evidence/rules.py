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
verdicts stands. With ``scale: log``, ``at_most`` and ``at_least`` take the geometric mean; with a
``limit`` of our own they ask for that, and theirs may be words.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodebook.errors import LedgerError
from nodebook.evidence.limits import (
    CORRECTED,
    EXCEEDED,
    IN_PART,
    NOT_DECIDED,
    OF_MEAN,
    REFUTED,
    REPRODUCED,
    number,
    of_mean,
    rounds,
)
from nodebook.evidence.summaries import is_number, span, summarise

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
        return ARITHMETIC[name](options, number(theirs, "theirs"), unit)
    if metric is None:
        raise LedgerError(f"rule {name} needs 'evidence.metric'")
    if name == "formula":
        return _formula(options, metric, values)
    measured = values(metric)
    if name in OF_MEAN:
        scale = OF_MEAN[name](options, number(options.get("limit", theirs), "theirs"))
        kind = of_mean(scale, measured, log := options.get("scale") == "log")
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


def quotients(values: Values, over: str | None) -> Values:
    """``values``, each over the metric ``over`` of the same run; as they are without one.

    Raises:
        LedgerError: on use, if a value is no number or a divisor is zero.
    """
    if over is None:
        return values

    def divided(name: str) -> list[Any]:
        divisors = [number(value, "the metric") for value in values(over)]
        if 0 in divisors:
            raise LedgerError(f"{name} cannot be taken over {over}, which is zero in a run")
        return [number(a, "the metric") / b for a, b in zip(values(name), divisors, strict=True)]

    return divided


def _equals(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    _same_type(theirs, measured)
    return REPRODUCED if all(value == theirs for value in measured) else REFUTED


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
    error = _largest(values(f"{metric}.relative_error"))
    if kind == "holds":
        return Finding(REPRODUCED, f"holds (relative error {error:.2g})")
    written = f"{kind} (relative error {error:.2g}"
    if "corrected_to" not in options:
        return Finding(REFUTED, written + ")")
    corrected = _largest(values(options["corrected_to"]))
    if corrected > options["tolerance"]:
        return Finding(REFUTED, f"{written}, of the correction {corrected:.2g})")
    return Finding(CORRECTED, f"{written}, corrected {corrected:.2g})")


def _largest(measured: Sequence[Any]) -> float:
    return max(number(value, "the metric") for value in measured)


def _all_of(parts: Sequence[Mapping[str, Any]], values: Values) -> Finding:
    findings = [
        judge(part["rule"], part["theirs"], part["metric"], quotients(values, part.get("over")))
        for part in parts
    ]
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
    agrees = rounds(share, theirs, 10.0**-decimals)
    return Finding(REPRODUCED if agrees else CORRECTED, f"{share:.{decimals + 1}f} {unit}".strip())


def _same_type(expected: Any, measured: Sequence[Any]) -> None:
    for value in measured:
        if is_number(expected) != is_number(value) or (
            not is_number(value) and type(expected) is not type(value)
        ):
            raise LedgerError(f"the rule expects {expected!r}, but the metric is {value!r}")


OF_EACH: dict[str, Callable[[Mapping[str, Any], Any, Sequence[Any]], str]] = {
    "equals": _equals,
    "classification_is": _classification_is,
}
ARITHMETIC = {"sums_to": _sums_to, "share_of": _share_of}
