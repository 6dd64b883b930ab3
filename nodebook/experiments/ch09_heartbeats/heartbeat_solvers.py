"""A trained ODE-Net of heartbeats, solved otherwise than it was trained: can it "adjust errors"?

The network is a recorded one of ``heartbeats``; nothing is trained and nothing chosen. The beats
are every eighth test beat, 512 at a time, which the solver gives the same steps.

Metrics, for every setting, named ``tolerance.<tolerance>`` (Dormand-Prince, absolute and relative
alike, the solver choosing its first step) or ``rk4.<steps>``:

- ``accuracy.<setting>`` and ``nfe.<setting>``, mean evaluations of the field in a forward pass
- ``change.<setting>``: distance of the final state from that at the least tolerance, relative to
  how far that has moved from the start, both as root mean square
- ``other.<setting>``: beats that are classified otherwise than at the least tolerance

and ``falls``: "yes" if the change falls with every tolerance; ``moves``: percentage points between
the highest and the lowest accuracy of the tolerances.

The history holds the milliseconds of a beat through the ODE block, a median, for every setting.
"""

import statistics
import time
from itertools import pairwise

import torch

from nodebook.evidence import results
from nodebook.experiments.ch09_heartbeats import sets
from nodebook.experiments.ch09_heartbeats.heartbeats import restored
from nodelib.ode.steps import rms
from nodelib.training.heartbeats import TOGETHER
from nodelib.training.memory import keep_freed_memory

VARIANTS = ("ode-net.by-beat",)
SEEDS = (0, 1, 2)
NEEDS = ("mitdb",)
TOLERANCE = {"accuracy.*": 1e-3, "nfe.*": 0.05}

TOLERANCES = ("1e-5", "1e-4", "1e-3", "1e-2", "1e-1")
STEPS = (1, 2, 4)
EVERY = 8
QUICK = ("tolerance.1e-2", "rk4.2")
"""What verification looks at again."""


def settings() -> dict[str, dict]:
    """Arguments of ``nodelib.odeint`` for every setting, the most exact one first."""
    made: dict[str, dict] = {
        f"tolerance.{text}": {"method": "dopri5", "rtol": float(text), "atol": float(text)}
        for text in TOLERANCES
    }
    for count in STEPS:
        made[f"rk4.{count}"] = {"method": "rk4", "options": {"num_steps": count}}
    return made


def run(variant: str, seed: int) -> results.Outcome:
    """Solve one recorded network in every setting."""
    metrics, milliseconds = evaluated(results.one("heartbeats", variant, seed), settings())
    changes = [metrics[f"change.tolerance.{text}"] for text in TOLERANCES]
    shares = [metrics[f"accuracy.tolerance.{text}"] for text in TOLERANCES]
    falls = all(one < other for one, other in pairwise(changes))
    metrics["falls"] = "yes" if falls else "no"
    metrics["moves"] = 100 * (max(shares) - min(shares))
    return results.Outcome(
        metrics=metrics,
        history={"milliseconds": milliseconds},
        data=[sets.whole("by-beat").provenance],
    )


def rederive(recorded: results.Run) -> dict[str, object]:
    """Accuracy and evaluations of some settings."""
    network = results.one("heartbeats", recorded.variant, recorded.seed)
    metrics, _ = evaluated(network, {name: settings()[name] for name in QUICK})
    return {key: x for key, x in metrics.items() if key.startswith(("accuracy.", "nfe."))}


@torch.no_grad()
def evaluated(recorded: results.Run, tried: dict[str, dict]) -> tuple[dict, dict]:
    """Metrics of the settings, compared with the first of them, and milliseconds."""
    keep_freed_memory()
    network, beats = restored(recorded), sets.part("by-beat", "test").beats
    y = torch.from_numpy(beats.y[::EVERY])
    starts = [network.maps(part) for part in torch.from_numpy(beats.x[::EVERY]).split(TOGETHER)]
    metrics: dict[str, object] = {}
    milliseconds: dict[str, float] = {}
    exact = reference = moved = None
    for name, arguments in tried.items():
        network.body.settings = arguments
        ends, taken, evaluations = [], [], []
        for start in starts:
            began = time.perf_counter()
            ends.append(network.body(start))
            taken.append(1e3 * (time.perf_counter() - began) / start.shape[1])
            evaluations.append(network.body.stats.nfe)
        final = torch.cat(ends, 1)
        found = torch.cat([network.scores(end).argmax(1) for end in ends])
        if exact is None:
            exact, reference, moved = final, found, rms(final - torch.cat(starts, 1))
        metrics[f"accuracy.{name}"] = float((found == y).double().mean())
        metrics[f"nfe.{name}"] = statistics.fmean(evaluations)
        metrics[f"change.{name}"] = rms(final - exact) / moved
        metrics[f"other.{name}"] = int((found != reference).sum())
        milliseconds[name] = statistics.median(taken)
    return metrics, milliseconds
