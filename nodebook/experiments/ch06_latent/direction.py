"""How a spiral's direction can be read: from latent states, and without any model (chapter 06).

All shares are of test spirals about one shared centre, by the number of observed points.
"""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from nodebook.evidence.results import Run
from nodebook.experiments.ch06_latent import spiral_models, spiral_scores
from nodelib.data import spirals

NEIGHBOURS = 15


def by_neighbours(run: Run) -> dict[int, float]:
    """Share whose direction most of the nearest training states of a recorded run have."""
    parts = spiral_models.sets(run.seed, 0.0)
    shares, tensors = {}, run.tensors()
    for n in spiral_models.COUNTS:
        model = spiral_models.recorded_model(tensors, "ode_times", n)
        train, test = parts["train"][n], parts["test"][n]
        states = spiral_scores.states(model, train)
        reader = KNeighborsClassifier(NEIGHBOURS).fit(states, train.clockwise)
        shares[n] = reader.score(spiral_scores.states(model, test), test.clockwise)
    return shares


def by_radius(seed: int) -> dict[int, float]:
    """Share that the radius gives away, with no model and in no order.

    If it falls with the angle about the centre, in a straight line fitted to what was observed of
    a spiral, that one is taken to be clockwise.
    """
    shares = {}
    for n, test in spiral_models.sets(seed, 0.0)["test"].items():
        fitted = []
        for points, seen in zip(test.noisy, test.observed, strict=True):
            z = points[seen] @ np.array([1, 1j])
            angle = np.angle(z / np.exp(1j * np.angle((z / abs(z)).mean())))
            fitted.append(np.polyfit(angle, abs(z), 1)[0])
        shares[n] = float(np.mean((np.array(fitted) < 0) == test.clockwise))
    return shares


def outside(seed: int) -> float:
    """Share of the counter-clockwise ones with a point, of the first 100, off the ring.

    The ring is what the clockwise curve covers where training spirals are observed.
    """
    turned = spirals.curve(np.arange(spirals.LAST_START + spirals.POINTS), True, shift=0.0)
    ring = np.linalg.norm(turned, axis=1)
    test = spiral_models.sets(seed, 0.0, counts=(100,))["test"][100]
    radius = np.linalg.norm(test.truth[~test.clockwise, : spirals.POINTS], axis=2)
    return float(((radius < ring.min()) | (radius > ring.max())).any(axis=1).mean())
