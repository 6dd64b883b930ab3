"""Is one network better than another on the same people? And the GPU against the CPU.

The variants are tasks of ``ecg_networks``, and ``devices``. From the recorded scores of one seed,
for each of ``PAIRS`` of which both networks are recorded, by how many percentage points the first
is better than the second:

- ``accuracy.<first>.<second>``, ``macro_f1.…`` of chunks and ``by_person.…``, and
  ``interval.<first>.<second>``, of accuracy, 95 %, by drawing persons with replacement

Of ``devices``, from ``ecg_devices``: ``deck``, hours of an epoch on the GPU in batches of 64 over
hours on the CPU in batches of one, as the deck has it; ``least``, the smallest ratio of GPU to CPU
for any batch, the walk being the same.
"""

import numpy as np
from sklearn.metrics import f1_score

from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import ecg_networks, rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.ecg_cost import BATCHES
from nodebook.experiments.ch11_gru_ode_ecg.measures import interval, people

PAIRS = (
    ("deck-full", "deck-baseline"),
    ("gru-ode-bayes", "held"),
    ("gru-ode-bayes", "gru"),
    ("gru-decay", "gru"),
)
VARIANTS = (*ecg_networks.TASKS, "devices")
SEEDS = (0, 1, 2)
NEEDS = ("mitdb", "nsr2db", "chf2db")
TOLERANCE = {"*": 0.02}


def run(variant: str, seed: int) -> results.Outcome:
    """Compare what is recorded."""
    if variant == "devices":
        return results.Outcome(metrics=devices())
    found, _ = ecg_networks.asked(variant, seed)
    metrics: dict[str, dict] = {}
    for first, second in PAIRS:
        names = [f"{name}.{variant}" for name in (first, second)]
        runs = [found for name in names for found in results.read("ecg_networks", name, seed)]
        if len(runs) < len(names):
            continue
        scores = [one.tensors()["scores"].double().numpy() for one in runs]
        for key, value in compared(found, *scores).items():
            metrics.setdefault(key, {}).setdefault(first, {})[second] = value
    return results.Outcome(metrics=metrics, data=list(found.provenance))


def rederive(recorded: results.Run) -> dict[str, object]:
    """The same from the recorded runs."""
    return dict(run(recorded.variant, recorded.seed).metrics)


def compared(
    found: rr_chunks.Chunks, first: np.ndarray, second: np.ndarray
) -> dict[str, float | list[float]]:
    """Points by which the first scores (n, classes) are better than the second."""
    gains: dict[str, float | list[float]] = {}
    right = [scores.argmax(1) == found.label for scores in (first, second)]
    gains["accuracy"] = 100 * float(right[0].mean() - right[1].mean())
    f1 = [
        f1_score(found.label, scores.argmax(1), average="macro", zero_division=0)
        for scores in (first, second)
    ]
    gains["macro_f1"] = 100 * float(f1[0] - f1[1])
    by_person = [people(found.label, scores, found.person).mean() for scores in (first, second)]
    gains["by_person"] = 100 * float(by_person[0] - by_person[1])
    _, place = np.unique(found.person, return_inverse=True)
    sums = np.bincount(place, right[0].astype(int) - right[1])
    gains["interval"] = interval(100 * sums, np.bincount(place), seed=0)
    return gains


def devices() -> dict[str, object]:
    """The GPU's hours over the CPU's."""
    runs = {size: results.one("ecg_devices", f"batch-{size}") for size in BATCHES}
    hours = {
        (size, kind): float(one.metric(f"hours.union.{kind}"))
        for size, one in runs.items()
        for kind in ("cpu", "cuda")
    }
    return {
        "deck": hours[64, "cuda"] / hours[1, "cpu"],
        "least": min(hours[size, "cuda"] / hours[size, "cpu"] for size in BATCHES),
    }
