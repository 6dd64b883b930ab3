"""Curves that more than one chapter draws: losses of a training, and values over seeds."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def losses(histories: Mapping[str, Sequence[float]], *, log: bool = True) -> Figure:
    """The loss of one or more trainings over their steps; named where there are several."""
    figure, ax = plt.subplots(figsize=(6.4, 2.8))
    for name, history in histories.items():
        ax.plot(np.arange(1, len(history) + 1), history, label=name)
    ax.set(xlabel="step", ylabel="loss", yscale="log" if log else "linear")
    if len(histories) > 1:
        ax.legend()
    return figure


def ranges(ax: Axes, x: Sequence[float], values: Sequence[Sequence[float]], **look: object) -> None:
    """The mean over seeds at each x as a line, and the range from least to most as a band.

    ``values`` holds the values of all seeds at each x; ``look`` goes to the line.
    """
    means = [np.mean(v) for v in values]
    (line,) = ax.plot(x, means, **look)
    least, most = [min(v) for v in values], [max(v) for v in values]
    ax.fill_between(x, least, most, color=line.get_color(), alpha=0.2, linewidth=0)
