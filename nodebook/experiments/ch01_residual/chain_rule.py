"""Backpropagation through a chain of blocks, written out as products of Jacobian matrices.

Document 002, eqs. (4) and (5): with blocks ``h_{i+1} = g_i(h_i, theta_i)``, i = 0 ... T - 1, and a
loss of ``h_T``, the gradient in ``theta_i`` is the row ``dL/dh_T`` times the Jacobian matrices of
the blocks behind block i, times that of block i in its own parameters (chapter 01).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

Loss = Callable[[Tensor], Tensor]


def states(blocks: Sequence[nn.Module], x: Tensor) -> list[Tensor]:
    """``h_0 = x, h_1, ..., h_T`` of a single input (k,)."""
    h = [x]
    for block in blocks:
        h.append(block(h[-1]))
    return h


def parameters(block: nn.Module) -> Tensor:
    """All parameters of a block in one vector: ``theta_i``."""
    return torch.cat([value.detach().flatten() for value in block.parameters()])


def with_parameters(block: nn.Module, theta: Tensor, h: Tensor) -> Tensor:
    """``g_i(h_i, theta_i)`` as a function of both."""
    pieces = theta.split([value.numel() for value in block.parameters()])
    named = block.named_parameters()
    given = {n: p.reshape(value.shape) for (n, value), p in zip(named, pieces, strict=True)}
    return functional_call(block, given, (h,))


def products(blocks: Sequence[nn.Module], x: Tensor, loss: Loss) -> list[Tensor]:
    """The gradient in each block's parameters by eqs. (4) and (5), each product from the left."""
    h = states(blocks, x)
    row = jacrev(loss)(h[-1].detach())
    gradients = []
    for block, before in zip(reversed(blocks), reversed(h[:-1]), strict=True):
        theta, before = parameters(block), before.detach()
        by_theta, by_state = jacrev(with_parameters, argnums=(1, 2))(block, theta, before)
        gradients.append(row @ by_theta)
        row = row @ by_state
    return gradients[::-1]


def automatic(blocks: Sequence[nn.Module], x: Tensor, loss: Loss) -> list[Tensor]:
    """The same by automatic differentiation."""
    value = loss(states(blocks, x)[-1])
    found = iter(torch.autograd.grad(value, [p for b in blocks for p in b.parameters()]))
    return [torch.cat([next(found).flatten() for _ in b.parameters()]) for b in blocks]


def differences(
    blocks: Sequence[nn.Module], x: Tensor, loss: Loss, step: float = 1e-6
) -> list[Tensor]:
    """The same by central differences, one parameter at a time."""
    gradients = []
    for i, block in enumerate(blocks):
        theta, h = parameters(block), states(blocks[:i], x)[-1].detach()

        def value(moved: Tensor, block=block, h=h, rest=blocks[i + 1 :]) -> Tensor:
            return loss(states(rest, with_parameters(block, moved, h))[-1])

        with torch.no_grad():
            moves = step * torch.eye(len(theta), dtype=theta.dtype)
            ends = [value(theta + move) - value(theta - move) for move in moves]
        gradients.append(torch.stack(ends) / (2 * step))
    return gradients


def multiplications(sizes: Sequence[int]) -> tuple[int, int]:
    """Multiplications for a row times Jacobian matrices of a chain of widths ``sizes``.

    From the left, as backpropagation does, a row times a matrix each time; and from the right,
    matrix times matrix, the row last.
    """
    from_left = sum(a * b for a, b in pairwise(sizes))
    from_right = sum(sizes[0] * b * c for b, c in pairwise(sizes[1:])) + sizes[0] * sizes[-1]
    return from_left, from_right
