"""The chunks that chapter 11 classifies: R-R intervals of three databases, and their folds.

The deck's task is to say which of three databases a chunk of a rhythm is from. Of its databases
only mitdb is at hand whole; for the other two stand R-R intervals of other people of the same
kinds, nsr2db for nsrdb and chf2db for chfdb. What one of the three lacks, classes of beats and QRS
durations, is left out of all, so the events are the intervals alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from nodelib import data
from nodelib.data.aami import beats
from nodelib.data.find.provenance import Provenance

SOURCES = ("nsr2db", "mitdb", "chf2db")
"""In the order of the deck's labels: normal sinus rhythm, arrhythmia, heart failure."""

SIZE, OVERLAP = 512, 128
"""Events of a chunk, and those it shares with the next, as in the deck."""

EACH = 12
"""Chunks of one person at most, spread over the recording: else day-long recordings are all."""

SHORTEST, LONGEST = 0.2, 3.0
"""Intervals outside, in s, were not observed: pauses in the recording, missed or false beats."""

LATTICE = 1 / 128
"""Steps of the times in nsr2db and chf2db, in s; those of mitdb are 1/360."""

FOLDS = 5

DROPPED = ("nsr-chf-20", "nsr-chf-50", "nsr-chf-80")
"""Tasks in which so many percent of every chunk's beats are dropped, in training and test."""


@dataclass(frozen=True, eq=False)
class Chunks:
    """Chunks of R-R intervals, one a row.

    Attributes:
        rr: float64, (n, 512), in s.
        observed: bool, (n, 512), false where an interval is not plausible.
        label: int64, (n,), place in ``SOURCES``.
        person: (n,), names; records 201 and 202 of mitdb are of one.
        hours: float64, (n,), length of the recording that the chunk is from.
        provenance: of the databases.
    """

    rr: np.ndarray
    observed: np.ndarray
    label: np.ndarray
    person: np.ndarray
    hours: np.ndarray
    provenance: tuple[Provenance, ...]

    def __len__(self) -> int:
        return len(self.rr)

    def rows(self, which: np.ndarray) -> "Chunks":
        """Some of the chunks."""
        return replace(self, **{
            name: getattr(self, name)[which]
            for name in ("rr", "observed", "label", "person", "hours")
        })  # fmt: skip

    @property
    def times(self) -> np.ndarray:
        """Times of the events (n, 512) in s, the first at 0; where one is missed, the mean gap."""
        return clocks(self.rr, self.observed)


@cache
def chunks() -> Chunks:
    """The chunks of all three databases."""
    rr, label, person, hours = [], [], [], []
    for intervals, k, whose in recordings():
        starts = spread_starts(len(intervals))
        rr += [intervals[start : start + SIZE] for start in starts]
        label += [k] * len(starts)
        person += [whose] * len(starts)
        hours += [intervals.sum() / 3600] * len(starts)
    together = np.stack(rr)
    return Chunks(
        together,
        plausible(together),
        np.array(label),
        np.array(person),
        np.array(hours),
        provenance(),
    )


def recordings() -> Iterator[tuple[np.ndarray, int, str]]:
    """Of every recording the R-R intervals in s, the number of its database, and whose it is."""
    for k, source in enumerate(SOURCES):
        database = getattr(data, source)(allow_standin=False)
        for name in database.records:
            if source == "mitdb":
                record = database.record(name, signals=False)
                yield np.diff(beats(record)[0]) / record.fs, k, record.patient
            else:
                yield database.rr(name), k, name


def provenance() -> tuple[Provenance, ...]:
    """Of the three databases."""
    return tuple(getattr(data, source)(allow_standin=False).provenance for source in SOURCES)


def plausible(rr: np.ndarray) -> np.ndarray:
    """Which intervals in s are not pauses, missed or false beats."""
    return (rr >= SHORTEST) & (rr <= LONGEST)


def clocks(rr: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Times of events (n, L) in s, the first at 0; where an interval is missed, the mean gap."""
    known = np.where(observed, rr, np.nan)
    filled = np.where(observed, rr, np.nanmean(known, axis=1, keepdims=True))
    return np.cumsum(filled, axis=1) - filled[:, :1]


def kept(row: int, beats: int, drop: int) -> np.ndarray:
    """Which beats of a chunk are kept where so many percent are dropped; the first always is.

    That depends on the number of the chunk alone.
    """
    keep = np.ones(beats, bool)
    if drop:
        keep[1:] = np.random.default_rng((row, drop)).random(beats - 1) >= drop / 100
    return keep


def dropped(found: Chunks, drop: int) -> Chunks:
    """The same with the intervals of dropped beats (see ``kept``) unobserved."""
    keep = np.stack([kept(row, found.rr.shape[1], drop) for row in range(len(found))])
    return replace(found, observed=found.observed & keep)


def task_and_drop(task: str) -> tuple[str, int]:
    """The task that one of ``DROPPED`` is made of and its percentage; any other, and 0."""
    if task not in DROPPED:
        return task, 0
    whole, _, percent = task.rpartition("-")
    return whole, int(percent)


def spread_starts(events: int) -> list[int]:
    """Where whole chunks of a series of so many events begin, at most ``EACH`` of them.

    The deck's last chunk of a recording is shorter than the others; here it is left out.
    """
    possible = np.arange(0, events - SIZE + 1, SIZE - OVERLAP)
    if len(possible) > EACH:
        possible = possible[np.linspace(0, len(possible) - 1, EACH).round().astype(int)]
    return [int(start) for start in possible]


def jittered(found: Chunks, seed: int) -> Chunks:
    """The same with all beats on one lattice, that of 1/128 s, after a random shift within a step.

    Times of mitdb are rounded from 1/360 s; every beat is first moved by up to half a step of
    1/128 s either way, so that no database keeps a pattern of its own.
    """
    rng = np.random.default_rng(seed)
    beat = np.concatenate([np.zeros((len(found), 1)), np.cumsum(found.rr, axis=1)], axis=1)
    moved = beat + rng.uniform(-LATTICE / 2, LATTICE / 2, beat.shape)
    return replace(found, rr=np.diff(np.round(moved / LATTICE) * LATTICE, axis=1))


def folds(found: Chunks, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows (training, test) of five folds: each person is in one test set only."""
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    return list(splitter.split(found.rr, found.label, found.person))
