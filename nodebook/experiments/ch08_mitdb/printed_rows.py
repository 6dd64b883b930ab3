"""The five rows of heartbeats that a deck prints, searched for among all beats of MIT-BIH.

The printed numbers are whole units of the recording over the span of the row (chapter 08), so that
a row gives 15 differences in units. They are compared with the signal around every annotated beat
but the last of each record, in both leads, at 125 Hz, rounded to units, starting up to five samples
before or after the R peak. The distance of two stretches is the largest difference that is left
when one is moved up or down: a half of max - min of their difference.

Metrics, for the rows 0 to 4:

- ``beats``: beats that were looked at
- ``span.<k>``: units from the row's lowest to its highest sample
- ``units.<k>``: distance to the nearest beat, in units
- ``share.<k>``: the same over the span
- ``next.<k>``: distance to the nearest beat of another record, in units
- ``record.<k>``, ``class.<k>``: of the nearest beat
- ``found``: rows with a beat within half a unit, which is rounding
"""

import numpy as np

from nodebook.evidence.results import Outcome
from nodelib import data
from nodelib.data import aami, heartbeats

VARIANTS = ("search",)
SEEDS = (0,)
NEEDS = ("mitdb",)

UNITS = 200
"""Units a millivolt."""
AROUND = np.arange(-5, 6)

ROWS = np.array(
    [
        [1.000000, 0.758264, 0.111570, 0.000000, 0.080579, 0.078512, 0.066116, 0.049587]
        + [0.047521, 0.035124, 0.030992, 0.028926, 0.035124, 0.026860, 0.039256],
        [0.908425, 0.783883, 0.531136, 0.362637, 0.366300, 0.344322, 0.333333, 0.307692]
        + [0.296703, 0.300366, 0.304029, 0.336996, 0.377289, 0.391941, 0.439560],
        [0.730088, 0.212389, 0.000000, 0.119469, 0.101770, 0.101770, 0.110619, 0.123894]
        + [0.115044, 0.132743, 0.106195, 0.141593, 0.128319, 0.150442, 0.132743],
        [1.000000, 0.910417, 0.681250, 0.472917, 0.229167, 0.068750, 0.000000, 0.004167]
        + [0.014583, 0.054167, 0.102083, 0.122917, 0.150000, 0.168750, 0.172917],
        [0.570470, 0.399329, 0.238255, 0.147651, 0.000000, 0.003356, 0.040268, 0.080537]
        + [0.070470, 0.090604, 0.080537, 0.104027, 0.093960, 0.117450, 0.097315],
    ]
)


def run(variant: str, seed: int) -> Outcome:
    """Search for every row; nothing here is random, so ``seed`` changes nothing."""
    db = data.mitdb()
    spans = [smallest_denominator(row) for row in ROWS]
    rows = [np.rint(row * span) for row, span in zip(ROWS, spans, strict=True)]
    nearest: dict[int, list[tuple[float, str, str]]] = {k: [] for k in range(len(rows))}
    beats = 0
    for name in db.records:
        record = db.record(name)
        where, label = aami.beats(record)
        at = np.rint(where[:-1] * heartbeats.FS / record.fs).astype(int)
        beats += len(at)
        for lead in record.leads:
            units = np.rint(heartbeats.resample(record, lead) * UNITS)
            for k, row in enumerate(rows):
                distance, beat = search(units, at, row)
                nearest[k].append((distance, name, aami.CLASSES[label[beat]]))
    metrics: dict[str, object] = {"beats": beats, "found": 0}
    for k, found in nearest.items():
        distance, name, label = min(found)
        metrics[f"span.{k}"] = spans[k]
        metrics[f"units.{k}"], metrics[f"share.{k}"] = distance, distance / spans[k]
        metrics[f"record.{k}"], metrics[f"class.{k}"] = name, label
        metrics[f"next.{k}"] = min(entry[0] for entry in found if entry[1] != name)
        metrics["found"] += distance <= 0.5
    return Outcome(metrics=metrics, data=[db.provenance])


def smallest_denominator(values: np.ndarray, limit: int = 2000) -> int:
    """The smallest d for which all values are multiples of 1/d to six decimals.

    Raises:
        ValueError: if there is none up to ``limit``.
    """
    for d in range(1, limit + 1):
        if np.abs(np.round(np.round(values * d) / d, 6) - values).max() < 1.5e-6:
            return d
    raise ValueError(f"no denominator up to {limit} fits the row that begins with {values[:3]}")


def search(units: np.ndarray, at: np.ndarray, row: np.ndarray) -> tuple[float, int]:
    """Distance of the beat at ``at`` that is nearest to ``row``, and its place in ``at``."""
    starts = (at[:, None] + AROUND).ravel()
    inside = (starts >= 0) & (starts + len(row) <= len(units))
    stretches = np.lib.stride_tricks.sliding_window_view(units, len(row))
    left = stretches[starts[inside]] - row
    distances = (left.max(axis=1) - left.min(axis=1)) / 2
    best = int(distances.argmin())
    return float(distances[best]), int(np.flatnonzero(inside)[best] // len(AROUND))
