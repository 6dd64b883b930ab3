"""The figures and tables of chapter 01: residual blocks, Euler's method, adaptive steps.

Figures are ``WIDTH`` inches wide, with their panels below each other, so that they read on a
phone.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import HTML
from matplotlib.figure import Figure
from torch import Tensor

from nodebook.evidence.results import Run
from nodebook.figures.plotting import BLUE, GREEN, ORANGE, VERMILION
from nodebook.figures.tables import shown
from nodebook.figures.text import spread
from nodelib.ode.solvers import solve
from nodelib.ode.steps import Field

WIDTH = 4.9
LOOKS = {
    "euler": (VERMILION, "^"),
    "midpoint": (ORANGE, "s"),
    "rk4": (BLUE, "o"),
    "dopri5": (GREEN, "x"),
}


def paths(field: Field, start: Tensor, end: float, counts: Sequence[int]) -> Figure:
    """Euler's paths of one state (1, d) in the plane of its first two numbers, and the solution."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.1))
    colours = (VERMILION, ORANGE, GREEN, BLUE)
    for n, colour, marker in zip(counts, colours, "^sDo", strict=False):
        path = _path(field, start, np.linspace(0, end, n + 1), method="euler")
        ax.plot(*path, marker=marker, color=colour, ms=4, lw=1.2, label=f"{n} blocks")
    path = _path(field, start, np.linspace(0, end, 201), rtol=1e-10, atol=1e-10)
    ax.plot(*path, color="black", lw=1.8, label="the ODE")
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    ax.legend()
    return figure


@torch.no_grad()
def _path(field: Field, start: Tensor, times: np.ndarray, **settings) -> Tensor:
    return solve(field, start, times.tolist(), **settings).z[:, 0, :2].T


