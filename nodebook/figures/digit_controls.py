"""The figures of the pages behind chapter 07: what solving costs, and what a network mistakes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from nodebook.evidence import recorded
from nodebook.figures.digits import COLOURS, MARKERS, NAMES, plain, with_ranges
from nodebook.figures.plotting import WIDTH


def costs(tolerances: Sequence[str], epochs: int) -> Figure:
    """Accuracy, time and growth: three panels of figure 3 of Chen et al., for three seeds."""
    figure, axes = plt.subplots(3, 1, figsize=(WIDTH, 8.4))
    names = [f"tolerance.{tolerance}" for tolerance in tolerances]
    for marker, run in zip(MARKERS, recorded.runs("mnist_solvers", "ode-net"), strict=False):
        look = {"marker": marker, "markersize": 4, "linewidth": 1, "label": f"seed {run.seed}"}
        nfe = [run.metric(f"nfe.{name}") for name in names]
        axes[0].loglog(nfe, [run.metric(f"change.{name}") for name in names], **look)
        axes[1].plot(nfe, [run.history["milliseconds"][name] for name in names], **look)
    pairs = zip(
        recorded.runs("mnist", "ode-net"), recorded.runs("mnist", "ode-net.continued"), strict=True
    )
    for first, then in pairs:
        nfe = first.history["nfe"] + then.history["nfe"]
        axes[2].plot(np.linspace(0, 2 * epochs, len(nfe)), nfe, linewidth=1)
    axes[2].axvline(epochs, color="0.6", linewidth=0.8, zorder=0)
    axes[0].set(xlabel="forward evaluations", ylabel="relative distance", title="accuracy")
    axes[1].set(xlabel="forward evaluations", ylabel="time (ms)", ylim=(0, None), title="time")
    axes[2].set(xlabel="epoch", ylabel="forward evaluations", title="training")
    axes[0].set_xticks([20, 50])
    plain(axes[0].xaxis)
    axes[0].legend()
    return figure


def paths(planar: np.ndarray, labels: Sequence[int]) -> Figure:
    """Ways (times, digits, 2) from t = 0, a dot, to t = 1, the digit's label."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    colours = plt.get_cmap("tab10")
    for k, label in enumerate(labels):
        ax.plot(*planar[:, k].T, color=colours(label), linewidth=0.8)
        ax.plot(*planar[0, k], ".", color=colours(label), markersize=4)
        ax.text(*planar[-1, k], str(label), color=colours(label), weight="bold", ha="center")
    ax.set(xlabel="first principal component", ylabel="second principal component")
    return figure


def confusion(table: Sequence[Sequence[int]]) -> Figure:
    """Mistakes by label (rows) and class given (columns)."""
    counts = np.array(table)
    figure, ax = plt.subplots(figsize=(WIDTH, 4.3))
    ax.imshow(counts, cmap="Blues", vmax=2 * counts.max())
    for row, column in np.argwhere(counts):
        ax.text(column, row, counts[row, column], ha="center", va="center", fontsize=9)
    ax.set(xlabel="class given", ylabel="label", xticks=range(10), yticks=range(10))
    ax.tick_params(length=0)
    return figure


def mistaken(images: np.ndarray, hardest: Sequence[Mapping[str, int]]) -> Figure:
    """The hardest digits: label, class given, and how many networks erred."""
    figure, axes = plt.subplots(4, 4, figsize=(WIDTH, 5.4))
    for ax, image, digit in zip(axes.flat, images, hardest, strict=True):
        ax.imshow(image, cmap="gray_r")
        ax.set_title("{label} → {given} ({votes})".format(**digit), loc="center")
        ax.axis("off")
    return figure


def disturbed(amounts: Mapping[str, Sequence[float]]) -> Figure:
    """Errors under noise and under shifts: means and ranges of three seeds."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.4))
    for ax, (disturbance, values) in zip(axes, amounts.items(), strict=True):
        for marker, kind in zip(MARKERS, COLOURS, strict=False):
            errors = [
                recorded.measured(
                    "mnist_robustness", "disturbed", f"error.{kind}.{disturbance}.{x:g}"
                )
                for x in values
            ]
            look = {"color": COLOURS[kind], "label": NAMES[kind], "marker": marker}
            with_ranges(ax, values, np.array(errors), **look)
        ax.set(yscale="log", ylabel="error (%)")
        plain(ax.yaxis)
    axes[0].set_xlabel("standard deviation of the noise")
    axes[1].set_xlabel("shift (pixels)")
    axes[0].legend()
    return figure


def trainings(kinds: Sequence[str]) -> Figure:
    """Loss of the recorded networks of seed 0 over the share of their training."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    for kind in kinds:
        course = recorded.runs("mnist", kind)[0].history["loss"]
        share = np.array(course["step"]) / course["step"][-1]
        ax.plot(share, course["loss"], color=COLOURS[kind], label=NAMES[kind])
    ax.set(xlabel="share of the training", ylabel="loss", yscale="log")
    ax.set_yticks([0.3, 0.5, 1, 2])
    plain(ax.yaxis)
    ax.legend()
    return figure
