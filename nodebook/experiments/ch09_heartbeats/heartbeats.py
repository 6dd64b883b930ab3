"""ResNet and ODE-Net of document 001 on heartbeats of MIT-BIH, in several divisions of the beats.

A variant is named ``<network>.<split>``, or ``<network>.<split>.converged``. The splits are those
of ``sets``: ``by-beat`` is the protocol of the deck, 80 % of the beats of each class for training,
20 % for the test, whoever they are from, and after each epoch the test beats are looked at, which
chooses nothing. ``by-block`` and ``by-patient`` ask what that owes to the same minutes and to the
same patients. ``inter-patient`` trains on the 22 records of DS1 and tests, once, on the 22 of DS2
(de Chazal et al. 2004), the paced records in neither.

The networks: ``resnet`` and ``ode-net``; ``one-block``, a ResNet of the ODE-Net's size;
``resnet-rr`` and ``ode-net-rr``, whose readout sees four R-R features too; ``ode-net-adjoint``,
the ODE-Net by the continuous adjoint at tolerance 1e-3 in both passes, as the deck has it; and
``ode-net-rk4``, the ODE-Net by two steps of the classical Runge-Kutta method. Else the ODE-Net is
solved by Dormand-Prince at tolerance 1e-2, its first step a half, and differentiated through the
accepted steps.

The plan is the same for all (``PLAN``) and was fixed before any of these runs, without a trial; the
deck prints neither its optimiser nor its batch. ``converged`` is the same for ``LONG.epochs``.

The hours, on one core, each for one seed: by beat 0.25 (ResNet), 0.5 (ODE-Net) and 1.5 (adjoint);
by block and by patient the same; converged 1 and 2; between patients 0.15 and 0.3; by Runge-Kutta
0.35. Three seeds of ``resnet`` and ``ode-net`` by beat and between patients take 3.6 h,
in this order: by beat, between patients, by block and by patient, with R-R features, converged,
adjoint and Runge-Kutta (one seed each). A training that was interrupted goes on where it was.

Metrics of one run:

- ``test``: ``accuracy``, ``macro_f1``, and by class ``sensitivity``, ``predictivity``, ``f1``, and
  the ``confusion`` matrix; ``changed``: beats that are classified otherwise than when the run was
  recorded
- ``test.loss``, and ``loss.1`` to ``loss.5`` after each epoch (by beat only)
- ``interval``: 95 % intervals of accuracy and macro-F1, by a bootstrap over patients
- ``without_202`` (between patients only): the same without record 202, which is of the man of
  record 201 in DS1
- ``seconds_per_epoch`` of training, by the clock, where it was on the CPU, and ``nfe.1`` to
  ``nfe.5``, mean evaluations of the field in a forward pass of each epoch (ODE-Net)

The history has the loss in a hundred parts of the training. The recorded tensors are the weights,
in half precision, to which they are rounded before the test, and ``predictions``, the class of
every test beat.
"""

import numpy as np
import torch
from torch import Tensor

from nodebook import devices, paths
from nodebook.evidence import results
from nodebook.experiments.ch09_heartbeats import sets
from nodebook.experiments.ch09_heartbeats.measures import bootstrapped, measures
from nodelib.models.classifiers import parameter_count
from nodelib.models.heartbeats import HeartbeatClassifier, heartbeat_classifier
from nodelib.models.networks import halved, load_weights
from nodelib.training.heartbeats import TOGETHER, Beats, Plan, fit, mean_loss, scores

SEEDS = (0, 1, 2)
NEEDS = ("mitdb",)
TOLERANCE = {"test.changed": 1.0, "test.*": 0.01, "interval.*": 0.01, "without_202.*": 0.01}

VARIANTS = (
    *(f"{name}.{split}" for split in sets.SPLITS for name in ("resnet", "ode-net")),
    *(f"{name}.inter-patient" for name in ("one-block", "resnet-rr", "ode-net-rr")),
    "resnet.by-beat.converged",
    "ode-net.by-beat.converged",
    "ode-net-adjoint.by-beat",
    "ode-net-rk4.by-beat",
)
ONCE = ("ode-net-adjoint.by-beat", "ode-net-rk4.by-beat")
SAMPLE = (
    "resnet.by-beat",
    "ode-net.by-beat",
    "resnet.inter-patient",
    "ode-net.inter-patient",
    "resnet-rr.inter-patient",
)
PLAN, LONG = Plan(epochs=5), Plan(epochs=20)
SOLVERS = {
    "ode-net-adjoint": {"method": "dopri5", "rtol": 1e-3, "atol": 1e-3, "grad": "adjoint"},
    "ode-net-rk4": {"method": "rk4", "options": {"num_steps": 2}, "grad": "backprop"},
}
SAME_MAN = "202"

