"""What is measured of a classification of heartbeats."""

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from nodelib.data import aami

CLASSES = tuple(aami.CLASSES)
NUMBERS = range(len(CLASSES))
DRAWS = 1000
"""Draws of the bootstrap."""


def measures(y: np.ndarray, found: np.ndarray) -> dict[str, object]:
    """``accuracy``, ``macro_f1`` and, by class, ``sensitivity``, ``predictivity`` and ``f1``.

    ``macro_f1`` is the mean over the classes that ``y`` has; ``confusion`` has a row for each
    class and a column for each answer. A class that is never answered has a predictivity of 0.
    """
    table = confusion_matrix(y, found, labels=NUMBERS)
    predictivity, sensitivity, f1, _ = precision_recall_fscore_support(
        y, found, labels=NUMBERS, zero_division=0
    )
    return {
        "accuracy": float((y == found).mean()),
        "macro_f1": macro_f1(y, found),
        "sensitivity": named(sensitivity),
        "predictivity": named(predictivity),
        "f1": named(f1),
        "confusion": table.tolist(),
    }


def macro_f1(y: np.ndarray, found: np.ndarray) -> float:
    """Mean F1 of the classes that ``y`` has."""
    return float(f1_score(y, found, labels=np.unique(y), average="macro", zero_division=0))


def named(values: np.ndarray) -> dict[str, float]:
    """Values by class."""
    return {label: float(value) for label, value in zip(CLASSES, values, strict=True)}


def bootstrapped(
    y: np.ndarray, found: np.ndarray, patient: np.ndarray, *, seed: int, draws: int = DRAWS
) -> dict[str, list[float]]:
    """95 % intervals of accuracy and macro-F1 by drawing patients, with replacement.

    Each draw adds up the confusion matrices of as many patients as there are; macro-F1 is over the
    classes that the draw has.
    """
    names = np.unique(patient)
    tables = np.stack(
        [
            confusion_matrix(y[patient == name], found[patient == name], labels=NUMBERS)
            for name in names
        ]
    )
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(names), size=(draws, len(names)))
    sums = tables[drawn].sum(1)
    right = np.diagonal(sums, axis1=1, axis2=2)
    truth, answered = sums.sum(2), sums.sum(1)
    f1 = 2 * right / np.maximum(truth + answered, 1)
    present = truth > 0
    macro = (f1 * present).sum(1) / present.sum(1)
    accuracy = right.sum(1) / truth.sum(1)
    return {
        name: [float(edge) for edge in np.quantile(values, (0.025, 0.975))]
        for name, values in (("accuracy", accuracy), ("macro_f1", macro))
    }
