"""Signals of WFDB records: which are read, how long they are, and whether they are the header's.

The formats are described in https://physionet.org/physiotools/wag/signal-5.htm.
"""

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import wfdb

from nodelib.errors import DataError

PER_MV = {"mv": 1.0, "v": 1e3, "uv": 1e-3, "nv": 1e-6}
PER_MV |= {"millivolt": 1.0, "volt": 1e3, "microvolt": 1e-3}
"""Millivolts in a unit of voltage, by its name in small letters."""

_BYTES = {
    **{fmt: Fraction(1) for fmt in ("8", "80")},
    **{fmt: Fraction(2) for fmt in ("16", "61", "160")},
    **{"24": Fraction(3), "32": Fraction(4), "212": Fraction(3, 2)},
    **{fmt: Fraction(4, 3) for fmt in ("310", "311")},
}
_COMPRESSED = ("508", "516", "524")
_INVALID = {"80": 8, "508": 8, "310": 10, "311": 10, "212": 12, "16": 16, "61": 16, "160": 16}
_INVALID |= {"516": 16, "24": 24, "524": 24, "32": 32}
"""Bits of the formats whose lowest number marks a sample that is none."""


def choose(
    path: Path, header: wfdb.Record, leads: Sequence[str] | None, *, needed: bool
) -> list[int]:
    """Numbers of the signals called ``leads``, in that order; of all of them for None.

    Where they are not needed, and differ in sampling frequency, the answer for None is that of
    none.

    Raises:
        DataError: if there is no such signal, or they differ in sampling frequency.
    """
    names = names_of(header)
    if leads is None:
        chosen = list(range(len(names)))
    else:
        if absent := [lead for lead in leads if lead not in names]:
            raise DataError(
                f"{path}.hea has no signal {absent[0]!r}: it has {', '.join(names) or 'none'}"
            )
        chosen = [names.index(lead) for lead in leads]
    if len({_per_frame(header, k) for k in chosen}) > 1:
        if leads is None and not needed:
            return []
        rates = ", ".join(f"{names[k]} {header.fs * _per_frame(header, k):g} Hz" for k in chosen)
        raise DataError(
            f"the signals of {path}.hea differ in sampling frequency ({rates}), which is not "
            "supported: name those to read, all of one frequency, in leads=(...)"
        )
    return chosen


def names_of(header: wfdb.Record) -> tuple[str, ...]:
    """Names of all signals; one without a description is called ``signal 0``, ``signal 1`` ..."""
    return tuple(name or f"signal {k}" for k, name in enumerate(header.sig_name or ()))


def samples_per_frame(header: wfdb.Record, chosen: Sequence[int]) -> int:
    """Samples of each of the chosen signals in a frame, which all have the same number."""
    return _per_frame(header, chosen[0]) if len(chosen) else 1


def frames(path: Path, header: wfdb.Record, *, needed: bool) -> int:
    """Length of the record in frames: the header's, or that of its signal files.

    Args:
        path: directory and record name.
        header: its header.
        needed: whether the signals are to be read. If not, the files may be missing; without a
            length in the header the answer is then 0.

    Raises:
        DataError: if they are needed and a signal file is missing, shorter or longer than the
            header says, in an unknown format, or of a length of its own, or if the header says
            0.
    """
    if not header.n_sig or (header.sig_len and not needed):
        return header.sig_len or 0
    if needed and header.sig_len == 0:  # wfdb takes this for an empty record
        raise DataError(
            f"{path}.hea gives a length of 0, which stands for unknown: write the number of "
            "samples into its first line, or remove the 0"
        )
    members = defaultdict(list)
    for k, name in enumerate(header.file_name):
        members[name].append(k)
    lengths = {}
    for name, signals in members.items():
        file = path.with_name(name)
        if not file.is_file():
            if not needed:
                return 0
            raise DataError(f"{file} is missing: copy or download the record's signals")
        lengths[name] = _frames_in(file, path, header, signals)
    if header.sig_len:
        return header.sig_len
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise DataError(
            f"{path}.hea gives no length, and its signal files differ in theirs (frames: {found}): "
            "write the number of samples into its first line"
        )
    return next(iter(lengths.values()))


