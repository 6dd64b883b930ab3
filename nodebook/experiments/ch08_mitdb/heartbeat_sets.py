"""The 187-sample heartbeat set built from MIT-BIH, beside the numbers that a deck prints for it.

Variants: ``by-beat`` (80/20 of each class at random), ``inter-patient`` (DS1/DS2), and
``paper-steps`` (by beat, with R peaks detected and windows scaled as the paper's text says).

Metrics of every variant:

- ``beats``, ``classes.N`` .. ``classes.Q``
- ``train.N`` .. ``train.Q``, ``train.total``; the same for ``test``
- ``train_share.N`` .. ``train_share.Q``; the same for ``test_share``: share of the class in the set
- ``patients_shared``: share of test beats whose patient also has training beats
- ``test_people``, ``train_people``
- ``rows_with_early_zero``: share of rows with an exact 0 among their first 15 numbers

Metrics of ``by-beat`` and ``inter-patient``, from 2,000 test beats drawn with the seed and the
training beat that is nearest to each (Euclidean distance of the 187 numbers):

- ``nearest.same_patient``: share whose nearest training beat is from the same person
- ``nearest.accuracy``: share whose nearest training beat is of the same class
- ``nearest.always_n``: share that are of class N, which is what always answering N would score

Metrics of ``by-beat`` only, on the class table of the deck:

- ``deck_row.N`` .. ``deck_row.U`` (rows N, S, P, F, U): the AAMI class whose count in this set is
  nearest to the row's training count
- ``deck_difference.N`` .. ``deck_difference.U``: training count of that class here, less the row's
- ``deck_test_difference.N`` .. ``deck_test_difference.U``: the same for the test count
- ``deck_labels_right``: how many of the five rows have the class that their label says
"""

import numpy as np

from nodebook.evidence.results import Outcome
from nodelib import data
from nodelib.data import aami, heartbeats

VARIANTS = ("by-beat", "inter-patient", "paper-steps")
SEEDS = (0, 1, 2)
NEEDS = ("mitdb",)
TOLERANCE = {"nearest.*": 0.01}

DECK = {
    "N": (72_471, 18_118),
    "S": (6_431, 1_608),
    "P": (5_788, 1_448),
    "F": (2_223, 556),
    "U": (641, 162),
}
"""The class table of the deck on ODE-Nets: training and test count by the label of the row."""

DECK_LABELS = {"N": "N", "S": "S", "P": "V", "F": "F", "U": "Q"}
"""The AAMI class that each label means, by the deck's own list of classes."""

CHOICES = {
    "by-beat": {"split": "beat"},
    "inter-patient": {"split": "inter-patient"},
    "paper-steps": {"split": "beat", "peaks": "detected", "scale": "window"},
}


def run(variant: str, seed: int) -> Outcome:
    """Build the set in one variant, count it, and look for its leak."""
    beats = heartbeats.build(data.mitdb(), seed=seed, **CHOICES[variant])
    metrics = count(beats)
    if variant != "paper-steps":
        metrics["nearest"] = nearest(beats, seed=seed)
    if variant == "by-beat":
        metrics |= deck_rows(beats)
    return Outcome(metrics=metrics, data=[beats.provenance])


def count(beats: heartbeats.Heartbeats) -> dict:
    """Counts and shares of a set."""
    train, test = beats.counts(beats.train), beats.counts(beats.test)
    return {
        "beats": len(beats.y),
        "classes": _by_class(beats.counts()),
        "train": {**_by_class(train), "total": int(train.sum())},
        "test": {**_by_class(test), "total": int(test.sum())},
        "train_share": _by_class(train / train.sum()),
        "test_share": _by_class(test / test.sum()),
        "patients_shared": heartbeats.shared_patients(beats),
        "train_people": len(np.unique(beats.patient[beats.train])),
        "test_people": len(np.unique(beats.patient[beats.test])),
        "rows_with_early_zero": float((beats.x[:, :15] == 0).any(axis=1).mean()),
    }


def nearest(beats: heartbeats.Heartbeats, *, seed: int, n: int = 2000) -> dict[str, float]:
    """Where the nearest training beat of ``n`` random test beats comes from."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(beats.test, min(n, len(beats.test)), replace=False)
    train = beats.x[beats.train]
    half_norm = (train**2).sum(axis=1) / 2
    found = np.concatenate(
        [
            beats.train[(half_norm - beats.x[part] @ train.T).argmin(axis=1)]
            for part in np.array_split(drawn, max(1, len(drawn) // 250))
        ]
    )
    return {
        "same_patient": float((beats.patient[drawn] == beats.patient[found]).mean()),
        "accuracy": float((beats.y[drawn] == beats.y[found]).mean()),
        "always_n": float((beats.y[drawn] == 0).mean()),
    }


def deck_rows(beats: heartbeats.Heartbeats) -> dict:
    """Which class each row of the deck's table counts, and by how much the counts differ."""
    train, test = beats.counts(beats.train), beats.counts(beats.test)
    match = {row: int(np.abs(train - counts[0]).argmin()) for row, counts in DECK.items()}
    return {
        "deck_row": {row: aami.CLASSES[index] for row, index in match.items()},
        "deck_difference": {r: int(train[i] - DECK[r][0]) for r, i in match.items()},
        "deck_test_difference": {r: int(test[i] - DECK[r][1]) for r, i in match.items()},
        "deck_labels_right": sum(
            aami.CLASSES[index] == DECK_LABELS[row] for row, index in match.items()
        ),
    }


def _by_class(values: np.ndarray) -> dict:
    return {label: v.item() for label, v in zip(aami.CLASSES, values, strict=True)}
