"""The sets that chapter 09 trains and tests on, each built once and kept."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from nodelib import data
from nodelib.data import heartbeats
from nodelib.data.heartbeats import Heartbeats
from nodelib.training.heartbeats import Beats

SPLITS = {"by-beat": "beat", "inter-patient": "inter-patient"}
FS = 360.0
"""Samples a second of the original signals, in which the R peaks are counted."""
LOCAL = 10
"""Beats of the local mean of the R-R interval."""


@dataclass(frozen=True, eq=False)
class Part:
    """The beats of one half of a set: their rows in the whole set, and what is made of them."""

    rows: np.ndarray
    beats: Beats
    record: np.ndarray
    patient: np.ndarray


@cache
def whole(split: str) -> Heartbeats:
    """The set with one of ``SPLITS``. The split by beat is drawn with seed 0, whatever is trained.

    So all networks are tested on the same beats.
    """
    return heartbeats.build(data.mitdb(), split=SPLITS[split], seed=0)


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
    features = np.zeros((len(found.y), 4), np.float32)
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
