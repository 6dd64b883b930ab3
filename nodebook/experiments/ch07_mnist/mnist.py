"""Table 1 of Chen et al. 2018: four classifiers on all of MNIST, from three seeds each.

What the paper calls an RK-Net is backpropagated through a Runge-Kutta integrator, and what it calls
an ODE-Net is solved by an implicit Adams method and differentiated by the continuous adjoint
(its section 3). Here ``rk-net`` takes two fixed Runge-Kutta steps and ``ode-net`` the steps of
Dormand-Prince; both are backpropagated, so both are RK-Nets in the paper's sense.
``ode-net-adjoint`` is the ODE-Net: the start, the solver, the tolerance and the plan of
``ode-net``, differentiated by the continuous adjoint at the same tolerance. That tolerance is the
one of the other row, so that the gradient is all that differs; see ``mnist_adjoint`` for how far
off the gradient is, which was looked at on training images only. A seed takes about 70 minutes of
one core; a training that was interrupted goes on where it was.

The plans were fixed before these runs: augmentation and rate on training images only, see
``mnist_choices``, the rest after a trial that had looked at test images. The number of epochs and
the tolerance of the adaptive solver, 1e-2, were not tuned: they are what two cores can afford.

The variants ``<kind>.continued`` take the recorded networks through the same plan once more, with
images in a new order and moved anew: a warm restart (Loshchilov and Hutter 2017). That was decided
after the results of the first 8 epochs were known, among them that the networks err on nearly as
many training images as test images and so are not trained out. Nothing else was changed, and the
networks of the first 8 epochs stay beside them.

Each network is trained on all 60,000 training images and then, once, classifies the 10,000 test
images. Weights are rounded to half precision before that. A training that was interrupted goes on
where it was.

Metrics of one run:

- ``test_errors`` of 10,000 and ``test_error`` in percent
- ``changed``: images that are classified otherwise than when the run was recorded
- ``train_errors``: of the first 10,000 training images, as they are
- ``minutes`` of training in all and ``seconds_per_epoch``; for a continued network, of its
  own 8 epochs
- ``nfe.first`` and ``nfe.last``: mean evaluations of the field in a forward pass in the first and
  last epoch of training, and ``nfe.test`` for the last 500 test images (RK-Net and ODE-Net)

The history has the loss and, for a network with a field, the mean evaluations in a hundred parts
of the training; and the mistakes, each as the number of the test image, its label and the class it
was given, so that they can be looked at where the test images are not at hand. The recorded
tensors are the weights and ``predictions``, the class of every test image.
"""

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from nodebook import paths
from nodebook.evidence import results
from nodelib import data
from nodelib.data.digits import Mnist
from nodelib.models.classifiers import KINDS, SOLVERS, classifier, parameter_count
from nodelib.models.networks import halved, load_weights
from nodelib.training.digits import EVALUATED_TOGETHER, Plan, fit, predictions

SEEDS = (0, 1, 2)
NEEDS = ("mnist",)

PLAN = Plan(epochs=8, rate=2e-3)
CONVOLUTIONAL = ("resnet", "rk-net", "ode-net")
BY_ADJOINT = "ode-net-adjoint"
ADJOINT_SOLVER: Mapping[str, object] = {**SOLVERS["ode-net"], "grad": "adjoint"}
PLANS: Mapping[str, Plan] = {
    "mlp": Plan(epochs=60),
    **dict.fromkeys(CONVOLUTIONAL, PLAN),
    **{f"{kind}.continued": PLAN for kind in CONVOLUTIONAL},
    BY_ADJOINT: PLAN,
}
VARIANTS = tuple(PLANS)
ANEW = 1000
"""Added to the seed of a continued training, which so draws other numbers."""

SEEN_AGAIN = 10_000
"""Training images that are classified after training."""

AGAIN = (2000, 4500, 7000, 9500)
"""First images of the batches of the test set that verification classifies again."""
PART = f"{len(AGAIN) * EVALUATED_TOGETHER:,} of 10,000 test images classified again"


