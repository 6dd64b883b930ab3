"""Excerpts of the MIT-BIH Arrhythmia Database, small enough to be shown where it is not at hand.

The database is under the Open Data Commons Attribution License: Moody and Mark (2001), PhysioNet.
The excerpts were chosen by program: the beat of each AAMI class that is nearest to the mean of its
kind, from the record that has the most of them (for S, V and F between two beats of class N); and
the six seconds with the most kinds of beat and the fewest other marks.

Metrics: ``rr_density.N`` .. ``rr_density.Q``: R-R intervals that end at a beat of the class, as
densities (1/s) in bins of 0.02 s from 0 to 2 s; ``longer.<class>``: share beyond.

The history lists the excerpts: ``what`` (a class, or "strip"), ``record``, ``leads``, ``start``
(s), and the annotations in it, each as its time (s from the start) and symbol. The tensors are in
mV, at 360 Hz: ``beats`` (5, samples), the first lead, 0.95 s either side of the beat; ``strip``
(2, samples); and ``percentiles`` (3, 5, 187): 10th, 50th and 90th of each class at each number of
the rows of the heartbeat set.
"""

import numpy as np
import torch

from nodebook.evidence.results import Outcome, Run
from nodelib import data
from nodelib.data import aami, heartbeats, rhythms

VARIANTS = ("pictures",)
SEEDS = (0,)
NEEDS = ("mitdb",)

EDGES = np.linspace(0.0, 2.0, 101)
AROUND, STRIP = 0.95, 6.0


def run(variant: str, seed: int) -> Outcome:
    """Choose the excerpts; nothing here is random."""
    db = data.mitdb()
    excerpts = [typical(db, label) for label in aami.CLASSES]
    beats = torch.stack([torch.from_numpy(signal[:, 0]).float() for _, signal in excerpts])
    about, strip = most_varied(db)
    kept = heartbeats.build(db)
    percentiles = np.stack(
        [
            np.percentile(kept.x[kept.y == index], (10, 50, 90), axis=0)
            for index in range(len(aami.CLASSES))
        ],
        1,
    )
    return Outcome(
        metrics=intervals(db),
        history=[*(found for found, _ in excerpts), about],
        tensors={
            "beats": beats,
            "strip": torch.from_numpy(strip.T.copy()).float(),
            "percentiles": torch.from_numpy(percentiles).float(),
        },
        data=[db.provenance],
    )


def rederive(recorded: Run) -> dict[str, object]:
    """All metrics; the excerpts are not chosen again."""
    return intervals(data.mitdb())


def typical(db, label: str) -> tuple[dict, np.ndarray]:
    """The beat of a class that is nearest to their mean in one record, with its neighbours."""
    index = aami.CLASSES.index(label)
    counts = {
        name: int((aami.class_index(db.record(name, signals=False).symbols) == index).sum())
        for name in db.records
    }
    record = db.record(max(counts, key=lambda name: counts[name]))
    half, near = round(0.4 * record.fs), round(1.2 * record.fs)
    where, classes = aami.beats(record)
    fits = (classes == index) & (where > near) & (where < record.n_samples - near)
    between = fits & (np.roll(classes, 1) == 0) & (np.roll(classes, -1) == 0)
    at = where[between if label in "SVF" and between.any() else fits]
    windows = record.signals[at[:, None] + np.arange(-half, half), 0]
    middle = at[np.square(windows - windows.mean(axis=0)).sum(axis=1).argmin()]
    return excerpt(record, label, middle - round(AROUND * record.fs), 2 * AROUND)


def most_varied(db) -> tuple[dict, np.ndarray]:
    """The stretch with the most kinds of beat, and fewest other marks."""
    best = (0, 0, "", 0)
    for name in db.records:
        record = db.record(name, signals=False)
        span = round(STRIP * record.fs)
        for at in record.samples - round(0.4 * record.fs):
            if not 10 * record.fs < at < record.n_samples - span:
                continue
            inside = (record.samples >= at) & (record.samples < at + span)
            symbols = [record.symbols[k] for k in np.flatnonzero(inside)]
            kinds = {symbol for symbol in symbols if symbol in aami.BEATS}
            best = max(best, (len(kinds), -len(set(symbols) - kinds), name, int(at)))
    return excerpt(db.record(best[2]), "strip", best[3], STRIP)


def excerpt(record, what: str, first: int, seconds: float) -> tuple[dict, np.ndarray]:
    """What an excerpt is of, and its signals (samples, leads) in mV."""
    last = first + round(seconds * record.fs)
    marks = [
        [float((sample - first) / record.fs), symbol]
        for sample, symbol in zip(record.samples, record.symbols, strict=True)
        if first <= sample < last
    ]
    about = {
        "what": what,
        "record": record.name,
        "leads": list(record.leads),
        "start": first / record.fs,
        "fs": record.fs,
        "annotations": marks,
    }
    return about, record.signals[first:last]


def intervals(db) -> dict[str, object]:
    """R-R intervals before a beat, by the class of that beat."""
    before: list[list[np.ndarray]] = [[] for _ in aami.CLASSES]
    for name in db.records:
        rhythm = rhythms.events(db.record(name, signals=False))
        for index, found in enumerate(before):
            own = rhythm.mask[:, 0] & (rhythm.beat_class[:, index] == 1)
            found.append(rhythm.rr[own])
    metrics: dict[str, object] = {}
    for label, found in zip(aami.CLASSES, before, strict=True):
        rr = np.concatenate(found)
        metrics[f"rr_density.{label}"] = np.histogram(rr, EDGES, density=True)[0].tolist()
        metrics[f"longer.{label}"] = float((rr > EDGES[-1]).mean())
    return metrics
