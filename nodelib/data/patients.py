"""The people of the synthetic records: their beats, when these come, and the waves they make.

The waves are drawn by hand, on the normal beat of McSharry et al. (``nodelib.data.mcsharry``), to
look like their AAMI class.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from nodelib.data.mcsharry import RHYTHMS, TABLE_I, draw_rr

FS = 360


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


def beats(
    patient: Patient, duration: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Symbol of each beat and samples between it and the next one, for at least ``duration`` s.

    Returns (n,) symbols and (n - 1,) whole numbers of samples at 360 Hz.
    """
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