def run(variant: str, seed: int) -> results.Outcome:
    """Train one classifier from one seed, or go on with a recorded one, and test it."""
    mnist, plan = data.mnist(allow_standin=False), PLANS[variant]
    continued = variant.endswith(".continued")
    network = (
        restored(results.one("mnist", kind_of(variant), seed))
        if continued
        else untrained(variant, seed)
    )
    history = fit(
        network,
        mnist.train_images,
        mnist.train_labels,
        plan,
        seed=seed + ANEW * continued,
        label=f"{variant} {seed}",
        checkpoint=paths.build() / "training" / f"mnist-{variant}-{seed}.safetensors",
    )
    tensors = halved(network)
    found = predictions(network, mnist.test_images)
    tensors["predictions"] = found
    metrics = {
        **measures(network, found, found, mnist),
        "minutes": history.seconds / 60,
        "seconds_per_epoch": history.seconds / plan.epochs,
    }
    course = {
        "loss": history.thinned(),
        "mistakes": mistakes(found, mnist.test_labels),
    }
    if history.notes:
        course["nfe"] = [float(part.mean()) for part in np.array_split(history.notes, 100)]
        epoch = len(mnist.train_images) // plan.batch
        metrics["nfe.first"] = float(np.mean(history.notes[:epoch]))
        metrics["nfe.last"] = float(np.mean(history.notes[-epoch:]))
    return results.Outcome(
        metrics=metrics,
        history=course,
        tensors=tensors,
        parameters=parameter_count(network),
        nfe=metrics.get("nfe.test"),
        data=[mnist.provenance],
    )


def rederive(recorded: results.Run) -> dict[str, object]:
    """The errors on the test images, from the recorded classes and, of a part, from the weights."""
    mnist, network = data.mnist(allow_standin=False), restored(recorded)
    expected = recorded.tensors()["predictions"]
    found = expected.clone()
    for first in AGAIN:
        batch = slice(first, first + EVALUATED_TOGETHER)
        found[batch] = predictions(network, mnist.test_images[batch])
    return tested(network, found, expected, mnist)


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """The errors and the evaluations of the field, from the weights."""
    mnist, network = data.mnist(allow_standin=False), restored(recorded)
    found = predictions(network, mnist.test_images)
    return measures(network, found, recorded.tensors()["predictions"], mnist)


def measures(
    network: nn.Module, found: Tensor, expected: Tensor, mnist: Mnist
) -> dict[str, object]:
    """All metrics but those of the training itself, right after the test images were classified."""
    metrics = tested(network, found, expected, mnist)
    seen = predictions(network, mnist.train_images[:SEEN_AGAIN])
    metrics["train_errors"] = wrong(seen, mnist.train_labels[:SEEN_AGAIN])
    return metrics


def tested(network: nn.Module, found: Tensor, expected: Tensor, mnist: Mnist) -> dict[str, object]:
    """The metrics of the test, right after the last test images were classified.

    ``found`` are the classes just given, ``expected`` those of when the run was recorded.
    """
    body = getattr(network, "body", None)
    count = wrong(found, mnist.test_labels)
    metrics: dict[str, object] = {
        "test_errors": count,
        "test_error": 100 * count / len(found),
        "changed": int((found != expected).sum()),
    }
    if hasattr(body, "stats"):
        metrics["nfe.test"] = float(body.stats.nfe)
    return metrics


def wrong(found: Tensor, labels: np.ndarray) -> int:
    """How many classes are not the labels."""
    return int((found.numpy() != labels).sum())


def mistakes(found: Tensor, labels: np.ndarray) -> list[list[int]]:
    """Number, label and given class of every image that is not given its label."""
    given = found.numpy()
    return [[int(k), int(labels[k]), int(given[k])] for k in np.flatnonzero(given != labels)]


def untrained(variant: str, seed: int) -> nn.Module:
    """The classifier of a variant as it is before any training."""
    network = classifier(kind_of(variant), seed=seed)
    if variant == BY_ADJOINT:
        network.body.settings = dict(ADJOINT_SOLVER)
    return network


def restored(recorded: results.Run) -> nn.Module:
    """The classifier of a recorded run."""
    weights = {key: value for key, value in recorded.tensors().items() if key != "predictions"}
    return load_weights(untrained(recorded.variant, recorded.seed), weights)


def trained(seed: int, *, continued: bool) -> dict[str, results.Run]:
    """The recorded run of every kind of network, continued where there is such."""
    more = ".continued" * continued
    return {
        kind: results.one("mnist", kind + more * (kind in CONVOLUTIONAL), seed) for kind in KINDS
    }


def kind_of(variant: str) -> str:
    """The kind of network of a variant ``<kind>``, ``<kind>.<more>`` or ``BY_ADJOINT``."""
    return variant.split(".")[0].removesuffix("-adjoint")
