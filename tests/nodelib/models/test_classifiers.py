"""The four classifiers of digits."""

import pytest
import torch
from torch import nn

from nodebook.documents.concatenated_field import ConcatenatedField, as_images, as_maps
from nodelib.errors import ModelError
from nodelib.models.blocks import ODEBlock
from nodelib.models.classifiers import KINDS, SOLVERS, classifier, parameter_count, seeded
from nodelib.models.conv.small_maps import ConvField, ResidualMaps
from nodelib.models.networks import load_weights

IMAGES = torch.rand(4, 28, 28, generator=torch.Generator().manual_seed(0))


def field(dtype=torch.float64):
    with seeded(1):
        made = ConvField()
        for norm in made.norms:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return made.to(dtype)


def maps(dtype=torch.float64):
    return torch.randn(36, 3, 64, generator=torch.Generator().manual_seed(2)).to(dtype)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_the_field_is_the_printed_one_without_its_concatenation(t):
    ours = field()
    theirs = ConcatenatedField(ours).double()
    time = torch.tensor(t, dtype=torch.float64)
    assert torch.allclose(ours(time, maps()), as_maps(theirs(time, as_images(maps()))), atol=1e-10)


def test_its_gradients_are_those_of_the_printed_one():
    ours = field()
    theirs = ConcatenatedField(ours).double()
    time = torch.tensor(0.7, dtype=torch.float64)
    found = [
        torch.autograd.grad(result.square().sum(), list(of.parameters()))
        for of, result in (
            (ours, ours(time, maps())),
            (theirs, theirs(time, as_images(maps()))),
        )
    ]
    named = zip(ours.named_parameters(), *found, strict=True)
    for (name, _), a, b in named:
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-8), name


@pytest.mark.parametrize(
    ("kind", "count"),
    [("mlp", 238_510), ("resnet", 576_778), ("rk-net", 208_266), ("ode-net", 208_266)],
)
def test_each_has_its_number_of_parameters_and_ten_scores(kind, count):
    network = classifier(kind, seed=0)
    assert parameter_count(network) == count
    assert network(IMAGES).shape == (4, 10)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_start_and_leaves_torchs_generator_alone(kind):
    before = torch.random.get_rng_state()
    first, again, other = (classifier(kind, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first(IMAGES), again(IMAGES))
    assert not torch.equal(first(IMAGES), other(IMAGES))


def test_rk_net_and_ode_net_share_their_parameters():
    one, other = classifier("rk-net", seed=3), classifier("ode-net", seed=4)
    load_weights(other, dict(one.named_parameters()))
    other.body.settings = dict(SOLVERS["rk-net"])
    assert torch.equal(one(IMAGES), other(IMAGES))


def test_rk_net_with_many_steps_is_the_ode_net():
    network = classifier("ode-net", seed=0)
    network.body.settings = {"method": "dopri5", "rtol": 1e-6, "atol": 1e-6}
    exact = network(IMAGES)
    network.body.settings = {"method": "rk4", "options": {"num_steps": 40}}
    assert torch.allclose(network(IMAGES), exact, atol=1e-4)


@pytest.mark.parametrize("mode", ["checkpoint", "adjoint"])
def test_all_three_gradients_agree(mode):
    network = classifier("ode-net", seed=0).double()
    images = IMAGES.double()

    def gradient(grad):
        network.body.settings = {"method": "dopri5", "rtol": 1e-6, "atol": 1e-6, "grad": grad}
        loss = network(images)[:, 0].sum()
        found = torch.autograd.grad(loss, list(network.parameters()))
        return torch.cat([part.flatten() for part in found])

    reference, found = gradient("backprop"), gradient(mode)
    # the kinks of the field keep the two apart at any tolerance that is not tiny
    limit = 1e-10 if mode == "checkpoint" else 1e-2
    assert float((found - reference).norm() / reference.norm()) < limit
    assert len(network.body.backward) == 1
    assert (network.body.backward[0].nfe > 0) == (mode != "backprop")


def test_the_state_at_t_1_is_the_last_of_the_states_between():
    body = ODEBlock(ConvField(), method="rk4", options={"num_steps": 2})
    states = body.states(maps(torch.float32), (0.0, 0.5, 1.0))
    body.settings["options"] = {"num_steps": 4}
    assert torch.allclose(states[-1], body(maps(torch.float32)), atol=1e-5)


def test_a_residual_block_starts_from_its_input():
    block = ResidualMaps().double()
    nn.init.zeros_(block.convolutions[1].weight)
    assert torch.equal(block(maps()), maps())


def test_an_unknown_kind_is_refused():
    with pytest.raises(ModelError, match="no classifier 'cnn'; there are mlp, resnet"):
        classifier("cnn", seed=0)


@pytest.mark.parametrize("kind", ["mlp", "ode-net"])
def test_images_of_another_shape_are_refused(kind):
    with pytest.raises(ModelError, match=r"\(n, 28, 28\), not \(4, 784\)"):
        classifier(kind, seed=0)(IMAGES.flatten(1))
