"""Two models on the same seeds, compared in pairs."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from nodebook.figures.text import GLUE


def compared(first: Sequence[float], second: Sequence[float]) -> str:
    """How positive values of one model compare with another's, as text.

    The geometric mean of the ratios, on how many seeds the ratio is above 1, and the two-sided p
    of Wilcoxon's signed-rank test on the differences.

    Raises:
        ValueError: if there are not as many values of both.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values do not make pairs")
    a, b = np.array(first), np.array(second)
    ratio = np.exp(np.log(a / b).mean())
    p = stats.wilcoxon(a, b).pvalue
    return f"{ratio:.2f} ({(a > b).sum()}/{len(a)}, p{GLUE}={GLUE}{p:.3f})"
