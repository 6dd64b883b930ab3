"""One ECG record in WFDB format, read with its header, signals and annotations checked."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import wfdb

from nodelib.errors import DataError

_BYTES_PER_SAMPLE = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5}
_AGE_AND_SEX = re.compile(r"(?:Age:\s*)?(?P<age>-?\d+|\?)\s+(?:Sex:\s*)?(?P<sex>[MF])\b")


@dataclass(frozen=True, eq=False)
class Record:
    """An ECG record.

    Attributes:
        name: record name, such as ``"100"``.
        fs: sampling frequency in Hz.
        signals: float64, shape (samples, leads), in mV; None if not asked for or not at hand.
        leads: names of the columns of ``signals``.
        samples: int64, shape (annotations,): where each annotation is, as a sample index from 0.
        symbols: the annotation codes, one for each of ``samples``.
        aux: the auxiliary text of each annotation, such as ``"(AFIB"``; mostly empty.
        age: in years; None if not known.
        sex: ``"M"``, ``"F"`` or None.
        comments: the comment lines of the header.
        patient: name shared by the records of one person.
        n_samples: length of the whole recording in samples.
        note: what is missing, for a record that is not all at hand; empty otherwise.
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


def read_record(
    path: Path, annotator: str | None = "atr", *, signals: bool = True, patient: str | None = None
) -> Record:
    """Read a WFDB record and check its files against each other.

    The header's format is described in https://physionet.org/physiotools/wag/header-5.htm.

    Args:
        path: directory and record name, without a suffix.
        annotator: suffix of the annotation file; None to read none.
        signals: False reads the header and annotations only and does not open the signal file.
        patient: name shared by the records of one person; the record's name by default.

    Raises:
        DataError: if a file is missing or malformed, if a signal file is shorter or longer than
            the header says, if a signal does not have the header's first value or checksum, or
            if an annotation lies after the end.
    """
    path = Path(path)
    header = _header(path)
    values = _signals(path, header) if signals else None
    n_samples = header.sig_len or 0
    samples, symbols, aux = _annotations(path, annotator, n_samples)
    age, sex = age_and_sex(header.comments)
    return Record(
        name=path.name,
        fs=float(header.fs),
        signals=values,
        leads=tuple(header.sig_name or ()),
        samples=samples,
        symbols=symbols,
        aux=aux,
        age=age,
        sex=sex,
        comments=list(header.comments),
        patient=patient or path.name,
        n_samples=n_samples,
    )


def age_and_sex(comments: list[str]) -> tuple[int | None, str | None]:
    """Age in years and sex from a header's comments, each None where it is not stated."""
    for comment in comments:
        if found := _AGE_AND_SEX.match(comment.strip()):
            text = found["age"]
            return (int(text) if text.isdigit() else None), found["sex"]
    return None, None


def _header(path: Path) -> wfdb.Record:
    file = path.with_name(path.name + ".hea")
    if not file.is_file():
        raise DataError(f"{file} is missing: copy or download the record's header")
    try:
        header = wfdb.rdheader(str(path))
    except (ValueError, IndexError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{file} is not a WFDB header ({error}): replace it") from error
    if not isinstance(header, wfdb.Record):
        raise DataError(f"{file} describes a record of several segments, which is not supported")
    if len(header.file_name or ()) != header.n_sig:
        raise DataError(
            f"{file} announces {header.n_sig} signals and describes {len(header.file_name or ())}: "
            "replace it"
        )
    return header


def _signals(path: Path, header: wfdb.Record) -> np.ndarray | None:
    if not header.n_sig:
        return None
    _check_sizes(path, header)
    try:
        record = wfdb.rdrecord(str(path), physical=False, return_res=16)
    except (ValueError, IndexError, OSError) as error:
        raise DataError(
            f"the signals of {path} cannot be read ({error}): replace the .dat and .hea files"
        ) from error
    _check_values(path, header, record.d_signal)
    return record.dac()


def _check_sizes(path: Path, header: wfdb.Record) -> None:
    per_frame = defaultdict(float)
    for name, fmt, samples in zip(
        header.file_name, header.fmt, header.samps_per_frame, strict=True
    ):
        if fmt not in _BYTES_PER_SAMPLE:
            raise DataError(f"{path}.hea: signal format {fmt} is not supported")
        per_frame[name] += _BYTES_PER_SAMPLE[fmt] * (samples or 1)
    for name, width in per_frame.items():
        file = path.with_name(name)
        if not file.is_file():
            raise DataError(f"{file} is missing: copy or download the record's signals")
        offset = header.byte_offset[header.file_name.index(name)] or 0
        size = file.stat().st_size - offset
        if header.sig_len and abs(size - width * header.sig_len) > 1:
            state = "truncated" if size < width * header.sig_len else "too long"
            raise DataError(
                f"{file} is {state}: it holds {int(size / width):,} samples of each signal, the "
                f"header {path.name}.hea says {header.sig_len:,}. Replace both with a matching pair"
            )


def _check_values(path: Path, header: wfdb.Record, digital: np.ndarray) -> None:
    sums = digital.sum(axis=0, dtype=np.int64)
    for lead, name in enumerate(header.sig_name):
        first = header.init_value[lead]
        if first is not None and len(digital) and int(digital[0, lead]) != first:
            raise DataError(
                f"{path}.hea disagrees with its signal: lead {name} begins with "
                f"{int(digital[0, lead])}, the header says {first}. "
                "Replace the .dat and .hea files with a matching pair"
            )
        known = header.checksum[lead]
        if known is not None and (int(sums[lead]) - known) % 65536:
            raise DataError(
                f"{path}.hea disagrees with its signal: the checksum of lead {name} is "
                f"{int(sums[lead]) % 65536}, the header says {known % 65536}. "
                "Replace the .dat and .hea files with a matching pair"
            )


def _annotations(
    path: Path, annotator: str | None, n_samples: int
) -> tuple[np.ndarray, list[str], list[str]]:
    if annotator is None:
        return np.empty(0, np.int64), [], []
    file = path.with_name(f"{path.name}.{annotator}")
    if not file.is_file():
        raise DataError(f"{file} is missing: copy or download the record's annotations")
    content = file.read_bytes()
    if len(content) % 2 or not content.endswith(b"\0\0"):
        raise DataError(
            f"{file} is truncated: it has no end mark. Copy or download the annotations again"
        )
    try:
        annotation = wfdb.rdann(str(path), annotator)
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise DataError(f"{file} is not a WFDB annotation file ({error}): replace it") from error
    samples = np.asarray(annotation.sample, np.int64)
    if n_samples and samples.size and samples.max() >= n_samples:
        raise DataError(
            f"{file} has an annotation at sample {samples.max():,}, after the end of the record "
            f"({n_samples:,} samples): the files are not of the same record. Replace them"
        )
    return samples, list(annotation.symbol), [text.rstrip("\0") for text in annotation.aux_note]
