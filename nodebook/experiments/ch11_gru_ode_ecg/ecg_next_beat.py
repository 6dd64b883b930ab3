"""Foretelling the next beat within MIT-BIH: when it comes and of which class, beats dropped or not.

The ground of a continuous-time model, as chapter 11 sees it: a series is observed at some of its
beats only, and the question is what comes right after an observed one. A variant is
``<model>.<percent>``: so many percent of the beats of every chunk are dropped at random, in
training and test. What is foretold is always the next beat of the whole series.

The networks are those of ``forecasters``. Beside them, from the eight observed beats before
(intervals, classes, gaps):

- ``last``: the interval is the last one again, with the spread of such errors in training; the
  class is the most frequent one
- ``linear``: linear and logistic regression
- ``trees``: gradient-boosted trees

Chunks of 512 beats, no overlap, from all 48 records. Every patient is tested once, in five folds;
the learning rate of a network is chosen by the loss of validation patients, as in ``ecg_networks``.
Three seeds of one network side by side take 0.1 h (gru) to 0.5 h (gru-ode-bayes) on one core, and
less on a GPU (``NODELIB_DEVICE=cuda``).

Metrics: ``nll``, mean negative log-likelihood of the next interval in nats (of a density in 1/s);
``error``, mean absolute error of its mean in ms; ``class_loss`` in nats; ``accuracy`` and
``macro_f1`` of the class; ``interval.nll`` and ``interval.macro_f1``, 95 %, by a bootstrap over
patients; ``rate`` of a network. Tensors as in ``ecg_networks``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg.ecg_networks import CENTRE, SPREAD
from nodebook.experiments.ch11_gru_ode_ecg.forecasters import (
    CLASSES,
    FEATURES,
    NETWORKS,
    Forecaster,
    losses,
)
from nodebook.experiments.ch11_gru_ode_ecg.measures import draws, edges, interval
from nodebook.experiments.ch11_gru_ode_ecg.rr_chunks import SIZE, clocks, folds, kept, plausible
from nodebook.experiments.ch11_gru_ode_ecg.side_by_side import Folds, fit, restored
from nodelib import data
from nodelib.data.aami import beats
from nodelib.data.find.provenance import Provenance
from nodelib.models.gru_ode import Events, pad_events

SEEDS = (0, 1, 2)
NEEDS = ("mitdb",)
DROPS = (0, 50, 80)
SIMPLE = ("last", "linear", "trees")
VARIANTS = tuple(f"{model}.{drop}" for drop in DROPS for model in (*SIMPLE, *NETWORKS))
SAMPLE = ("last.0", "gru.80", "gru-ode-bayes.80")
TOLERANCE = {"*": 0.02}

EPOCHS, BATCH, TOGETHER = 60, 32, 64
BEFORE = 8
"""Observed beats that the simple models see."""
ECTOPIC = 0.05
"""Share of beats other than N from which on a chunk counts as one of many, for even folds."""


@dataclass(frozen=True, eq=False)
class Rhythms:
    """Chunks of annotated beats of MIT-BIH, one a row: SIZE of them and what follows each.

    Attributes:
        rr: intervals before the beats in s, (n, SIZE + 1); the last is what follows the chunk.
        kind: AAMI classes 0 to 4, (n, SIZE + 1), likewise.
        label: (n,), 1 where more than ``ECTOPIC`` of the beats are not of class N.
        person: (n,).
        provenance: of the database.
    """

    rr: np.ndarray
    kind: np.ndarray
    label: np.ndarray
    person: np.ndarray
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.rr)

    @property
    def observed(self) -> np.ndarray:
        """Which intervals are plausible, (n, SIZE + 1)."""
        return plausible(self.rr)


@cache
def rhythms() -> Rhythms:
    """The chunks of all records."""
    database = data.mitdb(allow_standin=False)
    rr, kind, person = [], [], []
    for name in database.records:
        record = database.record(name, signals=False)
        where, label = beats(record)
        intervals = np.diff(where) / record.fs
        for start in range(0, len(intervals) - SIZE, SIZE):
            rr.append(intervals[start : start + SIZE + 1])
            kind.append(label[start + 1 : start + SIZE + 2])
            person.append(record.patient)
    kinds = np.stack(kind).astype(np.int64)
    many = (kinds != 0).mean(1) > ECTOPIC
    provenance = database.provenance
    return Rhythms(np.stack(rr), kinds, many.astype(int), np.array(person), provenance)


@dataclass(frozen=True, eq=False)
class Questions:
    """Events of all chunks, and for each what comes next.

    ``interval`` (n, L), scaled, and ``kind`` (n, L) of the next beat; ``known`` where its interval
    is plausible.
    """

    events: Events
    interval: Tensor
    known: Tensor
    kind: Tensor

    def rows(self, which: np.ndarray) -> "Questions":
        """Some of the chunks."""
        w, e = torch.from_numpy(which), self.events
        some = Events(
            e.times[w], e.values[w], e.observed[w], e.lengths[w], e.start[w], e.end[w], None
        )
        return Questions(some, self.interval[w], self.known[w], self.kind[w])

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """In the order in which ``Forecaster.loss_of`` takes them."""
        e = self.events
        return e.times, e.values, e.observed, e.lengths, self.interval, self.known, self.kind


@cache
def questions(drop: int) -> Questions:
    """The chunks with so many percent of the beats dropped; which ones depends on the row alone."""
    found = rhythms()
    series, interval, known, kind = [], [], [], []
    clock = clocks(found.rr, found.observed)
    for row in range(len(found)):
        at = np.flatnonzero(kept(row, SIZE, drop))
        scaled = (found.rr[row] - CENTRE) / SPREAD
        ones = np.eye(CLASSES)[found.kind[row, at]]
        seen = np.ones((len(at), FEATURES), bool)
        seen[:, 0] = found.observed[row, at]
        values = np.concatenate([scaled[at, None], ones], axis=1)
        series.append(tuple(map(torch.from_numpy, (clock[row, at], values, seen))))
        interval.append(torch.from_numpy(scaled[at + 1]).float())
        known.append(torch.from_numpy(found.observed[row, at + 1]))
        kind.append(torch.from_numpy(found.kind[row, at + 1]))
    events = pad_events(series)
    padded = [
        torch.nn.utils.rnn.pad_sequence(part, batch_first=True) for part in (interval, known, kind)
    ]
    return Questions(events, *padded)


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Answer by a simple model, or train five networks a seed, and ask about unseen patients."""
    name, drop = variant.split(".")
    asked, found = questions(int(drop)), rhythms()
    divisions = {seed: folds(found, seed) for seed in seeds}
    if name in SIMPLE:
        return {
            seed: results.Outcome(
                metrics=measured(asked, simple(name, asked, parts), found.person),
                data=[found.provenance],
            )
            for seed, parts in divisions.items()
        }
    fitted = fit(
        NETWORKS[name],
        asked.tensors,
        divisions,
        lambda network, rows: -lost(asked, network, rows),
        epochs=EPOCHS,
        batch=BATCH,
        label=f"next-{variant}-{'-'.join(map(str, seeds))}",
    )
    outcomes = {}
    for seed, own in fitted.items():
        told = foretold(asked, divisions[seed], own.networks)
        metrics = measured(asked, told, found.person)
        outcomes[seed] = own.outcome(metrics, [found.provenance])
    return outcomes


