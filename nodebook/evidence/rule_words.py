"""The rule of a claim in words, for a reader who asks why a verdict is what it is."""

from collections.abc import Mapping
from typing import Any

from nodebook.evidence.ledger import Claim
from nodebook.evidence.summaries import format_value


def describe(claim: Claim) -> str:
    """What had to be measured for "reproduced"; empty if the claim has no rule."""
    return _rule(claim.rule, claim.theirs) if claim.rule else ""


def _rule(rule: Mapping[str, Any], theirs: Any) -> str:
    ((name, options),) = rule.items()
    if name == "all_of":
        parts = [
            f"{part.get('label', part['metric'])}: {_rule(part['rule'], part['theirs'])}"
            for part in options
        ]
        return "; ".join(parts)
    return WORDS[name](options, theirs)


def _limit(options: Mapping[str, Any], theirs: Any) -> str:
    mean = " (geometric mean)" if options.get("scale") == "log" else ""
    return format_value(options.get("limit", theirs)) + mean


def _digits(options: Mapping[str, Any], theirs: Any) -> str:
    (key,) = options.keys() & {"decimals", "significant"}
    kind = "decimals" if key == "decimals" else "significant digits"
    return f"rounds to {format_value(theirs)} in {options[key]} {kind}"


def _within(options: Mapping[str, Any], theirs: Any) -> str:
    words = f"within {_width(options['tolerance'])} of {format_value(theirs)}"
    if "in_part" in options:
        words += f", in part within {_width(options['in_part'])}"
    return words


def _no_worse(options: Mapping[str, Any], theirs: Any) -> str:
    return f"{_within(options, theirs)}; exceeded if {options['better']} by more"


def _width(tolerance: Mapping[str, float]) -> str:
    if "relative" in tolerance:
        return f"{tolerance['relative'] * 100:g} %"
    return f"{tolerance['absolute']:g}"


def _is(options: Mapping[str, Any], theirs: Any) -> str:
    words = f"“{format_value(options['value'])}” in every run"
    if options.get("in_part"):
        accepted = " or ".join(f"“{format_value(value)}”" for value in options["in_part"])
        words += f", in part {accepted}"
    return words


WORDS = {
    "equals": lambda options, theirs: f"equal to {format_value(theirs)} in every run",
    "at_most": lambda options, theirs: f"at most {_limit(options, theirs)}",
    "at_least": lambda options, theirs: f"at least {_limit(options, theirs)}",
    "rounds_to": _digits,
    "within": _within,
    "no_worse": _no_worse,
    "classification_is": _is,
    "formula": lambda options, theirs: "holds on the system of chapter 02, to 1e-7",
    "sums_to": lambda options, theirs: f"the terms sum to {format_value(theirs)}",
    "share_of": lambda options, theirs: f"the quotient rounds to {format_value(theirs)}",
}
