"""The figures of chapter 08: recorded excerpts of MIT-BIH, its classes, and rows of 187 numbers.

All are narrow enough that their lettering reads on a telephone.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nodebook.evidence.results import Run
from nodebook.figures import plotting
from nodebook.figures.plotting import WIDTH
from nodelib.data import aami

SYMBOL_COLOURS = {s: plotting.CLASS_COLOURS[label] for s, (label, _) in aami.BEATS.items()}


def classes(pictures: Run) -> Figure:
    """A beat of each AAMI class in the middle of its neighbours, on ECG paper."""
    figure, axes = plt.subplots(3, 2, figsize=(WIDTH, 8.2))
    signals = pictures.tensors()["beats"].numpy()
    for ax, about, signal in zip(axes.flat, pictures.history[:5], signals, strict=False):
        on_paper(ax, about, signal, millivolts=(-2.0, 3.0))
        ax.set(xlabel="", ylabel="")
        ax.set_title(f"{about['what']}: record {about['record']}")
    plotting.ecg_paper(axes[2, 1], (0.0, 1.9), (-2.0, 3.0))
    axes[2, 1].set_title("1 s by 1 mV")
    axes[2, 1].plot([0.4, 1.4, 1.4], [0, 0, 1], color=plotting.BLACK, linewidth=1.5)
    axes[2, 1].set(xlabel="time (s)", ylabel="")
    return figure


def strip(pictures: Run, seconds: float = 3.0) -> Figure:
    """The first lead of the strip, cut in pieces one below the other, with its annotations."""
    about = pictures.history[5]
    signal = pictures.tensors()["strip"].numpy()[0]
    rows = round(len(signal) / about["fs"] / seconds)
    figure, axes = plt.subplots(rows, 1, figsize=(WIDTH, 2.6 * rows))
    for row, ax in enumerate(axes):
        on_paper(ax, about, signal, start=row * seconds, stop=(row + 1) * seconds)
        ax.set_xlabel("")
    axes[0].set_title(f"record {about['record']}, lead {about['leads'][0]}")
    axes[-1].set_xlabel("time (s)")
    return figure


def on_paper(ax, about: Mapping, signal: np.ndarray, start=0.0, stop=None, millivolts=None) -> None:
    """One lead of an excerpt with its annotations; by default all of it."""
    fs = about["fs"]
    plotting.plot_ecg(
        ax,
        signal,
        fs,
        start=start,
        stop=len(signal) / fs if stop is None else stop,
        samples=np.array([round(time * fs) for time, _ in about["annotations"]]),
        symbols=[symbol for _, symbol in about["annotations"]],
        colours=SYMBOL_COLOURS,
        millivolts=millivolts,
    )


def intervals(pictures: Run, medians: Mapping[str, float], edges: np.ndarray) -> Figure:
    """R-R intervals before a beat, by its class, with the recorded medians."""
    figure, axes = plt.subplots(5, 1, figsize=(WIDTH, 5.6), sharex=True)
    for ax, label in zip(axes, aami.CLASSES, strict=True):
        density = pictures.metric(f"rr_density.{label}")
        ax.stairs(density, edges, fill=True, color=plotting.CLASS_COLOURS[label])
        ax.axvline(medians[label], color="black", linestyle="--", linewidth=1)
        ax.set_ylabel(label, rotation=0, ha="right", va="center", weight="bold")
        ax.set_yticks([])
        text = f"median {medians[label]:.2f} s"
        ax.text(0.99, 0.9, text, transform=ax.transAxes, ha="right", va="top")
    axes[-1].set(xlim=(0, 2), xlabel="R-R interval before the beat (s)")
    return figure


def rows(pictures: Run) -> Figure:
    """Median and 10th to 90th percentile of each class at each of the 187 numbers."""
    figure, axes = plt.subplots(5, 1, figsize=(WIDTH, 7.5), sharex=True, sharey=True)
    percentiles = pictures.tensors()["percentiles"].numpy()
    for ax, index, label in zip(axes, range(5), aami.CLASSES, strict=True):
        low, middle, high = percentiles[:, index]
        colour = plotting.CLASS_COLOURS[label]
        ax.fill_between(np.arange(len(low)), low, high, color=colour, alpha=0.3, linewidth=0)
        ax.plot(middle, color=colour)
        ax.set_title(f"class {label}")
    axes[2].set_ylabel("value")
    axes[-1].set_xlabel("number in the row (1/125 s)")
    return figure


def row(values: np.ndarray, period: float, label: str) -> Figure:
    """One row of the set; ``period`` is the nominal period T in samples."""
    figure, ax = plt.subplots(figsize=(WIDTH, 2.8))
    ax.plot(values, color=plotting.CLASS_COLOURS[label], marker=".", markersize=3, linewidth=1)
    end = min(1.2 * period, len(values))
    ax.axvspan(end, len(values), color="0.92", linewidth=0)
    ax.axvline(period, color="0.5", linestyle="--", linewidth=1)
    ax.text(period - 2, 0.97, "T", color="0.35", ha="right", va="top")
    if end < len(values):
        ax.text((end + len(values)) / 2, 0.5, "zeros", color="0.35", ha="center")
    ax.set(xlabel="number in the row (1/125 s)", ylabel="value", ylim=(-0.03, 1.05))
    return figure


def recipe(
    window: np.ndarray, rate: float, peaks: np.ndarray, at: np.ndarray, period: float
) -> Figure:
    """Scaled window with maxima over 0.9 and annotated beats; one beat, 1.2 periods long.

    ``peaks`` and ``at`` are in samples, as ``period``; ``rate`` is in Hz.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    seconds = np.arange(len(window)) / rate
    above.plot(seconds, window, color="black", linewidth=0.8)
    above.axhline(0.9, linestyle="--", color=plotting.VERMILION, linewidth=1)
    look = {"color": plotting.VERMILION, "label": "maximum over 0.9"}
    above.plot(seconds[peaks], window[peaks], "o", markersize=5, **look)
    look = {"color": plotting.BLUE, "label": "annotated beat"}
    above.plot(at / rate, np.full(len(at), 1.08), "v", markersize=5, **look)
    above.set(xlim=(0, seconds[-1]), ylim=(-0.03, 1.15), ylabel="scaled amplitude")
    above.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    begin = seconds[peaks[len(peaks) // 2]]
    end = begin + 1.2 * period / rate
    near = (seconds > begin - 0.4) & (seconds < end + 0.3)
    below.plot(seconds[near], window[near], color="black", linewidth=1)
    below.axvspan(begin, end, color=plotting.SKY, alpha=0.35, linewidth=0)
    below.set(xlabel="time (s)", ylabel="scaled amplitude", ylim=(-0.03, 1.05))
    return figure


def clumps(listing: pd.DataFrame) -> Figure:
    """How the beats of each class are spread over the records."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.0))
    for line, label in enumerate(aami.CLASSES):
        share = listing[label].sort_values(ascending=False).to_numpy() / listing[label].sum()
        left = np.concatenate([[0.0], np.cumsum(share)[:-1]])
        colour = plotting.CLASS_COLOURS[label]
        ax.barh(line, share, left=left, color=colour, edgecolor="white", linewidth=0.6)
        half = int(np.searchsorted(np.cumsum(share), 0.5)) + 1
        ax.text(1.02, line, f"{half}", va="center")
    ax.set_yticks(range(5), aami.CLASSES)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel="share of the class", ylabel="AAMI class")
    return figure


def ages(people: pd.DataFrame) -> Figure:
    """Ages of the people of the database, by sex."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.0))
    groups = [people.loc[people["sex"] == sex, "age"].astype(float) for sex in "FM"]
    look = {"label": ["women", "men"], "color": [plotting.ORANGE, plotting.BLUE]}
    _, _, bars = ax.hist(groups, bins=range(20, 100, 10), stacked=True, edgecolor="white", **look)
    for bar in bars[0]:
        bar.set_hatch("//")
    ax.set(xlabel="age (years)", ylabel="people")
    ax.legend()
    return figure


def chunks(events: int, size: int, overlap: int) -> Figure:
    """The chunks of a series of events; the darker part repeats the end of the chunk above."""
    starts = range(0, events - overlap, size - overlap)
    figure, ax = plt.subplots(figsize=(WIDTH, 3.0))
    for line, begin in enumerate(starts):
        length = min(size, events - begin)
        ax.barh(line, length, left=begin, color=plotting.SKY, edgecolor="white")
        if line:
            shared = min(overlap, length)
            ax.barh(line, shared, left=begin, color=plotting.BLUE, edgecolor="white")
        ax.text(
            begin + (length + overlap * (line > 0)) / 2, line, f"{length}", ha="center", va="center"
        )
    ax.set_yticks(range(len(starts)), [f"chunk {k}" for k in range(len(starts))])
    ax.set(xlabel="number of the event in the record", xlim=(0, events))
    ax.invert_yaxis()
    return figure


def failing_hearts(runs: Mapping[str, Run], edges: Sequence[float]) -> Figure:
    """R-R intervals of two databases: densities, and mean and deviation of each person."""
    looks = {
        "nsr2db": ("normal rhythm", plotting.BLUE, "o", "-"),
        "chf2db": ("heart failure", plotting.VERMILION, "^", "--"),
    }
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 6.4))
    for name, (label, colour, marker, line) in looks.items():
        density, people = runs[name].metric("density"), runs[name].history
        above.stairs(density, edges, color=colour, label=label, linestyle=line, linewidth=1.5)
        ways = ([person[key] for person in people] for key in ("rr_mean_s", "rr_sd_s"))
        below.plot(*ways, marker, color=colour, label=label, alpha=0.8, markersize=5)
    above.set(xlabel="R-R interval (s)", ylabel="density (1/s)", xlim=(0.3, 1.6))
    below.set(xlabel="mean R-R interval (s)", ylabel="its standard deviation (s)")
    above.legend()
    below.legend()
    return figure
