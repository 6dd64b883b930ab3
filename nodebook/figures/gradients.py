"""The figures and tables of chapter 03: errors, memory and cost of gradients of a solve."""

import statistics
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nodebook.benchmarks.differentiation import WAYS
from nodebook.evidence import recorded
from nodebook.evidence.results import Run
from nodebook.figures import plotting
from nodebook.figures.residual import WIDTH
from nodebook.figures.tables import shown
from nodebook.figures.text import loose_spread, power

LOOKS = {
    "backprop": (plotting.BLUE, "o", "-"),
    "checkpoint": (plotting.GREEN, "s", "--"),
    "adjoint": (plotting.VERMILION, "^", "-"),
    "torchdiffeq-backprop": (plotting.SKY, "v", ":"),
    "torchdiffeq-adjoint": (plotting.ORANGE, "D", ":"),
    "torchdiffeq-seminorm": (plotting.PURPLE, "*", ":"),
}
REBUILT = {
    "forward": ("end state", "0.5", "x", "-"),
    "backward": ("initial state, found again", plotting.BLACK, "o", "--"),
    "gradient.checkpoint": ("gradient, checkpoint", *LOOKS["checkpoint"]),
    "gradient.adjoint": ("gradient, adjoint", *LOOKS["adjoint"]),
    "gradient.torchdiffeq-adjoint": ("gradient, torchdiffeq", *LOOKS["torchdiffeq-adjoint"]),
}
TIMES = "\N{MULTIPLICATION SIGN}"

Walk = tuple[Sequence[float], Sequence[float], Sequence[float], Sequence[float]]
"""Times and values of a solution forwards, and those of the steps backwards from its end."""


def there_and_back(walks: Mapping[str, Walk]) -> Figure:
    """One state of each system forwards (line) and found again backwards (dots)."""
    figure, axes = plt.subplots(len(walks), 1, figsize=(WIDTH, 5.4))
    for ax, (name, (times, there, steps, back)) in zip(axes, walks.items(), strict=True):
        ax.plot(times, there, color=plotting.BLUE, label="forwards")
        ax.plot(steps, back, "o", color=plotting.VERMILION, ms=3, label="backwards, a dot a step")
        margin = 0.6 * (max(there) - min(there))
        ax.set(title=name, ylim=(min(there) - margin, max(there) + margin))
    axes[-1].set_xlabel("time")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def tolerance(runs: Sequence[Run], swept: Mapping[str, Sequence[float]]) -> Figure:
    """Error of the gradient against the tolerance, a panel for each precision."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.2))
    for ax, (dtype, tolerances) in zip(axes, swept.items(), strict=True):
        for way in WAYS:
            names = [f"{dtype}.{way}.{x:.0e}" for x in tolerances]
            _line(ax, way, tolerances, [_middle(runs, name) for name in names])
        ax.plot(tolerances, tolerances, color="0.7", lw=1)
        ax.set(xscale="log", yscale="log", xlabel=f"tolerance, {dtype}", ylabel="relative error")
        ax.invert_xaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def memory(run: Run, steps: Sequence[int], outputs: Sequence[int]) -> Figure:
    """Bytes kept for the backward pass: by steps (above) and by output times (below)."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.2))
    for ax, name, xs in zip(axes, ("kept", "kept_at_outputs"), (steps, outputs), strict=True):
        for way in WAYS:
            _line(ax, way, xs, [run.metric(f"{name}.{way}.{x}") for x in xs])
        ax.set(xscale="log", yscale="log", ylabel="bytes kept")
    axes[0].set_xlabel("steps, one output")
    axes[1].set_xlabel("output times after the first, 256 steps in all")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def reconstruction(runs: Sequence[Run], lengths: Mapping[str, Sequence[float]]) -> Figure:
    """Errors against the length of time that is solved, a panel for each system."""
    figure, axes = plt.subplots(len(lengths), 1, figsize=(WIDTH, 7.4))
    for ax, (name, xs) in zip(axes, lengths.items(), strict=True):
        for what, (label, colour, marker, style) in REBUILT.items():
            values = [_middle(runs, f"{name}.{x:g}.{what}") for x in xs]
            ax.plot(xs, values, marker + style, color=colour, ms=4, label=label)
        ax.axhline(100, color="0.8", lw=1)
        ax.set(xscale="log", yscale="log", xlabel=f"time solved, {name}", ylabel="relative error")
        ax.set_xticks(xs, [f"{x:g}" for x in xs])
        ax.minorticks_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def evaluations(
    runs: Mapping[str, Sequence[Run]], names: Mapping[str, str], tolerances: Sequence[float]
) -> Figure:
    """Evaluations backwards over forwards against the tolerance, a panel for each problem."""
    figure, axes = plt.subplots(len(runs), 1, figsize=(WIDTH, 7.0), sharex=True)
    for ax, (title, own) in zip(axes, runs.items(), strict=True):
        for way, name in names.items():
            every = [recorded.values(own, f"ratio.{way}.{x:.0e}") for x in tolerances]
            colour, marker, line = LOOKS[way]
            look = {"color": colour, "marker": marker, "ls": line, "ms": 4, "capsize": 2}
            mean, spread = np.mean(every, 1), np.std(every, 1, ddof=1)
            ax.errorbar(tolerances, mean, spread, lw=1.2, label=name, **look)
        ax.axhline(0.5, color="0.5", ls=":")
        ax.set(xscale="log", title=title, ylim=(0, None), ylabel="backwards / forwards")
    axes[-1].set_xlabel("tolerance")
    axes[-1].invert_xaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=1)
    return figure


