import math

import numpy as np
import pytest
import torch
from scipy.signal import periodogram

from nodelib.data import mcsharry
from nodelib.ode.solvers import solve


def field_of_the_paper(x, y, z, omega, z0):
    """The equations of motion, written out for one heart as they are printed."""
    alpha = 1 - math.sqrt(x * x + y * y)
    theta = math.atan2(y, x)
    push = 0.0
    for theta_i, a_i, b_i in mcsharry.TABLE_I:
        d = math.remainder(theta - theta_i, 2 * math.pi)
        push += a_i * d * math.exp(-d * d / (2 * b_i * b_i))
    return alpha * x - omega * y, alpha * y + omega * x, -push - (z - z0)


def field_of_the_library(state, omega, z0):
    theta_i, a, b = (torch.from_numpy(column.copy()) for column in mcsharry.TABLE_I.T)
    theta = torch.atan2(state[:, 1], state[:, 0])
    distance = mcsharry.wrap(theta[:, None] - theta_i)
    n = len(state)
    return mcsharry.derivative(
        state, omega.expand(n), distance, a[None, :, None].expand(n, -1, -1), b.expand(n, -1), z0
    )


def test_the_field_is_the_one_that_the_paper_prints():
    points = [(1.0, 0.0, 0.0), (0.3, -0.4, 0.02), (-0.9, 0.01, -0.1), (0.98, 0.2, 1.0)]
    state = torch.tensor(points, dtype=torch.float64)
    ours = field_of_the_library(
        state, torch.tensor(7.0, dtype=torch.float64), torch.tensor(0.05, dtype=torch.float64)
    )
    theirs = [field_of_the_paper(*point, 7.0, 0.05) for point in points]
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9)


def test_the_limit_cycle_has_radius_one_and_turns_once_a_heartbeat():
    start = torch.tensor([[0.2, 0.0, 0.0], [2.0, 0.0, 0.0]], dtype=torch.float64)
    omega = torch.tensor(2 * math.pi, dtype=torch.float64)

    def f(t, state):
        return field_of_the_library(state, omega, torch.zeros(1, dtype=torch.float64))

    end = solve(f, start, [0.0, 12.0], rtol=1e-6, atol=1e-8).z[-1]
    np.testing.assert_allclose(end[:, :2].numpy(), [[1.0, 0.0], [1.0, 0.0]], atol=1e-4)


def test_the_rr_spectrum_has_its_peaks_at_a_tenth_and_a_quarter_hertz():
    rr = mcsharry.rr_series(2000, seed=1)
    beats = np.concatenate([[0.0], np.cumsum(rr)[:-1]])
    even = np.interp(np.arange(0, beats[-1], 0.25), beats, rr)
    frequency, power = periodogram(even, fs=4.0)

    def share(low, high):
        return power[(frequency >= low) & (frequency < high)].sum() / power.sum()

    low, high = share(0.06, 0.14), share(0.20, 0.30)
    assert low + high > 0.85
    assert 0.3 < low / high < 0.9


def test_rr_intervals_have_the_mean_and_spread_of_their_rhythm():
    normal, failing = (mcsharry.rr_series(5000, seed=2, rhythm=r) for r in ("normal", "chf"))
    assert normal.mean() == pytest.approx(0.82, abs=0.01)
    assert normal.std() == pytest.approx(0.05, rel=0.15)
    assert failing.mean() < normal.mean()
    assert failing.std() < normal.std() / 2


def test_the_same_seed_gives_the_same_intervals():
    assert np.array_equal(mcsharry.rr_series(50, seed=3), mcsharry.rr_series(50, seed=3))
    assert not np.array_equal(mcsharry.rr_series(50, seed=3), mcsharry.rr_series(50, seed=4))


def test_an_unknown_rhythm_or_an_empty_series_is_refused():
    with pytest.raises(ValueError, match="unknown rhythm 'waltz': use one of normal, chf"):
        mcsharry.rr_series(10, seed=0, rhythm="waltz")
    with pytest.raises(ValueError, match="at least 1"):
        mcsharry.rr_series(0, seed=0)
