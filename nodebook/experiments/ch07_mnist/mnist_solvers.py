"""Trained networks of MNIST with an ODE inside, solved otherwise than they were trained.

The networks are the recorded ones of ``mnist``, by their variants; nothing is trained here and
nothing is chosen. The images are the 10,000 test images, 500 at a time, which the solver gives the
same steps.

Metrics of one network, for every setting (a few for the RK-Nets), named ``tolerance.<tolerance>``
(Dormand-Prince, absolute and relative alike) or ``<method>.<steps>`` (a fixed grid):

- ``errors.<setting>``: test errors of 10,000
- ``nfe.<setting>``: mean evaluations of the field in a forward pass
- ``change.<setting>``: distance of the final maps from those of the least tolerance (1e-6, for the
  RK-Nets 1e-5), relative to how far these have moved from the start, both as root mean square
- ``other.<setting>``: images that are classified otherwise than at the least tolerance

and with the continuous adjoint, for the first 128 training images:

- ``forward_nfe.<tolerance>``, ``backward_nfe.<tolerance>`` and ``nfe_ratio.<tolerance>``, the
  backward one over the forward one

The history holds the milliseconds of a forward pass of 500 images through the ODE block, a
median, for every setting.
"""

import statistics
import time
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodebook.evidence import results
from nodebook.experiments.ch07_mnist.mnist import kind_of, restored, wrong
from nodelib import data
from nodelib.data.digits import Mnist
from nodelib.ode.steps import rms
from nodelib.training.digits import EVALUATED_TOGETHER
from nodelib.training.memory import keep_freed_memory

VARIANTS = ("rk-net", "ode-net", "ode-net.continued")
SAMPLE = ("ode-net.continued",)
SEEDS = (0, 1, 2)
NEEDS = ("mnist",)

TOLERANCES = ("1e-1", "1e-2", "1e-3", "1e-4", "1e-5", "1e-6")
GRIDS: Mapping[str, tuple[int, ...]] = {
    "euler": (1, 2, 4, 8, 16),
    "midpoint": (1, 2, 4, 8),
    "rk4": (1, 2, 4),
}
FEW = ("tolerance.1e-5", "tolerance.1e-2", "euler.2", "rk4.1", "rk4.2", "rk4.4")
"""What the RK-Nets are solved with."""

QUICK = ("euler.2", "rk4.2")
"""What verification looks at again; the errors at the tolerance of training are those of mnist."""
PART = "two of the settings, and two tolerances of the adjoint"

ADJOINT_TOLERANCES = TOLERANCES[:5]
ADJOINT_IMAGES = 128


def settings(kind: str) -> dict[str, dict[str, Any]]:
    """Arguments of ``nodelib.odeint`` for every setting of a kind, the most exact one first."""
    made = {
        f"tolerance.{tolerance}": {
            "method": "dopri5",
            "rtol": float(tolerance),
            "atol": float(tolerance),
        }
        for tolerance in reversed(TOLERANCES)
    }
    for method, counts in GRIDS.items():
        for steps in counts:
            made[f"{method}.{steps}"] = {"method": method, "options": {"num_steps": steps}}
    return made if kind == "ode-net" else {name: made[name] for name in FEW}


def run(variant: str, seed: int) -> results.Outcome:
    """Solve one recorded network in every setting."""
    mnist = data.mnist(allow_standin=False)
    network = restored(results.one("mnist", variant, seed))
    metrics, milliseconds = evaluated(network, mnist, settings(kind_of(variant)))
    metrics |= adjoint_evaluations(network, mnist, ADJOINT_TOLERANCES)
    history = {"milliseconds": milliseconds}
    return results.Outcome(metrics=metrics, history=history, data=[mnist.provenance])


def rederive(recorded: results.Run) -> dict[str, object]:
    """Errors and evaluations of some settings, and some evaluations of the adjoint."""
    mnist = data.mnist(allow_standin=False)
    network = restored(results.one("mnist", recorded.variant, recorded.seed))
    every = settings(kind_of(recorded.variant))
    metrics, _ = evaluated(network, mnist, {name: every[name] for name in QUICK})
    kept = {key: x for key, x in metrics.items() if key.startswith(("errors.", "nfe."))}
    return kept | adjoint_evaluations(network, mnist, ADJOINT_TOLERANCES[:2])


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All metrics."""
    return run(recorded.variant, recorded.seed).metrics


@torch.no_grad()
def evaluated(
    network: nn.Module, mnist: Mnist, tried: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, object], dict[str, float]]:
    """Metrics of the settings, compared with the first of them, and milliseconds."""
    keep_freed_memory()
    parts = torch.from_numpy(mnist.test_images).split(EVALUATED_TOGETHER)
    starts = [network.maps(part / 255) for part in parts]
    metrics: dict[str, object] = {}
    milliseconds: dict[str, float] = {}
    exact: Tensor | None = None
    for name, arguments in tried.items():
        network.body.settings = dict(arguments)
        ends, taken, evaluations = [], [], []
        for start in starts:
            began = time.perf_counter()
            ends.append(network.body(start))
            taken.append(1e3 * (time.perf_counter() - began))
            evaluations.append(network.body.stats.nfe)
        found = torch.cat([network.scores(maps).argmax(1) for maps in ends])
        final = torch.cat(ends, 1)
        if exact is None:
            exact, reference = final, found
            moved = rms(exact - torch.cat(starts, 1))
        metrics[f"errors.{name}"] = wrong(found, mnist.test_labels)
        metrics[f"nfe.{name}"] = statistics.fmean(evaluations)
        metrics[f"change.{name}"] = rms(final - exact) / moved
        metrics[f"other.{name}"] = int((found != reference).sum())
        milliseconds[name] = statistics.median(taken)
    return metrics, milliseconds


def adjoint_evaluations(
    network: nn.Module, mnist: Mnist, tolerances: Iterable[str]
) -> dict[str, object]:
    """Evaluations of both passes with the continuous adjoint."""
    images = torch.from_numpy(mnist.train_images[:ADJOINT_IMAGES]) / 255
    labels = torch.from_numpy(mnist.train_labels[:ADJOINT_IMAGES]).long()
    metrics: dict[str, object] = {}
    for tolerance in tolerances:
        limits = {"rtol": float(tolerance), "atol": float(tolerance)}
        network.body.settings = {"method": "dopri5", "grad": "adjoint", **limits}
        loss = cross_entropy(network(images), labels)
        torch.autograd.grad(loss, list(network.body.parameters()))
        forward, backward = network.body.stats.nfe, network.body.backward[0].nfe
        metrics[f"forward_nfe.{tolerance}"] = forward
        metrics[f"backward_nfe.{tolerance}"] = backward
        metrics[f"nfe_ratio.{tolerance}"] = backward / forward
    return metrics
