"""3 x 3 convolutions of small square maps as a few matrix products.

Maps are stored pixels first, shape (side * side, n, channels), so that every step is a product of
matrices. The method is that of Toom and Cook, brought to networks by Lavin and Gray 2016: a
map of side s, padded by one pixel of zeros, is turned into (s + 2)^2 combinations of its pixels,
each is multiplied by one matrix of channels made from the kernel, and the pixels of the result are
combinations of the products. A map of 6 x 6 pixels takes 64 such products where the sum over the
nine taps takes 324, and the combinations are made along one axis after the other. In single
precision the result is within about 1e-5 of that sum, relative to its scale: the points of
evaluation reach to 2, and with more of them the error would grow fast, hence no side above 6.
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
    matrix = torch.kron(*[_matrices(side, weight.dtype)[1]] * 2)
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
    # Under autocast the products are made in lower precision.
    return _Convolution.apply(maps, products.to(maps.dtype))


@cache
def _matrices(side: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Into the products' inputs, into their matrices, and out of them, each along one axis."""
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
    return tuple(torch.tensor(row, dtype=dtype) for row in padded)


class _Convolution(torch.autograd.Function):
    """Combinations along one axis, then for each row of these those along the other, the products,
    and back: what one row needs stays in the caches, in buffers that the next row takes over. The
    products' inputs are not kept, but made again on the way back."""

    @staticmethod
    def forward(ctx, maps: Tensor, products: Tensor) -> Tensor:
        ctx.save_for_backward(maps, products)
        into, _, out = _of(maps)
        rows = _combined(into, maps, *into.shape, maps[0].numel())
        inputs = maps.new_empty(len(into), *maps.shape[1:])
        outputs = maps.new_empty(len(into), maps.shape[1], products.shape[2])
        found = maps.new_empty(len(rows), len(out), outputs[0].numel())
        flat_inputs, flat_outputs = inputs.flatten(1), outputs.flatten(1)
        for row, matrix, result in zip(rows, _by_row(products), found, strict=True):
            torch.mm(into, row, out=flat_inputs)
            torch.bmm(inputs, matrix, out=outputs)
            torch.mm(out, flat_outputs, out=result)
        return _combined(out, found, len(out) ** 2, *outputs.shape[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        maps, products = ctx.saved_tensors
        into, _, out = _of(maps)
        into_t, out_t = into.t().contiguous(), out.t().contiguous()
        in_maps, in_products = ctx.needs_input_grad
        arriving = _combined(out_t, grad, *out_t.shape, grad[0].numel())
        matrices = _by_row(products).mT.unbind()
        grads = grad.new_empty(len(out_t), *grad.shape[1:])
        inputs = maps.new_empty(len(into), *maps.shape[1:])
        grad_maps = grad_products = None
        flat_inputs, flat_grads, across = inputs.flatten(1), grads.flatten(1), inputs.mT
        if in_maps:
            found = maps.new_empty(len(into), len(into_t), maps[0].numel())
        if in_products:
            rows = _combined(into, maps, *into.shape, maps[0].numel())
            grad_products = torch.empty_like(products)
            grad_matrices = _by_row(grad_products).unbind()
        for k, row in enumerate(arriving):
            torch.mm(out_t, row, out=flat_grads)
            if in_products:
                torch.mm(into, rows[k], out=flat_inputs)
                torch.bmm(across, grads, out=grad_matrices[k])
            if in_maps:
                torch.bmm(grads, matrices[k], out=inputs)
                torch.mm(into_t, flat_inputs, out=found[k])
        if in_maps:
            grad_maps = _combined(into_t, found, *maps.shape)
        return grad_maps, grad_products


def _of(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _matrices(round(len(maps) ** 0.5), maps.dtype)


def _combined(matrix: Tensor, rows: Tensor, *shape: int) -> Tensor:
    """A matrix over the first axis, in the precision of ``rows``; the result has this shape."""
    found = rows.new_empty(shape)
    size = found.numel() // len(matrix)
    torch.mm(matrix, rows.reshape(matrix.shape[1], size), out=found.view(len(matrix), size))
    return found


def _by_row(products: Tensor) -> Tensor:
    """The matrices of each row, (rows, rows, in, out)."""
    rows = round(len(products) ** 0.5)
    return products.unflatten(0, (rows, rows))
