"""The figures and tables of chapter 01a: plain and residual networks as depth grows."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nodebook.evidence import recorded
from nodebook.evidence.results import Run
from nodebook.figures import plotting
from nodebook.figures.plotting import BLUE, ORANGE, VERMILION
from nodebook.figures.residual import WIDTH
from nodebook.figures.tables import shown
from nodebook.figures.text import loose_spread, power
from nodelib.data.find.provenance import Provenance

LOOKS = {"bare": (ORANGE, "s"), "plain": (VERMILION, "^"), "residual": (BLUE, "o")}
PARTS = {"train": "training", "test": "test"}


def live(errors: Mapping[tuple[str, int], float], provenance: Provenance) -> Figure:
    """Training error (%) of networks by ``(kind, depth)``, a line for each kind."""
    figure, ax = plt.subplots(figsize=(WIDTH, 2.8))
    plotting.mark_source(figure, provenance)
    depths = sorted({depth for _, depth in errors})
    for kind in dict.fromkeys(kind for kind, _ in errors):
        colour, marker = LOOKS[kind]
        values = [errors[kind, depth] for depth in depths]
        ax.plot(depths, values, marker=marker, color=colour, label=kind)
    ax.set(xlabel="layers", ylabel="training error (%)", xticks=depths, ylim=(0, 100))
    ax.legend()
    return figure


def degradation(runs: Sequence[Run], depths: Sequence[int]) -> Figure:
    """Error (%) against depth on training (above) and test images: mean and deviation."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 5.6), sharex=True)
    for ax, (part, name) in zip(axes, PARTS.items(), strict=True):
        for kind, (colour, marker) in LOOKS.items():
            values = _by_depth(runs, f"{part}_error.{kind}", depths)
            style = {"marker": marker, "color": colour, "ms": 5, "capsize": 3, "label": kind}
            ax.errorbar(depths, values.mean(0), values.std(0, ddof=1), **style)
        _depth_axis(ax, depths)
        ax.set(yscale="log", ylabel=f"{name} error (%)")
        ax.minorticks_off()
        ax.set_yticks([1, 2, 5, 10, 20, 50, 90], ["1", "2", "5", "10", "20", "50", "90"])
    axes[1].set_xlabel("layers")
    axes[0].legend()
    return figure


def gradients(deep: Sequence[Run], stripped: Sequence[Run], depths: Sequence[int]) -> Figure:
    """Norm of the first gradient against depth; ``stripped`` holds networks without N."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    lines = {kind: (kind, deep, "-") for kind in LOOKS}
    lines |= {f"{kind}, no N": (kind, stripped, "--") for kind in ("plain", "residual")}
    for label, (kind, runs, line) in lines.items():
        colour, marker = LOOKS[kind]
        values = _by_depth(runs, f"gradient.{kind}", depths)
        mean = np.exp(np.log(values).mean(0))
        ends = [mean - values.min(0), values.max(0) - mean]
        style = {"marker": marker, "color": colour, "ls": line, "ms": 5, "capsize": 3}
        ax.errorbar(depths, mean, ends, label=label, **style)
    _depth_axis(ax, depths)
    ax.set(yscale="log", xlabel="layers", ylabel="norm of the gradient")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def errors(runs: Sequence[Run], depths: Sequence[int]) -> HTML:
    """Training and test errors by depth, and the learning rates that were chosen."""
    table = {}
    for kind in LOOKS:
        for part, name in PARTS.items():
            table[f"{kind}, {name}"] = {
                f"{d} layers": loose_spread(recorded.values(runs, f"{part}_error.{kind}.{d}"), 2)
                for d in depths
            }
        table[f"{kind}, rate"] = {
            f"{d} layers": f"{runs[0].metric(f'rate.{kind}.{d}'):g}" for d in depths
        }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("error (%)"))


def construction(runs: Sequence[Run], shallow: int, deepest: int) -> HTML:
    """Training errors (%): a plain network, the same with identities behind it, a deep one."""
    table = {
        f"seed {run.seed}": {
            f"{shallow} layers": f"{run.metric(f'train_error.plain.{shallow}'):.2f}",
            "and identities": f"{run.metric('constructed.train_error'):.2f}",
            f"{deepest} layers": f"{run.metric(f'train_error.plain.{deepest}'):.2f}",
        }
        for run in runs
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("training error (%)"))


def similarity(runs: Sequence[Run], depths: Sequence[int]) -> HTML:
    """Mean cosine between the matrices of successive residual blocks."""
    table = {
        f"{d} layers": {
            "before training": loose_spread(recorded.values(runs, f"similarity_at_start.{d}"), 3),
            "after": loose_spread(recorded.values(runs, f"similarity.{d}"), 3),
            "rate": f"{runs[0].metric(f'rate.residual.{d}'):g}",
        }
        for d in depths
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("mean cosine"))


def chained(errors: Sequence[tuple[int, float, float]]) -> HTML:
    """Of each block: its number of parameters, and the errors of two gradients."""
    table = {
        f"θ{i}": {
            "parameters": count,
            "products": power(products) if products else "equal",
            "differences": power(differences),
        }
        for i, (count, products, differences) in enumerate(errors)
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("gradient in"))


def _by_depth(runs: Sequence[Run], metric: str, depths: Sequence[int]) -> np.ndarray:
    return np.array([recorded.values(runs, f"{metric}.{d}") for d in depths]).T


def _depth_axis(ax: Axes, depths: Sequence[int]) -> None:
    ax.set(xscale="log")
    ax.set_xticks(depths, [str(d) for d in depths])
    ax.minorticks_off()
