"""Phase planes of the predators and their prey: orbits, observations, learned fields.

Figures are ``WIDTH`` inches wide, so that they read on a phone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from nodebook.figures.plotting import BLUE, CYCLE, SKY, VERMILION, WIDTH
from nodelib.fields import LotkaVolterra

BOX = ((0.1, 8.5), (0.1, 6.0))
LEVELS = (0.65, 0.9, 1.3, 1.8, 2.4)
WRONG = {0.1: "#fdebd0", 0.3: "#f8cf9c", 1.0: "#eea86a"}
"""Colours of the places where a field is off by more than this part of its local length."""

Field = Callable[[Tensor], Tensor]
"""Derivatives (m, 2) at states (m, 2), in float64."""


@dataclass(frozen=True)
class Portrait:
    """What a panel shows of one model.

    Attributes:
        title: of the panel.
        field: held or implied.
        walks: predicted trajectories (times, k, 2).
        turn: how many of these times are within the training time.
        dotted: whether the model answers at those times only.
    """

    title: str
    field: Field
    walks: Tensor
    turn: int
    dotted: bool = False


def grid(points: tuple[int, int]) -> Tensor:
    """States (m, 2) on a regular grid of ``BOX``, prey varying slowest."""
    axes = [torch.linspace(*ends, n).double() for ends, n in zip(BOX, points, strict=True)]
    return torch.cartesian_prod(*axes)


def true_field(states: Tensor) -> Tensor:
    """The true field at states (m, 2)."""
    with torch.no_grad():
        return LotkaVolterra()(torch.zeros(()), states.double())


def orbits(ax: Axes) -> None:
    """True orbits in grey: level sets of the conserved quantity."""
    x, y = (np.linspace(*ends, 200) for ends in BOX)
    with torch.no_grad():
        levels = LotkaVolterra().invariant(torch.tensor(np.stack(np.meshgrid(x, y), -1)))
    ax.contour(x, y, levels.numpy(), levels=LEVELS, colors="0.75", linewidths=0.8)
    ax.set(xlim=BOX[0], ylim=BOX[1], xlabel="prey", ylabel="predators")


def arrows(ax: Axes, field: Field) -> None:
    """Directions of a field on a coarse grid, away from the frame."""
    low, high = np.array(BOX).T
    axes = [
        torch.linspace(a + 0.3, b - 0.3, n).double()
        for a, b, n in zip(low, high, (12, 9), strict=True)
    ]
    states = torch.cartesian_prod(*axes)
    with torch.no_grad():
        f = field(states).numpy()
    f = f / np.linalg.norm(f, axis=1, keepdims=True).clip(1e-9)
    look = {"angles": "xy", "scale": 20, "width": 0.006, "pivot": "mid", "color": "0.4"}
    ax.quiver(*states.numpy().T, *f.T, **look)


def observed(truth: Tensor, data: Tensor) -> Figure:
    """The true field and its orbits, with noisy observations (times, k, 2) of some of them."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.5))
    orbits(ax)
    arrows(ax, true_field)
    for k in range(data.shape[1]):
        colour = CYCLE[k % len(CYCLE)]
        ax.plot(*truth[:, k].T, color=colour, linewidth=1)
        ax.plot(*data[:, k].T, ".", color=colour, markersize=5)
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.plot(3, 1.5, "o", color=VERMILION)
    ax.text(3.3, 1.5, "equilibrium", color=VERMILION, va="center", bbox=white)
    return figure


def regions(panels: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> Figure:
    """What a model sees in several settings, one below the other.

    A panel has true trajectories (fine times, k, 2), observations (times, k, 2), and which points
    of ``grid((70, 50))`` count as near the data, (m,).
    """
    states = grid((70, 50))
    x, y = (states[:, k].unique() for k in range(2))
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 2.5 * len(panels)), sharex=True)
    for ax, (title, (truth, data, near)) in zip(axes, panels.items(), strict=True):
        ax.contourf(x, y, near.reshape(70, 50).T, levels=[0.5, 1.5], colors="0.88")
        for k in range(data.shape[1]):
            colour = CYCLE[k % len(CYCLE)]
            ax.plot(*truth[:, k].T, color=colour, linewidth=1)
            ax.plot(*data[:, k].T, ".", color=colour, markersize=4)
        ax.set(xlim=BOX[0], ylim=BOX[1], title=title, ylabel="predators")
    axes[-1].set_xlabel("prey")
    return figure


def portraits(panels: Sequence[Portrait], columns: int = 2) -> Figure:
    """Learned fields, where they are wrong, and the trajectories that they predict."""
    rows = -(-len(panels) // columns)
    size = (WIDTH, 1.95 * rows + 0.7)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True)
    for ax, panel in zip(axes.flat, panels, strict=True):
        _shade(ax, panel.field)
        orbits(ax)
        arrows(ax, panel.field)
        for k in range(panel.walks.shape[1]):
            _walk(ax, panel.walks[:, k], panel.turn, "." if panel.dotted else "-")
        ax.set_title(panel.title, fontsize=9.5)
        ax.label_outer()
    marks = [Patch(color=c, label=f"off by more than {100 * w:.0f} %") for w, c in WRONG.items()]
    marks += [plt.Line2D([], [], color=BLUE, label="training time")]
    marks += [plt.Line2D([], [], color=SKY, label="beyond")]
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    return figure


def learned(losses: Sequence[float], floor: float, truth: Tensor, walks: Tensor) -> Figure:
    """The loss of a training above; below, trajectories (times, k, 2): true ones and predicted."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.6), height_ratios=(2, 3))
    above.semilogy(losses)
    above.axhline(floor, color="0.5", linestyle="--", linewidth=1)
    above.text(0, floor, "noise", va="bottom", color="0.35", fontsize=9)
    above.set(xlabel="step of training", ylabel="loss")
    orbits(below)
    for k in range(truth.shape[1]):
        below.plot(*truth[:, k].T, color="0.45", linewidth=3, label="" if k else "true")
        below.plot(*walks[:, k].T, color=BLUE, linewidth=1.3, label="" if k else "predicted")
        below.plot(*truth[0, k], "o", color=BLUE, markersize=5)
    below.legend()
    return figure


def _shade(ax: Axes, field: Field) -> None:
    points = (57, 40)
    states = grid(points)
    true = true_field(states)
    with torch.no_grad():
        error = (field(states) - true).norm(dim=1) / true.norm(dim=1).clamp_min(0.1)
    axes = (states[:, k].unique() for k in range(2))
    levels = [*WRONG, 1e9]
    ax.contourf(*axes, error.reshape(points).T, levels=levels, colors=list(WRONG.values()))


def _walk(ax: Axes, states: Tensor, turn: int, line: str) -> None:
    """One trajectory: dark blue over the training time, light blue beyond."""
    states = states.clamp(-20, 20).numpy()
    ax.plot(*states[turn:].T, line, color=SKY, linewidth=1.1, markersize=3)
    ax.plot(*states[: turn + 1].T, line, color=BLUE, linewidth=1.6, markersize=3.5)
    ax.plot(*states[0], "o", color=BLUE, markersize=5)
