"""The numbers of chapter 11's study: what an epoch takes, what chunks do, who is ahead."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from nodebook.evidence import recorded
from nodebook.evidence.recorded import mean
from nodebook.evidence.results import Run
from nodebook.figures.text import GLUE, spread

SIZES = (1, 4, 16, 64)
"""Batches that are timed."""

TASKS = {
    "sources": "three databases",
    "jittered": "three databases, times on one lattice",
    "nsr-chf": "sinus rhythm or heart failure",
}
TOLD = {name: TASKS[name] for name in ("sources", "nsr-chf")}
"""The tasks, and those of them that networks are given."""

ANSWERS = {
    ("ecg_statistics", "majority"): "majority",
    ("ecg_statistics", "lattice"): "spacing of the times",
    ("ecg_statistics", "hours"): "length of recording",
    ("ecg_statistics", "bag"): "histogram of intervals",
    ("ecg_statistics", "logistic"): "logistic, 9 statistics",
    ("ecg_statistics", "trees"): "trees, 9 statistics",
}
NETWORKS = {
    ("ecg_statistics", "majority"): "majority",
    ("ecg_statistics", "trees"): "trees, 9 statistics",
    ("ecg_networks", "gru"): "GRU, told the gaps",
    ("ecg_networks", "gru-decay"): "GRU, decaying state",
    ("ecg_networks", "held"): "state held",
    ("ecg_networks", "gru-ode-bayes"): "GRU-ODE-Bayes",
    ("ecg_networks", "deck-full"): "deck, full",
    ("ecg_networks", "deck-baseline"): "deck, baseline",
}
"""Experiments and names in their variants, and what the figures call them."""

EVERY = ANSWERS | NETWORKS

ON_DROPPED = {
    (experiment, name): title
    for (experiment, name), title in NETWORKS.items()
    if name in ("majority", "trees", "gru", "held", "gru-ode-bayes")
}
FORETELLERS = {
    "last": "the last interval",
    "linear": "linear, 8 beats",
    "trees": "trees, 8 beats",
    **{
        name: NETWORKS["ecg_networks", name]
        for name in ("gru", "gru-decay", "held", "gru-ode-bayes")
    },
}
"""The same, of what is asked about chunks with beats dropped, and of what foretells the next."""

Courses = dict[str, dict[int, list[float]]]
"""By model and percentage of beats dropped: a number for each seed."""


def sorted_by_drop(metric: str) -> Courses:
    """Sinus rhythm or heart failure, with beats dropped."""
    tasks = {0: "nsr-chf", 20: "nsr-chf-20", 50: "nsr-chf-50", 80: "nsr-chf-80"}
    return {
        title: {
            percent: recorded.measured(experiment, f"{name}.{task}", metric)
            for percent, task in tasks.items()
        }
        for (experiment, name), title in ON_DROPPED.items()
    }


def foretold_by_drop(metric: str) -> Courses:
    """The next beat of MIT-BIH, with beats dropped."""
    return {
        title: {
            percent: recorded.measured("ecg_next_beat", f"{name}.{percent}", metric)
            for percent in (0, 50, 80)
        }
        for name, title in FORETELLERS.items()
    }


def answers(task: str) -> pd.DataFrame:
    """What every model of a task scores: means over the seeds, the intervals of the first."""
    rows = {}
    for (experiment, name), title in EVERY.items():
        runs = recorded.runs(experiment, f"{name}.{task}")
        if runs:
            rows[title] = {
                "by chunk": _scored(runs, "accuracy"),
                "by person": _scored(runs, "by_person"),
                "macro-F1": f"{statistics.fmean(recorded.values(runs, 'macro_f1')):.2f}",
            }
    return pd.DataFrame(rows).T.rename_axis(TASKS[task])


def _scored(runs: Sequence[Run], metric: str) -> str:
    low, high = (f"{100 * edge:.0f}" for edge in runs[0].metric(f"interval.{metric}"))
    mean = 100 * statistics.fmean(recorded.values(runs, metric))
    return f"{mean:.1f}{GLUE}% ({low}{GLUE}to{GLUE}{high})"


def ahead(courses: Courses, first: str = "GRU-ODE-Bayes", second: str = "state held") -> str:
    """By how many points of 100 the first model is ahead, by share dropped and seed.

    "+1.0, −2.0 with none dropped; +0.5, +0.6 with 50 %".
    """
    told = []
    for percent in courses[first]:
        gains = _points([100 * gain for gain in worth(courses, percent, first, second)])
        share = f"{percent}{GLUE}% dropped" if percent else "none dropped"
        told.append(f"{gains} with {share}")
    return "; ".join(told)


def nats(model: str, percent: int) -> str:
    """Mean negative log-likelihood of the next interval, so many percent of the beats dropped."""
    value = mean("ecg_next_beat", f"{model}.{percent}", "nll")
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def worth(courses: Courses, percent: int, first: str, second: str) -> list[float]:
    """By how much the first model's numbers exceed the second's, one for each seed."""
    pairs = zip(courses[first][percent], courses[second][percent], strict=True)
    return [one - other for one, other in pairs]


def epochs() -> str:
    """A table: steps of an epoch and the minutes that they take, by batch."""

    def minutes(experiment: str, size: int, way: str) -> str:
        return f"{60 * mean(experiment, f'batch-{size}', f'hours.{way}'):.3g}"

    def steps(size: int, way: str) -> str:
        return f"{mean('ecg_cost', f'batch-{size}', f'epoch.{way}') / 1e6:.2f}"

    head = (
        "batch", "steps, times of all (millions)", "CPU", "other CPU", gpu().name,
        "steps, own times (millions)", "CPU", "baseline, CPU",
    )  # fmt: skip
    rows = [
        (
            str(size), steps(size, "union"), minutes("ecg_epochs", size, "union"),
            minutes("ecg_devices", size, "union.cpu"), minutes("ecg_devices", size, "union.cuda"),
            steps(size, "own"), minutes("ecg_epochs", size, "own"),
            minutes("ecg_epochs", size, "baseline"),
        )
        for size in SIZES
    ]  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


@dataclass(frozen=True)
class Slower:
    """By what factor the deck's full model is slower than its baseline, and gains by batches of 64.

    ``union`` over the times of all samples, ``own`` over each sample's own.
    """

    least: float
    most: float
    union: float
    own: float


@dataclass(frozen=True)
class Kept:
    """MiB that a step keeps in batches of 64, over own times and over the union; parameters."""

    own: float
    union: float
    parameters: int


def kept() -> Kept:
    """From ``ecg_cost`` and the deck's recorded networks, which have as many parameters."""
    own, union = (mean("ecg_cost", "batch-64", f"bytes.{way}") for way in ("own", "union"))
    (parameters,) = {
        run.parameters
        for name in ("full", "baseline")
        for run in recorded.runs("ecg_networks", f"deck-{name}.sources")
    }
    return Kept(own, union, parameters)


