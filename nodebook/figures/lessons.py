"""Chapter 12: the decision figure, the recorded runs behind its answers, costs, open questions."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nodebook.evidence import claims, recorded, registry
from nodebook.figures import plotting
from nodebook.figures.text import spread_of_few


@dataclass(frozen=True)
class Fork:
    """A question of the decision figure, the answer if it is yes, and where that was seen."""

    question: str
    answer: str
    chapters: str


FORKS = (
    Fork(
        "Do you know the equation,\nup to a few numbers?",
        "Fit the numbers: least\nsquares on a solver",
        "04",
    ),
    Fork(
        "Do you want a class of a\nwhole picture or series?",
        "ResNet, or trees on simple\nstatistics; an ODE where\nmemory is what you lack",
        "07, 09, 11",
    ),
    Fork(
        "Is the whole state measured,\noften and with little noise?",
        "Neural ODE on short windows,\nbeside a network for the\nderivative",
        "04, 05",
    ),
    Fork(
        "Do measurements come\nat times of their own?",
        "A recurrent network told the\ngaps; then GRU-ODE-Bayes",
        "10",
    ),
)
OTHERWISE = Fork("", "A recurrent network;\nthen a latent ODE", "06")
"""Where every question is answered by no: parts of the state are hidden, the times are regular."""

STEP = 1.3
BOX = {"ha": "center", "va": "center", "fontsize": 9, "linespacing": 1.25}


def decision() -> Figure:
    """Questions from the top down; to the right of each, what to do if the answer is yes."""
    figure, ax = plt.subplots(figsize=(plotting.WIDTH, 5.8))
    ax.set(xlim=(-1.0, 3.05), ylim=(-STEP * len(FORKS) - 0.7, 0.75))
    ax.set_axis_off()
    for number, fork in enumerate(FORKS):
        y = -STEP * number
        _box(ax, 0, y, fork.question, "white", plotting.BLUE)
        _box(ax, 2.05, y, f"{fork.answer}\n({_where(fork)})", "#eef4ee", plotting.GREEN)
        _arrow(ax, (0.93, y), (1.12, y), "yes")
        _arrow(ax, (0, y - 0.36), (0, y - STEP + 0.36), "no")
    last = f"{OTHERWISE.answer}\n({_where(OTHERWISE)})"
    _box(ax, 0, -STEP * len(FORKS), last, "#eef4ee", plotting.GREEN)
    return figure


def _where(fork: Fork) -> str:
    return f"{'chapters' if ',' in fork.chapters else 'chapter'} {fork.chapters}"


def _box(ax: Axes, x: float, y: float, text: str, face: str, edge: str) -> None:
    shape = {"boxstyle": "round,pad=0.45", "facecolor": face, "edgecolor": edge, "linewidth": 1.4}
    ax.text(x, y, text, bbox=shape, color="black", **BOX)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], word: str) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "black"})
    across = start[1] == end[1]
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    ax.text(
        middle[0] + (0 if across else 0.08),
        middle[1] + (0.1 if across else 0),
        word,
        ha="center" if across else "left",
        va="bottom" if across else "center",
        fontsize=9,
    )


def behind() -> pd.DataFrame:
    """What was measured for each answer of the decision figure: with an ODE, and without one."""
    total = len(recorded.runs("spiral_identification", "listing"))
    rows = [
        (
            "the equation is known (04)",
            f"spiral found from random starts: {_found('long')} of {total}",
            f"least squares: {_found('trajectory')} of {total}",
        ),
        (
            "a picture (07)",
            f"error of ODE blocks: {_spread('mnist', 'ode-net', 'test_error', 2)} %",
            f"of residual blocks: {_spread('mnist', 'resnet', 'test_error', 2)} %",
        ),
        (
            "a heartbeat (09)",
            f"accuracy by beat: {_spread('heartbeats', 'ode-net.by-beat', 'test.accuracy', 4)}",
            f"{_spread('heartbeats', 'resnet.by-beat', 'test.accuracy', 4)}; trees on four "
            f"intervals {_spread('heartbeat_baselines', 'trees.by-beat', 'test.accuracy')}",
        ),
        (
            "a rhythm (11)",
            f"macro-F1: {_spread('ecg_networks', 'gru-ode-bayes.nsr-chf', 'macro_f1', 2)}",
            f"state held: {_spread('ecg_networks', 'held.nsr-chf', 'macro_f1', 2)}; trees on nine "
            f"statistics: {_spread('ecg_statistics', 'trees.nsr-chf', 'macro_f1', 2)}",
        ),
        (
            "a field, measured often (05)",
            f"error of the field: {_lotka('node', 'field.on')}, of predictions: "
            f"{_lotka('node', 'trajectory.beyond')}",
            f"network for the derivative: {_lotka('derivative', 'field.on')} and "
            f"{_lotka('derivative', 'trajectory.beyond')}",
        ),
        (
            "times of their own (10)",
            f"nats above the exact filter: {_spread('sporadic_study', 'ou', 'excess.ode_bayes')}",
            f"recurrent, told the gaps: {_spread('sporadic_study', 'ou', 'excess.gap')}",
        ),
        (
            "hidden state, 30 points (06)",
            f"error further on: {_spread('latent_ode', 'spirals', 'rmse.ode.30.truth', 2)}",
            f"recurrent: {_spread('latent_ode', 'spirals', 'rmse.rnn.30.truth', 2)}",
        ),
    ]
    table = pd.DataFrame(rows, columns=["question", "with an ODE", "without"])
    return table.set_index("question")


def _found(way: str) -> int:
    every = recorded.measured("spiral_identification", "listing", f"{way}.recovered")
    return every.count("found")


def _spread(experiment: str, variant: str, metric: str, decimals: int = 3) -> str:
    return spread_of_few(recorded.measured(experiment, variant, metric), decimals)


def _lotka(model: str, measure: str) -> str:
    return _spread("lotka_volterra", "several", f"{model}.relu.{measure}", 2)


def hours() -> pd.DataFrame:
    """Recorded runs of each chapter, and the hours of processor time that they took.

    Of runs that were made side by side each has its share of their time.
    """
    rows = {}
    for package, experiments in registry.chapters().items():
        runs = [run for name in experiments for run in recorded.runs(name)]
        if not runs:
            continue
        took = [run.cpu_seconds / run.together / 3600 for run in runs]
        machines = {run.hardware["cpu"] for run in runs}
        rows[package[2:4]] = {
            "experiments": len({run.experiment for run in runs}),
            "runs": len(runs),
            "processor hours": f"{sum(took):.1f}",
            "longest run, hours": f"{max(took):.1f}",
            "kinds of processor": len(machines),
        }
    return pd.DataFrame(rows).T.rename_axis("chapter")


def again() -> pd.DataFrame:
    """One run of each chapter, made again in a clean clone, against the recorded one."""
    rows = {
        run.variant: {
            "run": run.metric("run"),
            "values": run.metric("compared"),
            "the same to the bit": run.metric("equal"),
            "largest difference": f"{run.metric('largest'):.0e}" if run.metric("largest") else "0",
            "in spreads over seeds": f"{run.metric('spreads'):.1g}",
            "weights": run.metric("weights"),
            "processor": run.metric("processor"),
        }
        for run in recorded.runs("recorded_again")
    }
    return pd.DataFrame(rows).T.rename_axis("chapter")


def undecided() -> pd.DataFrame:
    """The claims that are open, or whose verdict the spread over the seeds leaves open."""
    rows = [
        (
            claim.statement,
            claim.document,
            claim.chapters[0],
            result.kind,
            result.ours or "\N{EN DASH}",
        )
        for claim, result in claims.judged()
        if result.kind in (claims.rules.NOT_DECIDED, claims.OPEN)
    ]
    columns = ["statement", "document", "chapter", "verdict", "measured"]
    return pd.DataFrame(rows, columns=columns).set_index("statement")


def untestable() -> int:
    """How many claims cannot be tested here."""
    return sum(result.kind == claims.NOT_TESTABLE for _, result in claims.judged())
