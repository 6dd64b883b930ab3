"""Spirals, and what latent ODEs and recurrent networks make of them (chapter 06)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from nodebook.figures.plotting import BLUE, CYCLE, GREEN, ORANGE, VERMILION, WIDTH
from nodelib.data import spirals


@dataclass(frozen=True)
class Told:
    """One spiral: truth and prediction (T, 2) on a grid, and its noisy observations (n, 2)."""

    truth: np.ndarray
    seen: np.ndarray
    told: np.ndarray


def predictions(panels: Sequence[Told]) -> Figure:
    """Spirals in two columns: the first 100 points as found, those after as extrapolated."""
    rows = -(-len(panels) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(WIDTH, 2.3 * rows + 0.6))
    first = slice(0, spirals.POINTS)
    after = slice(spirals.POINTS, None)
    for ax, panel in zip(axes.flat, panels, strict=True):
        ax.plot(*panel.truth.T, color="0.7", linewidth=4, label="truth")
        ax.plot(*panel.seen.T, ".", color="k", markersize=4, label="observed")
        ax.plot(*panel.told[first].T, color=BLUE, label="found")
        ax.plot(*panel.told[after].T, "--", color=VERMILION, label="extrapolated")
        ax.set_aspect("equal", adjustable="datalim")
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure


def learned(losses: Sequence[float], panels: Sequence[Told]) -> Figure:
    """The loss of a training above, two spirals below."""
    figure, axes = plt.subplot_mosaic("AA;BC", figsize=(WIDTH, 4.6), height_ratios=(2, 3))
    axes["A"].plot(losses)
    axes["A"].set_yscale("symlog", linthresh=1)
    axes["A"].axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes["A"].set(xlabel="step of training", ylabel="loss (nats a point)")
    for name, panel in zip("BC", panels, strict=True):
        ax = axes[name]
        ax.plot(*panel.truth.T, color="0.7", linewidth=4)
        ax.plot(*panel.seen.T, ".", color="k", markersize=4)
        ax.plot(*panel.told[: spirals.POINTS].T, color=BLUE)
        ax.plot(*panel.told[spirals.POINTS :].T, "--", color=VERMILION)
        ax.set_aspect("equal", adjustable="datalim")
    return figure


def pieces(made: spirals.Spirals) -> Figure:
    """The two curves, and four of the spirals that are pieces of them, with what is observed."""
    figure, ax = plt.subplots(figsize=(WIDTH, 2.9))
    for clockwise in (True, False):
        whole = spirals.curve(np.arange(0, 900), clockwise)
        ax.plot(*whole.T, color="0.8", linewidth=0.8)
    for clockwise, colours in ((True, CYCLE[:2]), (False, CYCLE[2:4])):
        ranked = np.flatnonzero(made.clockwise == clockwise)
        ranked = ranked[made.start[ranked].argsort()]
        for which, colour in zip(ranked[[200, 440]], colours, strict=True):
            path, seen = made.truth[which], made.observed[which]
            ax.plot(*path[: spirals.POINTS].T, color=colour)
            ax.plot(*path[spirals.POINTS :].T, "--", color=colour)
            ax.plot(*made.noisy[which][seen].T, ".", color=colour, markersize=4)
            ax.annotate("", path[-1], path[-8], arrowprops={"arrowstyle": "->", "color": colour})
    ax.set(xlabel="x", ylabel="y", aspect="equal")
    return figure


def horizons(panels: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Error (seeds, bins) by the distance past the observations: mean and standard deviation."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 5.8), sharex=True, sharey=True)
    for ax, (title, by_label) in zip(axes, panels.items(), strict=True):
        looks = zip(("-o", "-s", "--^", "--v"), CYCLE, strict=False)
        for (label, values), (look, colour) in zip(by_label.items(), looks, strict=False):
            bins = values.shape[1]
            centres = (np.arange(bins) + 0.5) * spirals.POINTS / bins
            style = {"fmt": look, "color": colour, "markersize": 4, "elinewidth": 0.7}
            ax.errorbar(centres, values.mean(0), values.std(0, ddof=1), label=label, **style)
        ax.set(ylabel="root mean square error", title=title)
    axes[-1].set_xlabel("points past the observed stretch")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return figure


def places(panels: Mapping[str, Mapping[str, np.ndarray]], edges: np.ndarray, last: int) -> Figure:
    """Error (seeds, bins) between ``edges`` on the curve; training spirals end at ``last``."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 5.4), sharex=True, sharey=True)
    centres = (edges[:-1] + edges[1:]) / 2
    for ax, (title, by_label) in zip(axes, panels.items(), strict=True):
        looks = zip(("-o", "--s", ":^"), CYCLE, strict=False)
        for (label, values), (look, colour) in zip(by_label.items(), looks, strict=False):
            low, high = values.min(0), values.max(0)
            ax.plot(centres, values.mean(0), look, color=colour, label=label, markersize=4)
            ax.fill_between(centres, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.axvline(last + 0.5, color="0.4", linewidth=0.8)
        ax.set(ylabel="root mean square error", title=title, yscale="log")
    axes[-1].set_xlabel("place of what is predicted (fine step of the curve)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return figure


def latent_paths(paths: np.ndarray, clockwise: np.ndarray, shares: Sequence[float]) -> Figure:
    """Latent trajectories (T, N, 2) in the plane of their first two principal components."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    for turned, line, colour, label in (
        (True, "-", BLUE, "clockwise"),
        (False, "--", VERMILION, "counter-clockwise"),
    ):
        own = paths[:, clockwise == turned]
        ax.plot(own[..., 0], own[..., 1], line, color=colour, linewidth=0.9)
        ax.plot(*own[0].T, ".", color=colour, markersize=5)
        ax.plot([], [], line, color=colour, label=label)
    ax.set(
        xlabel=f"first component ({100 * shares[0]:.0f} % of the variance)",
        ylabel=f"second ({100 * shares[1]:.0f} %)",
    )
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@dataclass(frozen=True)
class Resampled:
    """A signal (T,), what two methods make of it, and every k-th sample that they were given."""

    k: int
    seconds: np.ndarray
    truth: np.ndarray
    told: np.ndarray
    spline: np.ndarray


def resampled(panels: Sequence[Resampled]) -> Figure:
    """A stretch of a signal between and past the samples that the methods were given."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 5.2), sharex=True)
    for ax, p in zip(axes, panels, strict=True):
        last = len(p.spline)
        ax.plot(p.seconds, p.truth, color="0.7", linewidth=3, label="recorded")
        ax.plot(p.seconds[:last], p.spline, "--", color=VERMILION, label="cubic spline")
        ax.plot(p.seconds, p.told, color=BLUE, label="latent ODE")
        places = np.arange(0, last, p.k)
        ax.plot(p.seconds[places], p.truth[places], ".", color="k", label="samples")
        ax.axvline(p.seconds[last - 1], color="0.4", linewidth=0.8)
        ax.set(ylabel="voltage (s.d.)", title=f"k = {p.k}")
    axes[-1].set_xlabel("time (s)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def past(panels: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Error (tenths,) past the last sample, mean over the seeds, of three guesses by name."""
    looks = {"latent ODE": ("-o", BLUE), "last sample held": (":s", GREEN)}
    looks["mean of the samples"] = ("-.^", ORANGE)
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 5.6), sharex=True)
    for ax, (title, by_label) in zip(axes, panels.items(), strict=True):
        for label, values in by_label.items():
            share = (np.arange(len(values)) + 0.5) / len(values)
            look, colour = looks[label]
            ax.plot(share, values, look, color=colour, label=label, markersize=4)
        ax.set(ylabel="root mean square error", title=title)
        ax.set_ylim(0, 1.5 * max(max(values) for values in by_label.values()))
    axes[-1].set_xlabel("time past the end (lengths of the stretch)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return figure
