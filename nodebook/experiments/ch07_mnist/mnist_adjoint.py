"""The gradient of an ODE-Net of MNIST by the continuous adjoint: how far off, at what cost.

The paper's ODE-Net is solved by an implicit Adams method and differentiated by the adjoint. Here
the loss of the first 128 training images, a batch, is differentiated at several tolerances

- ``backprop``: through the accepted steps of Dormand-Prince, as ``ode-net`` of ``mnist`` is
  trained;
- ``dopri5``: by the adjoint, both ways by Dormand-Prince, as ``ode-net-adjoint`` is trained;
- ``adams``: by the adjoint, both ways by VODE's implicit Adams method, as the paper has it.

The variants are the network before training and the recorded one; the tolerance of
``ode-net-adjoint`` was chosen with the first, which sees no test image. The recorded network also
classifies the 10,000 test images, solved by VODE, 500 at a time: nothing is chosen by that.

Metrics, for every tolerance:

- ``gradient_error.<way>.<tolerance>``: distance of the gradient in all parameters from that at the
  tolerance 1e-6 in double precision, relative to the length of the latter
- ``forward_nfe.<solver>.<tolerance>``, ``backward_nfe...`` and ``nfe_ratio...`` of ``dopri5`` and
  ``adams``: evaluations of the field in both passes of the adjoint, and backward over forward
- ``errors.adams.<tolerance>`` and ``nfe.adams.<tolerance>``: test errors of 10,000, and mean
  evaluations in a forward pass (recorded network only)
"""

import statistics
from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodebook.evidence import results
from nodebook.experiments.ch07_mnist import mnist
from nodebook.experiments.ch07_mnist.adams import adams, gradient, without_graph
from nodelib import data
from nodelib.data.digits import Mnist
from nodelib.training.digits import EVALUATED_TOGETHER, keep_freed_memory

VARIANTS = ("untrained", "ode-net")
SAMPLE = ("ode-net",)
SEEDS = (0, 1, 2)
NEEDS = ("mnist",)

TOLERANCES = ("1e-1", "1e-2", "1e-3", "1e-4")
TESTED = ("1e-1", "1e-2", "1e-3")
REFERENCE = 1e-6
IMAGES = 128
TOLERANCE = {"gradient_error.*": 0.05}
"""A rectifier that is open on one processor and shut on another changes a gradient a little."""


def run(variant: str, seed: int) -> results.Outcome:
    """Differentiate one network in every way, and test a recorded one."""
    digits = data.mnist(allow_standin=False)
    network = chosen(variant, seed)
    metrics = derivatives(network, digits, TOLERANCES)
    if variant != "untrained":
        metrics |= tested(network, digits, TESTED)
    return results.Outcome(metrics=metrics, data=[digits.provenance])


def rederive(recorded: results.Run) -> dict[str, object]:
    """The metrics of one tolerance."""
    digits = data.mnist(allow_standin=False)
    return derivatives(chosen(recorded.variant, recorded.seed), digits, TOLERANCES[1:2])


def chosen(variant: str, seed: int) -> nn.Module:
    """The network of a variant and seed."""
    if variant == "untrained":
        return mnist.untrained("ode-net", seed)
    return mnist.restored(results.one("mnist", variant, seed))


def derivatives(network: nn.Module, digits: Mnist, tolerances: Iterable[str]) -> dict[str, object]:
    """Errors of the gradients, and evaluations of both passes."""
    keep_freed_memory()
    images = torch.from_numpy(digits.train_images[:IMAGES]) / 255
    labels = torch.from_numpy(digits.train_labels[:IMAGES]).long()
    exact = solved(deepcopy(network).double(), images.double(), labels, REFERENCE, "checkpoint")
    metrics: dict[str, object] = {}
    for name in tolerances:
        tolerance, by_solver = float(name), {}
        found = {"backprop": solved(network, images, labels, tolerance, "backprop")}
        found["dopri5"] = solved(network, images, labels, tolerance, "adjoint")
        by_solver["dopri5"] = (network.body.stats.nfe, network.body.backward[0].nfe)
        found["adams"], *by_solver["adams"] = gradient(network, images, labels, tolerance)
        for way, value in found.items():
            error = float((value - exact).norm() / exact.norm())
            metrics[f"gradient_error.{way}.{name}"] = error
        for solver, (forward, backward) in by_solver.items():
            metrics[f"forward_nfe.{solver}.{name}"] = forward
            metrics[f"backward_nfe.{solver}.{name}"] = backward
            metrics[f"nfe_ratio.{solver}.{name}"] = backward / forward
    return metrics


def solved(
    network: nn.Module, images: Tensor, labels: Tensor, tolerance: float, grad: str
) -> Tensor:
    """The gradient as one flat vector, solved by Dormand-Prince."""
    limits = {"rtol": tolerance, "atol": tolerance}
    network.body.settings = {"method": "dopri5", "grad": grad, **limits}
    loss = cross_entropy(network(images), labels)
    parts = torch.autograd.grad(loss, list(network.parameters()))
    return torch.cat([part.flatten() for part in parts])


@torch.no_grad()
def tested(network: nn.Module, digits: Mnist, tolerances: Iterable[str]) -> dict[str, object]:
    """Test errors and evaluations of the network, solved by Adams."""
    parts = torch.from_numpy(digits.test_images).split(EVALUATED_TOGETHER)
    starts = [network.maps(part / 255) for part in parts]
    metrics: dict[str, object] = {}
    for name in tolerances:
        solves = [
            adams(without_graph(network.body.f, start), start, 0.0, 1.0, float(name))
            for start in starts
        ]
        found = torch.cat([network.scores(end).argmax(1) for end, _ in solves])
        metrics[f"errors.adams.{name}"] = mnist.wrong(found, digits.test_labels)
        metrics[f"nfe.adams.{name}"] = statistics.fmean(nfe for _, nfe in solves)
    return metrics
