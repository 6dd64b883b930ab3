"""Convolutions of small maps as matrix products."""

import pytest
import torch
from torch.nn.functional import conv2d

from nodelib.errors import ModelError
from nodelib.models.conv.winograd import SIDES, convolve, kernel_products


def drawn(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()


def pixels_first(images):
    return images.flatten(2).permute(2, 0, 1)


@pytest.mark.parametrize("side", SIDES)
def test_it_is_the_convolution_with_a_border_of_zeros(side):
    images, weight = drawn(3, 4, side, side), drawn(5, 4, 3, 3)
    found = convolve(pixels_first(images), kernel_products(weight, side))
    assert torch.allclose(found, pixels_first(conv2d(images, weight, padding=1)), atol=1e-11)


def test_single_precision_costs_little():
    images = drawn(16, 64, 6, 6, dtype=torch.float32)
    weight = drawn(64, 64, 3, 3, dtype=torch.float32)
    exact = pixels_first(conv2d(images.double(), weight.double(), padding=1))
    found = convolve(pixels_first(images), kernel_products(weight, 6)).detach()
    exact = exact.detach()
    assert float((found - exact).abs().max() / exact.abs().max()) < 2e-5


def test_its_gradients_are_those_of_finite_differences():
    def result(maps, weight):
        return convolve(maps, kernel_products(weight, 3))

    assert torch.autograd.gradcheck(result, (drawn(9, 2, 4), drawn(3, 4, 3, 3)))


def test_a_gradient_is_computed_only_where_one_is_wanted():
    maps, products = drawn(9, 2, 4), kernel_products(drawn(3, 4, 3, 3), 3).detach()
    convolve(maps, products).sum().backward()
    assert maps.grad is not None
    assert products.grad is None


def test_maps_may_lie_in_memory_as_they_like_and_be_none():
    weight = drawn(5, 4, 3, 3)
    products = kernel_products(weight, 6)
    images = drawn(3, 4, 6, 6)
    maps = pixels_first(images)
    assert not maps.is_contiguous()
    arriving = drawn(3, 5, 6, 6).detach()
    found = torch.autograd.grad(convolve(maps, products), (images, weight), pixels_first(arriving))
    wanted = torch.autograd.grad(conv2d(images, weight, padding=1), (images, weight), arriving)
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-11)
    none = maps[:, :0]
    result = convolve(none, kernel_products(weight, 6))
    (grad,) = torch.autograd.grad(result.sum(), weight)
    assert result.shape == (36, 0, 5)
    assert not grad.any()


@pytest.mark.parametrize("backwards", [False, True])
def test_it_is_close_under_autocast(backwards):
    images = drawn(4, 8, 6, 6, dtype=torch.float32)
    weight = drawn(8, 8, 3, 3, dtype=torch.float32)
    exact = conv2d(images, weight, padding=1)
    wanted = torch.autograd.grad(exact.square().sum(), (images, weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = convolve(pixels_first(images), kernel_products(weight, 6))
        loss = found.float().square().sum()
        if backwards:
            grads = torch.autograd.grad(loss, (images, weight))
    if not backwards:
        grads = torch.autograd.grad(loss, (images, weight))
    assert found.dtype == torch.float32
    for ours, theirs in zip((found, *grads), (pixels_first(exact), *wanted), strict=True):
        assert float((ours - theirs).norm() / theirs.norm()) < 0.1


def test_only_what_it_is_handed_is_kept_for_the_way_back():
    maps, products = drawn(9, 2, 4), kernel_products(drawn(3, 4, 3, 3), 3)
    kept = set()

    def keep(tensor):
        kept.add(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        convolve(maps, products)
    assert kept == {maps.data_ptr(), products.data_ptr()}


def test_what_it_returns_may_be_added_to_in_place():
    maps, products = drawn(9, 2, 4), kernel_products(drawn(3, 4, 3, 3), 3)
    apart = convolve(maps, products) + 1.0
    (wanted,) = torch.autograd.grad(apart.square().sum(), maps)
    together = convolve(maps, products).add_(1.0)
    (found,) = torch.autograd.grad(together.square().sum(), maps)
    assert torch.equal(together, apart)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("shape", [(5, 4, 2, 2), (5, 4, 3)])
def test_another_kernel_is_refused(shape):
    with pytest.raises(ModelError, match=r"shape \(out, in, 3, 3\)"):
        kernel_products(torch.zeros(shape), 6)


@pytest.mark.parametrize("side", [0, 7])
def test_another_side_is_refused(side):
    with pytest.raises(ModelError, match=f"side of 1 to 6 pixels, not {side}"):
        kernel_products(torch.zeros(5, 4, 3, 3), side)


def test_maps_that_do_not_fit_are_refused():
    products = kernel_products(torch.zeros(5, 4, 3, 3), 6)
    with pytest.raises(ModelError, match="do not fit 64 products"):
        convolve(torch.zeros(25, 2, 4), products)
    with pytest.raises(ModelError, match="3 channels do not fit a kernel of 4"):
        convolve(torch.zeros(36, 2, 3), products)
