"""How a cost grows with a size."""

import math
from collections.abc import Sequence


def growth(counts: Sequence[int], amounts: Sequence[float]) -> str:
    """How an amount grows with a count, by the slope between the last count and a tenth of it."""
    last = len(counts) - 1
    first = max(i for i in range(last) if counts[i] <= counts[last] / 10)
    slope = math.log(amounts[last] / amounts[first]) / math.log(counts[last] / counts[first])
    if abs(slope) < 0.1:
        return "constant"
    return "linear" if abs(slope - 1) < 0.1 else "between"
