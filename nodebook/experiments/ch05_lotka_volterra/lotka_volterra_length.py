"""How the answers of ``lotka_volterra`` depend on the length of training.

The same problem ("several"), seeds and chosen settings; a quarter and four times of the steps, each
with a whole schedule of its own. The thousand steps between them are those of ``lotka_volterra``.

Metrics: as of ``lotka_volterra``, of fewer models.
"""

from collections.abc import Sequence

from nodebook.evidence import results
from nodebook.experiments.ch05_lotka_volterra.lotka_volterra import remeasured, train_all
from nodebook.experiments.ch05_lotka_volterra.predator_prey import SETTINGS

VARIANTS = ("250", "4000")
SEEDS = tuple(range(10))
NEEDS = ()
TOLERANCE = {"*": 1e-5}

NAMES = ("node.relu", "node.tanh", "derivative.relu", "next.relu", "rolled.relu", "time.relu")


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Train these models for all seeds at once, for as many steps as the variant says."""
    return train_all(SETTINGS["several"], seeds, NAMES, int(variant))


def rederive(recorded: results.Run) -> dict[str, object]:
    """All metrics, from the recorded weights."""
    return remeasured(recorded, SETTINGS["several"])
