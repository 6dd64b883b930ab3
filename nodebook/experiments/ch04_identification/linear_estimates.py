"""The matrix of ``dz/dt = A z`` from noisy samples without a neural ODE: three estimators.

All take times (N,) and observations (N, d) and return A, (d, d). They are what a neural ODE has to
be compared with: two are closed forms, the third is the maximum-likelihood estimate for Gaussian
noise, which knows that the initial state is not observed exactly either.
"""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.optimize


def by_differences(times: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Least squares of central differences on the states between: derivative matching.

    Biased by the spacing, about ``h^2 A^3 / 6``, and by noise in the states, which makes the whole
    matrix too small.
    """
    slopes = (observed[2:] - observed[:-2]) / (times[2:] - times[:-2])[:, None]
    return np.linalg.lstsq(observed[1:-1], slopes, rcond=None)[0].T


def by_logarithm(times: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Logarithm of the least-squares map from one sample to the next, over their spacing.

    Without noise it is exact, if the samples are equally spaced and closer than half a turn. With
    noise the map comes out too small, so that the decay comes out too large.

    Raises:
        ValueError: if the samples are not equally spaced.
    """
    gaps = np.diff(times)
    if not np.allclose(gaps, gaps[0], rtol=1e-6):
        raise ValueError("the logarithm needs equally spaced times: take by_trajectory instead")
    step = np.linalg.lstsq(observed[:-1], observed[1:], rcond=None)[0].T
    return np.real(scipy.linalg.logm(step)) / gaps[0]


def by_trajectory(times: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Nonlinear least squares in A and the initial state, from the better of the closed forms.

    Maximum likelihood for independent Gaussian noise. ``by_logarithm`` and ``by_differences`` give
    the starts. Of the fits that converged the one with the smallest sum of squares is returned.
    Fits that tie are aliases: matrices whose states agree at all sample times and only there; of
    those the one with the smallest norm is returned, the slowest. Where no fit converged before its
    evaluations were used up, the estimator has failed and the matrix is all NaN.
    """
    d = observed.shape[1]
    elapsed = times - times[0]

    def residuals(parameters: np.ndarray) -> np.ndarray:
        matrix, z0 = parameters[: d * d].reshape(d, d), parameters[d * d :]
        values, vectors = np.linalg.eig(matrix)
        weights = np.linalg.solve(vectors, z0.astype(complex))
        # a trial matrix may grow fast; the bound keeps the sum of squares finite
        growth = np.exp(np.minimum(np.multiply.outer(elapsed, values).real, 50.0))
        phases = np.exp(1j * np.multiply.outer(elapsed, values).imag)
        return (((growth * phases * weights) @ vectors.T).real - observed).ravel()

    fits = [
        scipy.optimize.least_squares(
            residuals, np.concatenate((start(times, observed).ravel(), observed[0])), method="lm"
        )
        for start in (by_logarithm, by_differences)
    ]
    return _best(fits, d)


def _best(fits: Sequence[scipy.optimize.OptimizeResult], d: int) -> np.ndarray:
    """The matrix of the best fit that converged; of ties the smallest; NaN if none converged."""
    converged = [fit for fit in fits if fit.success]
    if not converged:
        return np.full((d, d), np.nan)
    least = min(fit.cost for fit in converged)
    # equal up to where the optimiser stops, a change of 1e-8 of the sum; or exact data, zero
    tied = [fit for fit in converged if fit.cost <= least * (1 + 1e-6) + 1e-20]
    matrices = [fit.x[: d * d].reshape(d, d) for fit in tied]
    return min(matrices, key=np.linalg.norm)


ESTIMATORS = {
    "differences": by_differences,
    "logarithm": by_logarithm,
    "trajectory": by_trajectory,
}


def relative_error(found: np.ndarray, true: np.ndarray) -> float:
    """``|found - true| / |true|`` in the Frobenius norm."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def decay_and_frequency(matrix: np.ndarray) -> tuple[float, float]:
    """Minus the largest real part of the eigenvalues, and the largest imaginary part."""
    values = np.linalg.eigvals(matrix)
    return float(-values.real.max()), float(values.imag.max())


def euler_matrix(matrix: np.ndarray, step: float) -> np.ndarray:
    """The matrix whose Euler steps of this length follow ``dz/dt = A z`` exactly.

    ``(exp(A h) - 1) / h``, near ``A + h A^2 / 2``: what exact data teach a model that is solved by
    Euler's method.
    """
    return (scipy.linalg.expm(matrix * step) - np.eye(len(matrix))) / step
