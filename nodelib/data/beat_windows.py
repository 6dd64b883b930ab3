"""A record's heartbeats as rows of 187 numbers: the steps of Kachuee et al. (2018), one by one.

See ``nodelib.data.heartbeats`` for the set that is made of them and for its source.
"""

from fractions import Fraction

import numpy as np
from scipy.signal import find_peaks, resample_poly

from nodelib.data import aami
from nodelib.errors import DataError

FS = 125.0
LENGTH = 187
WINDOW = 10.0

UNCLASSED = frozenset("Bnr?")
"""WFDB's codes for beats that MIT-BIH does not use, and for one that nobody has classified."""

SPACING = (0.2, 3.0)
"""Seconds between beats, in the median of a record, that a heart can have (300 to 20 a minute)."""


def record_beats(
    record, *, peaks: str = "annotated", scale: str = "beat", lead: str = "MLII"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One record's heartbeats: x (n, 187) float32, class (n,) int64, R peak (n,) in samples.

    A detected peak has the class of the annotated beat within 0.1 s; others are left out. The last
    annotated beat of a record is left out, as in the published set. Annotations that are not beats
    are passed over. A record may be shorter than a window. A beat on a stretch of flat line, where
    a lead fell off, is a row of zeros.

    Raises:
        DataError: if the record has no signal, fewer than two annotated beats, two at one time,
            beats beyond the end of the signal, beats that have no AAMI class, or beats so far
            apart, or so close, that the sampling frequency must be wrong; or as ``resample`` does.
    """
    unclassed = sorted(UNCLASSED & set(record.symbols))
    unclassed += sorted({s for s in record.symbols if s.startswith("[") and len(s) > 1})
    if unclassed:
        raise DataError(
            f"record {record.name} has annotations {', '.join(unclassed)}, which may be beats and "
            "have no AAMI class here: give them one of the symbols in aami.BEATS, or leave them out"
        )
    where, label = aami.beats(record)
    label = label.astype(np.int64)
    if len(where) < 2:
        raise DataError(f"record {record.name} has {len(where)} annotated beats: need 2 or more")
    signal = resample(record, lead)
    if where[-1] >= len(record.signals):
        raise DataError(
            f"record {record.name} has beats up to sample {where[-1]:,}, and "
            f"{len(record.signals):,} samples of signal: all of the signal is needed"
        )
    spacing = float(np.median(np.diff(where))) / record.fs
    if not SPACING[0] <= spacing <= SPACING[1]:
        raise DataError(
            f"record {record.name} has a beat every {spacing:.3g} s (median), which no heart does: "
            f"its sampling frequency of {record.fs:g} Hz must be wrong"
        )
    at = np.rint(where * FS / record.fs).astype(int)
    if peaks == "detected":
        found = detect_peaks(signal)
        nearest = np.abs(at[None, :] - found[:, None]).argmin(axis=1)
        close = np.abs(at[nearest] - found) <= 0.1 * FS
        starts, chosen = found[close], nearest[close]
        period = nominal_period(found, len(signal))
    else:
        starts, chosen = at[:-1], np.arange(len(at) - 1)
        period = nominal_period(at, len(signal))
    beats = cut(signal, starts, period, scale)
    return beats, label[chosen], where[chosen]


def resample(record, lead: str = "MLII") -> np.ndarray:
    """The lead (the first where there is none of that name) at 125 Hz in mV, float64.

    Raises:
        DataError: if the record was read without signals, its sampling frequency is not a positive
            number, or the lead is flat throughout or has samples that are not numbers.
    """
    if record.signals is None:
        raise DataError(f"record {record.name} has no signal here: heartbeats are cut from signals")
    if not 0 < record.fs < np.inf:
        raise DataError(f"record {record.name} has a sampling frequency of {record.fs} Hz")
    column = record.leads.index(lead) if lead in record.leads else 0
    signal = record.signals[:, column]
    name = f"lead {record.leads[column]} of record {record.name}"
    if missing := int((~np.isfinite(signal)).sum()):
        raise DataError(
            f"{name} has {missing:,} of {len(signal):,} samples that are not numbers (gaps in the "
            "recording): fill them, or cut the record before and after"
        )
    if not np.ptp(signal):
        raise DataError(f"{name} is a flat line: choose another lead, or leave the record out")
    ratio = _ratio(record.fs, len(signal))
    return resample_poly(signal, ratio.numerator, ratio.denominator)


def _ratio(fs: float, n: int) -> Fraction:
    """125 Hz over ``fs``, with a denominator as small as puts no sample half a place off."""
    exact = FS / fs
    for largest in (1000, 10_000, 100_000):
        ratio = Fraction(exact).limit_denominator(largest)
        if abs(float(ratio) - exact) * n <= 0.5 and ratio:
            break
    return ratio


def detect_peaks(signal: np.ndarray) -> np.ndarray:
    """R peaks as the paper finds them: local maxima over 0.9 of the scaled 10 s window."""
    size = int(WINDOW * FS)
    found = []
    for start in range(0, len(signal), size):
        window = signal[start : start + size]
        found.append(start + find_peaks(unit_range(window), height=0.9)[0])
    return np.concatenate(found)


def nominal_period(peaks: np.ndarray, n: int) -> np.ndarray:
    """Median R-R interval T of each 10 s window, in samples at 125 Hz, (windows,).

    A window with fewer than two peaks has the median of the record.
    """
    size = int(WINDOW * FS)
    overall = np.median(np.diff(peaks)) if len(peaks) > 1 else FS
    period = np.full(-(-n // size), float(overall))
    for index in range(len(period)):
        inside = peaks[(peaks >= index * size) & (peaks < (index + 1) * size)]
        if len(inside) > 1:
            period[index] = np.median(np.diff(inside))
    return period


def cut(signal: np.ndarray, starts: np.ndarray, period: np.ndarray, scale: str) -> np.ndarray:
    """The signal from each start on, 1.2 T long, scaled to [0, 1] and filled up to 187 with zeros.

    What is longer than 187 samples is cut off.
    """
    size = int(WINDOW * FS)
    beats = np.zeros((len(starts), LENGTH), np.float32)
    for row, start in zip(beats, starts, strict=True):
        index = min(start // size, len(period) - 1)
        length = min(round(1.2 * period[index]), LENGTH)
        beat = signal[start : start + length]
        if scale == "beat":
            row[: len(beat)] = unit_range(beat)
        else:
            window = signal[index * size : (index + 1) * size]
            low, high = window.min(), window.max()
            row[: len(beat)] = np.clip((beat - low) / (high - low or 1.0), 0.0, 1.0)
    return beats


def unit_range(signal: np.ndarray) -> np.ndarray:
    """The signal moved and stretched so that it goes from 0 to 1; a constant one becomes 0."""
    low, high = signal.min(), signal.max()
    return (signal - low) / (high - low or 1.0)