def slower() -> Slower:
    """From ``ecg_epochs``."""
    factors = [mean("ecg_epochs", f"batch-{size}", "slower.union") for size in SIZES]
    gained = [mean("ecg_epochs", "batch-64", f"gained.{way}") for way in ("union", "own")]
    return Slower(min(factors), max(factors), *gained)


@dataclass(frozen=True)
class Gpu:
    """A GPU's time over the CPU's for the same walk: least, most and as in the deck.

    ``launched`` and ``replayed``: milliseconds of a training step, its operations launched one by
    one or as a graph.
    """

    name: str
    least: float
    most: float
    deck: float
    launched: float
    replayed: float


def gpu() -> Gpu:
    """From ``ecg_devices``."""
    (run,) = recorded.runs("ecg_devices", "graph")
    (name,) = set(run.devices) - {"cpu"}
    ratios = [
        mean("ecg_devices", f"batch-{size}", "step.union.cuda")
        / mean("ecg_devices", f"batch-{size}", "step.union.cpu")
        for size in SIZES
    ]
    deck = mean("ecg_comparison", "devices", "deck")
    took = [1000 * run.metric(f"seconds.{way}") for way in ("eager", "graph")]
    return Gpu(name, min(ratios), max(ratios), deck, *took)


def gain(task: str, first: str, second: str, metric: str = "macro_f1") -> str:
    """By how many points the first network is ahead of the second, one number for each seed."""
    return _points(recorded.measured("ecg_comparison", task, f"{metric}.{first}.{second}"))


