"""System identification: data, starts, sweeps over noise, and learned fields (chapter 04)."""

import statistics
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from nodebook.figures.flipbook import png
from nodebook.figures.plotting import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, WIDTH

LOOKS = {
    "windows": ("neural ODE, random start", VERMILION, "o", "-"),
    "warm": ("neural ODE, estimate as start", ORANGE, "s", "-"),
    "shooting": ("learned starts, estimate as start", PURPLE, "D", "-"),
    "differences": ("central differences", GREEN, "v", "--"),
    "logarithm": ("logarithm of the map", SKY, "^", "--"),
    "trajectory": ("maximum likelihood", BLUE, "x", "--"),
}
KINDS = {
    "fourier": "plane waves",
    "network": "random network",
    "cubic": "cubic",
    "hamiltonian": "Hamiltonian",
    "van-der-pol": "van der Pol",
    "two-centres": "two centres",
}
MODELS = {
    "network": ("network", VERMILION, "o"),
    "polynomial": ("polynomial, trained", SKY, "^"),
    "matching": ("polynomial, closed form", BLUE, "v"),
    "hamiltonian": ("Hamiltonian network", GREEN, "s"),
}

Field = Callable[[Tensor, Tensor], Tensor]
"""Derivatives (m, 2) at a time and states (m, 2)."""


def starts(turns: Sequence[float], errors: Sequence[float], courses: np.ndarray) -> Figure:
    """Error of a matrix by the rotation that training began with, and its course (seeds, steps).

    ``courses`` has one value every 20 steps.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 6.0), sharey=True)
    labels = {False: "starts turning the right way", True: "the wrong way"}
    for wrong, marker, line, colour in ((False, "o", "-", BLUE), (True, "^", "--", VERMILION)):
        own = np.flatnonzero((np.array(turns) < 0) == wrong)
        at = np.array(turns)[own], np.array(errors)[own]
        above.plot(*at, marker, color=colour, linestyle="none", label=labels[wrong])
        below.plot(20 * np.arange(courses.shape[1]), courses[own].T, line, color=colour, lw=1)
    for ax in (above, below):
        ax.axhline(0.05, color="0.6", lw=0.8)
        ax.text(ax.get_xlim()[0], 0.05, " found", va="top", color="0.4", fontsize=9)
        ax.set(yscale="log", ylabel="relative error of the matrix")
    below.axvline(500, color="0.6", lw=0.8)
    above.set_xlabel("rotation at the start; the true one is 1")
    below.set_xlabel("step of training, Runge-Kutta steps")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def learned(losses: Sequence[float], data: Tensor, walks: Mapping[str, Tensor]) -> Figure:
    """The loss of a training above; below, noisy data (N, 2) and trajectories (n, 2) by name."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 6.0), height_ratios=(2, 3))
    above.semilogy(losses, lw=0.8)
    above.set(xlabel="step of training", ylabel="loss of the window")
    below.plot(*data.T, ".", color="0.7", ms=4, label="data")
    for (name, walk), (line, colour) in zip(
        walks.items(), (("-", BLUE), ("--", VERMILION)), strict=False
    ):
        below.plot(*walk.T, line, color=colour, lw=1.3, label=name)
    below.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    below.legend()
    return figure


def windows(data: Tensor, pieces: Sequence[Tensor], flows: Sequence[Tensor]) -> Figure:
    """Noisy data (N, 2) with windows of them, and the true flow from each window's first point."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.3))
    ax.plot(*data.T, ".", color="0.75", ms=4)
    looks = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"))
    for piece, flow, (colour, marker) in zip(pieces, flows, looks, strict=True):
        ax.plot(*piece.T, marker, color=colour, ms=4, label=f"{len(piece)} points")
        ax.plot(*flow.T, color=colour, lw=1)
    ax.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    ax.legend()
    return figure


Sweep = Mapping[str, Sequence[Sequence[float]]]
"""Values of all seeds at each place of an axis, by method."""


def sweeps(panels: Mapping[str, tuple[Sequence[float], Sweep]]) -> Figure:
    """Median error against noise or number of points; for two methods the middle half as a band."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 9.6), sharey=True)
    for ax, (label, (x, by_method)) in zip(axes, panels.items(), strict=True):
        for method, columns in by_method.items():
            name, colour, marker, style = LOOKS[method]
            medians = [statistics.median(column) for column in columns]
            ax.plot(x, medians, marker + style, color=colour, ms=4, label=name)
            if method in ("shooting", "trajectory"):
                band = np.quantile(columns, (0.25, 0.75), axis=1)
                ax.fill_between(x, *band, color=colour, alpha=0.15, lw=0)
        ax.set(xscale="log", yscale="log", xlabel=label, ylabel="relative error")
        ax.set_xticks(x, [f"{value:g}" for value in x])
        ax.minorticks_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return figure


def beyond(times: Tensor, truth: Tensor, seen: Tensor, walks: Sequence[Tensor]) -> Figure:
    """First coordinates (N,): the truth, the observations (n,) of one seed, what models predict."""
    figure, ax = plt.subplots(figsize=(WIDTH, 2.9))
    for k, walk in enumerate(walks):
        ax.plot(times, walk, color=BLUE, lw=0.7, label="" if k else "learned")
    ax.plot(times[: len(seen)], seen, ".", color=VERMILION, ms=4, label="observed")
    ax.plot(times, truth, "--", color="black", lw=1.3, label="true")
    ax.axvline(float(times[len(seen) - 1]), color="0.6", lw=0.8)
    ax.set(xlabel="time", ylabel="$z_1$")
    ax.legend(ncols=3, loc="lower right")
    return figure


