"""One house style for every figure, and electrocardiograms on ECG paper.

Colours are those of M. Okabe and K. Ito, "Color universal design" (2008), which readers with any
form of colour vision can tell apart. Every figure has an opaque white face, so that it stays
readable on a dark page.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from nodelib.data.find.provenance import Provenance

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"

CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
"""Colours of successive lines. Yellow is left out: it is faint on white."""

CLASS_COLOURS: Mapping[str, str] = {
    "N": BLUE,
    "S": ORANGE,
    "V": VERMILION,
    "F": PURPLE,
    "Q": GREEN,
}
"""Colour of each AAMI class of heartbeats."""

SEED = 4
"""Points: the size of a mark for one seed."""

WIDTH = 4.7
"""Inches: nine points of lettering are then nine pixels on a screen that is 390 wide."""

STYLE = {
    "figure.facecolor": "white",
    "figure.figsize": (7.2, 3.6),
    "figure.dpi": 130,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "savefig.transparent": False,
    "axes.facecolor": "white",
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "font.size": 10,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}

SOURCES = {"synthetic": "synthetic records, not recordings", "partial": "a part of the data"}

SMALL_TIME, LARGE_TIME = 0.04, 0.2
SMALL_VOLTAGE, LARGE_VOLTAGE = 0.1, 0.5
PAPER_SPEED, PAPER_GAIN = 25.0, 10.0
_PINK, _ROSE = "#f7d9d9", "#e9a9a9"


def use_style() -> None:
    """Make every figure from now on one in the house style."""
    mpl.rcdefaults()
    mpl.rcParams.update(STYLE)


def means_and_seeds(ax: Axes, found: Mapping[float, Sequence[float]], dot: str, **look) -> None:
    """A line through the mean at each place, and a mark ``dot`` for each seed's value there."""
    ax.plot(list(found), [np.mean(values) for values in found.values()], **look)
    for place, values in found.items():
        ax.plot([place] * len(values), values, dot, color=look["color"], markersize=SEED)


def mark_source(figure: Figure, provenance: Provenance) -> None:
    """Write over a figure that its data are synthetic or a part; nothing if they are complete.

    A caption is fixed before it is known what data a build finds; this line is not.
    """
    if provenance.completeness in SOURCES:
        figure.suptitle(
            f"{provenance.name}: {SOURCES[provenance.completeness]}",
            color=VERMILION,
            fontsize=10,
            weight="bold",
        )


def ecg_paper(ax: Axes, seconds: tuple[float, float], millivolts: tuple[float, float]) -> None:
    """Turn axes into ECG paper for the given ranges of time (s) and voltage (mV).

    A small box is 0.04 s by 0.1 mV, a large one 0.2 s by 0.5 mV. Boxes are square, as on paper that
    runs at 25 mm/s with 10 mm/mV.

    Raises:
        ValueError: if a range is empty.
    """
    for name, (low, high) in (("seconds", seconds), ("millivolts", millivolts)):
        if not low < high:
            raise ValueError(f"{name} must be a range (low, high) with low < high, not {low, high}")
    ax.set(xlim=seconds, ylim=millivolts, xlabel="time (s)", ylabel="voltage (mV)")
    ax.set_aspect(PAPER_GAIN / PAPER_SPEED)
    for axis, small, large in (
        (ax.xaxis, SMALL_TIME, LARGE_TIME),
        (ax.yaxis, SMALL_VOLTAGE, LARGE_VOLTAGE),
    ):
        axis.set_minor_locator(MultipleLocator(small))
        axis.set_major_locator(MultipleLocator(large))
    ax.set_axisbelow(True)
    ax.grid(True, which="minor", color=_PINK, linewidth=0.4)
    ax.grid(True, which="major", color=_ROSE, linewidth=0.7)
    ax.tick_params(which="both", length=0)
    ax.xaxis.set_major_formatter(_whole)
    ax.yaxis.set_major_formatter(_whole)
    ax.spines[["left", "bottom"]].set_color(_ROSE)


def _whole(value: float, position: int) -> str:
    """Label of a grid line: only whole seconds and millivolts have one."""
    nearest = round(value)
    return f"{nearest:d}".replace("-", "\N{MINUS SIGN}") if abs(value - nearest) < 1e-6 else ""


def plot_ecg(
    ax: Axes,
    signal: np.ndarray,
    fs: float,
    *,
    start: float,
    stop: float,
    samples: np.ndarray | None = None,
    symbols: list[str] | None = None,
    colours: Mapping[str, str] | None = None,
    millivolts: tuple[float, float] | None = None,
) -> None:
    """Draw one lead from ``start`` to ``stop`` (s) on ECG paper, with the annotations in that time.

    Args:
        ax: where to draw.
        signal: the whole lead in mV, (samples,).
        fs: its sampling frequency in Hz.
        samples: index of each annotation.
        symbols: its symbol, written above the trace.
        colours: colour of each symbol; black where it has none.
        millivolts: range of the paper; by default what the trace needs, in whole large boxes.
    """
    first, last = round(start * fs), min(round(stop * fs), len(signal))
    piece = signal[first:last]
    if millivolts is None:
        below = np.floor((piece.min() - 0.25) / LARGE_VOLTAGE)
        above = np.ceil((piece.max() + 0.5) / LARGE_VOLTAGE)
        millivolts = (LARGE_VOLTAGE * below, LARGE_VOLTAGE * above)
    ecg_paper(ax, (start, stop), millivolts)
    ax.plot(np.arange(first, last) / fs, piece, color=BLACK, linewidth=1.0)
    if samples is None:
        return
    for sample, symbol in zip(samples, symbols or [], strict=True):
        if first <= sample < last:
            colour = (colours or {}).get(symbol, BLACK)
            ax.text(
                sample / fs,
                millivolts[1] - 0.08,
                symbol,
                color=colour,
                weight="bold",
                ha="center",
                va="top",
                fontfamily="monospace",
                clip_on=True,
            )
