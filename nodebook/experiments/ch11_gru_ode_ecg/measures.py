"""What is measured of an answer to the question which database a chunk is from."""

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

DRAWS = 1000
"""Draws of the bootstrap."""


def measures(
    label: np.ndarray, scores: np.ndarray, person: np.ndarray, *, seed: int
) -> dict[str, object]:
    """Accuracy by chunk and by person, macro-F1 of chunks, and intervals over persons.

    Args:
        label: (n,), the true class of each chunk.
        scores: (n, classes), the largest is the answer.
        person: (n,), whose chunk it is; a person's answer has the largest mean score.
        seed: of the bootstrap.

    Returns:
        ``accuracy``, ``macro_f1``, ``by_person``, ``confusion`` (of chunks), ``persons``, and 95 %
        intervals ``interval.accuracy`` and ``interval.by_person`` by drawing persons with
        replacement, 1,000 times.
    """
    answer = scores.argmax(1)
    right = answer == label
    names, index = np.unique(person, return_inverse=True)
    count = np.bincount(index)
    person_right = people(label, scores, person)
    present = np.unique(label)
    return {
        "accuracy": float(right.mean()),
        "macro_f1": float(f1_score(label, answer, labels=present, average="macro")),
        "by_person": float(person_right.mean()),
        "persons": len(names),
        "confusion": confusion_matrix(label, answer, labels=range(scores.shape[1])).tolist(),
        "interval": {
            "accuracy": interval(np.bincount(index, right), count, seed=seed),
            "by_person": interval(person_right, np.ones(len(names)), seed=seed),
        },
    }


def people(label: np.ndarray, scores: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Whether each person, in order of their names, is told right by the mean of their scores."""
    _, index = np.unique(person, return_inverse=True)
    total = np.stack([np.bincount(index, scores[:, k]) for k in range(scores.shape[1])], 1)
    truth = label[np.unique(index, return_index=True)[1]]
    return (total / np.bincount(index)[:, None]).argmax(1) == truth


def draws(persons: int, *, seed: int) -> np.ndarray:
    """Persons drawn with replacement, as many as there are, in each of so many draws."""
    return np.random.default_rng(seed).integers(persons, size=(DRAWS, persons))


def interval(sums: np.ndarray, counts: np.ndarray, *, seed: int) -> list[float]:
    """95 % interval of a mean over all, of which each person has a part: (persons,) and (persons,).

    By drawing persons with replacement.
    """
    drawn = draws(len(sums), seed=seed)
    return edges(sums[drawn].sum(1) / counts[drawn].sum(1))


def edges(values: np.ndarray) -> list[float]:
    """The middle 95 %."""
    return [float(edge) for edge in np.quantile(values, (0.025, 0.975))]
