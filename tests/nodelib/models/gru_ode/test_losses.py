"""The closed forms of the losses, and the gradients of every part."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from nodelib.models.gru_ode import GRUBayes, GRUODECell, gaussian_kl, gaussian_nll
from nodelib.models.gru_ode.jump import gru_step
from tests.nodelib.models.gru_ode.batches import KINDS


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def test_the_likelihood_is_that_of_torchs_normal_distribution():
    x, mean, logvar = drawn(3, 50)
    expected = -Normal(mean, (logvar / 2).exp()).log_prob(x)
    assert_close(gaussian_nll(x, mean, logvar, torch.ones_like(x)), expected)


@pytest.mark.parametrize("noise", [0.01, 0.7])
def test_the_divergence_is_that_of_torchs_normal_distributions(noise):
    x, mean, logvar = drawn(3, 50)
    expected = kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(x, torch.full_like(x, noise)))
    assert_close(gaussian_kl(x, mean, logvar, torch.ones_like(x), noise), expected)


@pytest.mark.parametrize("loss", [gaussian_nll, gaussian_kl])
def test_losses_have_right_gradients_and_none_where_nothing_was_observed(loss):
    x, mean, logvar = drawn(3, 8).requires_grad_().unbind()
    observed = torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 1], dtype=torch.float64)
    assert gradcheck(lambda x, m, v: loss(x, m, v, observed), (x, mean, logvar))
    value = loss(x, mean, logvar, observed)
    assert not value[observed == 0].any()
    for gradient in torch.autograd.grad(value.sum(), (x, mean, logvar), allow_unused=True):
        assert not gradient[observed == 0].any()


@pytest.mark.parametrize(("full", "impute"), KINDS)
def test_the_cells_have_right_gradients(full, impute):
    torch.manual_seed(0)
    cell = GRUODECell(4, 3 if impute else 0, full=full, dtype=torch.float64)
    h, x = drawn(2, 4).requires_grad_(), drawn(2, 3, seed=1).requires_grad_()
    inputs = (h, x, *cell.parameters()) if impute else (h, *cell.parameters())
    assert gradcheck(lambda h, *rest: cell(rest[0] if impute else None, h), inputs)


def test_a_step_of_the_gru_is_pytorchs():
    torch.manual_seed(0)
    gru, (h,), inputs = nn.GRUCell(3, 4, dtype=torch.float64), drawn(1, 5, 4), drawn(5, 3, seed=1)
    assert_close(gru_step(gru, inputs, h), gru(inputs, h), rtol=1e-14, atol=1e-15)


def test_the_jump_has_right_gradients():
    torch.manual_seed(0)
    jump = GRUBayes(2, 4, 3, dtype=torch.float64)
    h = drawn(3, 4).requires_grad_()
    x, mean, logvar = (y.requires_grad_() for y in drawn(3, 3, 2, seed=1).unbind())
    observed = torch.tensor([[1.0, 0], [1, 1], [0, 0]], dtype=torch.float64)
    inputs = (h, x, mean, logvar, *jump.parameters())
    assert gradcheck(lambda h, x, m, v, *_: jump(h, x, observed, m, v, jump.joint_weight()), inputs)
