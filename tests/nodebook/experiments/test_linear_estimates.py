"""Estimates of a matrix from samples, against closed forms."""

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

from nodebook.experiments.ch04_identification import linear_estimates as estimates
from nodebook.experiments.ch04_identification import noise_and_sparsity

TRUE = np.array([[-0.1, -1.0], [1.0, -0.1]])
TIMES = np.linspace(0, 31.45, 200)
CLEAN = np.stack([scipy.linalg.expm(TRUE * t) @ [0.6, 0.3] for t in TIMES])
NOISE = np.random.default_rng(0).normal(size=CLEAN.shape)


@pytest.mark.parametrize("name", ["logarithm", "trajectory"])
def test_samples_without_noise_give_the_matrix_exactly(name):
    found = estimates.ESTIMATORS[name](TIMES, CLEAN)
    np.testing.assert_allclose(found, TRUE, atol=1e-8)


def test_differences_are_off_by_their_closed_form():
    found = estimates.by_differences(TIMES, CLEAN)
    h = TIMES[1]
    slope = (scipy.linalg.expm(TRUE * h) - scipy.linalg.expm(-TRUE * h)) / (2 * h)
    np.testing.assert_allclose(found, slope, atol=1e-10)
    assert np.abs(slope - TRUE).max() > 1e-3


def test_noise_spoils_the_regressions_each_in_its_way_but_not_the_trajectory():
    found = {name: f(TIMES, CLEAN + 0.1 * NOISE) for name, f in estimates.ESTIMATORS.items()}
    turns = {name: estimates.decay_and_frequency(matrix) for name, matrix in found.items()}
    assert turns["logarithm"][0] > 0.5, "the decay comes out too large"
    assert turns["differences"][1] < 0.9, "the whole matrix comes out too small"
    assert turns["trajectory"] == pytest.approx((0.1, 1.0), abs=0.03)


def test_the_trajectory_fit_is_no_worse_than_the_truth_in_its_own_measure():
    noisy = CLEAN + 0.05 * NOISE
    found = estimates.by_trajectory(TIMES, noisy)
    propagators = np.stack([scipy.linalg.expm(found * t) for t in TIMES])
    start, *_ = np.linalg.lstsq(propagators.reshape(-1, 2), noisy.reshape(-1), rcond=None)
    assert ((propagators @ start - noisy) ** 2).sum() <= ((CLEAN - noisy) ** 2).sum()


def test_the_logarithm_wants_equal_spacing():
    with pytest.raises(ValueError, match="equally spaced"):
        estimates.by_logarithm(TIMES[[0, 1, 3]], CLEAN[[0, 1, 3]])


def test_errors_and_eigenvalues_are_what_they_say():
    assert estimates.relative_error(2 * TRUE, TRUE) == pytest.approx(1.0)
    decay, frequency = estimates.decay_and_frequency(TRUE)
    assert (decay, frequency) == pytest.approx((0.1, 1.0))


def test_the_euler_matrix_makes_euler_exact():
    h = 0.3
    found = estimates.euler_matrix(TRUE, h)
    np.testing.assert_allclose(np.eye(2) + h * found, scipy.linalg.expm(TRUE * h), atol=1e-14)
    np.testing.assert_allclose(
        estimates.euler_matrix(TRUE, 1e-3), TRUE + 5e-4 * TRUE @ TRUE, atol=1e-6
    )


def fit(matrix, cost, success=True):
    parameters = np.append(np.ravel(matrix), [0.6, 0.3])
    return scipy.optimize.OptimizeResult(x=parameters, cost=cost, success=success)


@pytest.mark.parametrize("order", [1, -1])
def test_of_fits_that_samples_cannot_tell_apart_the_slowest_is_taken(monkeypatch, order):
    alias = np.array([[-0.1, -17.0], [17.0, -0.1]])
    fits = [fit(alias, 4.0900076267297), fit(TRUE, 4.0900076267476)][::order]
    monkeypatch.setattr(estimates.scipy.optimize, "least_squares", lambda *a, **k: fits.pop())
    np.testing.assert_array_equal(estimates.by_trajectory(TIMES, CLEAN), TRUE)


def test_a_fit_that_used_up_its_evaluations_is_not_taken(monkeypatch):
    fits = [fit(2 * TRUE, 4.5, success=False), fit(TRUE, 4.9)]
    monkeypatch.setattr(estimates.scipy.optimize, "least_squares", lambda *a, **k: fits.pop())
    np.testing.assert_array_equal(estimates.by_trajectory(TIMES, CLEAN), TRUE)


def test_where_no_fit_converges_the_estimate_is_lost_and_not_a_number_like_others(monkeypatch):
    fits = [fit(TRUE, 4.5, success=False)] * 2
    monkeypatch.setattr(estimates.scipy.optimize, "least_squares", lambda *a, **k: fits.pop())
    lost = estimates.by_trajectory(TIMES, CLEAN)
    assert np.isnan(lost).all()
    assert noise_and_sparsity.judge(lost) == {"error": 10.0, "decay": 10.0}
