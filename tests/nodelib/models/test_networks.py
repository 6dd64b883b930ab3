"""Small networks, alone and side by side."""

import pytest
import torch
from torch import nn

from nodelib import odeint
from nodelib.errors import ModelError
from nodelib.models.networks import (
    ACTIVATIONS,
    MLP,
    Field,
    halved,
    load_weights,
    member_count,
    member_weights,
)

SEEDS = (3, 0, 11)


def test_a_network_is_affine_maps_with_an_activation_between_them():
    net = MLP([2, 5, 3], "tanh", seeds=4, dtype=torch.float64)
    z = torch.randn(7, 2, dtype=torch.float64)
    first, second = net.layers
    by_hand = torch.tanh(z @ first.weight + first.bias) @ second.weight + second.bias
    torch.testing.assert_close(net(z), by_hand, rtol=0, atol=0)


def test_the_count_is_the_number_of_parameters_of_one_network():
    alone = MLP([2, 5, 3], seeds=4)
    assert alone.count == 2 * 5 + 5 + 5 * 3 + 3 == sum(p.numel() for p in alone.parameters())
    assert MLP([2, 5, 3], seeds=SEEDS).count == alone.count
    assert member_count(MLP([2, 5, 3], seeds=SEEDS)) == alone.count


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_networks_side_by_side_are_the_networks_of_their_seeds(activation):
    together = MLP([2, 6, 6, 2], activation, seeds=SEEDS, dtype=torch.float64)
    z = torch.randn(len(SEEDS), 4, 5, 2, dtype=torch.float64)
    out = together(z)
    assert out.shape == z.shape
    for k, seed in enumerate(SEEDS):
        alone = MLP([2, 6, 6, 2], activation, seeds=seed, dtype=torch.float64)
        torch.testing.assert_close(out[k], alone(z[k]))


def test_a_network_does_not_see_the_others():
    together = MLP([2, 6, 2], seeds=SEEDS)
    z = torch.randn(len(SEEDS), 8, 2)
    (gradient,) = torch.autograd.grad(together(z)[1].sum(), together.layers[0].weight)
    assert gradient[1].abs().sum() > 0
    assert gradient[0].abs().sum() == gradient[2].abs().sum() == 0


def test_the_initial_values_lie_within_the_bound_of_the_number_of_inputs():
    weight = MLP([400, 50], seeds=0).layers[0].weight
    assert weight.abs().max() <= 400**-0.5
    assert weight.std().item() == pytest.approx(400**-0.5 / 3**0.5, rel=0.02)


def test_the_weights_of_one_network_load_into_one_alone():
    together = MLP([2, 6, 2], seeds=SEEDS)
    z = torch.randn(len(SEEDS), 8, 2)
    alone = MLP([2, 6, 2], seeds=99).load(together.one(2))
    torch.testing.assert_close(alone(z[2]), together(z)[2])


def test_a_field_solves_side_by_side():
    field = Field(MLP([2, 6, 2], seeds=SEEDS, dtype=torch.float64))
    z0 = torch.randn(len(SEEDS), 3, 2, dtype=torch.float64)
    times = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    options = {"num_steps": 8}
    z = odeint(field, z0, times, method="rk4", options=options)
    alone = Field(MLP([2, 6, 2], seeds=0, dtype=torch.float64).load(field.network.one(1)))
    torch.testing.assert_close(z[:, 1], odeint(alone, z0[1], times, method="rk4", options=options))


def test_any_module_gives_the_weights_of_a_member():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.tensor([1.0, 2.0]))

    assert member_weights(Scale(), 1)["factor"] == 2.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [2], "seeds": 0}, "at least two"),
        ({"sizes": [2, 0, 2], "seeds": 0}, "positive"),
        ({"sizes": [2, 2], "activation": "gelu", "seeds": 0}, "no activation 'gelu'.*tanh"),
        ({"sizes": [2, 2], "seeds": []}, "one seed for each network"),
    ],
)
def test_a_network_that_cannot_be_says_why(arguments, message):
    with pytest.raises(ModelError, match=message):
        MLP(**arguments)


def test_an_input_for_another_number_of_networks_is_refused():
    with pytest.raises(ModelError, match="leading length 3"):
        MLP([2, 2], seeds=SEEDS)(torch.zeros(2, 5, 2))


def test_weights_that_do_not_fit_are_refused():
    net = MLP([2, 3, 2], seeds=0)
    weights = MLP([2, 4, 2], seeds=0).state_dict()
    with pytest.raises(ModelError, match="has shape"):
        net.load(weights)
    weights.pop("layers.0.bias")
    with pytest.raises(ModelError, match=r"missing \['layers.0.bias'\]"):
        load_weights(net, weights)


def test_halved_weights_are_what_the_network_is_rounded_to():
    net = MLP([2, 5, 3], "tanh", seeds=4)
    before = {name: value.clone() for name, value in net.named_parameters()}
    found = halved(net)
    for name, value in net.named_parameters():
        assert found[name].dtype == torch.float16
        assert torch.equal(found[name].float(), value.detach())
        assert torch.equal(value.detach(), before[name].half().float())
