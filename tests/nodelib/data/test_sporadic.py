"""Sporadic series: the exact filter against brute force, the laws, and bad input."""

from dataclasses import replace

import numpy as np
import pytest

from nodelib.data.sporadic import Brusselator, DoubleOU, Sampling, SporadicSeries, gaussian_nll
from nodelib.errors import DataError

OU = DoubleOU()
SAMPLING = Sampling(seen=5, ahead=3)


def conditioned(process, series, row):
    """Mean and variance of every entry of one series by conditioning the joint Gaussian at once."""
    t = np.repeat(series.times[row], 2)
    f = np.tile([0, 1], len(series.times[row]))
    apart = np.exp(-process.rate * np.abs(t[:, None] - t[None]))
    joint = process.stationary[f[:, None], f[None]] * apart
    joint = joint + process.spread**2 * (f[:, None] == f[None])
    joint = joint + process.noise**2 * np.eye(len(t))
    centre, values = np.array(process.centres)[f], series.x[row].reshape(-1)
    may = (series.mask[row] & series.seen[row][:, None]).reshape(-1)
    mean, variance = [], []
    for k in range(len(t)):
        past = np.flatnonzero(may & (t < t[k]))
        weights = np.linalg.solve(joint[np.ix_(past, past)], joint[past, k])
        mean.append(centre[k] + weights @ (values - centre)[past])
        variance.append(joint[k, k] - weights @ joint[past, k])
    return np.array(mean).reshape(-1, 2), np.array(variance).reshape(-1, 2)


def test_the_filter_is_the_joint_gaussian_conditioned_on_what_was_seen():
    series = OU.draw(6, SAMPLING, (3,))
    mean, variance = OU.filter(series)
    for row in range(6):
        expected = conditioned(OU, series, row)
        np.testing.assert_allclose(mean[row], expected[0], rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(variance[row], expected[1], rtol=1e-9)


def test_the_filter_is_calibrated_on_its_own_process():
    series = OU.draw(4000, SAMPLING, (4,))
    mean, variance = OU.filter(series)
    z = ((series.x - mean) / np.sqrt(variance))[series.targets]
    assert abs(z.mean()) < 0.05
    assert abs(z.var() - 1) < 0.05


def test_no_other_gaussian_does_better_than_the_filter():
    series = OU.draw(2000, SAMPLING, (5,))
    mean, variance = OU.filter(series)
    best = gaussian_nll(series.x, mean, variance)[series.targets].mean()
    for other in ((mean, 1.2 * variance), (mean, variance / 1.2), (mean + 0.1, variance)):
        assert gaussian_nll(series.x, *other)[series.targets].mean() > best


def test_the_future_does_not_enter_the_filter():
    series = OU.draw(5, SAMPLING, (6,))
    changed = replace(series, x=np.where(series.targets, 100.0, series.x))
    for before, after in zip(OU.filter(series), OU.filter(changed), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_brusselator_rests_where_its_equations_say():
    process = Brusselator()
    rest = np.array([1.0, process.b / process.a])
    np.testing.assert_allclose(process.drift(rest), 0, atol=1e-12)
    path = Brusselator(volatility=0.0).paths(8, 60.0, np.random.default_rng(0))
    late = path[:, -1500:]
    assert np.ptp(late[..., 0], axis=1).min() > 0.9  # it goes round, and does not come to rest
    assert np.ptp(np.ptp(late[..., 0], axis=1)) < 0.05  # all on one cycle


@pytest.mark.parametrize("process", [OU, Brusselator()])
def test_a_draw_is_the_same_for_the_same_seed_and_another_for_another(process):
    first, again, other = (process.draw(3, SAMPLING, seed) for seed in ((1,), (1,), (2,)))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.times, other.times)
    assert first.mask.any(-1).all()
    assert (first.seen.sum(1) == SAMPLING.seen).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": lambda s: s.times[:, ::-1]}, "sort the events"),
        ({"times": lambda s: np.zeros_like(s.times)}, "series 0, event 0"),
        ({"times": lambda s: s.times * np.nan}, "finite"),
        ({"x": lambda s: s.x * np.nan}, "mask out"),
        ({"mask": lambda s: s.mask[..., :1]}, "mask"),
        ({"seen": lambda s: s.seen[:, 1:]}, "seen has shape"),
    ],
)
def test_bad_series_are_refused_with_a_message(change, message):
    series = OU.draw(2, SAMPLING, (1,))
    wrong = {name: make(series) for name, make in change.items()}
    with pytest.raises(DataError, match=message):
        replace(series, **wrong)


def test_values_that_were_not_measured_may_be_anything():
    series = OU.draw(2, SAMPLING, (1,))
    hidden = replace(series, x=np.where(series.mask, series.x, np.nan))
    assert isinstance(hidden, SporadicSeries)
