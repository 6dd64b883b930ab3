"""Synthetic records in the form of MIT-BIH, for where the real ones are not at hand.

The signals are solutions of the model of McSharry et al. (``nodelib.data.mcsharry``), solved
with ``nodelib.ode.solvers``, with three additions: a second lead (a second z on the same limit
cycle), beats of the five AAMI classes with waves and timing of their own, and noise. Those shapes
are drawn by hand to look like their class. They are a stand-in for data and teach nothing about
hearts.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import wfdb

from nodelib.data.mcsharry import RHYTHMS, TABLE_I, derivative, draw_rr, rr_series, wrap
from nodelib.ode.solvers import solve

__all__ = ["PATIENTS", "rr_series", "write_records"]

FS = 360
LEADS = ("MLII", "V1")
GAIN, BASELINE = 200.0, 1024


@dataclass(frozen=True)
class Patient:
    """What a synthetic record is of: ``mix`` maps a symbol to the probability of such a beat."""

    name: str
    age: int
    sex: str
    base: str
    mix: dict[str, float] = field(default_factory=dict)
    rhythm: str = "normal"
    noise: float = 0.01


PATIENTS = (
    Patient("s01", 34, "F", "N", {"A": 0.04, "V": 0.01}),
    Patient("s02", 71, "M", "N", {"A": 0.02, "V": 0.08, "F": 0.03}),
    Patient("s03", 66, "M", "L", {"V": 0.06, "Q": 0.03}),
    Patient("s04", 83, "F", "/", {"V": 0.02}),
    Patient("s05", 58, "F", "R", {"A": 0.06, "Q": 0.03}, noise=0.03),
    Patient("s06", 69, "M", "N", {"A": 0.01, "V": 0.10, "F": 0.05}, rhythm="chf"),
    Patient("s07", 24, "M", "N", {"A": 0.01}),
    Patient("s08", 77, "F", "/", {"V": 0.03, "A": 0.02}, rhythm="chf"),
)

# Interval before and after a beat out of turn, as shares of the sinus interval: a ventricular
# beat is followed by a full compensatory pause (they add up to 2), an atrial one by a shorter one.
TIMING = {"A": (0.70, 1.12), "V": (0.65, 1.35), "F": (0.92, 1.08), "Q": (0.80, 1.10)}


def _waves() -> dict[str, np.ndarray]:
    """Waves of each beat symbol: time from R (s), width (s), height in MLII and in V1 (mV)."""
    # Table I at 60 beats a minute: a wave of strength a and width b lifts z by a b^2 / omega; the
    # paper then stretches z to the millivolts of an ECG, which is a factor of 25 here.
    turn = 2 * math.pi
    theta, a, b = TABLE_I.T
    v1 = np.array([0.1, 0.25, -0.9, -0.3, -0.15])
    normal = np.column_stack([theta / turn, b / turn, 25 * a * b**2 / turn, v1])
    atrial = normal.copy()
    atrial[0] = [-0.13, 0.025, -0.12, 0.08]
    ventricular = np.array(
        [
            [0.0, 0.045, 1.7, -1.3],
            [0.11, 0.040, -0.6, 0.3],
            [0.32, 0.070, -0.6, 0.4],
        ]
    )
    # A fusion beat is the ventricles excited from both sides at once: half of either beat.
    half = np.array([1, 1, 0.5, 0.5])
    return {
        "N": normal,
        "L": np.array(
            [
                [-0.18, 0.040, 0.15, 0.05],
                [0.0, 0.024, 0.8, -0.9],
                [0.055, 0.024, 0.7, -0.9],
                [0.29, 0.060, -0.35, 0.4],
            ]
        ),
        "R": np.array(
            [
                [-0.18, 0.040, 0.15, 0.05],
                [-0.042, 0.012, -0.1, 0.2],
                [0.0, 0.016, 1.0, -0.4],
                [0.065, 0.026, -0.4, 0.9],
                [0.28, 0.060, 0.3, -0.3],
            ]
        ),
        "A": atrial,
        "V": ventricular,
        "F": np.vstack([normal * half, ventricular * half]),
        "/": np.array(
            [
                [-0.075, 0.004, 0.7, 0.5],
                [0.0, 0.042, -1.2, -1.0],
                [0.31, 0.065, 0.5, 0.4],
            ]
        ),
        "Q": np.array([[0.0, 0.030, 0.7, 0.4], [0.06, 0.030, 0.5, -0.4], [0.26, 0.060, 0.1, 0.1]]),
    }


WAVES = _waves()


def _beats(patient: Patient, duration: float, rng: np.random.Generator):
    """Symbol of each beat and samples between it and the next one, for at least ``duration`` s."""
    mean = RHYTHMS[patient.rhythm][0]
    n = math.ceil(duration / mean * 1.2) + 8
    sinus = draw_rr(n + 1, rng, patient.rhythm)
    if patient.base == "/":  # a pacemaker keeps time
        sinus = np.full(n + 1, mean)
    symbols = rng.choice(
        [patient.base, *patient.mix], n, p=[1 - sum(patient.mix.values()), *patient.mix.values()]
    )
    before, after = np.ones(n), np.ones(n)
    for k in range(n):
        if symbols[k] in TIMING:
            if k and symbols[k - 1] in TIMING:
                symbols[k] = patient.base
            else:
                before[k], after[k] = TIMING[symbols[k]]
    rr = sinus[1:n] * after[:-1] * before[1:]
    return symbols, np.rint(rr * FS).astype(int)


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
    series = [_beats(p, duration, rng) for p, rng in zip(PATIENTS, rngs, strict=True)]
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
