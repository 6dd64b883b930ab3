"""Densities, divergences and bounds against torch.distributions and closed forms."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from nodelib.models import gaussians
from nodelib.models.latent.vae import VAE, bernoulli


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_log_density_is_that_of_torch():
    x, mean, log_variance = numbers(3, 5, 4)
    expected = Normal(mean, (log_variance / 2).exp()).log_prob(x)
    torch.testing.assert_close(gaussians.log_density(x, mean, log_variance), expected)


def test_the_log_density_takes_one_number_for_all_variances():
    x, mean = numbers(2, 7)
    expected = Normal(mean, 0.3).log_prob(x)
    torch.testing.assert_close(gaussians.log_density(x, mean, 2 * math.log(0.3)), expected)


def test_the_divergence_is_that_of_torch():
    mean, log_variance, mean_2, log_variance_2 = numbers(4, 6, 3)
    p = Normal(mean, (log_variance / 2).exp())
    q = Normal(mean_2, (log_variance_2 / 2).exp())
    found = gaussians.kl(mean, log_variance, mean_2, log_variance_2)
    torch.testing.assert_close(found, kl_divergence(p, q))


def test_the_divergence_from_the_standard_gaussian_is_a_special_case():
    mean, log_variance = numbers(2, 9)
    zero = torch.zeros_like(mean)
    expected = gaussians.kl(mean, log_variance, zero, zero)
    torch.testing.assert_close(gaussians.kl_to_standard(mean, log_variance), expected)
    assert gaussians.kl_to_standard(zero, zero).abs().max() == 0


def test_a_draw_has_the_gradients_of_mean_and_standard_deviation():
    mean, log_variance = (x.requires_grad_() for x in numbers(2, 5))
    noise = numbers(5, seed=1)
    gaussians.sample(mean, log_variance, noise).sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(log_variance.grad, 0.5 * (log_variance / 2).exp() * noise)


def test_the_probability_of_a_pixel_is_that_of_torch():
    logits = 3 * numbers(50)
    images = (numbers(50, seed=1) > 0).double()
    torch.testing.assert_close(bernoulli(images, logits), Bernoulli(logits=logits).log_prob(images))


@pytest.fixture
def linear():
    """An autoencoder whose decoder ignores the code: every bound then has a closed form."""
    model = VAE(6, 4, 2, seeds=[0, 1]).double()
    with torch.no_grad():
        model.decoder.layers[-1].weight.zero_()
    return model


def images():
    return (numbers(2, 3, 6, seed=3) > 0).double()


def test_the_bound_is_likelihood_less_divergence_of_torch(linear):
    x, noise = images(), numbers(2, 3, 2, seed=4)
    likelihood, divergence = linear.bound(x, noise)
    mean, log_variance = linear.encode(x)
    posterior = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(posterior, Normal(torch.zeros_like(mean), 1.0)).sum(-1)
    torch.testing.assert_close(divergence, expected)
    logits = linear.decoder.layers[-1].bias[:, None].expand_as(x)
    torch.testing.assert_close(likelihood, Bernoulli(logits=logits).log_prob(x).sum(-1))


def test_the_importance_bound_with_one_draw_is_the_single_weight():
    model, x = VAE(6, 4, 2, seeds=[0, 1]).double(), images()
    noise = numbers(1, 2, 3, 2, seed=5)
    mean, log_variance = model.encode(x)
    code = mean + (log_variance / 2).exp() * noise[0]
    expected = (
        Bernoulli(probs=model.decode(code)).log_prob(x).sum(-1)
        + Normal(torch.zeros_like(mean), 1.0).log_prob(code).sum(-1)
        - Normal(mean, (log_variance / 2).exp()).log_prob(code).sum(-1)
    )
    torch.testing.assert_close(model.importance_bound(x, noise), expected)


def test_the_importance_bound_finds_the_likelihood_and_the_evidence_bound_stays_below(linear):
    x, draws = images(), numbers(4000, 2, 3, 2, seed=6)
    logits = linear.decoder.layers[-1].bias[:, None].expand_as(x)
    exact = Bernoulli(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(linear.importance_bound(x, draws), exact, rtol=0, atol=0.05)
    likelihood, divergence = linear.bound(x, draws[0])
    assert (likelihood - divergence < exact).all()


def test_autoencoders_side_by_side_are_those_alone():
    both, single, x = VAE(6, 4, 2, seeds=[3, 8]), VAE(6, 4, 2, seeds=[8]), images().float()
    noise = numbers(2, 3, 2).float()
    torch.testing.assert_close(
        both.bound(x, noise)[0][1], single.bound(x[1:], noise[1:])[0][0], rtol=1e-6, atol=1e-6
    )
    assert both.count == sum(p[0].numel() for p in both.parameters())
