"""Networks side by side: each as if it were alone."""

import pytest
import torch
from torch import nn

from nodelib.errors import ModelError
from nodelib.models.stacked import Stacked, captured


class Small(nn.Module):
    def __init__(self, seed: int, hidden: int = 4) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Linear(3, hidden)
        self.idle = nn.Linear(2, 2).requires_grad_(False)

    def forward(self, x):
        return self.layer(x)

    def loss_of(self, x, y):
        return (self.layer(x).sum(1) - y).square().mean()


def test_each_gives_what_it_gives_alone_and_gets_its_own_gradient():
    networks = [Small(seed) for seed in range(3)]
    stacked = Stacked(networks, "loss_of")
    x, y = torch.randn(3, 5, 3), torch.randn(3, 5)
    losses = stacked(x, y)
    trained = [weight for weight in stacked.weights if weight.requires_grad]
    gradients = torch.autograd.grad(losses.sum(), trained)
    for k, network in enumerate(networks):
        alone = network.loss_of(x[k], y[k])
        torch.testing.assert_close(losses[k], alone)
        own = torch.autograd.grad(alone, list(network.layer.parameters()))
        for stack, expected in zip(gradients, own, strict=True):
            torch.testing.assert_close(stack[k], expected)


def test_what_is_not_trained_stays_so():
    stacked = Stacked([Small(0), Small(1)])
    assert sum(weight.requires_grad for weight in stacked.weights) == 2
    assert len(stacked.weights) == 4


def test_a_network_is_taken_out_as_it_is_now():
    networks = [Small(seed) for seed in range(2)]
    stacked = Stacked(networks)
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(stacked.network(1)(x[1]), networks[1](x[1]))
    with torch.no_grad():
        stacked.weights[0].add_(1.0)
    moved = stacked.network(1)
    torch.testing.assert_close(moved(x[1]), stacked(x)[1])
    torch.testing.assert_close(networks[1](x[1]), Small(1)(x[1]))  # the given one is another


@pytest.mark.parametrize("networks", [[], [Small(0), Small(0, hidden=5)]])
def test_other_than_networks_of_one_kind_is_refused(networks):
    with pytest.raises(ModelError, match="kinds of networks"):
        Stacked(networks)


def test_networks_with_buffers_are_refused():
    with pytest.raises(ModelError, match="running_mean"):
        Stacked([nn.BatchNorm1d(2), nn.BatchNorm1d(2)])


def test_on_the_cpu_nothing_is_captured():
    stacked = Stacked([Small(0)])
    assert captured(stacked, (torch.zeros(1, 5, 3),)) is stacked
