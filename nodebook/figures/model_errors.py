"""Errors of the models of chapter 05 over seeds: by model, by setting, by length of training."""

import statistics
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from nodebook.figures import plotting
from nodebook.figures.plotting import WIDTH

NAMES = {
    "node.relu": "NODE, ReLU",
    "node.tanh": "NODE, tanh",
    "node.softplus": "NODE, softplus",
    "node.silu": "NODE, SiLU",
    "derivative.relu": "derivative, ReLU",
    "derivative.tanh": "derivative, tanh",
    "next.relu": "next, ReLU",
    "next.tanh": "next, tanh",
    "rolled.relu": "rolled, ReLU",
    "rolled.tanh": "rolled, tanh",
    "time.relu": "time, ReLU",
    "time.tanh": "time, tanh",
    "rates": "four rates",
}
COLOURS = {
    "node": plotting.BLUE,
    "derivative": plotting.GREEN,
    "next": plotting.ORANGE,
    "rolled": plotting.PURPLE,
    "time": plotting.VERMILION,
    "rates": plotting.BLACK,
}
LOOKS = {
    "node.relu": ("o", plotting.BLUE),
    "node.tanh": ("s", plotting.SKY),
    "node.softplus": (">", "#5a3e99"),
    "node.silu": ("<", "0.55"),
    "derivative.relu": ("^", plotting.GREEN),
    "next.relu": ("v", plotting.ORANGE),
    "rolled.relu": ("D", plotting.PURPLE),
    "time.relu": ("X", plotting.VERMILION),
    "rates": ("P", plotting.BLACK),
}

Values = Mapping[str, Sequence[float]]
"""Values of all seeds, by model."""


def by_model(panels: Mapping[str, Values], label: str, limits: Sequence[float]) -> Figure:
    """Every seed as a dot and the mean as a bar, a row for each model, a panel for each measure."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 3.3 * len(panels)), sharex=True)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        for row, (name, seeds) in enumerate(reversed(values.items())):
            colour = COLOURS[name.partition(".")[0]]
            ax.plot(seeds, row + np.linspace(-0.2, 0.2, len(seeds)), ".", color=colour)
            ax.plot(2 * [statistics.fmean(seeds)], [row - 0.35, row + 0.35], color=colour)
        for limit in limits:
            ax.axvline(limit, color="0.6", linestyle="--", linewidth=0.9)
        ax.set(xscale="log", title=title)
        ax.set_yticks(range(len(values)), [NAMES[name] for name in reversed(values)])
    axes[-1].set_xlabel(label)
    return figure


def by_setting(panels: Mapping[str, Mapping[str, Values]], settings: Sequence[str]) -> Figure:
    """Mean and standard deviation of each model in each setting, a panel for each measure."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 8.6), sharex=True)
    for ax, (label, by_name) in zip(axes, panels.items(), strict=True):
        for k, (name, values) in enumerate(by_name.items()):
            marker, colour = LOOKS[name]
            seeds = np.array([values[setting] for setting in settings])
            x = np.arange(len(settings)) + 0.09 * (k - (len(by_name) - 1) / 2)
            look = {"fmt": marker, "color": colour, "markersize": 4.5, "linewidth": 0.9}
            ax.errorbar(x, seeds.mean(1), seeds.std(1, ddof=1), label=NAMES[name], **look)
        ax.set_yscale("log")
        ax.set_ylim(bottom=max(ax.get_ylim()[0], 2e-3))
        ax.set_xticks(range(len(settings)), settings)
        ax.set_ylabel(label)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def by_length(panels: Mapping[str, Mapping[str, Values]], steps: Sequence[int]) -> Figure:
    """Mean and standard deviation of each model after each number of steps, a panel a measure.

    ``panels[measure][model]`` holds, for each number of steps, the values of all seeds.
    """
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 6.2), sharex=True, sharey=True)
    for ax, (title, by_name) in zip(axes, panels.items(), strict=True):
        for name, values in by_name.items():
            marker, colour = LOOKS[name]
            seeds = np.array(values)
            look = {"marker": marker, "color": colour, "label": NAMES[name]}
            ax.errorbar(steps, seeds.mean(1), seeds.std(1, ddof=1), **look)
        ax.set(xscale="log", yscale="log", title=title, ylabel="relative field error")
        ax.set_xticks(steps, [f"{n:,}" for n in steps])
        ax.set_yticks([0.1, 0.2, 0.5, 1], ["0.1", "0.2", "0.5", "1"])
        ax.minorticks_off()
    axes[-1].set_xlabel("training steps")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
