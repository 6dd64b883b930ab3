"""3 x 3 convolutions of small square maps as a few matrix products.

Maps are stored pixels first, shape (side * side, n, channels), so that every step is a product of
large matrices. The method is that of Toom and Cook, brought to networks by Lavin and Gray 2016: a
map of side s, padded by one pixel of zeros, is turned into (s + 2)^2 combinations of its pixels,
each is multiplied by one matrix of channels made from the kernel, and the pixels of the result are
combinations of the products. A map of 6 x 6 pixels takes 64 such products where the sum over the
nine taps takes 324. In single precision the result is within about 1e-5 of that sum, relative to
its scale: the points of evaluation reach to 2, and with more of them the error would grow fast,
hence no side above 6.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nodelib.errors import ModelError

TAPS = 3
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""Where the polynomials of a row are evaluated, with infinity as one more point."""

SIDES = range(1, len(POINTS))


def kernel_products(weight: Tensor, side: int) -> Tensor:
    """The matrices of a kernel (out, in, 3, 3) for maps of a side: ((side + 2)^2, in, out).

    Raises:
        ModelError: if the kernel is not 3 x 3 or the side not between 1 and 6.
    """
    if weight.dim() != 4 or weight.shape[2:] != (TAPS, TAPS):
        raise ModelError(f"a kernel has shape (out, in, 3, 3), not {tuple(weight.shape)}")
    outputs, inputs = weight.shape[:2]
    taps = weight.permute(2, 3, 1, 0).reshape(TAPS * TAPS, inputs * outputs)
    matrix = _matrices(side, weight.dtype)[1]
    return (matrix @ taps).reshape(len(matrix), inputs, outputs)


def convolve(maps: Tensor, products: Tensor) -> Tensor:
    """Maps (pixels, n, in), padded by zeros, convolved with a kernel: (pixels, n, out).

    ``products`` is ``kernel_products(weight, side)``. As in networks, the kernel is not flipped.

    Raises:
        ModelError: if the numbers of pixels or channels do not fit.
    """
    pixels, count = maps.shape[0], products.shape[0]
    side = round(pixels**0.5)
    if maps.dim() != 3 or side**2 != pixels or (side + TAPS - 1) ** 2 != count:
        raise ModelError(
            f"maps of shape {tuple(maps.shape)} do not fit {count} products: they must be "
            "(side * side, n, channels), and the products those of that side"
        )
    if maps.shape[2] != products.shape[1]:
        raise ModelError(f"{maps.shape[2]} channels do not fit a kernel of {products.shape[1]}")
    return _Convolution.apply(maps, products)


@cache
def _matrices(side: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Into the products' inputs, into their matrices, and out of them, for both axes at once."""
    if side not in SIDES:
        raise ModelError(f"maps must have a side of {SIDES[0]} to {SIDES[-1]} pixels, not {side}")
    points = np.array(POINTS[: side + 1])[:, None]

    def evaluation(terms: int) -> np.ndarray:
        at_infinity = np.eye(terms)[-1:]
        return np.vstack([points ** np.arange(terms), at_infinity])

    # the product of polynomials, transposed, is the correlation of a row with the taps
    inward = np.linalg.inv(evaluation(side + TAPS - 1)).T
    scale = np.abs(inward).max(1, keepdims=True)
    rows = inward / scale, evaluation(TAPS) * scale, evaluation(side).T
    padded = rows[0][:, 1:-1], rows[1], rows[2]
    return tuple(torch.tensor(np.kron(row, row), dtype=dtype) for row in padded)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, maps: Tensor, products: Tensor) -> Tensor:
        into, _, out = _matrices(round(maps.shape[0] ** 0.5), maps.dtype)
        inputs = _mixed(into, maps)
        ctx.save_for_backward(inputs, products)
        return _mixed(out, torch.bmm(inputs, products))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        inputs, products = ctx.saved_tensors
        into, _, out = _matrices(round(grad.shape[0] ** 0.5), grad.dtype)
        grad = _mixed(out.t(), grad)
        grad_maps = grad_products = None
        if ctx.needs_input_grad[0]:
            grad_maps = _mixed(into.t(), torch.bmm(grad, products.transpose(1, 2)))
        if ctx.needs_input_grad[1]:
            grad_products = torch.bmm(inputs.transpose(1, 2), grad)
        return grad_maps, grad_products


def _mixed(matrix: Tensor, maps: Tensor) -> Tensor:
    """A matrix over the first axis."""
    return (matrix @ maps.reshape(len(maps), -1)).reshape(len(matrix), *maps.shape[1:])
