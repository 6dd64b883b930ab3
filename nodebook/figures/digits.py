"""The figures of chapter 07: digits, networks with a field inside, and what an evaluation buys.

All are narrow enough that their lettering reads on a telephone.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from nodebook.evidence import recorded
from nodebook.figures import plotting
from nodebook.figures.plotting import WIDTH

NAMES: Mapping[str, str] = {
    "mlp": "MLP",
    "resnet": "ResNet",
    "rk-net": "RK-Net, two RK4 steps",
    "ode-net": "RK-Net, Dormand-Prince",
    "ode-net-adjoint": "ODE-Net, adjoint",
}
"""The recorded networks by the paper's names: what is backpropagated is an RK-Net."""

COLOURS: Mapping[str, str] = {
    "mlp": plotting.BLACK,
    "resnet": plotting.BLUE,
    "rk-net": plotting.ORANGE,
    "ode-net": plotting.VERMILION,
}
METHODS: Mapping[str, str] = {
    "dopri5": "Dormand-Prince",
    "euler": "Euler",
    "midpoint": "midpoint",
    "rk4": "RK4",
    "adams": "implicit Adams",
}
MARKERS = "osD^v"


def answers(images: np.ndarray, labels: Sequence[int], probabilities: np.ndarray) -> Figure:
    """Ten digits, each with the class it was given and how sure the network was of it."""
    figure, axes = plt.subplots(2, 5, figsize=(WIDTH, 2.5))
    for ax, image, label, chances in zip(axes.flat, images, labels, probabilities, strict=True):
        given = int(chances.argmax())
        colour = plotting.BLACK if given == label else plotting.VERMILION
        ax.imshow(image, cmap="gray_r")
        ax.set_title(f"{given} ({chances[given]:.0%})", color=colour, loc="center")
        ax.axis("off")
    return figure


def solvers(settings: Mapping[str, Sequence[str]], trained: str, adams: Sequence[str]) -> Figure:
    """Test error of the recorded networks against evaluations, for each solver.

    ``settings`` has the names of the settings of each method in ``mnist_solvers``, ``trained`` is
    the one of the training, and ``adams`` the tolerances of ``mnist_adjoint``.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.7))
    drawn = {
        method: (
            "mnist_solvers",
            names,
            [f"errors.{n}" for n in names],
            [f"nfe.{n}" for n in names],
        )
        for method, names in settings.items()
    }
    drawn["adams"] = (
        "mnist_adjoint",
        adams,
        [f"errors.adams.{x}" for x in adams],
        [f"nfe.adams.{x}" for x in adams],
    )
    for marker, (method, (experiment, _, errors, nfe)) in zip(MARKERS, drawn.items(), strict=True):
        values = np.array([recorded.measured(experiment, "ode-net", name) for name in errors]) / 100
        where = [recorded.mean(experiment, "ode-net", name) for name in nfe]
        with_ranges(ax, where, values, marker=marker, label=METHODS[method])
    ax.plot(
        recorded.mean("mnist_solvers", "ode-net", f"nfe.{trained}"),
        recorded.mean("mnist_solvers", "ode-net", f"errors.{trained}") / 100,
        "o",
        markersize=12,
        markerfacecolor="none",
        color=plotting.BLACK,
        label="as trained",
    )
    ax.set(xscale="log", yscale="log", xlabel="evaluations of the field", ylabel="test error (%)")
    ax.set_xticks([1, 2, 5, 10, 20, 50, 100], minor=False)
    ax.set_yticks([0.4, 0.5, 1, 2, 3])
    plain(ax.xaxis, ax.yaxis)
    ax.legend()
    return figure


def backward_evaluations(tolerances: Sequence[str], variants: Sequence[str]) -> Figure:
    """Backward against forward evaluations of the adjoint: a panel for each solver.

    ``tolerances`` and ``variants`` are those of ``mnist_adjoint``.
    """
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.0), sharex=True, sharey=True)
    looks = {
        "untrained": (plotting.BLUE, "before training"),
        "ode-net": (plotting.VERMILION, "after"),
    }
    for ax, solver in zip(axes, ("dopri5", "adams"), strict=True):
        for variant in variants:
            colour, name = looks[variant]
            for run in recorded.runs("mnist_adjoint", variant):
                ways = (
                    [run.metric(f"{way}_nfe.{solver}.{x}") for x in tolerances]
                    for way in ("forward", "backward")
                )
                label = name if run.seed == 0 else None
                ax.plot(*ways, "o-", markersize=4, linewidth=1, color=colour, label=label)
        ends = np.array([8.0, 90.0])
        for ratio, text in ((1, "as many"), (0.5, "half as many")):
            ax.plot(ends, ratio * ends, "--", color="0.5", linewidth=0.9, zorder=0)
            ax.text(13, ratio * 13, text, color="0.35", va="top", fontsize=9)
        ax.set(xscale="log", yscale="log", ylabel="backward evaluations", title=METHODS[solver])
        ax.set(xlim=(8, 90), ylim=(4, 90))
        ax.set_xticks([10, 20, 50])
        ax.set_yticks([5, 10, 20, 50])
        plain(ax.xaxis, ax.yaxis)
    axes[1].set_xlabel("forward evaluations")
    axes[0].legend()
    return figure


def memory(depths: Sequence[int]) -> Figure:
    """Megabytes kept for the backward pass against the number of blocks or of RK4 steps."""
    (kept,) = recorded.runs("mnist_memory", "kept")
    figure, ax = plt.subplots(figsize=(WIDTH, 3.5))
    looks = {
        "backprop": ("ODE, backpropagation", plotting.ORANGE),
        "resnet": ("ResNet", plotting.BLUE),
        "checkpoint": ("ODE, checkpoints", plotting.GREEN),
        "adjoint": ("ODE, adjoint", plotting.VERMILION),
    }
    for marker, (name, (label, colour)) in zip(MARKERS, looks.items(), strict=False):
        amounts = [kept.metric(f"{name}.{depth}") / 1e6 for depth in depths]
        ax.loglog(depths, amounts, f"{marker}-", markersize=4, color=colour, label=label)
    reduction = kept.metric("reduction") / 1e6
    ax.axhline(reduction, color="0.5", linestyle="--", linewidth=1, label="before the block")
    ax.set(xlabel="blocks or steps", ylabel="kept (MB)")
    ax.set_xticks(depths)
    plain(ax.xaxis, ax.yaxis)
    ax.legend(fontsize=9)
    return figure


def with_ranges(ax: Axes, x: Sequence[float], values: np.ndarray, **look: object) -> None:
    """A line through the means of values (points, seeds), with bars from least to largest."""
    middle = values.mean(1)
    bars = np.abs(np.stack([values.min(1), values.max(1)]) - middle)
    ax.errorbar(x, middle, bars, markersize=4, linewidth=1, **look)


def plain(*axes: Axis) -> None:
    """Numbers on logarithmic axes without powers of ten, at the major ticks only."""
    for axis in axes:
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
