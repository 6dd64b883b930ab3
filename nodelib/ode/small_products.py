"""Matrix products with a small side, written out as loops for the compiler.

On a processor PyTorch leaves products of matrices to a library (MKL, OpenBLAS), which is called
through PyTorch and pays off for large ones. Fields of few numbers are full of others: from two
numbers to fifty and back, and the gradients of the weights there. Written as a product and a sum
the compiler makes loops of them, in registers, and what follows (a bias, an activation) becomes
part of the same loop. The sums are the same, taken in another order, so that values move by
rounding.
"""

import torch
from torch import Tensor
from torch._inductor import inductor_prims
from torch.fx import Node

from nodelib.ode.rewriting import Writer

FEW = 8
"""So many rows, columns or summands are few."""
MOST = 1 << 17
"""Entries of the other factor up to which a product with few rows or columns is written out."""

aten = torch.ops.aten


def write_product(write: Writer, node: Node) -> Node | None:
    """What stands for a product of two matrices, with a bias or without; None for the library."""
    if node.kwargs or not _value(node).is_floating_point() or not _value(node).numel():
        return None
    if node.target is aten.mm.default:
        a, b = node.args
    elif node.target is aten.addmm.default:
        _, a, b = node.args
    else:
        return None
    product = _written(write, a, b)
    if product is None or node.target is aten.mm.default:
        return product
    total = write(aten.add.Tensor, product, node.args[0])
    # Among few columns a bias does not fill a register: apart from what follows.
    return _laid(write, total) if _value(total).shape[1] <= FEW else total


def _written(write: Writer, a: Node, b: Node) -> Node | None:
    rows, inner, columns = *_value(a).shape, _value(b).shape[1]
    if inner <= FEW:
        # Few summands: in registers, along the rows of the second factor.
        return _along_rows(write, _laid(write, a), _laid(write, b))
    if min(rows, columns) > FEW or max(rows, columns) * inner > MOST:
        return None
    if columns <= rows and _value(a).stride(1) != 1:
        # The first factor lies by columns: along them.
        turned = _along_rows(write, _turned(write, b), _laid(write, _turned(write, a)))
        return _laid(write, _turned(write, turned))
    if columns > rows and _value(b).stride(1) == 1:
        return _along_rows(write, a, _laid(write, b))
    # Along the summands.
    left = write(aten.unsqueeze.default, _laid(write, a), 1)
    right = write(aten.unsqueeze.default, _laid(write, _turned(write, b)), 0)
    return write(aten.sum.dim_IntList, write(aten.mul.Tensor, left, right), [2])


def _along_rows(write: Writer, a: Node, b: Node) -> Node:
    """The rows of a product as sums of those of the second factor."""
    rows, inner = _value(a).shape
    if rows <= FEW < inner:
        # Each row for itself: sums over the same rows then become one loop.
        columns = [write(aten.select.int, a, 0, row) for row in range(rows)]
        parts = [write(aten.mul.Tensor, write(aten.unsqueeze.default, x, 1), b) for x in columns]
        sums = [write(aten.sum.dim_IntList, part, [0], True) for part in parts]
        return write(aten.cat.default, sums) if rows > 1 else sums[0]
    left, right = write(aten.unsqueeze.default, a, 2), write(aten.unsqueeze.default, b, 0)
    return write(aten.sum.dim_IntList, write(aten.mul.Tensor, left, right), [1])


def _turned(write: Writer, matrix: Node) -> Node:
    if _is_turned(matrix):
        return matrix.args[0]
    return write(aten.permute.default, matrix, [1, 0])


def _is_turned(matrix: Node) -> bool:
    return matrix.target is aten.permute.default and list(matrix.args[1]) == [1, 0]


def _laid(write: Writer, matrix: Node) -> Node:
    """The matrix in memory, row after row, so that it is neither made nor turned for each entry."""
    if _is_turned(matrix):  # one node for all that is turned alike
        matrix = write(aten.permute.default, *matrix.args)
    return write(inductor_prims.force_stride_order, matrix, [_value(matrix).shape[1], 1])


def _value(node: Node) -> Tensor:
    return node.meta["val"]
