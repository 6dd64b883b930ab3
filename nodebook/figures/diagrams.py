"""The figures and tables of page 03c: recorded benchmarks of many points."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from nodebook.figures import plotting
from nodebook.figures.speed import Speed
from nodebook.figures.text import GLUE

Points = Sequence[Mapping[str, Any]]

LOOKS = {
    "backprop": (plotting.BLUE, "o", "-"),
    "checkpoint": (plotting.GREEN, "s", "-"),
    "compiled": (plotting.BLACK, "*", "-"),
    "adjoint": (plotting.VERMILION, "^", "-"),
    "adjoint, seminorm": (plotting.ORANGE, "<", "-"),
    "torchdiffeq odeint": (plotting.BLUE, "v", ":"),
    "torchdiffeq adjoint": (plotting.VERMILION, "D", ":"),
    "torchode": (plotting.SKY, "P", ":"),
    "torchdyn": (plotting.PURPLE, "X", ":"),
    "diffrax": (plotting.BLACK, "d", "--"),
    "diffrax backsolve": (plotting.ORANGE, "h", "--"),
}
"""Colour, mark and line of each way; lines of other libraries are broken."""
OURS = ("backprop", "checkpoint", "compiled", "adjoint", "adjoint, seminorm")
NONE = "\N{EN DASH}"
PROCESSOR = "processor"
"""What ``nodelib bench devices`` calls the device that is no GPU."""
PARTS = {
    "computing": ("computing", plotting.BLUE),
    "memory": ("making, filling and copying tensors", plotting.ORANGE),
    "python": ("Python, dispatch, automatic differentiation", plotting.PURPLE),
}


def precision(speed: Speed, works: Mapping[str, str]) -> Figure:
    """Time against the error of the gradient, a panel for each of the works, with its title."""
    figure, axes = plt.subplots(
        len(works), 1, figsize=(plotting.WIDTH, 0.9 + 2.8 * len(works)), squeeze=False
    )
    handles = {}
    for ax, (work, title) in zip(axes[:, 0], works.items(), strict=True):
        for way, points in of_work(speed.points, work).items():
            handles[way] = line(ax, way, [(p["error"], p["ratio"]) for p in points])
        ax.set(xscale="log", yscale="log", title=title, ylabel="time, relative")
        low, high = ax.get_xlim()
        label(ax.yaxis, fine=True)
        label(ax.xaxis, fine=high < 100 * low)
        ax.invert_xaxis()
    axes[-1, 0].set_xlabel("relative error of the gradient")
    told = {way: handles[way] for way in LOOKS if way in handles}
    figure.legend(told.values(), told.keys(), loc="outside upper center", ncols=2)
    return figure


def line(ax: Axes, way: str, points: Sequence[tuple[float, float]]) -> Line2D:
    """The line of one way through its points."""
    colour, mark, style = LOOKS[way]
    xs, ys = zip(*points, strict=True)
    return ax.plot(xs, ys, label=way, color=colour, marker=mark, ls=style, ms=5, lw=1.1)[0]


def label(axis: Axis, *, fine: bool) -> None:
    """Label the powers of ten of a logarithmic axis; if ``fine``, twice and five times them too."""
    axis.set_minor_formatter(NullFormatter())
    if fine:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")


def of_work(points: Points, work: str) -> dict[str, Points]:
    """The points of one work by way, from the loosest tolerance to the tightest."""
    found: dict[str, list] = {}
    for point in points:
        if point["work"] == work:
            found.setdefault(point["way"], []).append(point)
    return found


def time_to(points: Points, error: float) -> float:
    """The relative time that a way takes to an error; infinite if it never gets there.

    Between two tolerances it is read from the straight line in logarithms; at an error that the
    loosest tolerance is already below, it is the time of that one.
    """
    before = None
    for point in points:
        if point["error"] <= error:
            if before is None:
                return point["ratio"]
            ends = (math.log(before["error"]), math.log(point["error"]))
            share = (math.log(error) - ends[0]) / (ends[1] - ends[0])
            times = (math.log(before["ratio"]), math.log(point["ratio"]))
            return math.exp(times[0] + share * (times[1] - times[0]))
        before = point
    return math.inf


def at_equal_error(speed: Speed, works: Mapping[str, tuple[str, float]]) -> pd.DataFrame:
    """Our time over a peer's, to one error for each work, given with its title.

    Columns are pairs of ours and a peer's; empty where one of the two is not there, and a dash
    where one of them does not reach the error.
    """
    pairs = (
        ("compiled", "diffrax"),
        ("compiled", "torchdiffeq odeint"),
        ("backprop", "torchdiffeq odeint"),
        ("checkpoint", "torchdiffeq odeint"),
        ("backprop", "torchode"),
        ("backprop", "torchdyn"),
        ("backprop", "torchdiffeq adjoint"),
        ("adjoint", "torchdiffeq adjoint"),
        ("adjoint, seminorm", "torchdiffeq adjoint"),
    )
    rows = {}
    for work, (title, error) in works.items():
        found = of_work(speed.points, work)
        rows[f"{title}, {error:.0e}"] = {
            f"{own} / {peer}": told(time_to(found[own], error), time_to(found[peer], error))
            if own in found and peer in found
            else ""
            for own, peer in pairs
        }
    return pd.DataFrame(rows).rename_axis("ours / theirs, at an error of")


def range_of(table: pd.DataFrame, pair: str) -> str:
    """The least and the most of a row of ``at_equal_error``."""
    found = [x for x in table.loc[pair] if x not in ("", NONE)]
    return f"{min(found, key=float)}{GLUE}to{GLUE}{max(found, key=float)}"


def python_share(point: Mapping[str, Any]) -> tuple[float, float]:
    """The least and the most that Python's share of a way's time can be, see ``shares``."""
    operators = point["computing"] + point["memory"]
    return max(0.0, 1 - operators / point["milliseconds"]), 1 - operators / point["profiled"]


def told(ours: float, theirs: float) -> str:
    """One time over another, or a dash."""
    both = math.isfinite(ours) and math.isfinite(theirs)
    return f"{ours / theirs:.2g}" if both else NONE


def growth(speed: Speed) -> Figure:
    """Time against a size, a panel for each quantity."""
    panels = by_quantity(speed.points)
    figure, axes = plt.subplots(len(panels), 1, figsize=(plotting.WIDTH, 2.5 * len(panels)))
    handles = {}
    for ax, (quantity, lines) in zip(axes, panels.items(), strict=True):
        for way, points in lines.items():
            handles[way] = line(ax, way, points)
        ax.set(xscale="log", yscale="log", xlabel=quantity, ylabel="milliseconds")
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=2)
    return figure


def by_quantity(points: Points) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Sizes and milliseconds by quantity and way."""
    found: dict[str, dict[str, list]] = {}
    for point in points:
        lines = found.setdefault(point["quantity"], {})
        lines.setdefault(point["way"], []).append((point["size"], point["milliseconds"]))
    return found