def errors(
    truth: Tensor, walk: Tensor, points: Tensor, maps: Mapping[str, Tensor], true: Field
) -> Figure:
    """A trajectory learned on the true field, and relative errors (side^2,) of learned fields."""
    low, high = points[0].tolist(), points[-1].tolist()
    side = round(len(points) ** 0.5)
    size = (WIDTH, 3.1 * (1 + len(maps)))
    figure, axes = plt.subplots(1 + len(maps), 1, figsize=size, sharex=True)
    arrows(axes[0], true, low, high)
    axes[0].plot(*truth.T, color="black", lw=1.2, label="true")
    axes[0].plot(*walk.T, "--", color=VERMILION, lw=1.4, label="network")
    axes[0].legend()
    axes[0].set_title("trajectory")
    grid = points.reshape(side, side, 2)
    for ax, (title, error) in zip(axes[1:], maps.items(), strict=True):
        where = (grid[0, :, 0], grid[:, 0, 1], error.reshape(side, side).clamp(max=0.3))
        image = ax.contourf(*where, np.linspace(0, 0.3, 13), cmap="cividis")
        ax.plot(*truth.T, color="white", lw=0.8)
        ax.set_title(title)
    for ax in axes:
        ax.set(ylabel="$z_2$", xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes[-1].set_xlabel("$z_1$")
    figure.colorbar(image, ax=axes[1:], label="relative error (0.3 and above)", shrink=0.8)
    return figure


def arrows(
    ax: Axes,
    field: Field,
    low: Sequence[float],
    high: Sequence[float],
    side: int = 13,
    colour: str = "0.6",
) -> None:
    """A field as arrows on a lattice between two corners."""
    axes = (torch.linspace(a, b, side).double() for a, b in zip(low, high, strict=True))
    at = torch.cartesian_prod(*axes)
    with torch.no_grad():
        ax.quiver(*at.T, *field(torch.zeros(()), at).T, color=colour, width=0.004)


def frame(
    ax: Axes, field: Field, walk: Tensor, truth: Tensor, ends: tuple[Sequence, Sequence]
) -> None:
    """A learned field with its trajectory (N, 2), and the true one."""
    arrows(ax, field, *ends, 15, SKY)
    ax.plot(*truth.T, color="black", lw=1.2)
    ax.plot(*walk.T, "--", color=VERMILION, lw=1.6)
    (left, down), (right, up) = ends
    ax.set(xlim=(left, right), ylim=(down, up), xlabel="$z_1$", ylabel="$z_2$")


Frames = Mapping[str, tuple[Field, Tensor]]
"""A learned field and its trajectory (N, 2), by title."""


def moments(frames: Frames, truth: Tensor, ends: tuple[Sequence, Sequence]) -> Figure:
    """Four moments of a training, in two columns."""
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 4.6), sharex=True, sharey=True)
    for ax, (title, (field, walk)) in zip(axes.flat, frames.items(), strict=True):
        frame(ax, field, walk, truth, ends)
        ax.set_title(title)
        ax.label_outer()
    return figure


def pictures(frames: Frames, truth: Tensor, ends: tuple[Sequence, Sequence]) -> list[bytes]:
    """A picture for each moment, to leaf through."""
    made = []
    for field, walk in frames.values():
        figure, ax = plt.subplots(figsize=(5, 4.4))
        frame(ax, field, walk, truth, ends)
        ax.set_aspect("equal")
        made.append(png(figure))
    return made


def kinds(fields: Mapping[str, Field], paths: Mapping[str, Tensor]) -> Figure:
    """One field of each kind with its training trajectories (K, N, 2)."""
    figure, axes = plt.subplots(3, 2, figsize=(WIDTH, 6.4), sharex=True, sharey=True)
    for ax, (kind, field) in zip(axes.flat, fields.items(), strict=True):
        arrows(ax, field, (-1.8, -1.8), (1.8, 1.8), 11)
        for path in paths[kind]:
            ax.plot(*path.T, color=BLUE, lw=0.9)
        ax.set(title=KINDS[kind], xlim=(-2, 2), ylim=(-2, 2), xlabel="$z_1$", ylabel="$z_2$")
        ax.label_outer()
    return figure


def by_kind(panels: Mapping[str, Mapping[tuple[str, str], Sequence[float]]]) -> Figure:
    """Errors of all seeds by kind and model, a panel for each measure, with their medians."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 9.6), sharex=True)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        for row, kind in enumerate(KINDS):
            for column, (model, (label, colour, marker)) in enumerate(MODELS.items()):
                seeds, x = values[kind, model], row + 0.2 * (column - 1.5)
                name = label if row == 0 else None
                look = {"color": colour, "ms": 3.5, "alpha": 0.7, "label": name}
                ax.plot([x] * len(seeds), seeds, marker, **look)
                ax.plot([x - 0.1, x + 0.1], [statistics.median(seeds)] * 2, color=colour, lw=2)
            ax.axvline(row + 0.5, color="0.9", lw=0.8, zorder=0)
        ax.set(yscale="log", title=title, ylabel="relative error")
    axes[-1].set_xticks(range(len(KINDS)), KINDS.values(), rotation=35, ha="right")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
