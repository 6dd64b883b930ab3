"""A record as a series of events, one a heartbeat, and its division into overlapping chunks.

Each beat has a time, the R-R interval that ended at it, its AAMI class and the duration of its QRS
complex: seven numbers at irregular times, with a mask that says which of them were observed. That
is the form of data that GRU-ODE-Bayes takes (De Brouwer et al., NeurIPS 2019). The deck on its use
for arrhythmias cuts such series into overlapping chunks; ``chunks`` follows its code, with 512
events and an overlap of 128 where nothing else is asked for.

QRS durations come from an energy envelope in the manner of Pan & Tompkins, IEEE Trans. Biomed. Eng.
32(3):230-236 (1985): see ``qrs_durations``.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_opening, uniform_filter1d
from scipy.signal import butter, sosfiltfilt

from nodelib.data import aami
from nodelib.errors import DataError

COLUMNS: tuple[str, ...] = ("rr", *aami.CLASSES, "qrs")
"""Names of the columns of ``Rhythm.values``: R-R (s), the class one-hot, QRS duration (s)."""

SHORTEST = 16
"""Samples that the filter of ``qrs_durations`` needs at least."""


@dataclass(frozen=True, eq=False)
class Rhythm:
    """The events of one record, or of a chunk of one.

    Attributes:
        record: name of the record, with ``_chunk<k>`` added for a chunk.
        patient: name of the person.
        time: float64, (n,): seconds from the start of the recording, or of the chunk.
        values: float64, (n, 7), the columns of ``COLUMNS``; 0 where not observed.
        mask: bool, (n, 7): what was observed.
        age: in years, or None.
        sex: ``"F"``, ``"M"`` or None.
    """

    record: str
    patient: str
    time: np.ndarray
    values: np.ndarray
    mask: np.ndarray
    age: int | None
    sex: str | None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def rr(self) -> np.ndarray:
        """R-R interval that ended at each beat, in s, (n,); 0 where it was not observed."""
        return self.values[:, 0]

    @property
    def beat_class(self) -> np.ndarray:
        """Class of each beat, one-hot in the order N, S, V, F, Q, (n, 5)."""
        return self.values[:, 1:6]

    @property
    def qrs_duration(self) -> np.ndarray:
        """Duration of each QRS complex in s, (n,); 0 where it was not observed."""
        return self.values[:, 6]


def events(record, channel: int | None = None) -> Rhythm:
    """The beats of a record as events.

    Annotations that are not beats are no events. The R-R interval of the first beat, and of the
    first one after ventricular flutter, was not observed: there is no beat before it. Where the
    record has no signal no QRS duration was observed; see ``qrs_durations`` for other cases.

    Args:
        record: a ``nodelib.data.Record``.
        channel: take only the annotations of this signal, for a record in which several signals
            are annotated separately.

    Raises:
        DataError: if the record has no annotated beat, or two at one time.
    """
    samples, label = aami.beats(record, channel)
    if not len(samples):
        raise DataError(f"record {record.name} has no annotated beat: nothing to make events of")
    values = np.zeros((len(samples), len(COLUMNS)))
    mask = np.ones_like(values, dtype=bool)
    values[1:, 0] = np.diff(samples) / record.fs
    flutter_ends = np.array(
        [s for s, y in zip(record.samples, record.symbols, strict=True) if y == "]"]
    )
    mask[0, 0] = False
    after = np.searchsorted(samples, flutter_ends)
    mask[after[after < len(samples)], 0] = False
    values[np.arange(len(samples)), 1 + label] = 1.0
    if record.signals is None:
        mask[:, 6] = False
    else:
        values[:, 6] = qrs_durations(record.signals, samples, record.fs)
        mask[:, 6] = np.isfinite(values[:, 6])
    values[~mask] = 0.0
    return Rhythm(
        record.name, record.patient, samples / record.fs, values, mask, record.age, record.sex
    )


def qrs_durations(signals: np.ndarray, samples: np.ndarray, fs: float) -> np.ndarray:
    """Duration in s of the QRS complex at each of ``samples``, (n,), from all leads together.

    The slope of the signal between 1 and 30 Hz, without sign, summed over the leads and averaged
    over 40 ms, is an envelope that is high during the QRS complex. The duration is how long it
    stays over 15% of its maximum, which is looked for from 60 ms before to 100 ms after the
    annotation. A dip below that for less than 30 ms, as in a notched complex, does not end it.
    Nothing beyond 160 ms on either side is looked at, so that 0.32 s is the longest duration there
    can be. Averaging adds some 20 ms: these are for comparison between beats, not for diagnosis.
    A beat has NaN, for not observed, if its envelope is 0 throughout (a lead that fell off), if a
    sample near it is NaN, or if it lies beyond the signals; all beats have if the signals are
    shorter than the filter needs (``SHORTEST`` samples) or sampled at 60 Hz or less.

    Args:
        signals: (samples, leads) in mV; at least one lead.
        samples: indices of the R peaks.
        fs: sampling frequency in Hz.
    """
    if len(signals) < SHORTEST or fs <= 60.0:
        return np.full(len(samples), np.nan)
    known = np.isfinite(signals).all(axis=1)
    band = butter(2, [1.0, 30.0], btype="band", fs=fs, output="sos")
    slope = np.abs(np.gradient(sosfiltfilt(band, _bridged(signals, known), axis=0), axis=0))
    envelope = uniform_filter1d(slope.sum(axis=1), max(1, round(0.04 * fs)))
    half = round(0.16 * fs)
    places = np.minimum(samples, len(signals) - 1)[:, None] + np.arange(2 * half + 1)
    window = np.pad(envelope, half)[places]
    first, last = half - round(0.06 * fs), half + round(0.10 * fs)
    top = first + window[:, first:last].argmax(axis=1)
    height = np.take_along_axis(window, top[:, None], axis=1)
    index = np.arange(2 * half + 1)
    low = window < 0.15 * height
    low = binary_opening(low, np.ones((1, round(0.03 * fs)), dtype=bool))
    onset = np.where(low & (index < top[:, None]), index, -1).max(axis=1)
    offset = np.where(low & (index > top[:, None]), index, 2 * half + 1).min(axis=1)
    whole = np.pad(known, half, constant_values=True)[places].all(axis=1)
    observed = (height[:, 0] > 0) & whole & (samples < len(signals))
    return np.where(observed, (offset - onset - 1) / fs, np.nan)


def _bridged(signals: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The signals with straight lines over the samples that are not known in all leads."""
    if known.all() or not known.any():
        return signals if known.all() else np.zeros_like(signals)
    at, there = np.arange(len(signals)), np.flatnonzero(known)
    return np.stack([np.interp(at, there, lead[there]) for lead in signals.T], axis=1)


def chunks(rhythm: Rhythm, size: int = 512, overlap: int = 128) -> list[Rhythm]:
    """The rhythm cut into overlapping chunks of ``size`` events, as the deck on ECG does.

    Each chunk starts ``size - overlap`` events after the one before, and its times start at 0. The
    last one ends with the series and may be shorter. A series of at most ``size`` events is
    returned as it is.

    Raises:
        ValueError: if ``size`` is below 1, or ``overlap`` negative or not below ``size``: the next
            chunk would not start later than this one.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    if not 0 <= overlap < size:
        raise ValueError(f"overlap must be at least 0 and below size = {size}, not {overlap}")
    n = len(rhythm)
    if n <= size:
        return [rhythm]
    pieces, start = [], 0
    while start < n:
        end = min(start + size, n)
        pieces.append(
            replace(
                rhythm,
                record=f"{rhythm.record}_chunk{len(pieces)}",
                time=rhythm.time[start:end] - rhythm.time[start],
                values=rhythm.values[start:end],
                mask=rhythm.mask[start:end],
            )
        )
        if end == n:
            break
        start += size - overlap
    return pieces
