"""Simple classifiers of the same heartbeats: what the networks of ``heartbeats`` must beat.

A variant is named ``<baseline>.<split>``, with the splits of ``heartbeats``:

- ``always-n``: answers N
- ``nearest``: the class of the nearest training beat, Euclidean distance of the 187 samples
- ``logistic``: multinomial logistic regression on four R-R features
- ``trees``: gradient-boosted trees (scikit-learn's histograms) on the same four features
- ``trees-relative``: the same trees on the first three features over the fourth, the mean interval
  of the record, so that they do not tell how fast a heart is

Strength of regularisation and number of leaves are chosen by macro-F1 in a cross-validation within
the training beats, in five folds; between patients no patient is in two folds. The test beats are
looked at once. Minutes of one core for all.

Metrics: as in ``heartbeats``, ``test``, ``interval`` and ``without_202``; and ``chosen``.
"""

from collections.abc import Callable, Mapping

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nodebook.evidence import results
from nodebook.experiments.ch09_heartbeats import sets
from nodebook.experiments.ch09_heartbeats.measures import bootstrapped, measures

SEEDS = (0,)
NEEDS = ("mitdb",)
TOLERANCE = {"test.*": 0.02, "interval.*": 0.02, "without_202.*": 0.02}
SAME_MAN = "202"
FOLDS = 5


class NearestBeat(ClassifierMixin):
    """The class of the nearest training beat, as matrix products in blocks."""

    BLOCK = 500

    def fit(self, x: np.ndarray, y: np.ndarray) -> "NearestBeat":
        """Keep the training beats."""
        self.x, self.y, self.half = x, y, (x**2).sum(1) / 2
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The class of every row."""
        blocks = np.array_split(x, max(1, len(x) // self.BLOCK))
        return np.concatenate(
            [self.y[(self.half - block @ self.x.T).argmin(1)] for block in blocks]
        )


def logistic() -> tuple[ClassifierMixin, Mapping[str, list]]:
    """Logistic regression, and what is tried."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    weights = [None, "balanced"]
    return model, {
        "logisticregression__C": [0.1, 10.0],
        "logisticregression__class_weight": weights,
    }


def trees() -> tuple[ClassifierMixin, Mapping[str, list]]:
    """Boosted trees, and what is tried."""
    model = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    return model, {"max_leaf_nodes": [7, 31], "class_weight": [None, "balanced"]}


TUNED: Mapping[str, Callable[[], tuple[ClassifierMixin, Mapping[str, list]]]] = {
    "logistic": logistic,
    "trees": trees,
    "trees-relative": trees,
}
VARIANTS = tuple(
    f"{name}.{split}" for split in sets.SPLITS for name in ("always-n", "nearest", *TUNED)
)
SAMPLE = (*(f"always-n.{split}" for split in sets.SPLITS), "logistic.by-block")


def run(variant: str, seed: int) -> results.Outcome:
    """Choose, fit and test one baseline."""
    name, split = variant.split(".")
    train, test = sets.part(split, "train"), sets.part(split, "test")
    chosen: dict[str, object] = {}
    if name in TUNED:
        model, tried = TUNED[name]()
        folds = (
            GroupKFold(FOLDS)
            if split in ("inter-patient", "by-patient")
            else StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        )
        search = GridSearchCV(model, tried, scoring="f1_macro", cv=folds)
        groups = train.patient if isinstance(folds, GroupKFold) else None
        search.fit(features(name, train), train.beats.y, groups=groups)
        found = search.predict(features(name, test))
        chosen = {key: str(value) for key, value in search.best_params_.items()}
    else:
        model = NearestBeat() if name == "nearest" else DummyClassifier(strategy="most_frequent")
        found = model.fit(train.beats.x, train.beats.y).predict(test.beats.x)
    y = test.beats.y
    metrics: dict[str, object] = {
        "test": measures(y, found),
        "interval": bootstrapped(y, found, test.patient, seed=0),
        "chosen": chosen,
    }
    if split == "inter-patient":
        others = test.record != SAME_MAN
        metrics["without_202"] = measures(y[others], found[others])
    return results.Outcome(metrics=metrics, data=[sets.whole(split).provenance])


def features(name: str, part: sets.Part) -> np.ndarray:
    """The R-R features that a baseline sees."""
    rhythm = part.beats.rhythm
    return rhythm[:, :3] / rhythm[:, 3:] if name.endswith("-relative") else rhythm
