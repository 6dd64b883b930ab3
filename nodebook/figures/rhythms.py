"""The figures of chapter 11: a rhythm as events, what answers score, beats dropped or not."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from nodebook.evidence import recorded
from nodebook.figures.ecg_study import Courses
from nodebook.figures.plotting import (
    BLACK,
    BLUE,
    CLASS_COLOURS,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    WIDTH,
    means_and_seeds,
)
from nodelib.data import aami
from nodelib.data.rhythms import Rhythm

MARKS = {"N": ".", "S": "^", "V": "v", "F": "D", "Q": "s"}


def rhythm(events: Rhythm, seconds: float) -> Figure:
    """R-R intervals of a record against time, each beat marked by its class."""
    figure, ax = plt.subplots(figsize=(6.4, 3.0))
    early = (events.time - events.time[0] < seconds) & events.mask[:, 0]
    minutes = (events.time - events.time[0]) / 60
    ax.plot(minutes[early], events.rr[early], color="0.8", linewidth=0.6, zorder=0)
    for k, name in enumerate(aami.CLASSES):
        rows = early & (events.beat_class[:, k] == 1)
        if rows.any():
            look = {"color": CLASS_COLOURS[name], "linestyle": "", "markersize": 4, "label": name}
            ax.plot(minutes[rows], events.rr[rows], MARKS[name], **look)
    ax.set(xlabel="time (min)", ylabel="R-R interval (s)")
    ax.legend(title="class", loc="upper right", ncols=5)
    return figure


def scores(
    tasks: Mapping[str, str],
    models: Mapping[tuple[str, str], str],
    metric: str = "by_person",
) -> Figure:
    """One panel a task, stacked: each model's score, with its 95 % interval over people.

    A model that is not recorded for a task has no row there.

    Args:
        tasks: names in the variants ``<model>.<task>``, and what to call them.
        models: experiments and names in their variants, and what to call them.
        metric: ``accuracy`` or ``by_person``, the first seed's; ``interval.<metric>`` around it.
    """
    panels = {
        task: {title: found for (experiment, name), title in models.items()
               if (found := recorded.runs(experiment, f"{name}.{task}"))}
        for task in tasks
    }  # fmt: skip
    rows = [len(panel) for panel in panels.values()]
    figure, axes = plt.subplots(
        len(tasks), 1, figsize=(6.4, 0.9 + 0.4 * len(tasks) + 0.24 * sum(rows)), sharex=True,
        squeeze=False, height_ratios=[1 + count for count in rows],
    )  # fmt: skip
    for ax, (task, panel) in zip(axes[:, 0], panels.items(), strict=True):
        for place, runs in enumerate(panel.values()):
            points = recorded.values(runs, metric)
            low, high = runs[0].metric(f"interval.{metric}")
            ax.plot([low, high], [place, place], color="C0", linewidth=1.5, alpha=0.5)
            ax.plot(points, [place] * len(points), "o", color="C0", markersize=4)
        ax.set_yticks(range(len(panel)), list(panel))
        ax.set_ylim(len(panel) - 0.5, -0.5)
        ax.set_title(tasks[task], loc="left", fontsize="medium")
    axes[-1, 0].set(xlim=(0, 1.02), xlabel="share of people told right")
    return figure


LOOKS = {
    "majority": (BLACK, ":"),
    "the last interval": (BLACK, ":"),
    "linear, 8 beats": (SKY, "--"),
    "trees, 9 statistics": (GREEN, "--"),
    "trees, 8 beats": (GREEN, "--"),
    "GRU, told the gaps": (ORANGE, "-."),
    "GRU, decaying state": (PURPLE, "-."),
    "state held": (BLUE, "-"),
    "GRU-ODE-Bayes": (VERMILION, "-"),
}
"""Colour and dashes of each model, the same in both figures of dropped beats."""


def by_drop(panels: Mapping[str, Courses]) -> Figure:
    """A panel for each measure, stacked: every model's mean by share dropped, a dot for each seed.

    Args:
        panels: courses by the title of their panel; all of the same models.
    """
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(WIDTH, 1.0 + 2.5 * len(panels)), sharex=True
    )
    for ax, (title, courses) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        for name, found in courses.items():
            colour, dashes = LOOKS[name]
            means_and_seeds(ax, found, ".", color=colour, linestyle=dashes, label=name)
        ax.set_title(title, loc="left")
        ax.set_xticks(list(found))
    ax.set_xlabel("beats dropped (%)")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
