"""The spirals: their curves, their noise, what is observed of them, and their split."""

import numpy as np
import pytest

from nodelib.data import spirals
from nodelib.errors import DataError


def test_half_of_them_go_each_way_round():
    made = spirals.make(0)
    assert made.clockwise.sum() == 500
    centre = np.where(made.clockwise, -spirals.SHIFT, spirals.SHIFT)[:, None]
    x, y = made.truth[..., 0] - centre, made.truth[..., 1]
    turned = np.unwrap(np.arctan2(y, x), axis=1)[:, -1] - np.arctan2(y, x)[:, 0]
    assert ((turned < 0) == made.clockwise).all()
    np.testing.assert_allclose(np.abs(turned), made.t[-1], rtol=1e-6)


def test_counter_clockwise_is_archimedean_and_clockwise_hyperbolic():
    step = np.array([200, 201, 500])
    out = np.hypot(*spirals.curve(step, False, shift=0).T)
    np.testing.assert_allclose(out, 0.3 * step * spirals.SPACING)
    inward = np.hypot(*spirals.curve(step, True, shift=0).T)
    np.testing.assert_allclose(inward * (6 * np.pi + 1 - step * spirals.SPACING), 15)


def test_the_noise_has_its_standard_deviation_and_the_truth_has_none():
    made = spirals.make(1)
    noise = made.noisy - made.truth
    assert noise.std() == pytest.approx(0.3, rel=0.01)
    assert abs(noise.mean()) < 0.005
    assert np.array_equal(spirals.make(1, noise=0).noisy, made.truth)


@pytest.mark.parametrize("n", [1, 30, 50, 100])
def test_as_many_points_are_observed_as_asked_and_none_of_the_further_ones(n):
    made = spirals.make(2, n=40, observed=n)
    assert (made.observed.sum(axis=1) == n).all()
    assert not made.observed[:, 100:].any()


def test_fewer_observed_points_are_among_more_and_the_curves_stay():
    few, many = spirals.make(3, n=20, observed=30), spirals.make(3, n=20, observed=50)
    assert (few.observed <= many.observed).all()
    assert np.array_equal(few.noisy, many.noisy)
    assert len({tuple(row) for row in few.observed}) == 20


def test_a_seed_gives_its_own_spirals_and_the_same_again():
    assert np.array_equal(spirals.make(4, n=20).noisy, spirals.make(4, n=20).noisy)
    assert not np.array_equal(spirals.make(4, n=20).start, spirals.make(5, n=20).start)


def test_no_spiral_is_in_two_parts_and_none_is_left_out():
    parts = spirals.split(1000, 0)
    assert [len(parts[name]) for name in spirals.SPLITS] == [700, 100, 200]
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(1000))


def test_who_knows_the_curves_finds_them():
    made = spirals.make(6, n=10, noise=0.01)
    assert np.abs(spirals.nearest_curve(made) - made.truth).max() < 0.1
    exact = spirals.make(6, n=10, noise=0, observed=3)
    np.testing.assert_allclose(spirals.nearest_curve(exact), exact.truth)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n": 7}, "even number"),
        ({"observed": 0}, "between 1 and 100"),
        ({"observed": 101}, "between 1 and 100"),
        ({"further": 201}, "between 0 and 200"),
        ({"noise": -1}, "not negative"),
    ],
)
def test_what_cannot_be_made_is_refused(wrong, says):
    with pytest.raises(DataError, match=says):
        spirals.make(0, **wrong)
