"""Synthetic records in the form of MIT-BIH, for where the real ones are not at hand.

The signals are solutions of the model of McSharry et al. (``nodelib.data.mcsharry``), solved
with ``nodelib.ode.solvers``, with three additions: a second lead (a second z on the same limit
cycle), beats of the five AAMI classes with waves and timing of their own
(``nodelib.data.patients``), and noise. They are a stand-in for data and teach nothing about hearts.
"""

import math
from pathlib import Path

import numpy as np
import torch
import wfdb

from nodelib.data.mcsharry import RHYTHMS, derivative, rr_series, wrap
from nodelib.data.patients import FS, PATIENTS, WAVES, beats
from nodelib.ode.solvers import solve

__all__ = ["PATIENTS", "rr_series", "write_records"]

LEADS = ("MLII", "V1")
GAIN, BASELINE = 200.0, 1024


def _stack(tables: list[np.ndarray]) -> np.ndarray:
    """Wave tables of beats in one array (beats, waves, 4), filled up with waves of height 0."""
    most = max(len(table) for table in WAVES.values())
    stacked = np.zeros((len(tables), most, 4))
    stacked[:, :, 1] = 1.0
    for row, table in zip(stacked, tables, strict=True):
        row[: len(table)] = table
    return stacked


def _integrate(waves: np.ndarray, rr: np.ndarray, start: np.ndarray, breath: np.ndarray):
    """The leads between each beat's R peak and the next one, all intervals in one batch.

    Each interval starts at (x, y) = (1, 0), which is where an R peak is on the limit cycle, and
    z = 0. The waves are those of the beat before and the beat after. Returns
    (samples, intervals, leads) of z in mV at multiples of 1/360 s.

    Args:
        waves: (intervals, 2, waves, 4), the wave tables of the two beats that bound the interval.
        rr: samples in the interval.
        start: time of its first sample in the record, in s.
        breath: phase of breathing in the record that it belongs to, in rad.
    """
    omega = torch.from_numpy(2 * np.pi * FS / rr)
    tables = torch.from_numpy(waves)
    turns = torch.tensor([0.0, 2 * math.pi], dtype=torch.float64)[None, :, None]
    centre = (omega[:, None, None] * tables[..., 0] + turns).flatten(1)
    width = (omega[:, None, None] * tables[..., 1]).flatten(1)
    strength = (omega[:, None] / width**2)[..., None] * tables[..., 2:].flatten(1, 2)
    offset = torch.from_numpy(start)
    phase = torch.from_numpy(breath)

    def f(t: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        # An R peak is both the start and the end of the turn; the clock tells which of them it is.
        clock = omega * t
        theta = clock + wrap(torch.atan2(state[:, 1], state[:, 0]) - clock)
        baseline = 0.15 * torch.sin(2 * math.pi * 0.25 * (offset + t) + phase)
        return derivative(state, omega, theta[:, None] - centre, strength, width, baseline[:, None])

    z0 = torch.zeros(len(rr), 2 + len(LEADS), dtype=torch.float64)
    z0[:, 0] = 1.0
    t = torch.arange(int(rr.max()) + 1, dtype=torch.float64) / FS
    return solve(f, z0, t, method="rk4", step_size=1 / FS).z[:, :, 2:].numpy()


def _chain(pieces: np.ndarray, rr: np.ndarray, first: np.ndarray) -> np.ndarray:
    """One record's leads (samples, leads) from the pieces between its R peaks, each begun at 0.

    The equation of z is linear, so that a piece begun at c is the piece begun at 0 plus c exp(-t).
    The record begins at the height of its first R peak, given by that beat's waves ``first``.
    """
    decay = np.exp(-np.arange(len(pieces)) / FS)[:, None]
    level = np.exp(-((first[:, 0] / first[:, 1]) ** 2) / 2) @ first[:, 2:]
    parts = []
    for k, samples in enumerate(rr):
        piece = pieces[: samples + 1, k] + level * decay[: samples + 1]
        parts.append(piece[:-1])
        level = piece[-1]
    return np.concatenate(parts)


def write_records(directory: Path, *, seed: int = 0, duration: float = 300.0) -> list[str]:
    """Write the records of ``PATIENTS`` as WFDB files like those of MIT-BIH; returns their names.

    Each is ``duration`` seconds of two leads (MLII, V1) at 360 Hz, format 212, 200 units a mV, with
    reference annotations ``.atr`` at the R peaks and age and sex in the header's comment. The same
    seed gives the same bytes. ``RECORDS`` lists the names.

    Raises:
        ValueError: for a duration under 10 s.
    """
    if duration < 10:
        raise ValueError(f"duration must be at least 10 s, not {duration}")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    rngs = [np.random.default_rng([seed, k]) for k in range(len(PATIENTS))]
    series = [beats(p, duration, rng) for p, rng in zip(PATIENTS, rngs, strict=True)]
    bounds = np.cumsum([0, *(len(rr) for _, rr in series)])
    waves, starts, breaths = [], [], []
    for patient, rng, (symbols, rr) in zip(PATIENTS, rngs, series, strict=True):
        tables = _stack([WAVES[symbol] for symbol in symbols])
        # P and T keep their share of the beat as the rate changes, as QT does (Bazett).
        tables[:, :, 0] *= np.where(
            np.abs(tables[:, :, 0]) > 0.12, math.sqrt(RHYTHMS[patient.rhythm][0]), 1.0
        )
        tables[:, :, 2:] *= rng.normal(1.0, 0.1, (1, tables.shape[1], 2))  # this person's
        tables[:, :, 2:] *= rng.normal(1.0, 0.03, (len(symbols), 1, 1))  # this beat's
        waves.append(np.stack([tables[:-1], tables[1:]], axis=1))
        starts.append(np.cumsum([0, *rr[:-1]]) / FS)
        breaths.append(np.full(len(rr), rng.uniform(0, 2 * np.pi)))
    rr_all = np.concatenate([rr for _, rr in series])
    pieces = _integrate(
        np.concatenate(waves), rr_all, np.concatenate(starts), np.concatenate(breaths)
    )
    for k, (patient, rng) in enumerate(zip(PATIENTS, rngs, strict=True)):
        symbols, rr = series[k]
        leads = _chain(pieces[:, bounds[k] : bounds[k + 1]], rr, waves[k][0, 0])
        _write(directory, patient, rng, leads, symbols, rr, duration, seed)
    names = [patient.name for patient in PATIENTS]
    (directory / "RECORDS").write_text("\n".join(names) + "\n", encoding="ascii")
    return names


def _write(directory, patient, rng, leads, symbols, rr, duration, seed) -> None:
    skip = rr[0] // 2  # the record begins in the middle of an interval
    n = round(duration * FS)
    signal = leads[skip : skip + n] + rng.normal(0.0, patient.noise, (n, len(LEADS)))
    peaks = np.cumsum([0, *rr]) - skip
    inside = (peaks >= 0) & (peaks < n)
    rhythm = "(P" if patient.base == "/" else "(N"
    # The rhythm is named just before the first beat, as in MIT-BIH.
    sample = np.concatenate([[peaks[inside][0] - 1], peaks[inside]])
    wfdb.wrsamp(
        patient.name,
        fs=FS,
        units=["mV"] * len(LEADS),
        sig_name=list(LEADS),
        p_signal=signal,
        fmt=["212"] * len(LEADS),
        adc_gain=[GAIN] * len(LEADS),
        baseline=[BASELINE] * len(LEADS),
        comments=[
            f"{patient.age} {patient.sex} 0 0 x1",
            "None",
            f"Synthetic, after McSharry et al. (2003), seed {seed}. Not a recording.",
        ],
        write_dir=str(directory),
    )
    wfdb.wrann(
        patient.name,
        "atr",
        sample,
        symbol=["+", *symbols[inside]],
        aux_note=[rhythm] + [""] * int(inside.sum()),
        write_dir=str(directory),
    )
