"""The figures and tables of chapter 01b: uniqueness, what solvers do, and the map x to -x."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from torch import Tensor

from nodebook.evidence import recorded
from nodebook.evidence.results import Run
from nodebook.figures.plotting import BLUE, GREEN, ORANGE, VERMILION
from nodebook.figures.residual import WIDTH
from nodebook.figures.tables import shown
from nodebook.figures.text import HYPHEN, spread
from nodelib.ode.solvers import AcceptedStep

EQUATIONS = {
    "lipschitz": (r"$y' = \tanh 3y$", "tanh 3y", (0.02, 0.1, 0.3)),
    "blow_up": (r"$y' = y^2$", "y²", (0.3, 0.6, 1.0)),
    "two_solutions": (r"$y' = 2\sqrt{|y|}$", "2√|y|", (0.05, 0.25)),
    "decay": (r"$y' = -2\,\mathrm{sgn}(y)\sqrt{|y|}$", "−2 sgn y √|y|", (0.1, 0.3, 0.7)),
    "osgood": (r"$y' = -y\,\ln|y|$", "−y ln|y|", (1e-4, 1e-2, 0.2)),
}
"""Of each equation: as a formula, in a table, and the starts whose solutions are drawn."""

QUESTIONS = {
    "lipschitz": ("tanh 3y from 1/4", ""),
    "blow_up_before": ("y² from 1, to 0.9", "10"),
    "blow_up_past": ("y² from 1, to 1.1", "none"),
    "two_solutions": ("2√|y| from 0", "0 or up to 1"),
    "two_solutions_nudged": ("2√|y| from 1e‑30", "1"),
    "decay": ("−2 sgn y √|y| from 1/4", "0"),
    "decay_back": ("the same, back from 0", "0 or up to 1"),
    "osgood": ("−y ln|y| from 0", "0"),
    "osgood_nudged": ("−y ln|y| from 1e‑30", ""),
}
"""What solvers are asked, and the truth where it is not computed."""

MODELS = {
    "flow": "flow on the line, f(z)",
    "timed": "flow on the line, f(t, z)",
    "augmented": "flow with a zero appended",
    "residual": "one residual block",
    "euler": "three Euler steps",
}

Flow = Callable[[float, float], float | None]


def solutions(flows: Mapping[str, Flow]) -> Figure:
    """Solutions of the five equations, from the flow ``(start, time)`` of each."""
    figure, grid = plt.subplots(3, 2, figsize=(WIDTH, 6.0))
    for ax, (name, (title, _, starts)) in zip(grid.flat, EQUATIONS.items(), strict=False):
        t = np.linspace(0, 0.93 if name == "blow_up" else 1, 200)
        for y in starts:
            ax.plot(t, [flows[name](y, s) for s in t], color=BLUE, lw=1.2)
        if name == "blow_up":
            ax.axvline(1, color="0.7", ls=":")
            ax.set_ylim(0, 10)
        else:
            ax.axhline(0, color="black", lw=1.5)
        if name == "two_solutions":
            ax.plot(t, [flows[name](0.0, s) for s in t], "--", color=VERMILION, lw=1.8)
        ax.set(title=title, xlabel="$t$", ylabel="$y$")
    legend = grid[2, 1]
    legend.axis("off")
    for style in (
        {"color": BLUE, "lw": 1.2, "label": "from above 0"},
        {"color": "black", "lw": 1.5, "label": "stays at 0"},
        {"color": VERMILION, "ls": "--", "label": "leaves 0 as well"},
        {"color": "0.7", "ls": ":", "label": "blows up"},
    ):
        legend.plot([], [], **style)
    legend.legend(loc="center")
    return figure


def properties(run: Run, moved: Mapping[str, bool]) -> HTML:
    """Slopes, distances and verdicts of the five equations.

    ``moved`` says whether the start and 1e-300 more are two numbers in floating point.
    """
    yes = {True: "yes", False: "no"}
    rows = {}
    for name, (_, label, _) in EQUATIONS.items():
        apart = f"{run.metric(f'spread.{name}.300'):.3g}" if moved[name] else "–"
        rows[label] = {
            "steepest from 1e‑3": f"{run.metric(f'quotient.{name}.3'):.3g}",
            "from 1e‑300": f"{run.metric(f'quotient.{name}.300'):.3g}",
            "Lipschitz": yes[run.metric(f"lipschitz.{name}")],
            "1e‑300 grows to": apart.replace("-", HYPHEN),
            "unique": yes[run.metric(f"unique.{name}")],
        }
    return shown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("y′ ="))


def answers(run: Run, solvers: Sequence[str], exact: Mapping[str, float]) -> HTML:
    """What each solver answers to each question, with its evaluations in brackets.

    ``exact`` holds the exact solutions of the questions that ``QUESTIONS`` has none of.
    """
    table = {
        label: {"truth": truth or f"{exact[question]:.5g}"}
        | {solver.replace("-", " "): _answer(run, f"{question}.{solver}") for solver in solvers}
        for question, (label, truth) in QUESTIONS.items()
    }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("asked"))


def _answer(run: Run, key: str) -> str:
    if f"{key}.raised" in run.metrics:
        return "refuses: " + run.metric(f"{key}.says").rstrip(".").lower()
    value = run.metric(f"{key}.value")
    text = f"{value:.5g}".replace("-", HYPHEN) if value else "0"
    return f"{text} ({run.metric(f'{key}.nfe'):,})"


def step_lengths(solves: Mapping[str, Sequence[AcceptedStep]]) -> Figure:
    """Length of the accepted steps of some solves against the time at which they begin."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.4))
    looks = zip((BLUE, VERMILION, GREEN, ORANGE), "o^s.", strict=True)
    for (label, steps), (colour, marker) in zip(solves.items(), looks, strict=True):
        at, length = [step.t for step in steps], [step.dt for step in steps]
        style = {"marker": marker, "color": colour, "ms": 4, "lw": 1.2, "rasterized": True}
        ax.semilogy(at, length, label=label, **style)
    ax.set(xlabel="time $t$", ylabel="step length")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def crossing(times: Sequence[float], line: Tensor, plane: Tensor) -> Figure:
    """Trajectories on a line (times, points) above, and in the plane (times, points, 2) below."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.6))
    colours = plt.get_cmap("cividis")(np.linspace(0, 0.95, line.shape[1]))
    for k, colour in enumerate(colours):
        above.plot(times, line[:, k], color=colour)
        above.plot(times[0], line[0, k], "o", color=colour, mfc="white", ms=5)
        above.plot(times[-1], line[-1, k], "o", color=colour, ms=5)
        below.plot(*plane[:, k].T, color=colour)
        below.plot(*plane[0, k], "o", color=colour, mfc="white", ms=5)
        below.plot(*plane[-1, k], "o", color=colour, ms=5)
    above.set(xlabel="time $t$", ylabel="state $z$")
    below.set(xlabel="state $z$", ylabel="added number $a$")
    return figure


def losses(runs: Sequence[Run]) -> HTML:
    """Loss of each model on x to -x, and whether its map rises or falls."""
    count = len(runs)
    table = {}
    for model, label in MODELS.items():
        found = recorded.values(runs, f"loss.{model}")
        table[label] = {
            "loss": spread(found, 3) if max(found) > 0.01 else f"at most {max(found):.0e}",
            "increasing": f"{sum(recorded.values(runs, f'increasing.{model}'))} of {count}",
            "decreasing": f"{sum(recorded.values(runs, f'decreasing.{model}'))} of {count}",
        }
    return shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("model"))
