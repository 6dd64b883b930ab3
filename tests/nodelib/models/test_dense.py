"""Deep plain and residual networks side by side."""

import pytest
import torch
from torch.nn.functional import layer_norm

from nodelib.errors import ModelError
from nodelib.models.dense import EPSILON, KINDS, DenseNetwork, deepened
from nodelib.models.networks import load_weights, member_weights

SIZES = {"inputs": 6, "width": 5, "classes": 3}
X = torch.randn(40, 6, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kind", KINDS)
def test_networks_side_by_side_are_those_alone(kind):
    group = DenseNetwork(kind, 4, seeds=[7, 2], **SIZES)
    scores = group(X)
    assert scores.shape == (2, 40, 3)
    for k, seed in enumerate((7, 2)):
        alone = DenseNetwork(kind, 4, seeds=[seed], **SIZES)
        assert torch.allclose(alone(X)[0], scores[k], atol=1e-6)
        own = {name: value.unsqueeze(0) for name, value in member_weights(group, k).items()}
        assert torch.equal(
            load_weights(DenseNetwork(kind, 4, seeds=[0], **SIZES), own)(X), alone(X)
        )


def by_hand(network, x):
    """The definition in the module's docstring, for one network."""

    def active(h, k):
        if not network.normalised:
            return torch.relu(h + network.bias[0, k])
        normal = layer_norm(h.T, h.shape[:1], eps=EPSILON).T
        return torch.relu(normal * network.gain[0, k] + network.bias[0, k])

    h = x @ network.enter[0].T
    for k, weight in enumerate(network.weight[0]):
        change = active(h, k) @ weight.T
        h = h + change if network.kind == "residual" else change
    return active(h, network.depth - 1) @ network.leave[0].T + network.leave_bias[0].T


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_blocks_are_what_they_are_said_to_be(kind, normalised):
    network = DenseNetwork(kind, 3, seeds=[1], normalised=normalised, **SIZES)
    assert network.normalised == (normalised and kind != "bare")
    with torch.no_grad():
        network.bias.normal_(generator=torch.Generator().manual_seed(0))
    assert torch.allclose(network(X)[0], by_hand(network, X), atol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_recorded_moments_reproduce_the_batch_they_come_from(kind):
    network = DenseNetwork(kind, 5, seeds=[0, 1], **SIZES)
    moments = network.moments(X)
    assert moments[0].shape == (5, 2, 5)
    assert torch.allclose(network(X, moments), network(X), atol=1e-5)
    assert torch.allclose(network(X[:1], moments), network(X, moments)[:, :1], atol=1e-6)


def test_a_residual_network_with_zero_matrices_is_its_first_layer():
    deep, shallow = (DenseNetwork("residual", d, seeds=[4], **SIZES) for d in (9, 1))
    with torch.no_grad():
        deep.weight.zero_()
        for name in ("enter", "leave"):
            getattr(shallow, name).copy_(getattr(deep, name))
    assert torch.allclose(deep(X), shallow(X), atol=1e-6)


def test_added_identity_layers_change_no_score():
    network = DenseNetwork("plain", 3, seeds=[0, 5], **SIZES)
    moments = network.moments(X)
    deep, deep_moments = deepened(network, moments, 30)
    assert deep.depth == 30
    assert torch.allclose(deep(X, deep_moments), network(X, moments), rtol=1e-4, atol=1e-5)


def test_identity_layers_are_for_plain_networks_that_are_not_deeper_already():
    for kind, depth in (("residual", 9), ("plain", 2)):
        network = DenseNetwork(kind, 3, seeds=[0], **SIZES)
        with pytest.raises(ModelError, match="plain network that is not deeper"):
            deepened(network, network.moments(X), depth)


def test_parameters_are_counted():
    assert DenseNetwork("bare", 3, seeds=[0, 1], **SIZES).count == 30 + 2 * 25 + 15 + 3 + 3 * 5
    assert DenseNetwork("plain", 3, seeds=[0], **SIZES).count == 30 + 2 * 25 + 15 + 3 + 6 * 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "round", "depth": 2, "seeds": [0]}, "no kind 'round'; there are bare"),
        ({"kind": "plain", "depth": 0, "seeds": [0]}, "must be >= 1"),
        ({"kind": "plain", "depth": 2, "seeds": []}, "must be >= 1"),
    ],
)
def test_impossible_networks_are_refused(arguments, message):
    with pytest.raises(ModelError, match=message):
        DenseNetwork(**arguments)
