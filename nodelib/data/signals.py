"""Signals of WFDB records: which are read, how long they are, and whether they are the header's.

The formats are described in https://physionet.org/physiotools/wag/signal-5.htm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import wfdb

from nodelib.data.lengths import frames, per_frame
from nodelib.errors import DataError

PER_MV = {"mv": 1.0, "v": 1e3, "uv": 1e-3, "nv": 1e-6}
PER_MV |= {"millivolt": 1.0, "volt": 1e3, "microvolt": 1e-3}
"""Millivolts in a unit of voltage, by its name in small letters."""

_INVALID = {"80": 8, "508": 8, "310": 10, "311": 10, "212": 12, "16": 16, "61": 16, "160": 16}
_INVALID |= {"516": 16, "24": 24, "524": 24, "32": 32}
"""Bits of the formats whose lowest number marks a sample that is none."""


@dataclass(frozen=True, eq=False)
class Signals:
    """What a record's signal files, or their description, say.

    Attributes:
        fs: sampling frequency in Hz.
        leads: names of the signals.
        n_samples: length of each; 0 if not known.
        values: float64, (n_samples, leads), in mV; None if not read.
    """

    fs: float
    leads: tuple[str, ...]
    n_samples: int
    values: np.ndarray | None


def read(path: Path, header: wfdb.Record, leads: Sequence[str] | None, *, needed: bool) -> Signals:
    """The signals of a record of one segment; all for ``leads=None``, no values if not needed.

    Raises:
        DataError: as ``choose``, ``frames`` and ``values`` do.
    """
    chosen = choose(path, header, leads, needed=needed)
    length = frames(path, header, needed=needed and bool(chosen))
    in_frame = samples_in_frame(header, chosen)
    names = names_of(header)
    return Signals(
        fs=float(header.fs) * in_frame,
        leads=tuple(names[k] for k in chosen) if chosen else names,
        n_samples=length * in_frame,
        values=values(path, header, chosen, length) if needed else None,
    )


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
    if len({per_frame(header, k) for k in chosen}) > 1:
        if leads is None and not needed:
            return []
        rates = ", ".join(f"{names[k]} {header.fs * per_frame(header, k):g} Hz" for k in chosen)
        raise DataError(
            f"the signals of {path}.hea differ in sampling frequency ({rates}), which is not "
            "supported: name those to read, all of one frequency, in leads=(...)"
        )
    return chosen


def names_of(header: wfdb.Record) -> tuple[str, ...]:
    """Names of all signals; one without a description is called ``signal 0``, ``signal 1`` ..."""
    return tuple(name or f"signal {k}" for k, name in enumerate(header.sig_name or ()))


def samples_in_frame(header: wfdb.Record, chosen: Sequence[int]) -> int:
    """Samples of each of the chosen signals in a frame, which all have the same number."""
    return per_frame(header, chosen[0]) if len(chosen) else 1


def values(
    path: Path, header: wfdb.Record, chosen: Sequence[int], length: int
) -> np.ndarray | None:
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
    found = np.empty((length * samples_in_frame(header, chosen), len(chosen)))
    for column, (k, factor) in enumerate(zip(chosen, factors, strict=True)):
        signal = record.e_p_signal[column]
        if len(signal) != len(found):
            raise DataError(
                f"{path}: lead {names[k]} has {len(signal):,} samples instead of {len(found):,}: "
                "replace the .dat and .hea files with a matching pair"
            )
        _check(path, header, k, signal, names[k])
        skew = (header.skew[k] or 0) * per_frame(header, k)
        found[: len(signal) - skew, column] = signal[skew:]
        found[max(0, len(signal) - skew) :, column] = np.nan
        if factor != 1.0:
            found[:, column] *= factor
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
