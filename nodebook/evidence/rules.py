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
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodebook.errors import LedgerError

REPRODUCED, EXCEEDED, CORRECTED = "reproduced", "exceeded", "corrected"
REFUTED, IN_PART = "refuted", "holds in part"
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
    kind = RULES[name](options, theirs, measured)
    if kind != REFUTED or "corrected_to" not in options:
        return Finding(kind, summarise(measured, unit))
    corrected = summarise(values(options["corrected_to"]), unit)
    if options["corrected_to"] == metric:
        return Finding(CORRECTED, corrected)
    return Finding(CORRECTED, f"{summarise(measured, unit)}; corrected to {corrected}")


def summarise(measured: Sequence[Any], unit: str = "") -> str:
    """Values of several runs as text: the value, mean ± s.d. (n), or the distinct texts."""
    if not all(_is_number(value) for value in measured):
        return ", ".join(dict.fromkeys(format_value(value) for value in measured))
    behind = f" {unit}" if unit else ""
    if len(measured) == 1:
        return format_value(measured[0]) + behind
    mean, spread = statistics.fmean(measured), statistics.stdev(measured)
    if spread == 0:
        return f"{format_value(measured[0])}{behind} (n = {len(measured)})"
    if 0 < abs(mean) < 1e-3:
        power = math.floor(math.log10(abs(mean)))
        scaled = f"({mean / 10**power:.1f} ± {spread / 10**power:.1f})e{power}"
        return f"{scaled}{behind} (n = {len(measured)})"
    decimals = max(0, 1 - math.floor(math.log10(spread)))
    return f"{mean:,.{decimals}f} ± {spread:,.{decimals}f}{behind} (n = {len(measured)})"


def format_value(value: Any) -> str:
    """A number in at most four significant digits, whole numbers in full; other values as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(format_value(entry) for entry in value)
    return str(value)


def _equals(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    _same_type(theirs, measured)
    return REPRODUCED if all(value == theirs for value in measured) else REFUTED


def _rounds_to(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    theirs, mean = _number(theirs, "theirs"), _mean(measured)
    if "decimals" in options:
        unit = 10.0 ** -options["decimals"]
    else:
        magnitude = math.floor(math.log10(abs(theirs))) if theirs else 0
        unit = 10.0 ** (magnitude + 1 - options["significant"])
    return REPRODUCED if _rounds(mean, theirs, unit) else REFUTED


def _within(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    theirs, mean = _number(theirs, "theirs"), _mean(measured)
    distance = abs(mean - theirs)
    if distance <= _width(options["tolerance"], theirs):
        return REPRODUCED
    in_part = "in_part" in options and distance <= _width(options["in_part"], theirs)
    return IN_PART if in_part else REFUTED


def _no_worse(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    gain = _mean(measured) - _number(theirs, "theirs")
    if options["better"] == "lower":
        gain = -gain
    if gain > _width(options["tolerance"], theirs):
        return EXCEEDED
    return _within(options, theirs, measured)


def _at_most(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    return REPRODUCED if _mean(measured) <= _number(theirs, "theirs") else REFUTED


def _at_least(options: Mapping[str, Any], theirs: Any, measured: Sequence[Any]) -> str:
    return REPRODUCED if _mean(measured) >= _number(theirs, "theirs") else REFUTED


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
    return max(map(_measured, measured))


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
    return Finding(REFUTED if kinds == {REFUTED, CORRECTED} else IN_PART, ours)


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


def _mean(measured: Sequence[Any]) -> float:
    return statistics.fmean(map(_measured, measured))


def _measured(value: Any) -> float:
    return _number(value, "the metric")


def _number(value: Any, what: str) -> float:
    if not _is_number(value):
        raise LedgerError(f"this rule compares numbers, but {what} is {value!r}")
    return value


def _same_type(expected: Any, measured: Sequence[Any]) -> None:
    for value in measured:
        if _is_number(expected) != _is_number(value) or (
            not _is_number(value) and type(expected) is not type(value)
        ):
            raise LedgerError(f"the rule expects {expected!r}, but the metric is {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


RULES: dict[str, Callable[[Mapping[str, Any], Any, Sequence[Any]], str]] = {
    "equals": _equals,
    "rounds_to": _rounds_to,
    "within": _within,
    "no_worse": _no_worse,
    "at_most": _at_most,
    "at_least": _at_least,
    "classification_is": _classification_is,
}
ARITHMETIC = {"sums_to": _sums_to, "share_of": _share_of}