EVERY = 8
"""Of so many batches of test beats verification classifies one again."""
PART = f"one of {EVERY} batches of test beats classified again"


def run(variant: str, seed: int) -> results.Outcome:
    """Train one classifier from one seed and test it."""
    split, plan = variant.split(".")[1], LONG if variant.endswith(".converged") else PLAN
    train, test = shown(variant, "train"), shown(variant, "test")
    network = untrained(variant, seed).to(devices.training())
    course = fit(
        network,
        train,
        plan,
        seed=seed,
        watched=test if split == "by-beat" else None,
        label=f"{variant} {seed}",
        checkpoint=paths.build() / "training" / f"heartbeats-{variant}-{seed}.safetensors",
    )
    tensors = halved(network.cpu())
    found = scores(network, test)
    tensors["predictions"] = found.argmax(1).to(torch.uint8)
    metrics = {
        **tested(split, found, tensors["predictions"]),
        "loss": {str(k): value for k, value in enumerate(course.watched, 1)},
    }
    if set(course.history.devices) == {"cpu"}:
        metrics["seconds_per_epoch"] = course.seconds / plan.epochs
    if hasattr(network.body, "stats"):
        parts = np.array_split(course.history.notes, plan.epochs)
        metrics["nfe"] = {str(k): float(part.mean()) for k, part in enumerate(parts, 1)}
    return results.Outcome(
        metrics=metrics,
        history={"loss": course.history.thinned()},
        tensors=tensors,
        parameters=parameter_count(network),
        nfe=metrics.get("nfe", {}).get(str(plan.epochs)),
        data=[sets.whole(split).provenance],
        devices=course.history.devices,
    )


def rederive(recorded: results.Run) -> dict[str, object]:
    """The answers of the test, from the recorded classes and, of a part, from the weights."""
    network, beats = restored(recorded), shown(recorded.variant, "test")
    expected = recorded.tensors()["predictions"]
    found = expected.clone()
    for start in range(0, len(found), EVERY * TOGETHER):
        batch = slice(start, start + TOGETHER)
        rhythm = None if beats.rhythm is None else beats.rhythm[batch]
        some = scores(network, Beats(beats.x[batch], beats.y[batch], rhythm))
        found[batch] = some.argmax(1).to(found.dtype)
    return answered(recorded.variant.split(".")[1], found, expected)


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """The metrics of the test, from the weights."""
    found = scores(restored(recorded), shown(recorded.variant, "test"))
    split = recorded.variant.split(".")[1]
    return tested(split, found, recorded.tensors()["predictions"])


def shown(variant: str, which: str) -> Beats:
    """What the network of a variant is shown: the beats, and the R-R features if it takes them."""
    name, split, *_ = variant.split(".")
    beats = sets.part(split, which).beats
    return beats if name.endswith("-rr") else Beats(beats.x, beats.y)


def untrained(variant: str, seed: int) -> HeartbeatClassifier:
    """The network of a variant before training."""
    name = variant.split(".")[0]
    kind = "ode-net" if name in SOLVERS else name.removesuffix("-rr")
    features = sets.FEATURES if name.endswith("-rr") else 0
    network = heartbeat_classifier(kind, seed=seed, features=features)
    if name in SOLVERS:
        network.body.settings = dict(SOLVERS[name])
    return network


def tested(split: str, found: Tensor, expected: Tensor) -> dict[str, object]:
    """The metrics of the test from its scores; ``expected`` are the classes that were recorded."""
    metrics = answered(split, found.argmax(1), expected)
    metrics["test"]["loss"] = mean_loss(found, sets.part(split, "test").beats.y)
    return metrics


def answered(split: str, given: Tensor, expected: Tensor) -> dict[str, object]:
    """The metrics of the test from the classes that were given; ``expected`` were recorded."""
    part = sets.part(split, "test")
    answers, y = given.numpy(), part.beats.y
    metrics: dict[str, object] = {
        "test": {**measures(y, answers), "changed": int((given != expected).sum())},
        "interval": bootstrapped(y, answers, part.patient, seed=0),
    }
    if split == "inter-patient":
        others = part.record != SAME_MAN
        metrics["without_202"] = measures(y[others], answers[others])
    return metrics


def restored(recorded: results.Run) -> HeartbeatClassifier:
    """The classifier of a recorded run."""
    weights = {key: value for key, value in recorded.tensors().items() if key != "predictions"}
    return load_weights(untrained(recorded.variant, recorded.seed), weights)
