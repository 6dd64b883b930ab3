"""Annotations of WFDB records: when, what, of which signal, and the text beside.

The format is described in https://physionet.org/physiotools/wag/annot-5.htm.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import wfdb

from nodelib.errors import DataError


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotations in the order of time.

    Attributes:
        samples: int64, (n,), sample index from 0.
        symbols: codes; ``"[44]"`` for code 44 and others to which the format gives no symbol.
        aux: texts, mostly empty.
        channels: int64, (n,): number of the signal that each is of (WFDB's ``chan``).
    """

    samples: np.ndarray
    symbols: list[str]
    aux: list[str]
    channels: np.ndarray


NONE = Annotations(np.empty(0, np.int64), [], [], np.empty(0, np.int64))


def read(path: Path, annotator: str, *, fs: float, n_samples: int) -> Annotations:
    """Read an annotation file; annotations out of order, which WFDB allows, are sorted by time.

    Args:
        path: directory and record name.
        annotator: suffix of the file.
        fs: samples a second that ``samples`` is to count. A file may have a clock of its own.
        n_samples: length of the record; 0 if not known.

    Raises:
        DataError: if the file is missing or malformed, or an annotation lies before the start or
            after the end of the record.
    """
    file = path.with_name(f"{path.name}.{annotator}")
    if not file.is_file():
        raise DataError(f"{file} is missing: copy or download the record's annotations")
    content = file.read_bytes()
    if len(content) % 2 or not content.endswith(b"\0\0"):
        raise DataError(
            f"{file} is truncated: it has no end mark. Copy or download the annotations again"
        )
    if not any(content):
        return NONE
    try:
        found = wfdb.rdann(str(path), annotator, return_label_elements=["symbol", "label_store"])
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, OSError) as error:
        raise DataError(f"{file} is not a WFDB annotation file ({error}): replace it") from error
    samples = np.asarray(found.sample, np.int64)
    if found.fs and found.fs != fs:
        samples = np.rint(samples * (fs / found.fs)).astype(np.int64)
    if samples.size and samples.min() < 0:
        raise DataError(
            f"{file} has an annotation at sample {samples.min():,}, before the start of the "
            "record: it is damaged, replace it"
        )
    if n_samples and samples.size and samples.max() >= n_samples:
        raise DataError(
            f"{file} has an annotation at sample {samples.max():,}, after the end of the record "
            f"({n_samples:,} samples): the files are not of the same record. Replace them"
        )
    symbols = [
        symbol if isinstance(symbol, str) else f"[{code}]"
        for symbol, code in zip(found.symbol, found.label_store, strict=True)
    ]
    order = np.argsort(samples, kind="stable")
    return Annotations(
        samples[order],
        [symbols[k] for k in order],
        [found.aux_note[k].rstrip("\0") for k in order],
        np.asarray(found.chan, np.int64)[order],
    )
