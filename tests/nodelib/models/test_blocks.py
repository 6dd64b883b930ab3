"""Blocks: plain, residual and ODE."""

import pytest
import torch

from nodelib import odeint
from nodelib.errors import ModelError
from nodelib.models.blocks import ODEBlock, PlainBlock, ResidualBlock, TimedField, residual_network
from nodelib.models.networks import MLP

FIELD = TimedField(MLP((4, 8, 3), seeds=0, dtype=torch.float64))
Z = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("n", [1, 3, 20])
def test_unit_euler_steps_are_residual_blocks_with_shared_weights_bit_for_bit(n):
    assert torch.equal(residual_network([FIELD] * n)(Z), ODEBlock.of_steps(FIELD, n)(Z))


def test_their_gradients_are_equal_too():
    def gradient(block):
        return torch.autograd.grad(block(Z).square().sum(), list(FIELD.parameters()))

    pairs = zip(gradient(residual_network([FIELD] * 6)), gradient(ODEBlock.of_steps(FIELD, 6)))  # noqa: B905
    assert all(torch.allclose(a, b, rtol=1e-12, atol=0) for a, b in pairs)


def test_block_k_of_a_residual_network_is_at_time_k():
    seen = []

    def field(t, z):
        seen.append(float(t))
        return 0 * z

    residual_network([field] * 3)(Z)
    assert seen == [0.0, 1.0, 2.0]


def test_a_timed_field_depends_on_time_and_keeps_the_axis_of_seeds():
    field = TimedField(MLP((4, 8, 3), seeds=[0, 1]))
    z = torch.zeros(2, 5, 3)
    early, late = field(torch.tensor(0.0), z), field(torch.tensor(1.0), z)
    assert early.shape == z.shape
    assert not torch.equal(early, late)


def test_a_residual_block_needs_a_field_that_keeps_the_shape():
    block = ResidualBlock(lambda t, z: z[..., :1])
    with pytest.raises(ModelError, match=r"gave shape \(5, 1\) for \(5, 3\); project"):
        block(Z)


def test_a_plain_block_applies_its_activation_last():
    layer = torch.nn.Linear(3, 2, dtype=torch.float64)
    assert torch.equal(PlainBlock(layer, torch.relu)(Z), torch.relu(layer(Z)))


def test_an_ode_block_is_the_solve_and_counts_it():
    block = ODEBlock(FIELD, 0.5, 2.0, rtol=1e-6, atol=1e-6)
    assert block.stats is None
    times = torch.tensor([0.5, 2.0], dtype=torch.float64)
    assert torch.equal(block(Z), odeint(FIELD, Z, times, rtol=1e-6, atol=1e-6)[-1])
    assert block.stats.nfe > block.stats.accepted > 0


def test_the_parameters_of_an_ode_block_get_gradients():
    block = ODEBlock(FIELD, method="rk4", options={"num_steps": 2})
    block(Z).sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())
    FIELD.zero_grad()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ODEBlock(FIELD, 1.0, 1.0), "two different times"),
        (lambda: ODEBlock.of_steps(FIELD, 0), "steps must be at least 1, not 0"),
    ],
)
def test_impossible_blocks_are_refused(make, message):
    with pytest.raises(ModelError, match=message):
        make()