def exponents(speed: Speed) -> pd.DataFrame:
    """The slopes of the logarithm of the time over that of the size, the larger half of sizes."""
    rows = {
        way: {
            quantity: f"{slope(lines[way]):z.2f}" if way in lines else ""
            for quantity, lines in by_quantity(speed.points).items()
        }
        for way in LOOKS
        if any(way in lines for lines in by_quantity(speed.points).values())
    }
    return pd.DataFrame(rows).T.rename_axis("time grows with")


def slope(points: Sequence[tuple[int, float]]) -> float:
    """The slope of a line through the logarithms of the larger half of the points."""
    kept = np.log(np.array(points[(len(points) - 1) // 2 :]))
    return float(np.polyfit(kept[:, 0], kept[:, 1], 1)[0])


def devices(speed: Speed) -> Figure:
    """Time against the number of states, a panel for each field; on a GPU the marks are filled."""
    fields = list(dict.fromkeys(point["field"] for point in speed.points))
    figure, axes = plt.subplots(
        len(fields), 1, figsize=(plotting.WIDTH, 0.9 + 2.8 * len(fields)), squeeze=False
    )
    handles = {}
    for ax, field in zip(axes[:, 0], fields, strict=True):
        for (device, way), times in by_device(speed.points, field).items():
            drawn = line(ax, way, list(times.items()))
            if device == PROCESSOR:
                drawn.set(markerfacecolor="none", alpha=0.8)
            handles[f"{way}, {device}"] = drawn
        ax.set(xscale="log", yscale="log", title=field, ylabel="milliseconds")
        label(ax.yaxis, fine=True)
    axes[-1, 0].set_xlabel("states")
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=1)
    return figure


def by_device(points: Points, field: str) -> dict[tuple[str, str], dict[int, float]]:
    """Milliseconds by the number of states, by device and way, for one field."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for point in points:
        if point["field"] == field:
            lines = found.setdefault((point["device"], point["way"]), {})
            lines[point["states"]] = point["milliseconds"]
    return found


def shares(speed: Speed) -> Figure:
    """A bar for each way, as long as its time, divided in the middle of what is known of it."""
    points = speed.points[::-1]
    figure, ax = plt.subplots(figsize=(plotting.WIDTH, 3.4))
    names = [point["way"] for point in points]
    left = np.zeros(len(points))
    for key, (label, colour) in PARTS.items():
        widths = np.array([part(point, key) * point["milliseconds"] for point in points])
        ax.barh(names, widths, left=left, color=colour, label=label)
        left += widths
    ax.set_xlabel("milliseconds of a gradient")
    figure.legend(loc="outside upper center", ncols=1)
    return figure


def part(point: Mapping[str, Any], key: str) -> float:
    """The share of one of ``PARTS``, with Python's in the middle between its least and its most."""
    python = sum(python_share(point)) / 2
    if key == "python":
        return python
    return (1 - python) * point[key] / (point["computing"] + point["memory"])