def rederive(recorded: results.Run) -> dict[str, object]:
    """The metrics: of a network from its weights, of a simple model by asking it again."""
    name, drop = recorded.variant.split(".")
    asked, found = questions(int(drop)), rhythms()
    parts = folds(found, recorded.seed)
    if name in SIMPLE:
        return measured(asked, simple(name, asked, parts), found.person)
    tensors = recorded.tensors()
    networks = [restored(NETWORKS[name](recorded.seed), tensors, k) for k in range(len(parts))]
    return measured(asked, foretold(asked, parts, networks), found.person)


def foretold(asked: Questions, parts: Folds, networks: Sequence[Forecaster]) -> Tensor:
    """What each fold's network foretells of its patients, (n, L, 7)."""
    told = torch.zeros(*asked.interval.shape, 2 + CLASSES)
    for network, (_, test) in zip(networks, parts, strict=True):
        told[test] = answers(network, asked, test)
    return told


def lost(asked: Questions, network: Forecaster, rows: np.ndarray) -> float:
    """Loss of interval and class in some chunks."""
    some, told = asked.rows(rows), answers(network, asked, rows)
    return float(losses(told, some.interval, some.known, some.kind, some.events.real).sum())


@torch.no_grad()
def answers(network: Forecaster, asked: Questions, rows: np.ndarray) -> Tensor:
    """What a network foretells in some chunks, (rows, L, 7)."""
    parts = np.array_split(rows, max(1, len(rows) // TOGETHER))
    return torch.cat([network(asked.rows(part).events) for part in parts])


def simple(name: str, asked: Questions, parts: Folds) -> Tensor:
    """What a simple model foretells in all chunks, (n, L, 7), each by one of the other folds."""
    seen, real = features(asked), asked.events.real.numpy()
    interval, kind = asked.interval.numpy(), asked.kind.numpy()
    told = np.zeros((*interval.shape, 2 + CLASSES), np.float32)
    for train, test in parts:
        used = real[train]
        x, y, label = seen[train][used], interval[train][used], kind[train][used]
        known = asked.known.numpy()[train][used]
        asking = seen[test].reshape(-1, seen.shape[-1])
        present = np.unique(label)
        if name == "last":
            mean, before = asking[:, 0], x[known, 0]
            shares = np.bincount(label, minlength=CLASSES)[present] / len(label)
            classes = np.broadcast_to(shares, (len(asking), len(present)))
        else:
            timing, kinds = MODELS[name]()
            timing.fit(x[known], y[known])
            kinds.fit(x, label)
            mean, before = timing.predict(asking), timing.predict(x[known])
            classes = kinds.predict_proba(asking)
        block = np.full((len(asking), 2 + CLASSES), math.log(1e-6), np.float32)
        block[:, 0] = mean
        block[:, 1] = math.log(np.mean((y[known] - before) ** 2))
        block[:, 2 + present] = np.log(classes + 1e-6)
        told[test] = block.reshape(len(test), -1, 2 + CLASSES)
    return torch.from_numpy(told)


MODELS = {
    "linear": lambda: (
        make_pipeline(StandardScaler(), LinearRegression()),
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
    ),
    "trees": lambda: (
        HistGradientBoostingRegressor(random_state=0, early_stopping=False),
        HistGradientBoostingClassifier(random_state=0, early_stopping=False),
    ),
}


def features(asked: Questions) -> np.ndarray:
    """What the simple models see at each beat, (n, L, 8 BEFORE).

    For the beat and each of those before it: scaled interval, whether it is plausible, class, gap.
    """
    e = asked.events
    gaps = e.gaps[:, :-1].unsqueeze(-1)
    each = torch.cat([e.values, e.observed[..., :1], gaps], -1).numpy()
    earlier = np.pad(each, ((0, 0), (BEFORE - 1, 0), (0, 0)))
    length = each.shape[1]
    shifts = range(BEFORE - 1, -1, -1)
    return np.concatenate([earlier[:, k : k + length] for k in shifts], axis=2)


def measured(asked: Questions, told: Tensor, person: np.ndarray) -> dict[str, object]:
    """The metrics of what was foretold, (n, L, 7)."""
    real = asked.events.real
    known = (asked.known & real).numpy()
    y, mean, logvar = asked.interval.double(), told[..., 0].double(), told[..., 1].double()
    nll = 0.5 * (math.log(2 * math.pi) + logvar + (y - mean) ** 2 * torch.exp(-logvar))
    nll = nll.numpy() + math.log(SPREAD)
    kind, there = asked.kind.numpy(), real.numpy()
    score = told[..., 2:].double().log_softmax(-1)
    lost = -score.gather(-1, asked.kind.unsqueeze(-1))[..., 0].numpy()
    guess = score.argmax(-1).numpy()
    labels = np.unique(kind[there])

    def macro_f1(rows: np.ndarray) -> float:
        some = there[rows]
        return float(
            f1_score(kind[rows][some], guess[rows][some], labels=labels, average="macro",
                     zero_division=0)
        )  # fmt: skip

    everyone = np.arange(len(person))
    own = [np.flatnonzero(person == name) for name in np.unique(person)]
    sums = np.array([(nll[rows] * known[rows]).sum() for rows in own])
    counts = np.array([known[rows].sum() for rows in own])
    return {
        "nll": float(nll[known].mean()),
        "error": float((y - mean).abs().numpy()[known].mean() * SPREAD * 1000),
        "class_loss": float(lost[there].mean()),
        "accuracy": float((guess == kind)[there].mean()),
        "macro_f1": macro_f1(everyone),
        "interval": {
            "nll": interval(sums, counts, seed=0),
            "macro_f1": edges(
                np.array(
                    [
                        macro_f1(np.concatenate([own[k] for k in who]))
                        for who in draws(len(own), seed=0)[:200]
                    ]
                )
            ),
        },
    }
