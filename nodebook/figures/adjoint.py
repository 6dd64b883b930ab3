"""The figures and tables of chapter 02: states and adjoints, and checks of gradients."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from nodebook.documents.formulas.hamiltonian import AdjointSolution, Problem
from nodebook.evidence.results import Run
from nodebook.figures.formula_tables import Table, scientific
from nodebook.figures.plotting import BLACK, BLUE, SKY, VERMILION
from nodebook.figures.residual import WIDTH

COMPONENTS = ((BLUE, "-"), (VERMILION, "--"))
MINUS = "\N{MINUS SIGN}"


def state_and_adjoint(times: Sequence[float], state: Tensor, adjoint: Tensor) -> Figure:
    """Both numbers of the state (n, 2) above, of the adjoint below, times from end to start."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.6), sharex=True)
    for ax, values, letter in ((above, state, "z"), (below, adjoint, r"\lambda")):
        for index, (colour, style) in enumerate(COMPONENTS):
            label = rf"${letter}_{index + 1}(t)$"
            ax.plot(times, values[:, index], style, color=colour, label=label)
        ax.legend()
    above.plot([times[-1]] * 2, state[-1], "o", color=BLACK, ms=4)
    below.plot([times[0]] * 2, adjoint[0], "o", color=BLACK, ms=4)
    above.set_ylabel("state")
    below.set(xlabel="time $t$", ylabel="adjoint, dL/dz")
    return figure


def errors(
    steps: Sequence[float],
    differences: Mapping[str, Sequence[float]],
    tolerances: Sequence[float],
    adjoint: Mapping[str, Sequence[float]],
) -> Figure:
    """Errors of central differences by step (above), of adjoint gradients by tolerance."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.4))
    for (name, values), marker in zip(differences.items(), "o^", strict=False):
        above.loglog(steps, values, marker + "-", ms=3, label=name)
    for (name, values), marker in zip(adjoint.items(), "os", strict=False):
        below.loglog(tolerances[: len(values)], values, marker + "-", ms=3, label=name)
    above.set(xlabel="step $h$ of the difference", ylabel="relative error")
    below.set(xlabel="tolerance of the solver", ylabel="relative error")
    below.invert_xaxis()
    above.legend()
    below.legend()
    return figure


def three_ways(caption: str, names: Sequence[str], ways: Sequence[Tensor]) -> Table:
    """Gradients by the adjoint, and their errors to differences and to the complex step."""
    rows = []
    for name, *values in zip(names, *ways, strict=True):
        ours, *others = (value.item() for value in values)
        apart = [scientific(abs(ours / other - 1)) for other in others]
        rows.append((name, f"{ours:.12f}".replace("-", MINUS), *apart))
    return Table(caption, ("Input", "Adjoint", "To differences", "To complex step"), tuple(rows))


def jumps(problem: Problem, solution: AdjointSolution) -> Figure:
    """The state, with a dot at each observation, above; the adjoint and its jumps below."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.0), sharex=True)
    for index, (colour, style) in enumerate(COMPONENTS):
        for k, t in enumerate(solution.t):
            names = (rf"$z_{index + 1}(t)$", rf"$\lambda_{index + 1}(t)$") if k == 0 else ("", "")
            after = solution.adjoint[k]
            above.plot(t, solution.z[k][:, index], style, color=colour, label=names[0])
            below.plot(t, after[:, index], style, color=colour, label=names[1])
            if problem.weights[k]:
                above.plot(t[0], solution.z[k][0, index], "o", color=colour, ms=5)
                before = solution.gradients["z0"] if k == 0 else solution.adjoint[k - 1][-1]
                below.plot([t[0]] * 2, [before[index], after[0, index]], ":", color=colour)
        start = solution.gradients["z0"][index]
        below.plot(problem.times[0], start, "o", color=colour, ms=5)
    above.set_ylabel("state")
    below.set(xlabel="time $t$", ylabel="adjoint")
    above.legend()
    below.legend()
    return figure


def functional(times: Sequence[float], pieces: Tensor, t: Tensor, by_theta: Tensor) -> Figure:
    """G(t) as lines, and the gradients of pieces (n, p) over their lengths as steps."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 4.8), sharex=True)
    widths = np.array([end - start for start, end in pairwise(times)])
    for index, ax in enumerate(axes):
        levels = pieces[:, index].numpy() / widths
        ax.stairs(levels, times, baseline=None, color=VERMILION, label="piece / length")
        ax.plot(t, by_theta[:, index], color=BLUE, label="$G(t)$")
        ax.set_ylabel(rf"in $\theta_{index + 1}$, per unit time")
        ax.legend()
    axes[-1].set_xlabel("time $t$")
    return figure


def transposed(
    matrix: Tensor, exact: tuple[Tensor, Tensor], discrete: Mapping[int, tuple[Tensor, Tensor]]
) -> Figure:
    """Where a block matrix is not zero, above; adjoints of the ODE and of its steps below."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 6.4))
    _occupied(above, matrix)
    for index, (colour, style) in enumerate(COMPONENTS):
        label = rf"$\lambda_{index + 1}(t)$"
        below.plot(exact[0], exact[1][:, index], style, color=colour, label=label)
        for (at, v), marker in zip(discrete.values(), "s.", strict=False):
            below.plot(at, v[:, index], marker, color=colour, ms=4, alpha=0.7)
    for count, marker in zip(discrete, "s.", strict=False):
        below.plot([], [], marker, color="grey", ms=4, label=f"$v_k$, $n = {count}$")
    below.set(xlabel="time $t$", ylabel="adjoint")
    below.legend()
    return figure


def _occupied(ax: Axes, matrix: Tensor) -> None:
    occupied = (matrix != 0).double()
    occupied.diagonal().fill_(2)
    ax.imshow(occupied.numpy(), cmap=ListedColormap(["white", SKY, BLUE]), interpolation="none")
    blocks = len(matrix) // 2
    places = np.arange(0.5, 2 * blocks, 2)
    ax.set_xticks(places, range(1, blocks + 1))
    ax.set_yticks(places, range(1, blocks + 1))
    ax.set(xlabel="block of the unknown", ylabel="step $k$")
    ax.spines[["top", "right"]].set_visible(True)


def euler_recurrences(run: Run) -> Figure:
    """Error of the review's Euler recurrences against the number of steps."""
    history = run.history["euler"]
    figure, ax = plt.subplots(figsize=(WIDTH, 3.4))
    labels = {
        "a": ("o-", "$a(0)$, as printed"),
        "theta": ("s-", r"$dL/d\theta$, with $1 - (i-1)/n$"),
        "theta_printed": ("^--", r"$dL/d\theta$, as printed"),
    }
    for name, (style, label) in labels.items():
        ax.loglog(history["n"], history[name], style, ms=4, label=label)
    ax.set(xlabel="number of Euler steps $n$", ylabel="largest relative error")
    ax.set_xticks(history["n"], [str(n) for n in history["n"]])
    ax.minorticks_off()
    ax.legend()
    return figure
