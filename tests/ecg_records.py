"""Small databases for tests: records in the library's form, without files."""

from dataclasses import dataclass, field

import numpy as np

from nodelib.data.find.provenance import Provenance
from nodelib.data.records import Record

PROVENANCE = Provenance("made", "a test", "synthetic", "0" * 64, "Made by a test.")


def make_record(name="100", symbols="NNNN", rr=0.8, fs=360.0, signals=True, **changes):
    """A record with one beat every ``rr`` s, a Gaussian peak, thrice as wide for V, L and /."""
    samples = np.round((0.8 + rr * np.arange(len(symbols))) * fs).astype(np.int64)
    n = int(samples[-1] + fs) if len(samples) else int(fs)
    signal = np.zeros((n, 2))
    near = np.arange(-90, 91)
    for sample, symbol in zip(samples, symbols, strict=True):
        width = 0.03 if symbol in "VL/" else 0.01
        bump = np.exp(-((near / fs / width) ** 2) / 2)
        signal[sample + near] += bump[:, None] * [1.0, -0.6]
    fields = {
        "name": name,
        "fs": fs,
        "signals": signal if signals else None,
        "leads": ("MLII", "V1"),
        "samples": samples,
        "symbols": list(symbols),
        "aux": [""] * len(symbols),
        "age": 50,
        "sex": "F",
        "comments": [],
        "patient": name,
        "n_samples": n,
    }
    return Record(**(fields | changes))


@dataclass
class Records:
    """A database made of records."""

    members: list = field(default_factory=list)
    provenance: Provenance = PROVENANCE

    @property
    def records(self):
        return tuple(record.name for record in self.members)

    def record(self, name, *, signals=True):
        return next(record for record in self.members if record.name == name)
