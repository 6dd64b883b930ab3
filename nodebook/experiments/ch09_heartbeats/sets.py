"""The sets that chapter 09 trains and tests on, each built once and kept."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from nodelib import data
from nodelib.data import heartbeats, splits
from nodelib.data.heartbeats import Heartbeats
from nodelib.training.heartbeats import Beats

SPLITS = ("by-beat", "by-block", "by-patient", "inter-patient")
"""80/20 by beat; by blocks of three minutes within each record; by patient; and DS1/DS2."""

BLOCK, SHARE = 180.0, 0.2
"""Seconds of a block, and share of blocks or patients in the test."""

FS = 360.0
"""Samples a second of the original signals, in which the R peaks are counted."""
FEATURES, LOCAL = 4, 10
"""R-R features of a beat, and beats of the local mean among them."""


@dataclass(frozen=True, eq=False)
class Part:
    """The beats of one half of a set: their rows in the whole set, and what is made of them."""

    rows: np.ndarray
    beats: Beats
    record: np.ndarray
    patient: np.ndarray


@cache
def whole(split: str) -> Heartbeats:
    """The set with one of ``SPLITS``. What is drawn is drawn with seed 0, whatever is trained.

    So all networks are tested on the same beats.
    """
    if split in ("by-beat", "inter-patient"):
        kind = {"by-beat": "beat"}.get(split, split)
        return heartbeats.build(data.mitdb(), split=kind, seed=0)
    found = whole("by-beat")
    if split == "by-block":
        seconds = found.sample / FS
        halves = splits.by_time_block(found.record, seconds, length=BLOCK, test_share=SHARE, seed=0)
    else:
        halves = splits.by_patient(found.patient, test_share=SHARE, seed=0)
    return replace(found, train=halves[0], test=halves[1], split=split)


@cache
def part(split: str, which: str) -> Part:
    """``"train"`` or ``"test"`` of a set, with the R-R features."""
    found = whole(split)
    rows = getattr(found, which)
    seen = Beats(found.x[rows], found.y[rows], rhythm(split)[rows])
    return Part(rows, seen, found.record[rows], found.patient[rows])


@cache
def rhythm(split: str) -> np.ndarray:
    """R-R features of every beat of a set: (n, 4), see ``intervals``."""
    found = whole(split)
    features = np.zeros((len(found.y), FEATURES), np.float32)
    for name in np.unique(found.record):
        rows = np.flatnonzero(found.record == name)
        features[rows] = intervals(found.sample[rows] / FS)
    return features


def intervals(times: np.ndarray) -> np.ndarray:
    """Features of the beats of one record at ``times`` (n,) in seconds: (n, 4).

    The R-R interval before and after the beat, the mean of the intervals of the ten beats before,
    and the mean of the record (de Chazal et al. 2004, section II.D), in seconds. Where the record
    has no interval, at its ends, the mean of the record stands.
    """
    between = np.diff(times)
    mean = between.mean() if len(between) else 1.0
    before = np.concatenate([[mean], between])
    after = np.concatenate([between, [mean]])
    sums = np.concatenate([[0.0], np.cumsum(before)])
    stop = np.arange(1, len(times) + 1)
    start = np.maximum(0, stop - LOCAL)
    local = (sums[stop] - sums[start]) / (stop - start)
    return np.stack([before, after, local, np.full(len(times), mean)], 1).astype(np.float32)
