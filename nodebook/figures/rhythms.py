"""The figures of chapter 11: a rhythm as events, and what answers score."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from nodebook.evidence import recorded
from nodebook.figures.plotting import CLASS_COLOURS
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
    experiment: str,
    tasks: Mapping[str, str],
    models: Mapping[str, str],
    metric: str = "by_person",
) -> Figure:
    """One panel a task, stacked: each model's score, with its 95 % interval over people.

    Args:
        experiment: whose variants are ``<model>.<task>``.
        tasks, models: names in the variants, and what to call them.
        metric: ``accuracy`` or ``by_person``, the first seed's; ``interval.<metric>`` around it.
    """
    height = 0.9 + 0.32 * len(models) * len(tasks)
    figure, axes = plt.subplots(len(tasks), 1, figsize=(6.4, height), sharex=True, squeeze=False)
    for ax, (task, title) in zip(axes[:, 0], tasks.items(), strict=True):
        for place, name in enumerate(models):
            runs = recorded.runs(experiment, f"{name}.{task}")
            points = recorded.values(runs, metric)
            low, high = runs[0].metric(f"interval.{metric}")
            ax.plot([low, high], [place, place], color="C0", linewidth=1.5, alpha=0.5)
            ax.plot(points, [place] * len(points), "o", color="C0", markersize=4)
        ax.set_yticks(range(len(models)), list(models.values()))
        ax.set_ylim(len(models) - 0.5, -0.5)
        ax.set_title(title, loc="left", fontsize="medium")
    axes[-1, 0].set(xlim=(0, 1.02), xlabel="share of people told right")
    return figure
