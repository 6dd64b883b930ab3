"""Which database is a chunk from? Answers from a few numbers, and from what nobody should use.

A variant is ``<model>.<task>``. The tasks:

- ``sources``: the deck's, three classes, class and database being one; chance is the largest class
- ``jittered``: the same with all times on one lattice of 1/128 s, see ``rr_chunks.jittered``
- ``nsr-chf``: a fair question, sinus rhythm against heart failure: two databases of one kind, on
  one lattice, with one way of annotation
- ``nsr-chf-20``, ``-50`` and ``-80``: the same with so many percent of the beats of every chunk
  dropped at random, in training and test, for ``majority``, ``logistic`` and ``trees``; the first
  beat is always kept

The models:

- ``majority``: the largest class of the training people
- ``lattice``: one number, how far the intervals lie from multiples of 1/128 s on average
- ``hours``: one number, the length of the recording that the chunk was cut from
- ``logistic`` and ``trees``: logistic regression and gradient-boosted trees on ``STATISTICS``,
  measures of heart rate variability (Task Force 1996, Circulation 93(5):1043-1065)
- ``bag``: logistic regression on a histogram of the intervals; their order does not count

``lattice`` and ``hours`` go to a small tree. Every person is tested once, by a model of the other
four folds of people; strength of regularisation and number of leaves are chosen within these by
macro-F1 in folds of people. The seed draws the folds. All data come to a few minutes of one core.

Metrics: those of ``measures.measures`` over the test answers of all five folds.
"""

from collections.abc import Callable, Mapping

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.measures import measures
from nodebook.experiments.ch11_gru_ode_ecg.rr_chunks import Chunks

SEEDS = (0, 1, 2)
NEEDS = ("mitdb", "nsr2db", "chf2db")
TASKS = ("sources", "jittered", "nsr-chf")
ON_DROPPED = ("majority", "logistic", "trees")
TOLERANCE = {"*": 0.02}

STATISTICS = ("mean", "median", "sdnn", "rmssd", "pnn50", "iqr", "shortest", "longest", "missed")
"""Of the intervals of a chunk, in s or as a share; shortest and longest are 2 % quantiles."""

EDGES = np.arange(0.2, 2.025, 0.05)
"""Edges of the histogram of ``bag``, in s."""


def statistics(found: Chunks) -> np.ndarray:
    """``STATISTICS`` of each chunk, (n, 9)."""
    rr = np.where(found.observed, found.rr, np.nan)
    steps = np.diff(rr, axis=1)
    low, q1, median, q3, high = np.nanquantile(rr, (0.02, 0.25, 0.5, 0.75, 0.98), axis=1)
    known = np.isfinite(steps).sum(1)
    return np.stack(
        [
            np.nanmean(rr, axis=1),
            median,
            np.nanstd(rr, axis=1),
            np.sqrt(np.nanmean(steps**2, axis=1)),
            (np.abs(steps) > 0.05).sum(1) / known,
            q3 - q1,
            low,
            high,
            1 - found.observed.mean(1),
        ],
        axis=1,
    )


def histogram(found: Chunks) -> np.ndarray:
    """Share of each chunk's intervals in each bin, (n, bins)."""
    return np.stack(
        [
            np.histogram(row[seen], EDGES)[0] / seen.sum()
            for row, seen in zip(found.rr, found.observed, strict=True)
        ]
    )


def from_lattice(found: Chunks) -> np.ndarray:
    """Mean distance of the intervals to a multiple of 1/128 s, in steps, (n, 1)."""
    steps = found.rr / rr_chunks.LATTICE
    return np.abs(steps - np.round(steps)).mean(1, keepdims=True)


def hours(found: Chunks) -> np.ndarray:
    """Length of the recording, (n, 1)."""
    return found.hours[:, None]


def logistic() -> tuple[ClassifierMixin, Mapping[str, list]]:
    """Logistic regression, and what is tried."""
    model = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
    )
    return model, {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]}


def trees() -> tuple[ClassifierMixin, Mapping[str, list]]:
    """Boosted trees, and what is tried."""
    model = HistGradientBoostingClassifier(
        max_iter=60, class_weight="balanced", random_state=0, early_stopping=False
    )
    return model, {"max_leaf_nodes": [3, 15]}


def small_tree() -> tuple[ClassifierMixin, Mapping[str, list]]:
    """One tree on one number, and what is tried."""
    model = DecisionTreeClassifier(class_weight="balanced", random_state=0, min_samples_leaf=10)
    return model, {"max_leaf_nodes": [2, 3, 6]}


def majority() -> tuple[ClassifierMixin, Mapping[str, list]]:
    """The largest class."""
    return DummyClassifier(strategy="most_frequent"), {}


Model = Callable[[], tuple[ClassifierMixin, Mapping[str, list]]]
MODELS: Mapping[str, tuple[Model, Callable[[Chunks], np.ndarray]]] = {
    "majority": (majority, hours),
    "lattice": (small_tree, from_lattice),
    "hours": (small_tree, hours),
    "logistic": (logistic, statistics),
    "trees": (trees, statistics),
    "bag": (logistic, histogram),
}
VARIANTS = (
    *(f"{model}.{task}" for task in TASKS for model in MODELS),
    *(f"{model}.{task}" for task in rr_chunks.DROPPED for model in ON_DROPPED),
)
SAMPLE = tuple(variant for variant in VARIANTS if not variant.startswith("trees."))


def asked(task: str, seed: int) -> Chunks:
    """The chunks of a task."""
    found = rr_chunks.chunks()
    if task == "jittered":
        return rr_chunks.jittered(found, seed)
    if task == "nsr-chf":
        two = found.rows(found.label != rr_chunks.SOURCES.index("mitdb"))
        two.label[:] = two.label // 2
        return two
    return found


def answers(name: str, found: Chunks, seed: int) -> np.ndarray:
    """Scores (n, classes) of every chunk, by a model that has not seen its person."""
    model, features = MODELS[name]
    x = features(found)
    scores = np.zeros((len(found), found.label.max() + 1))
    for train, test in rr_chunks.folds(found, seed):
        estimator, tried = model()
        if tried:
            inner = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
            estimator = GridSearchCV(estimator, tried, scoring="f1_macro", cv=inner)
            estimator.fit(x[train], found.label[train], groups=found.person[train])
        else:
            estimator.fit(x[train], found.label[train])
        scores[test] = estimator.predict_proba(x[test])
    return scores


def run(variant: str, seed: int) -> results.Outcome:
    """Answer for every person from the others."""
    name, task = variant.split(".")
    whole, drop = rr_chunks.task_and_drop(task)
    found = rr_chunks.dropped(asked(whole, seed), drop)
    metrics = measures(found.label, answers(name, found, seed), found.person, seed=0)
    return results.Outcome(metrics=metrics, data=list(found.provenance))
