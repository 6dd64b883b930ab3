"""Heartbeats with samples dropped at random, shown to networks that were trained on all of them.

A share of the 187 samples of every test beat is dropped, each sample on its own; what is dropped is
filled in on the straight line between its neighbours that are left (beyond the last one, with the
value of the nearest). So both networks see the same, and neither is told what was dropped. Nothing
is trained on such beats: this asks how they bear irregular sampling, not what they could learn.
The beats are every eighth test beat.

Metrics: ``accuracy.<kind>.<percent>`` and ``macro_f1.<kind>.<percent>`` for the shares of
``PERCENT``; and ``excess.<percent>``, accuracy of the ODE-Net less that of the ResNet, in
percentage points.
"""

from collections.abc import Sequence

import numpy as np

from nodebook.evidence import results
from nodebook.experiments.ch09_heartbeats import sets
from nodebook.experiments.ch09_heartbeats.heartbeats import restored
from nodebook.experiments.ch09_heartbeats.measures import macro_f1
from nodelib.training.heartbeats import Beats, scores

VARIANTS = ("by-beat",)
SEEDS = (0, 1, 2)
NEEDS = ("mitdb",)
TOLERANCE = {"accuracy.*": 2e-3, "macro_f1.*": 0.02, "excess.*": 1.0}

PERCENT = (0, 20, 50, 80)
AGAIN = (50,)
PART = f"{AGAIN[0]} % dropped"
EVERY = 8


def run(variant: str, seed: int) -> results.Outcome:
    """Drop, fill in and classify."""
    metrics = classified(variant, seed, PERCENT)
    return results.Outcome(metrics=metrics, data=[sets.whole(variant).provenance])


def rederive(recorded: results.Run) -> dict[str, object]:
    """The metrics of one share."""
    return classified(recorded.variant, recorded.seed, AGAIN)


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """The metrics of all shares."""
    return classified(recorded.variant, recorded.seed, PERCENT)


def classified(variant: str, seed: int, percents: Sequence[int]) -> dict[str, object]:
    """The metrics of some shares."""
    part = sets.part(variant, "test")
    x, y = part.beats.x[::EVERY], part.beats.y[::EVERY]
    metrics: dict[str, object] = {}
    networks = {
        kind: restored(results.one("heartbeats", f"{kind}.{variant}", seed))
        for kind in ("resnet", "ode-net")
    }
    for percent in percents:
        seen = dropped(x, percent / 100, seed=seed)
        for kind, network in networks.items():
            found = scores(network, Beats(seen, y)).argmax(1).numpy()
            metrics[f"accuracy.{kind}.{percent}"] = float((found == y).mean())
            metrics[f"macro_f1.{kind}.{percent}"] = macro_f1(y, found)
        ode, residual = (metrics[f"accuracy.{kind}.{percent}"] for kind in ("ode-net", "resnet"))
        metrics[f"excess.{percent}"] = 100 * (ode - residual)
    return metrics


def dropped(x: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Beats (n, samples) with a share of the samples dropped and filled in along straight lines.

    At least one sample of every beat is left.
    """
    rng = np.random.default_rng(seed)
    place = np.arange(x.shape[1])
    left = rng.random(x.shape) >= share
    left[np.arange(len(x)), rng.integers(x.shape[1], size=len(x))] = True
    rows = [np.interp(place, place[kept], row[kept]) for row, kept in zip(x, left, strict=True)]
    return np.stack(rows).astype(x.dtype)
