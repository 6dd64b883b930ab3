"""The two classifiers of heartbeats."""

import pytest
import torch
import torchdiffeq
from torch import nn
from torch.nn.functional import cross_entropy

from nodebook.documents.heartbeat_networks import ODENet, ResBlock, printed_network
from nodelib.errors import ModelError
from nodelib.models.classifiers import parameter_count
from nodelib.models.heartbeats import BLOCKS, heartbeat_classifier

BEATS = torch.rand(4, 187, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLASSES = torch.tensor([0, 1, 2, 4])
GRID = {"method": "midpoint", "options": {"step_size": 0.25}}
EXACT = {"method": "dopri5", "rtol": 1e-6, "atol": 1e-6}


def pair(kind):
    """Ours, with norms that do something, and the printed one with the same weights."""
    ours = heartbeat_classifier(kind, seed=3).double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        for parameter in ours.parameters():
            if parameter.dim() == 1:
                nn.init.normal_(parameter, 0.5, 0.3)
    if kind == "ode-net":
        ours.body.settings = {**GRID, "grad": "backprop"}
        printed = printed_network(ODENet(torchdiffeq.odeint, GRID))
    else:
        printed = printed_network(*(ResBlock() for _ in range(BLOCKS)))
    printed.double()
    with torch.no_grad():
        for own, theirs in zip(ours.by_layer(), printed.parameters(), strict=True):
            theirs.copy_(own)
    return ours, printed


@pytest.mark.parametrize(
    ("kind", "count"), [("resnet", 182_853), ("ode-net", 59_333), ("one-block", 58_693)]
)
def test_each_has_the_printed_number_of_parameters(kind, count):
    assert parameter_count(heartbeat_classifier(kind, seed=0)) == count


def test_an_ode_block_has_a_few_parameters_more_than_a_residual_block():
    assert parameter_count(heartbeat_classifier("ode-net", seed=0).body) == 25_472
    assert parameter_count(heartbeat_classifier("resnet", seed=0).body[0]) == 24_832


@pytest.mark.parametrize("kind", ["resnet", "ode-net"])
def test_scores_and_gradients_are_those_of_the_printed_network(kind):
    ours, printed = pair(kind)
    found, expected = ours(BEATS), printed(BEATS.unsqueeze(1))
    assert torch.allclose(found, expected, atol=1e-10)
    gradients = torch.autograd.grad(cross_entropy(found, CLASSES), ours.by_layer())
    theirs = torch.autograd.grad(cross_entropy(expected, CLASSES), list(printed.parameters()))
    for a, b in zip(gradients, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("mode", ["checkpoint", "adjoint"])
def test_the_other_modes_of_gradient_agree(mode):
    network, _ = pair("ode-net")
    found = {}
    for grad in ("backprop", mode):
        network.body.settings = {**EXACT, "grad": grad}
        loss = cross_entropy(network(BEATS[:1]), CLASSES[:1])
        parts = torch.autograd.grad(loss, list(network.parameters()))
        found[grad] = torch.cat([part.flatten() for part in parts])
    one, other = found.values()
    # the kinks of the rectifiers keep the adjoint's own solve from being exact
    assert (one - other).norm() < {"checkpoint": 1e-9, "adjoint": 0.03}[mode] * one.norm()


def test_the_same_seed_gives_the_same_start_and_another_one_does_not():
    one, same, other = (heartbeat_classifier("ode-net", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one(BEATS.float()), same(BEATS.float()))
    assert not torch.equal(one(BEATS.float()), other(BEATS.float()))


def test_features_of_the_rhythm_reach_the_scores():
    network = heartbeat_classifier("resnet", seed=0, features=4).double()
    early, late = torch.zeros(4, 4).double(), torch.ones(4, 4).double()
    assert not torch.equal(network(BEATS, early), network(BEATS, late))


def test_bad_input_is_refused():
    network = heartbeat_classifier("resnet", seed=0).double()
    with pytest.raises(ModelError, match=r"shape \(n, 187\), not \(4, 186\)"):
        network(BEATS[:, 1:])
    with pytest.raises(ModelError, match="4 features of a beat do not fit a network of 0"):
        network(BEATS, torch.zeros(4, 4).double())
    with pytest.raises(ModelError, match="there is no classifier 'mlp'"):
        heartbeat_classifier("mlp", seed=0)
