"""ResNet and ODE-Net of document 001 on heartbeats of MIT-BIH, by beat and between patients.

A variant is named ``<kind>.<split>``. ``by-beat`` is the protocol of the deck: 80 % of the beats of
each class train, 20 % test, whoever they are from, and after each of five epochs the test beats are
looked at, which chooses nothing. ``inter-patient`` trains on the 22 records of DS1 and tests, once,
on the 22 of DS2 (de Chazal et al. 2004), the paced records in neither. The plan is the same for all
(``PLAN``) and was fixed before any of these runs, without a trial; the deck prints neither its
optimiser nor its batch. The ODE-Net is solved by Dormand-Prince at tolerance 1e-2, its first step
a half, and differentiated through the accepted steps.

The plan with its hours, on one core: a ResNet by beat takes 0.25 h and an ODE-Net 0.5 h; between
patients, where there are 51,000 beats to train on and not 87,500, 0.15 h and 0.3 h. Three seeds of
all four: 3.6 h. A training that was interrupted goes on where it was.

Metrics of one run:

- ``test``: ``accuracy``, ``macro_f1``, and by class ``sensitivity``, ``predictivity``, ``f1``, and
  the ``confusion`` matrix; ``changed``: beats that are classified otherwise than when the run was
  recorded
- ``test.loss``, and ``loss.1`` to ``loss.5`` after each epoch (by beat only)
- ``interval``: 95 % intervals of accuracy and macro-F1, by a bootstrap over patients
- ``without_202`` (between patients only): the same without record 202, which is of the man of
  record 201 in DS1
- ``seconds_per_epoch`` of training, and ``nfe.1`` to ``nfe.5``, mean evaluations of the field in a
  forward pass of each epoch (ODE-Net)

The history has the loss in a hundred parts of the training. The recorded tensors are the weights,
in half precision, to which they are rounded before the test, and ``predictions``, the class of
every test beat.
"""

import numpy as np
import torch
from torch import Tensor

from nodebook import paths
from nodebook.evidence import results
from nodebook.experiments.ch09_heartbeats import sets
from nodebook.experiments.ch09_heartbeats.measures import bootstrapped, measures
from nodelib.models.classifiers import parameter_count
from nodelib.models.heartbeats import HeartbeatClassifier, heartbeat_classifier
from nodelib.models.networks import load_weights
from nodelib.training.heartbeats import Beats, Plan, fit, mean_loss, scores

SEEDS = (0, 1, 2)
NEEDS = ("mitdb",)
TOLERANCE = {"test.changed": 1.0, "test.*": 0.01, "interval.*": 0.01, "without_202.*": 0.01}

VARIANTS = ("resnet.by-beat", "ode-net.by-beat", "resnet.inter-patient", "ode-net.inter-patient")
PLAN = Plan(epochs=5)
SAME_MAN = "202"


def run(variant: str, seed: int) -> results.Outcome:
    """Train one classifier from one seed and test it."""
    kind, split = variant.split(".")
    train, test = shown(split, "train"), shown(split, "test")
    network = heartbeat_classifier(kind, seed=seed)
    course = fit(
        network,
        train,
        PLAN,
        seed=seed,
        watched=test if split == "by-beat" else None,
        label=f"{variant} {seed}",
        checkpoint=paths.build() / "training" / f"heartbeats-{variant}-{seed}.safetensors",
    )
    tensors = halved(network)
    found = scores(network, test)
    tensors["predictions"] = found.argmax(1).to(torch.uint8)
    metrics = {
        **tested(split, found, tensors["predictions"]),
        "seconds_per_epoch": course.seconds / PLAN.epochs,
        "loss": {str(k): value for k, value in enumerate(course.watched, 1)},
    }
    if kind == "ode-net":
        parts = np.array_split(course.history.notes, PLAN.epochs)
        metrics["nfe"] = {str(k): float(part.mean()) for k, part in enumerate(parts, 1)}
    return results.Outcome(
        metrics=metrics,
        history={"loss": course.history.thinned()},
        tensors=tensors,
        parameters=parameter_count(network),
        nfe=metrics.get("nfe", {}).get(str(PLAN.epochs)),
        data=[sets.whole(split).provenance],
    )


def rederive(recorded: results.Run) -> dict[str, object]:
    """The metrics of the test, from the weights."""
    split = recorded.variant.split(".")[1]
    found = scores(restored(recorded), shown(split, "test"))
    return tested(split, found, recorded.tensors()["predictions"])


def shown(split: str, which: str) -> Beats:
    """The beats without their R-R features."""
    beats = sets.part(split, which).beats
    return Beats(beats.x, beats.y)


def tested(split: str, found: Tensor, expected: Tensor) -> dict[str, object]:
    """The metrics of the test from its scores; ``expected`` are the classes that were recorded."""
    part, given = sets.part(split, "test"), found.argmax(1)
    answers, y = given.numpy(), part.beats.y
    metrics: dict[str, object] = {
        "test": {
            **measures(y, answers),
            "loss": mean_loss(found, y),
            "changed": int((given != expected).sum()),
        },
        "interval": bootstrapped(y, answers, part.patient, seed=0),
    }
    if split == "inter-patient":
        others = part.record != SAME_MAN
        metrics["without_202"] = measures(y[others], answers[others])
    return metrics


@torch.no_grad()
def halved(network: HeartbeatClassifier) -> dict[str, Tensor]:
    """The weights in half precision, to which they are rounded in the network as well."""
    for parameter in network.parameters():
        parameter.copy_(parameter.half())
    return {name: value.detach().half() for name, value in network.named_parameters()}


def restored(recorded: results.Run) -> HeartbeatClassifier:
    """The classifier of a recorded run."""
    weights = {key: value for key, value in recorded.tensors().items() if key != "predictions"}
    kind = recorded.variant.split(".")[0]
    return load_weights(heartbeat_classifier(kind, seed=recorded.seed), weights)