def orders(
    counts: Sequence[int],
    errors: Mapping[str, Sequence[float]],
    runs: Sequence[Run],
    steps: Sequence[int],
    methods: Sequence[str],
) -> Figure:
    """Above: errors of several gradients by Euler steps; below: how far two kinds are apart."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 6.4))
    styles = ("o-", "s--", "^:", "x-")
    for (label, values), style in zip(errors.items(), styles, strict=True):
        above.loglog(counts, values, style, ms=4, label=label)
    above.set(xlabel="Euler steps $n$", ylabel="relative error")
    above.legend()
    for method, style in zip(methods, styles, strict=False):
        values = [_middle(runs, f"{method}.apart.{n}") for n in steps]
        order = loose_spread(recorded.values(runs, f"{method}.order.apart"), 2)
        below.loglog(steps, values, style, ms=4, label=f"{method}: order {order}")
    below.set(xlabel="steps $n$", ylabel="relative distance")
    below.legend()
    return figure


def backward_step(
    back: Sequence[float], values: Mapping[str, Sequence[float]], true: Sequence[float], step: int
) -> Figure:
    """One backward step of Euler's method, a panel for each quantity, times from right to left.

    ``true`` holds the forward states at the same times, drawn in the first panel.
    """
    figure, axes = plt.subplots(len(values), 1, figsize=(WIDTH, 5.4), sharex=True)
    red = plotting.VERMILION
    for ax, (name, points) in zip(axes, values.items(), strict=True):
        ax.plot(back[: step - 1], points[: step - 1], "o", color="0.75", ms=6, label="forgotten")
        ax.plot(back[step - 1], points[step - 1], "o", color=red, ms=7, label="in memory")
        ax.plot(back[step], points[step], "o", color=red, ms=7, mfc="white", label="computed")
        ends = (back[step], points[step]), (back[step - 1], points[step - 1])
        ax.annotate("", *ends, arrowprops={"arrowstyle": "->", "ls": "--", "color": red})
        ax.set(ylabel=name, xlim=(-0.05, 1.08))
    axes[0].plot(back, true, "x", color=plotting.BLUE, ms=6, label="forward points")
    axes[-1].set_xlabel("time $t$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def kept_table(run: Run, steps: Sequence[int]) -> HTML:
    """Growth and evaluations of each way, and the bytes that it keeps."""
    table = {
        name: {
            "growth": run.metric(f"kept_growth.{way}"),
            "evaluations": f"{run.metric(f'evaluations_ratio.{way}'):.3g} {TIMES}",
        }
        | {f"{n:,} steps": f"{run.metric(f'kept.{way}.{n}'):,}" for n in steps}
        for way, name in WAYS.items()
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("bytes kept"))


def milliseconds(run: Run) -> HTML:
    """Time of both passes over that of our backprop."""
    measured = run.history["milliseconds"]
    table = {
        name: {
            f"{n:,} steps": f"{measured[way][k] / measured['backprop'][k]:.2f}"
            for k, n in enumerate(run.history["steps"])
        }
        for way, name in WAYS.items()
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("time"))


def restarts(runs: Sequence[Run], counts: Sequence[int]) -> HTML:
    """Error of the adjoint's gradient by the number of intervals it is restarted in."""
    columns = {f"{k} interval{'s' * (k > 1)}": f"restarts.{k}" for k in counts}
    columns["checkpoint"] = "restarts.steps"
    table = {}
    for text, metric in columns.items():
        values = recorded.values(runs, metric)
        table[text] = {"least": power(min(values)), "most": power(max(values))}
    frame = pd.DataFrame.from_dict(table, orient="index")
    return shown(frame.rename_axis("error of the gradient"))


def ratios(runs: Mapping[str, Sequence[Run]], names: Mapping[str, str]) -> HTML:
    """Evaluations backwards over forwards, mean over tolerances, by problem."""
    table = {
        name: {
            title: loose_spread(recorded.values(own, f"ratio.{way}.mean"), 2)
            for title, own in runs.items()
        }
        for way, name in names.items()
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("back / forth"))


def libraries(runs: Mapping[str, Sequence[Run]], names: Mapping[str, str]) -> HTML:
    """Error and time of the gradient of each library, by problem."""
    table: dict[str, dict[str, str]] = {name: {} for name in names.values()}
    for title, own in runs.items():
        for way, name in names.items():
            if f"error.{way}" not in own[0].metrics:
                continue
            times = [run.history["ratio"][way] for run in own]
            table[name][f"{title}: error"] = power(_middle(own, f"error.{way}"))
            table[name][f"{title}: time"] = f"{min(times):.2g} to {max(times):.2g}"
    frame = pd.DataFrame.from_dict(table, orient="index").fillna("–")
    return shown(frame.rename_axis("gradient by"))


def _line(ax: Axes, way: str, x: Sequence[float], y: Sequence[float]) -> None:
    colour, marker, style = LOOKS[way]
    ax.plot(x, y, marker + style, color=colour, ms=4, label=WAYS[way])


def _middle(runs: Sequence[Run], metric: str) -> float:
    return statistics.geometric_mean(recorded.values(runs, metric))
