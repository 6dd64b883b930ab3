"""Group normalisation of maps that are stored pixels first (Wu and He 2018)."""

from functools import cache

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from nodelib.errors import ModelError

EPSILON = 1e-5


def group_norm(
    maps: Tensor, weight: Tensor, bias: Tensor, groups: int, *, rectified: bool = False
) -> Tensor:
    """Maps (pixels, n, channels) normalised over the pixels and channels of each group.

    Each of the ``groups`` of neighbouring channels of each image gets mean 0 and variance 1, then
    each channel its ``weight`` and ``bias`` (channels,), as in ``torch.nn.GroupNorm``; with
    ``rectified`` negative results become 0.

    Raises:
        ModelError: if the groups do not divide the channels, or weight and bias do not fit them.
    """
    channels = maps.shape[-1]
    if maps.dim() != 3 or channels % groups:
        raise ModelError(
            f"maps of shape {tuple(maps.shape)} cannot be normalised in {groups} groups: they must "
            "be (pixels, n, channels), with a multiple of that number of channels"
        )
    if weight.shape != (channels,) or bias.shape != (channels,):
        raise ModelError(
            f"weight {tuple(weight.shape)} and bias {tuple(bias.shape)} must both be ({channels},)"
        )
    if maps.is_cuda:
        return native(maps, weight, bias, groups, rectified)
    return _GroupNorm.apply(maps, weight, bias, groups, rectified)


def native(maps: Tensor, weight: Tensor, bias: Tensor, groups: int, rectified: bool) -> Tensor:
    """The same by PyTorch's own normalisation, which launches less on a GPU."""
    usual = functional.group_norm(maps.permute(1, 2, 0), groups, weight, bias, EPSILON)
    return (functional.relu(usual) if rectified else usual).permute(2, 0, 1)


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, maps, weight, bias, groups, rectified) -> Tensor:
        mean_of = _group_means(len(maps), maps.shape[-1], groups, maps.dtype)
        mean = maps.sum(0) @ mean_of
        square = torch.linalg.vecdot(maps, maps, dim=0) @ mean_of
        inverse = (square - mean * mean).clamp_min_(0).add_(EPSILON).rsqrt_()
        scale = inverse * weight
        result = torch.addcmul(bias - mean * scale, maps, scale)
        if rectified:
            result.relu_()
        ctx.save_for_backward(maps, weight, mean, inverse, mean_of, *([result] * rectified))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, mean, inverse, mean_of, *result = ctx.saved_tensors
        if result:
            grad = torch.ops.aten.threshold_backward(grad, result[0], 0)
        total = grad.sum(0)
        # sum over the pixels of the gradient times the normalised map
        along = (torch.linalg.vecdot(grad, maps, dim=0) - mean * total) * inverse
        slope = -(inverse * inverse) * ((along * weight) @ mean_of)
        offset = -inverse * ((total * weight) @ mean_of) - mean * slope
        grad_maps = torch.addcmul(offset, maps, slope).addcmul_(grad, inverse * weight)
        return grad_maps, along.sum(0), total.sum(0), None, None


@cache
def _group_means(pixels: int, channels: int, groups: int, dtype: torch.dtype) -> Tensor:
    """Takes sums over the pixels of each channel (n, channels) to the means of its group."""
    size = channels // groups
    share = torch.full((size, size), 1 / (size * pixels), dtype=dtype)
    return torch.block_diag(*[share] * groups) if groups > 1 else share
