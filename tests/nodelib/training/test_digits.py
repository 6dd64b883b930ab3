"""Training and evaluation of the classifiers of digits."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from nodebook.evidence import registry, results
from nodebook.experiments.ch07_mnist import mnist, mnist_choices
from nodelib import data
from nodelib.errors import ModelError
from nodelib.models.classifiers import classifier
from nodelib.training.augmentation import Affine
from nodelib.training.digits import Plan, fit, predictions

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (64, 28, 28), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 64, dtype=np.uint8)
SMALL = Plan(epochs=2, batch=16, rate=1e-3)


def trained(kind="mlp", plan=SMALL, seed=0, **more):
    network = classifier(kind, seed=0)
    return network, fit(network, IMAGES, LABELS, plan, seed=seed, **more)


def test_epochs_are_whole_batches():
    assert SMALL.steps(64) == 8
    assert SMALL.steps(79) == 8
    assert Plan(epochs=0.5, batch=16).steps(64) == 2


def test_no_step_at_all_is_refused():
    with pytest.raises(ModelError, match="10 images and 2 epochs in batches of 16 are no step"):
        SMALL.steps(10)


def test_the_same_seed_trains_the_same_network_and_another_one_does_not():
    (one, _), (same, _), (other, _) = trained(), trained(), trained(seed=1)
    assert torch.equal(predictions(one, IMAGES), predictions(same, IMAGES))
    pairs = zip(one.parameters(), same.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_a_run_that_was_interrupted_goes_on_with_its_notes(monkeypatch, tmp_path):
    class Interrupted(Exception):
        pass

    whole, expected = trained("ode-net")
    network = classifier("ode-net", seed=0)
    passes = iter(range(5))

    def stop(*_):
        if next(passes, None) is None:
            raise Interrupted

    place = tmp_path / "run.safetensors"
    hook = network.register_forward_pre_hook(stop)
    monkeypatch.setattr("nodelib.training.loop.SAVE_EVERY_SECONDS", 0.0)
    with pytest.raises(Interrupted):
        fit(network, IMAGES, LABELS, SMALL, seed=0, checkpoint=place)
    hook.remove()
    again = classifier("ode-net", seed=0)
    history = fit(again, IMAGES, LABELS, SMALL, seed=0, checkpoint=place)
    assert history.losses == expected.losses
    assert history.notes == expected.notes
    assert len(history.notes) == 8
    assert min(history.notes) >= 8
    pairs = zip(whole.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_every_epoch_visits_every_image_once():
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scores = torch.nn.Parameter(torch.zeros(10))

        def forward(self, images):
            seen.extend(images.sum((1, 2)).tolist())
            return self.scores.expand(len(images), 10)

    plan = Plan(epochs=2, batch=16, augmentation=Affine())
    fit(Spy(), IMAGES, LABELS, plan, seed=0)
    assert sorted(seen[:64]) == sorted(seen[64:])
    assert seen[:64] != seen[64:]
    assert len(set(seen)) == 64


def test_predictions_do_not_depend_on_how_a_fixed_network_is_batched():
    network = classifier("rk-net", seed=0)
    singly = torch.cat([predictions(network, IMAGES[k : k + 1]) for k in range(8)])
    assert torch.equal(predictions(network, IMAGES[:8]), singly)
    assert singly.dtype == torch.uint8


def fewest(kind, names):
    """The plan with the fewest validation errors, the first of those that tie."""
    return min(
        (f"{kind}.{name}" for name in names),
        key=lambda name: results.one("mnist_choices", name, 0).metric("validation_errors"),
    )


@pytest.mark.parametrize(
    ("plan", "kind", "names"),
    [
        (mnist.PLANS["mlp"], "mlp", ("planned", "unmoved", "half-moved", "half-rate")),
        (
            mnist.PLAN,
            "rk-net",
            ("half-rate", "planned", "unmoved", "batch-64", "batch-32"),
        ),
    ],
)
def test_a_plan_is_the_one_with_the_fewest_validation_errors(plan, kind, names):
    best = mnist_choices.CHOICES[fewest(kind, names)]
    assert replace(plan, epochs=best.epochs) == best


def test_the_convolutional_networks_share_their_plan():
    for more in ("", ".continued"):
        assert [mnist.PLANS[kind + more] for kind in mnist.CONVOLUTIONAL] == [mnist.PLAN] * 3


def test_an_experiment_records_what_its_weights_give(monkeypatch, tmp_path):
    digits = data.mnist(allow_standin=True)
    monkeypatch.setattr(mnist, "PLANS", dict.fromkeys(mnist.PLANS, Plan(epochs=0.05)))
    monkeypatch.setattr(mnist, "SEEN_AGAIN", 100)
    monkeypatch.setattr(mnist.data, "mnist", lambda **_: digits)
    monkeypatch.setattr(mnist.paths, "build", lambda: tmp_path)
    outcome = mnist.run("mlp", 0)
    count = outcome.metrics["test_errors"]
    assert len(outcome.history["mistakes"]) == count
    assert outcome.metrics["changed"] == 0
    for number, label, given in outcome.history["mistakes"]:
        assert digits.test_labels[number] == label != given
        assert int(outcome.tensors["predictions"][number]) == given
    json.dumps(outcome.history)
    assert set(registry.names()) >= {"mnist", "mnist_choices"}


def test_a_continued_training_begins_with_the_recorded_weights_and_other_images(
    monkeypatch, tmp_path
):
    digits = data.mnist(allow_standin=True)
    monkeypatch.setattr(mnist, "SEEN_AGAIN", 100)
    monkeypatch.setattr(mnist.data, "mnist", lambda **_: digits)
    monkeypatch.setattr(mnist.paths, "build", lambda: tmp_path)
    monkeypatch.setattr(mnist, "measures", lambda *_: {})
    begun = []

    def watched(network, images, labels, plan, *, seed, **more):
        begun.append(([value.detach().clone() for value in network.parameters()], seed))
        return fit(network, images[:32], labels[:32], Plan(epochs=1, batch=16), seed=seed)

    monkeypatch.setattr(mnist, "fit", watched)
    recorded = results.one("mnist", "resnet", 1)
    outcome = mnist.run("resnet.continued", 1)
    ((weights, seed),) = begun
    expected = mnist.restored(recorded).parameters()
    assert all(torch.equal(a, b) for a, b in zip(weights, expected, strict=True))
    assert seed not in mnist.SEEDS
    changed = [
        not torch.equal(outcome.tensors[name], value)
        for name, value in recorded.tensors().items()
        if name != "predictions"
    ]
    assert all(changed)