def read(path: Path, header: wfdb.Record, chosen: Sequence[int], length: int) -> np.ndarray | None:
    """The chosen signals in mV, float64, (length * samples per frame, signals); None without any.

    NaN where the file marks a sample as none, and at the end of a signal with a skew: one that was
    sampled, or stored, later than the others is moved to where it belongs.

    Raises:
        DataError: if they cannot be read, a signal does not have the header's first value or
            checksum, or one is not a voltage.
    """
    names = names_of(header)
    factors = [_factor(path, header, k, names) for k in chosen]
    if not chosen:
        return None
    try:
        record = wfdb.rdrecord(
            str(path), channels=list(chosen), smooth_frames=False, ignore_skew=True
        )
    except (ValueError, IndexError, RuntimeError, OSError) as error:
        raise DataError(
            f"the signals of {path} cannot be read ({error}): replace the .dat and .hea files"
        ) from error
    values = np.empty((length * samples_per_frame(header, chosen), len(chosen)))
    for column, (k, factor) in enumerate(zip(chosen, factors, strict=True)):
        signal = record.e_p_signal[column]
        if len(signal) != len(values):
            raise DataError(
                f"{path}: lead {names[k]} has {len(signal):,} samples instead of {len(values):,}: "
                "replace the .dat and .hea files with a matching pair"
            )
        _check(path, header, k, signal, names[k])
        skew = (header.skew[k] or 0) * _per_frame(header, k)
        values[: len(signal) - skew, column] = signal[skew:]
        values[max(0, len(signal) - skew) :, column] = np.nan
        if factor != 1.0:
            values[:, column] *= factor
    return values


def _per_frame(header: wfdb.Record, k: int) -> int:
    return header.samps_per_frame[k] or 1


def _frames_in(file: Path, path: Path, header: wfdb.Record, signals: list[int]) -> int:
    """Frames in a signal file of the record, checked against the header's length."""
    formats = {header.fmt[k] for k in signals}
    fmt = header.fmt[signals[0]]
    if len(formats) > 1:
        raise DataError(f"{path}.hea gives {file.name} several formats: replace it")
    if fmt in _COMPRESSED:
        if not header.sig_len:
            raise DataError(
                f"{path}.hea gives no length, and format {fmt} of {file.name} is compressed: "
                "write the number of samples into its first line"
            )
        return header.sig_len  # what is read is compared with it
    if fmt not in _BYTES:
        known = ", ".join([*_BYTES, *_COMPRESSED])
        raise DataError(f"{path}.hea: signal format {fmt} is not supported; these are: {known}")
    width = _BYTES[fmt] * sum(_per_frame(header, k) for k in signals)
    size = file.stat().st_size - (header.byte_offset[signals[0]] or 0)
    found = max(0, int(size / width))
    # Formats that share bytes between samples may fill up the last group.
    slack = ceil(_BYTES[fmt]) * 2 if fmt in ("310", "311") else 1
    if header.sig_len and abs(size - width * header.sig_len) > slack:
        state = "truncated" if size < width * header.sig_len else "too long"
        raise DataError(
            f"{file} is {state}: it holds {found:,} samples of each signal, the "
            f"header {path.name}.hea says {header.sig_len:,}. Replace both with a matching pair"
        )
    if not found:
        raise DataError(f"{file} holds no sample: copy or download the record's signals")
    return found


def _factor(path: Path, header: wfdb.Record, k: int, names: Sequence[str]) -> float:
    unit = header.units[k] or "mV"
    name = unit.lower().removesuffix("s")
    # A capital M is mega: nothing that an electrode gives.
    if unit.startswith("M") or name not in PER_MV:
        others = [n for n, u in zip(names, header.units, strict=True) if (u or "mV") == "mV"]
        hint = f", as leads=({', '.join(map(repr, others))},)" if others else ""
        raise DataError(
            f"signal {names[k]} of {path}.hea is in {unit}, which is no unit of voltage that is "
            f"known here (mV, uV, V, nV): correct the header, or name the leads to read{hint}"
        )
    return PER_MV[name]


def _check(path: Path, header: wfdb.Record, k: int, signal: np.ndarray, name: str) -> None:
    """Compare a signal as it lies in the file with the header's first value and checksum."""
    fmt = header.fmt[k]
    digital = np.rint(signal * header.adc_gain[k] + header.baseline[k])
    if fmt in _INVALID:
        digital[np.isnan(digital)] = -(2 ** (_INVALID[fmt] - 1))
    first = header.init_value[k]
    # Format 8 stores differences, the first of them from this value.
    if fmt != "8" and first is not None and len(digital) and int(digital[0]) != first:
        raise DataError(
            f"{path}.hea disagrees with its signal: lead {name} begins with "
            f"{int(digital[0])}, the header says {first}. "
            "Replace the .dat and .hea files with a matching pair"
        )
    known, total = header.checksum[k], int(digital.astype(np.int64).sum())
    # Without a length the format's description says not to compare checksums.
    if header.sig_len and known is not None and (total - known) % 65536:
        raise DataError(
            f"{path}.hea disagrees with its signal: the checksum of lead {name} is "
            f"{total % 65536}, the header says {known % 65536}. "
            "Replace the .dat and .hea files with a matching pair"
        )