def learning(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Loss against the step of training, on a logarithmic scale, one line for each model."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    for (name, values), style in zip(losses.items(), ("-", "--", "-.", ":", "-"), strict=False):
        ax.semilogy(values, style, label=name)
    ax.set(xlabel="step of training", ylabel="loss")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def snapshots(states: Tensor, labels: Tensor, times: Sequence[float]) -> Figure:
    """Points of two classes (n, 2) at a few times of a flow, states (times, n, 2)."""
    figure, axes = plt.subplots(1, len(times), figsize=(WIDTH, 2.0))
    for ax, t, now in zip(axes, times, states, strict=True):
        for label, colour, marker in ((0, BLUE, "o"), (1, VERMILION, "^")):
            ax.plot(*now[labels == label].T, marker, color=colour, ms=2.5, alpha=0.7)
        ax.set_title(f"$t = {t:g}$")
        ax.set_xticks([])
        ax.set_yticks([])
    return figure


def trials(
    times: Sequence[float], values: Tensor, tried: Sequence[tuple[float, float, float]]
) -> Figure:
    """A solution (above), and the trial steps of an adaptive solver on it (below).

    ``tried`` holds the start, the length and the error of each trial; at most 1 is accepted.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 3.8), sharex=True)
    good = [(t, h) for t, h, error in tried if error <= 1]
    bad = [(t, h) for t, h, error in tried if error > 1]
    starts = [t for t, _ in good]
    above.plot(times, values, color="0.6", lw=1.2, label="solution")
    above.plot(starts, np.interp(starts, times, values), ".", color=BLUE, label="a step begins")
    above.set_ylabel("$z_1$")
    below.semilogy(*zip(*good, strict=True), "o", color=BLUE, ms=3.5, label="trial accepted")
    if bad:
        below.semilogy(*zip(*bad, strict=True), "x", color=VERMILION, ms=6, label="trial rejected")
    below.set(xlabel="time $t$", ylabel="length of trial")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def slopes(walk: Callable[[int], Tensor], counts: Sequence[int]) -> Figure:
    """The slopes that dy/dx = y asks for, its solution through (0, 1), and ``walk(n)`` points."""
    figure, ax = plt.subplots(figsize=(WIDTH, 2.8))
    x, y = np.meshgrid(np.linspace(0, 1, 15), np.linspace(0.85, 2.85, 13))
    length = np.hypot(1, y)
    bare = {"headwidth": 1, "headlength": 0, "headaxislength": 0, "width": 0.002}
    ax.quiver(x, y, 1 / length, y / length, angles="xy", color="0.75", scale=34, **bare)
    fine = np.linspace(0, 1, 200)
    ax.plot(fine, np.exp(fine), color="black", lw=2, label=r"solution $\mathrm{e}^x$")
    colours = (VERMILION, ORANGE, GREEN, BLUE)
    for n, colour, marker in zip(counts, colours, "^sDo", strict=False):
        label = f"{n} step{'s' * (n > 1)}"
        ax.plot(np.linspace(0, 1, n + 1), walk(n), marker, ls="-", color=colour, ms=5, label=label)
    ax.set(xlabel="$x$", ylabel="$y$", xlim=(-0.03, 1.05))
    ax.legend()
    return figure


def accuracy(run: Run) -> Figure:
    """Error of y(1) for dy/dx = y: Euler's by steps (above), the adaptive one by tolerance."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.6))
    tolerances = np.array(run.history["tolerances"])
    for name, colour, marker in (("float32", VERMILION, "^"), ("float64", BLUE, "o")):
        style = {"marker": marker, "color": colour, "ms": 4, "label": name}
        above.loglog(run.history["counts"], run.history["errors"][name], **style)
        errors = np.array(run.history["adaptive"][name])
        solved = errors > 0
        below.loglog(tolerances[solved], errors[solved], **style)
        refused = tolerances[errors < 0]
        frame = {"transform": below.get_xaxis_transform(), "clip_on": False}
        below.plot(refused, np.ones(len(refused)), "x", color=colour, **frame)
    below.loglog(tolerances, tolerances, color="0.6", lw=1, label="tolerance")
    below.loglog([], [], "x", color="0.4", label="refused")
    below.invert_xaxis()
    above.set(xlabel="Euler steps $n$", ylabel="relative error")
    below.set(xlabel="tolerance asked for", ylabel="relative error")
    above.legend()
    below.legend(loc="lower left", ncols=2)
    return figure


def cost(runs: Sequence[Run], counts: Sequence[int]) -> Figure:
    """Error at a fixed time: by the number of blocks (above), by evaluations (below).

    Lines are geometric means over the runs; crosses are adaptive solves of each.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.4))
    curves = [run.history["curves"] for run in runs]
    for method, (colour, marker) in list(LOOKS.items())[:3]:
        every = zip(*(curve[method]["error"] for curve in curves), strict=True)
        mean = [statistics.geometric_mean(errors) for errors in every]
        order = spread([run.metric(f"order.{method}") for run in runs], 2)
        style = {"marker": marker, "color": colour, "ms": 4}
        above.loglog(counts, mean, label=f"{method}: order {order}", **style)
        below.loglog(curves[0][method]["nfe"], mean, label=method, **style)
    for k, curve in enumerate(curves):
        label = "" if k else "dopri5, adaptive"
        points = curve["dopri5"]["nfe"], curve["dopri5"]["error"]
        below.loglog(*points, "x", color=GREEN, ms=5, label=label)
    above.set(xlabel="blocks $n$", ylabel="relative error")
    below.set(xlabel="evaluations of the field", ylabel="relative error")
    above.legend()
    below.legend()
    return figure


def evaluations(runs: Sequence[Run], targets: Sequence[float]) -> HTML:
    """Evaluations that each method needs for a relative error, medians over the runs."""
    table = {}
    for target in targets:
        row = {}
        for method in LOOKS:
            found = [run.metrics.get(f"nfe.{method}.{target:.0e}", math.inf) for run in runs]
            middle, most = statistics.median(found), max(runs[0].history["curves"][method]["nfe"])
            row[method] = f"{middle:,.0f}" if middle < math.inf else f"over {most:,}"
        table[f"{target:g}"] = row
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("relative error"))


def own_weights(runs: Sequence[Run], counts: Sequence[int]) -> HTML:
    """Distance of blocks with independent weights from the ODE of their mean."""
    table = {
        f"{n:,}": {"distance": spread([run.metric(f"own_weights.{n}") for run in runs], 3)}
        for n in counts
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("blocks"))
