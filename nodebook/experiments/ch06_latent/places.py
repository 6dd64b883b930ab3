"""Where on its curve a model goes wrong: errors by the place of what is predicted (chapter 06)."""

import numpy as np

from nodebook.evidence.results import Run
from nodebook.experiments.ch06_latent.spiral_models import FAMILIAR, PLANS, retold, sets
from nodelib.data import spirals
from nodelib.data.spirals import POINTS
from nodelib.training.series import rms

HALF = POINTS // 2
WIDE = 50
EDGES = np.arange(POINTS + HALF, spirals.LAST_START + 2 * POINTS + 1, WIDE)
"""Fine steps of the curve between which errors are taken together."""


def by_place(run: Run, name: str, n: int) -> np.ndarray:
    """Errors of a recorded model on the last 50 further points of the test spirals.

    All of them lie between 51 and 100 points past the last that could be observed, so that what
    differs between the places is the place.

    Args:
        run: of ``latent_ode``.
        name: of the model.
        n: how many of the first 100 points were observed.

    Returns:
        root mean squares of the error against the curve, one between each two of ``EDGES``.
    """
    error, test = _errors(run, name, n)
    place = test.start[:, None] + np.arange(2 * POINTS)[-HALF:]
    late = error[:, -HALF:]
    return np.array([rms(late[(low <= place) & (place < low + WIDE)]) for low in EDGES[:-1]])


def by_spiral(run: Run, name: str, n: int) -> np.ndarray:
    """Errors on the further points of each test spiral on familiar ground, the largest first."""
    error, test = _errors(run, name, n)
    return np.sort([rms(x[POINTS:]) for x in error[test.start < FAMILIAR]])[::-1]


def _errors(run: Run, name: str, n: int) -> tuple[np.ndarray, spirals.Spirals]:
    """Errors (N, T, 2) against the curve, and the test spirals."""
    test = sets(run.seed, PLANS[run.variant].shift, (n,))["test"][n]
    _, told = retold(run.variant, run.tensors(), run.metrics["chosen"], name, test, n)
    return told - test.truth, test
