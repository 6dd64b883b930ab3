"""The dynamical model of the electrocardiogram by McSharry et al. (2003), itself an ODE.

It has three states. Two of them, x and y, run round a limit cycle of radius 1, one turn a
heartbeat; the third, z, is the ECG, pushed up and down as the phase passes each wave::

    x' = (1 - sqrt(x^2 + y^2)) x - omega y
    y' = (1 - sqrt(x^2 + y^2)) y + omega x
    z' = -sum_i a_i d_i exp(-d_i^2 / (2 b_i^2)) - (z - z0(t)),   d_i = (theta - theta_i) mod 2 pi

with theta = atan2(y, x), omega = 2 pi / RR and z0 the baseline, which breathes. The RR intervals
come from a spectrum with a low-frequency (0.1 Hz, blood pressure) and a high-frequency (0.25 Hz,
breathing) peak.

Source: P. E. McSharry, G. D. Clifford, L. Tarassenko, L. A. Smith, "A dynamical model for
generating synthetic electrocardiogram signals", IEEE Trans. Biomed. Eng. 50(3):289-294 (2003),
the equations of motion, the power spectrum and table I.
"""

import math

import numpy as np
import torch

TABLE_I = np.array(
    [
        [-math.pi / 3, 1.2, 0.25],
        [-math.pi / 12, -5.0, 0.1],
        [0.0, 30.0, 0.1],
        [math.pi / 12, -7.5, 0.1],
        [math.pi / 2, 0.75, 0.4],
    ]
)
"""The paper's waves P, Q, R, S, T (rows): theta_i in rad, a_i, b_i in rad."""

RHYTHMS = {"normal": (0.82, 0.05, 0.5), "chf": (0.66, 0.015, 0.3)}
"""Mean RR (s), its standard deviation (s) and LF/HF ratio. Heart failure: faster, less variable."""


def derivative(
    state: torch.Tensor,
    omega: torch.Tensor,
    distance: torch.Tensor,
    strength: torch.Tensor,
    width: torch.Tensor,
    baseline: torch.Tensor,
) -> torch.Tensor:
    """Right-hand side of the equations of motion, for a batch of hearts and any number of leads.

    Args:
        state: x, y and one z a lead, shape (batch, 2 + leads).
        omega: angular velocity in rad/s, (batch,).
        distance: phase from each wave, d_i in rad, (batch, waves).
        strength: a_i of each wave in each lead, (batch, waves, leads).
        width: b_i in rad, (batch, waves).
        baseline: z0, (batch, leads) or what broadcasts to it.
    """
    x, y, z = state[:, 0], state[:, 1], state[:, 2:]
    alpha = 1 - torch.hypot(x, y)
    bump = distance * torch.exp(-(distance**2) / (2 * width**2))
    push = torch.bmm(bump[:, None, :], strength)[:, 0]
    return torch.cat(
        [
            (alpha * x - omega * y)[:, None],
            (alpha * y + omega * x)[:, None],
            -push - (z - baseline),
        ],
        dim=1,
    )


def wrap(angle: torch.Tensor) -> torch.Tensor:
    """The angle's value in [-pi, pi)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def rr_series(n: int, *, seed: int, rhythm: str = "normal") -> np.ndarray:
    """``n`` successive RR intervals in seconds, with the power spectrum of the paper.

    A signal T(t) is made from the spectrum with random phases, and each interval is its value at
    the beat that starts it. ``rhythm`` is one of ``RHYTHMS``.

    Raises:
        ValueError: for an unknown rhythm or ``n`` below 1.
    """
    if rhythm not in RHYTHMS:
        raise ValueError(f"unknown rhythm {rhythm!r}: use one of {', '.join(RHYTHMS)}")
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    return draw_rr(n, np.random.default_rng(seed), rhythm)


def draw_rr(n: int, rng: np.random.Generator, rhythm: str) -> np.ndarray:
    """``rr_series`` with a generator in place of a seed."""
    mean, deviation, lf_hf = RHYTHMS[rhythm]
    rate = 4.0  # samples of T(t) a second
    length = 1 << math.ceil(math.log2(max(n * mean * 1.5 * rate, 256)))
    frequency = np.fft.rfftfreq(length, 1 / rate)
    power = sum(
        share * np.exp(-((frequency - centre) ** 2) / (2 * 0.01**2))
        for share, centre in ((lf_hf, 0.1), (1.0, 0.25))
    )
    phase = rng.uniform(0, 2 * np.pi, len(frequency))
    process = np.fft.irfft(np.sqrt(power) * np.exp(1j * phase), length)
    process = mean + deviation * (process - process.mean()) / process.std()
    intervals = np.empty(n)
    now = 0.0
    for k in range(n):
        intervals[k] = process[int(now * rate) % length]
        now += intervals[k]
    return intervals
