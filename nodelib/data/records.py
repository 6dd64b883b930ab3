"""One ECG record in WFDB format, read with its header, signals and annotations checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import wfdb

from nodelib.data import annotations as annotation_files
from nodelib.data import headers, segments
from nodelib.data import signals as signal_files


@dataclass(frozen=True, eq=False)
class Record:
    """An ECG record.

    Attributes:
        name: record name, such as ``"100"``.
        fs: sampling frequency of the signals in Hz.
        signals: float64, shape (samples, leads), in mV, NaN where there is no sample; None if not
            asked for or not at hand.
        leads: names of the columns of ``signals``.
        samples: int64, shape (annotations,): where each annotation is, as a sample index from 0,
            in the order of time.
        symbols: the annotation codes, one for each of ``samples``; ``"[44]"`` for a code to which
            WFDB gives no symbol.
        aux: the auxiliary text of each annotation, such as ``"(AFIB"``; mostly empty.
        age: in years; None if not known.
        sex: ``"M"``, ``"F"`` or None.
        comments: the comment lines of the header.
        patient: name shared by the records of one person.
        n_samples: length of the whole recording in samples; 0 if not known.
        note: what is missing, for a record that is not all at hand; empty otherwise.
        channels: int64, shape (annotations,): the number of the signal that each annotation is
            of (WFDB's ``chan``), mostly 0; empty where that is not known.
    """

    name: str
    fs: float
    signals: np.ndarray | None
    leads: tuple[str, ...]
    samples: np.ndarray
    symbols: list[str]
    aux: list[str]
    age: int | None
    sex: str | None
    comments: list[str]
    patient: str
    n_samples: int
    note: str = field(default="")
    channels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


def read_record(
    path: Path,
    annotator: str | None = "atr",
    *,
    signals: bool = True,
    patient: str | None = None,
    leads: Sequence[str] | None = None,
) -> Record:
    """Read a WFDB record and check its files against each other.

    Every signal format of WFDB is read. Voltages are converted to mV. Where the signals have
    several samples a frame, ``fs``, ``samples`` and ``n_samples`` are in samples, not frames (but
    frames where frequencies differ and no signal is read); a signal with a skew is moved to where
    it belongs. Of a record of several segments, gaps and signals that a segment lacks are NaN.

    Args:
        path: directory and record name, without a suffix.
        annotator: suffix of the annotation file; None to read none.
        signals: False reads the header and annotations only and does not open the signal file.
        patient: name shared by the records of one person; the record's name by default.
        leads: names of the signals to read; all by default. Where there are others than
            voltages, or several sampling frequencies, they must be named.

    Raises:
        DataError: if a file is missing or malformed, if a signal file is shorter or longer than
            the header says, if a signal does not have the header's first value or checksum, is no
            voltage or has another sampling frequency than the others, or if an annotation lies
            before the start or after the end.
    """
    path = Path(path)
    header = headers.read(path)
    kind = segments if isinstance(header, wfdb.MultiRecord) else signal_files
    found = kind.read(path, header, leads, needed=signals)
    marks = annotation_files.NONE
    if annotator is not None:
        marks = annotation_files.read(path, annotator, fs=found.fs, n_samples=found.n_samples)
    age, sex = headers.age_and_sex(header.comments)
    return Record(
        name=path.name,
        fs=found.fs,
        signals=found.values,
        leads=found.leads,
        samples=marks.samples,
        symbols=marks.symbols,
        aux=marks.aux,
        age=age,
        sex=sex,
        comments=list(header.comments),
        patient=patient or path.name,
        n_samples=found.n_samples,
        channels=marks.channels,
    )
