"""Is the ODE-Net level with the ResNet? The recorded classifiers on the same heartbeats.

Two networks trained from the same seed are compared beat by beat by McNemar's exact test, two-sided
(Dietterich 1998), as in chapter 07. It takes beats for independent, which between patients they are
not: there the 95 % interval of the difference by a bootstrap over patients is the one to read.

The variants are the splits, and ``by-beat.converged`` for the longer training of that split.
Metrics of one seed:

- ``only.ode-net`` and ``only.resnet``: beats that one mistakes and the other does not; ``both``
- ``excess``: accuracy of the ODE-Net less that of the ResNet, in percentage points; ``p`` and
  ``verdict``: "higher", "lower" or "no difference" at p < 0.05
- ``advantage``: "some" where the verdict is "higher", else "none"
- ``interval``: 95 % interval of ``excess``, by a bootstrap over patients
- ``slower``: processor seconds of the run of the ODE-Net over those of the ResNet, each training
  with its looks at the test beats, as recorded; wall time would count other work on the machine.
  Only where both were trained on the CPU
- ``parameters``: parameters of the ODE-Net over those of the ResNet
"""

import numpy as np
from scipy.stats import binomtest

from nodebook.evidence import results
from nodebook.experiments.ch09_heartbeats import sets

VARIANTS = ("by-beat", "by-beat.converged", "inter-patient")
SEEDS = (0, 1, 2)
NEEDS = ("mitdb",)

LEVEL, DRAWS = 0.05, 1000


def run(variant: str, seed: int) -> results.Outcome:
    """Compare the recorded predictions."""
    split, *_ = variant.split(".")
    part = sets.part(split, "test")
    runs = [results.one("heartbeats", f"{kind}.{variant}", seed) for kind in ("ode-net", "resnet")]
    ode, residual = (run.tensors()["predictions"].numpy() != part.beats.y for run in runs)
    only_ode, only_residual = int((ode & ~residual).sum()), int((residual & ~ode).sum())
    count = only_ode + only_residual
    p = float(binomtest(only_ode, count).pvalue) if count else 1.0
    better = "higher" if only_ode < only_residual else "lower"
    verdict = better if p < LEVEL else "no difference"
    metrics = {
        "only": {"ode-net": only_ode, "resnet": only_residual},
        "both": int((ode & residual).sum()),
        "excess": 100 * (only_residual - only_ode) / len(ode),
        "p": p,
        "verdict": verdict,
        "advantage": "some" if verdict == "higher" else "none",
        "interval": interval(residual.astype(int) - ode, part.patient),
        "parameters": runs[0].parameters / runs[1].parameters,
    }
    if not any(run.devices for run in runs):
        metrics["slower"] = runs[0].cpu_seconds / runs[1].cpu_seconds
    return results.Outcome(metrics=metrics, data=[sets.whole(split).provenance])


def interval(gain: np.ndarray, patient: np.ndarray) -> list[float]:
    """95 % interval of the mean gain in percent, (n,) of -1, 0 and 1, over draws of patients."""
    names, place = np.unique(patient, return_inverse=True)
    sums, counts = np.bincount(place, gain), np.bincount(place)
    drawn = np.random.default_rng(0).integers(len(names), size=(DRAWS, len(names)))
    means = 100 * sums[drawn].sum(1) / counts[drawn].sum(1)
    return [float(edge) for edge in np.quantile(means, (0.025, 0.975))]
