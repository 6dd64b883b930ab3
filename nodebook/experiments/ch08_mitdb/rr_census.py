"""R-R intervals of day-long recordings: people in normal sinus rhythm against heart failure.

Variants ``nsr2db`` and ``chf2db``. Intervals outside 0.3 s to 2 s are left out of mean and standard
deviation: they are pauses in the recording, missed or false beats.

Metrics:

- ``people``, ``intervals``, ``left_out`` (share of intervals outside 0.3 s to 2 s)
- ``hours_min``, ``hours_max``: the shortest and longest series
- ``rr_mean_s``: mean over people of each one's mean R-R interval; ``rr_mean_s_sd`` between people
- ``rr_sd_s``: mean over people of each one's standard deviation; ``rr_sd_s_sd`` between people
- ``density``: histogram of the R-R interval between ``EDGES`` (1/s), mean over people, so that each
  has equal weight
"""

import numpy as np

from nodebook.evidence.results import Outcome
from nodelib import data

VARIANTS = ("nsr2db", "chf2db")
SEEDS = (0,)
NEEDS = ("nsr2db", "chf2db")

SHORTEST, LONGEST = 0.3, 2.0

EDGES = np.arange(38.5, 256.5, 3) / 128
"""Edges of the histogram in s: the intervals are multiples of 1/128 s, three of them to a bin."""


def run(variant: str, seed: int) -> Outcome:
    """Count one database; nothing here is random, so ``seed`` changes nothing."""
    db = getattr(data, variant)()
    series = [db.rr(name) for name in db.records]
    people = [describe(rr) for rr in series]
    table = {key: np.array([person[key] for person in people]) for key in people[0]}
    intervals = table["intervals"].sum()
    metrics = {
        "people": len(people),
        "intervals": int(intervals),
        "left_out": float((table["left_out"] * table["intervals"]).sum() / intervals),
        "hours_min": float(table["hours"].min()),
        "hours_max": float(table["hours"].max()),
    }
    for key in ("rr_mean_s", "rr_sd_s"):
        metrics[key] = float(table[key].mean())
        metrics[f"{key}_sd"] = float(table[key].std(ddof=1))
    histograms = [np.histogram(plausible(rr), EDGES, density=True)[0] for rr in series]
    metrics["density"] = np.mean(histograms, axis=0).tolist()
    return Outcome(metrics=metrics, history=people, data=[db.provenance])


def describe(rr: np.ndarray) -> dict:
    """One series: number of intervals, hours, share left out, mean and deviation of the rest."""
    kept = plausible(rr)
    return {
        "intervals": len(rr),
        "hours": float(rr.sum() / 3600),
        "left_out": float(1 - len(kept) / len(rr)),
        "rr_mean_s": float(kept.mean()),
        "rr_sd_s": float(kept.std()),
    }


def plausible(rr: np.ndarray) -> np.ndarray:
    """The intervals from 0.3 s to 2 s."""
    return rr[(rr >= SHORTEST) & (rr <= LONGEST)]
