"""The figures and tables of chapter 01c: recurrent networks as dynamics in discrete time."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from torch import Tensor

from nodebook.evidence import recorded
from nodebook.evidence.results import Run
from nodebook.figures.plotting import BLUE, GREEN, ORANGE, VERMILION
from nodebook.figures.residual import WIDTH
from nodebook.figures.tables import shown
from nodebook.figures.text import loose_spread, spread

KINDS = {
    "rnn": ("RNN", VERMILION, "^"),
    "rnn_gap": ("RNN told the interval", GREEN, "D"),
    "residual": ("residual RNN", ORANGE, "s"),
    "ode": ("ODE", BLUE, "o"),
}
SAMPLINGS = {
    "same": "every 0.2",
    "half": "every 0.1",
    "double": "every 0.4",
    "irregular": "irregular",
}

Panel = tuple[Tensor, Tensor, Mapping[str, Tensor]]
"""Times, the truth, and the prediction of each kind, all (n,)."""


def predicted(panels: Mapping[str, Panel]) -> Figure:
    """One coordinate over time, the truth and what each kind predicts, a panel below another."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 4.8), sharex=True)
    for ax, (title, (times, truth, found)) in zip(axes, panels.items(), strict=True):
        ax.plot(times, truth, color="0.7", lw=4, label="truth")
        for kind, values in found.items():
            label, colour, marker = KINDS[kind]
            ax.plot(times, values, marker=marker, color=colour, ms=3, lw=1, label=label)
        ax.set(title=title, ylabel="$x$")
    axes[-1].set_xlabel("time")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def hops(states: Tensor, cycle: Tensor) -> Figure:
    """A map applied again and again to four starts, (4, n, 2), and a limit cycle (m, 2)."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.8))
    ax.plot(*cycle.T, color="0.7", lw=3, label="limit cycle of the ODE")
    looks = zip((BLUE, VERMILION, GREEN, ORANGE), "o^sD", strict=True)
    for k, (colour, marker) in enumerate(looks):
        ax.plot(*states[k, 1:60].T, marker, color=colour, ms=3, label=f"map, from start {k + 1}")
        ax.plot(*states[k, 0], marker, color=colour, ms=8, mfc="white", mew=1.5)
    ax.set(xlabel="$x$", ylabel=r"$\dot x$")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def errors(runs: Sequence[Run], trained: Mapping[str, Sequence[str]]) -> HTML:
    """Relative error of each model on test trajectories, by the sampling of the test."""
    rows = {}
    for training, kinds in trained.items():
        when = "every 0.2" if training == "regular" else "irregular"
        for kind in kinds:
            rows[f"{KINDS[kind][0]}, trained {when}"] = {
                head: loose_spread(recorded.values(runs, f"error.{training}.{kind}.{name}"), 3)
                for name, head in SAMPLINGS.items()
            }
    return shown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("relative error"))


def refined(runs: Sequence[Run], counts: Sequence[int]) -> HTML:
    """The trained residual RNN with more steps an interval: distance from its ODE, and error."""
    table = {
        str(n): {
            "distance from its ODE": spread(recorded.values(runs, f"refined.{n}"), 4),
            "relative error": spread(recorded.values(runs, f"refined_error.{n}"), 3),
        }
        for n in counts
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("steps an interval"))
