"""Numbers as they stand on a page: spreads over seeds, medians with ranges, powers of ten."""

import statistics
from collections.abc import Iterable, Sequence

GLUE = "\N{NO-BREAK SPACE}"
HYPHEN = "\N{NON-BREAKING HYPHEN}"


def spread(values: Sequence[float], decimals: int = 3) -> str:
    """Mean ± standard deviation (n - 1) of at least two numbers, kept on one line."""
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    return f"{mean:.{decimals}f}{GLUE}±{GLUE}{deviation:.{decimals}f}"


def spread_of_few(values: Sequence[float], decimals: int = 3) -> str:
    """``spread``, or what there is of one: the one number, or a dash."""
    if len(values) > 1:
        return spread(values, decimals)
    return f"{values[0]:.{decimals}f}" if len(values) else "\N{EN DASH}"


def loose_spread(values: Sequence[float], decimals: int = 3) -> str:
    """``spread`` that may go on the next line of a narrow column, before the ±."""
    return spread(values, decimals).replace(f"{GLUE}±", " ±")


def signed_spread(values: Sequence[float], decimals: int = 2) -> str:
    """``spread`` of differences: the mean has a sign."""
    sign = "" if statistics.fmean(values) < 0 else "+"
    return sign + spread(values, decimals).replace("-", "\N{MINUS SIGN}")


def small_spread(values: Sequence[float]) -> str:
    """``loose_spread`` of numbers that may be tiny, in significant digits."""
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    return f"{mean:.4g} ±{GLUE}{deviation:.1g}".replace("-", HYPHEN)


def middle(values: Sequence[float], decimals: int = 3) -> str:
    """Median, and the range in brackets."""
    least, most = min(values), max(values)
    return f"{statistics.median(values):.{decimals}f} ({least:.{decimals}f}–{most:.{decimals}f})"


def power(x: float, digits: int = 1) -> str:
    """A number with a power of ten, kept on one line."""
    return f"{x:.{digits}e}".replace("-", HYPHEN)


def significant(x: float, digits: int = 3) -> str:
    """A number with so many significant digits and a true minus, kept on one line."""
    text = f"{x:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    tail = "e" + exponent.replace("-", HYPHEN) if exponent else ""
    return mantissa.replace("-", "\N{MINUS SIGN}") + tail


def listed(items: Iterable[object]) -> str:
    """Items as they stand in a sentence: "1", "1 and 2", "1, 2 and 3"; "none" of nothing."""
    *early, last = map(str, list(items) or ["none"])
    return f"{', '.join(early)} and {last}" if early else last
