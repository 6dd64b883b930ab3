"""Numbers as they stand on a page: spreads over seeds, medians with ranges, powers of ten."""

import statistics
from collections.abc import Sequence

GLUE = "\N{NO-BREAK SPACE}"
HYPHEN = "\N{NON-BREAKING HYPHEN}"


def spread(values: Sequence[float], decimals: int = 3) -> str:
    """Mean ± standard deviation (n - 1) of at least two numbers, kept on one line."""
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    return f"{mean:.{decimals}f}{GLUE}±{GLUE}{deviation:.{decimals}f}"


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