def _points(values: Sequence[float]) -> str:
    """Points with their signs: "+1.0, −2.0"."""
    return ", ".join(f"{value:+.1f}" for value in values).replace("-", "\N{MINUS SIGN}")


def score(task: str, network: str, metric: str = "macro_f1") -> str:
    """What a network scores, over the seeds."""
    return spread(recorded.measured("ecg_networks", f"{network}.{task}", metric), 2)


def last_loss(task: str, network: str) -> float:
    """Mean loss in the last part of the trainings."""
    runs = recorded.runs("ecg_networks", f"{network}.{task}")
    return statistics.fmean(run.history["loss"]["loss"][-1] for run in runs)


def guessing(task: str) -> float:
    """Cross-entropy of answering every chunk with the shares of the classes."""
    run = recorded.runs("ecg_statistics", f"majority.{task}")[0]
    counts = [sum(row) for row in run.metric("confusion")]
    shares = [count / sum(counts) for count in counts]
    return -sum(share * math.log(share) for share in shares)


def people_told() -> dict[tuple[str, str], str]:
    """The share of people that each of ``ANSWERS`` tells right in each of ``TASKS``."""
    return {
        (model, task): spread(recorded.measured(experiment, f"{model}.{task}", "by_person"))
        for experiment, model in ANSWERS
        for task in TASKS
    }


@dataclass(frozen=True)
class Networks:
    """What the networks score: on the deck's question in accuracy, on the fair one in macro-F1.

    ``behind``: points of the deck's full model over its baseline, by chunk, and ``people`` by
    person; ``worth``: of the ODE over the state held, ``there`` on the deck's question. ``loss``
    of the GRU at the end, and ``chance``, that of answering the shares. ``skipped``: steps that
    GRU-ODE-Bayes did not take on the deck's question, its gradient being too large for a number.
    """

    full: str
    baseline: str
    majority: str
    behind: str
    people: str
    faithful: str
    standing: str
    there: str
    skipped: int
    gru: str
    held: str
    flowing: str
    worth: str
    trees: str
    loss: float
    chance: float


def networks() -> Networks:
    """From ``ecg_networks``, ``ecg_comparison`` and ``ecg_statistics``."""
    full, baseline = (score("sources", f"deck-{name}", "accuracy") for name in ("full", "baseline"))
    majority = recorded.measured("ecg_statistics", "majority.sources", "accuracy")
    trees = recorded.measured("ecg_statistics", "trees.nsr-chf", "macro_f1")
    return Networks(
        full=full,
        baseline=baseline,
        majority=spread(majority, 2),
        behind=gain("sources", "deck-full", "deck-baseline", "accuracy"),
        people=gain("sources", "deck-full", "deck-baseline", "by_person"),
        faithful=score("sources", "gru-ode-bayes", "accuracy"),
        standing=score("sources", "held", "accuracy"),
        there=gain("sources", "gru-ode-bayes", "held", "accuracy"),
        skipped=sum(
            run.metrics.get("skipped", 0)
            for run in recorded.runs("ecg_networks", "gru-ode-bayes.sources")
        ),
        gru=score("nsr-chf", "gru"),
        held=score("nsr-chf", "held"),
        flowing=score("nsr-chf", "gru-ode-bayes"),
        worth=gain("nsr-chf", "gru-ode-bayes", "held"),
        trees=spread(trees, 2),
        loss=last_loss("nsr-chf", "gru"),
        chance=guessing("nsr-chf"),
    )
