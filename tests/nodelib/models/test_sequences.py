"""Convolutions of sequences kept positions first."""

import pytest
import torch
from torch.nn.functional import conv1d

from nodelib.errors import ModelError
from nodelib.models.conv.sequences import convolve, native, tap_matrices


def drawn(*shape):
    random = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=random, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize(
    ("length", "taps", "stride", "padding"),
    [(46, 3, 1, 1), (185, 4, 2, 1), (92, 4, 2, 1), (7, 3, 1, 0), (8, 5, 3, 2), (1, 3, 1, 1)],
)
def test_a_convolution_and_its_gradients_are_torchs(length, taps, stride, padding):
    maps, weight, bias = drawn(length, 3, 5), drawn(6, 5, taps), drawn(6)
    ours = convolve(maps, tap_matrices(weight), bias, stride=stride, padding=padding)
    theirs = conv1d(maps.permute(1, 2, 0), weight, bias, stride, padding).permute(2, 0, 1)
    assert torch.allclose(ours, theirs)
    on_a_gpu = native(maps, tap_matrices(weight), stride, padding) + bias
    assert torch.allclose(on_a_gpu, theirs)
    arriving = torch.randn_like(theirs)
    found, expected = (
        torch.autograd.grad(result, (maps, weight, bias), arriving) for result in (ours, theirs)
    )
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b)


def test_an_offset_may_differ_from_position_to_position():
    maps, weight, offset = drawn(9, 2, 4), drawn(4, 4, 3), drawn(9, 1, 4)
    both = convolve(maps, tap_matrices(weight), offset)
    alone = convolve(maps, tap_matrices(weight), offset.new_zeros(4))
    assert torch.allclose(both, alone + offset)
    (found,) = torch.autograd.grad(both.sum(), offset)
    assert torch.equal(found, torch.full_like(offset, 2.0))


def test_what_does_not_fit_is_refused():
    matrices, none = tap_matrices(drawn(6, 5, 3)), torch.zeros(6, dtype=torch.float64)
    with pytest.raises(ModelError, match="do not fit a kernel of 5 channels"):
        convolve(drawn(9, 2, 4), matrices, none)
    with pytest.raises(ModelError, match="length 1 are too short"):
        convolve(drawn(1, 2, 5), matrices, none, padding=0)
    with pytest.raises(ModelError, match="a kernel has shape"):
        tap_matrices(drawn(6, 5))
