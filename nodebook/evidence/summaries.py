"""Measured values as text: numbers with their spread, words with their counts."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

PLAIN = (1e-3, 1e4)
"""Between these, positive numbers are written without a power of ten."""


def summarise(measured: Sequence[Any], unit: str = "", first: Any = None) -> str:
    """Values of several runs as text: the value, mean ± s.d. (n), or words with their counts.

    ``unit`` is written behind numbers; of words, ``first`` is named first.
    """
    if not all(is_number(value) for value in measured):
        return _counted([format_value(value) for value in measured], format_value(first))
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


def span(measured: Sequence[float], unit: str = "") -> str:
    """Positive values over powers of ten as text: their geometric mean, least and largest."""
    if len(measured) == 1:
        return summarise(measured, unit)
    numbers = min(measured), statistics.geometric_mean(measured), max(measured)
    written = _plain if all(PLAIN[0] <= x < PLAIN[1] for x in numbers) else _power
    low, middle, high = map(written, numbers)
    behind = f" {unit}" if unit else ""
    return f"{middle}{behind} ({low} to {high}, n = {len(measured)})"


def _plain(value: float) -> str:
    return f"{value:,.{max(0, 1 - math.floor(math.log10(value)))}f}"


def _power(value: float) -> str:
    return f"{value:.1e}"


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


def standard_error(measured: Sequence[float]) -> float:
    """Standard error of the mean; zero of a single value, of which nothing is known."""
    if len(measured) < 2:
        return 0.0
    return statistics.stdev(measured) / math.sqrt(len(measured))


def is_number(value: Any) -> bool:
    """Whether a value is a number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _counted(words: Sequence[str], first: str) -> str:
    counts = Counter(words)
    if len(counts) == 1:
        return words[0] if len(words) == 1 else f"{words[0]} (n = {len(words)})"
    ordered = sorted(counts, key=lambda word: (word != first, -counts[word], word))
    named = [f"{word} in {counts[word]}" for word in ordered]
    return ", ".join([f"{named[0]} of {len(words)}", *named[1:]])
