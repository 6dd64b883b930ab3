"""Document 002's eqs. (4) and (5) on a network of T = 5 blocks of different widths.

Blocks are ``relu(W h + b)`` as the document has it, the last without relu; weights and input are
drawn with the seed, in float64. Chapter 02 judges the same formulas on a stack of Euler steps.
Metrics:

- ``last.relative_error``: eq. (4), the gradient in the last block, against automatic
  differentiation; ``earlier.relative_error``: eq. (5), the largest of the other blocks
- ``differences.relative_error``: central differences against automatic differentiation
- ``blocks``: T; ``parameter_sets``: how many sets theta_i the formulas give a gradient for, as
  "T" or "T + 1"
- ``from_left``, ``from_right``: multiplications of the two orders of evaluation
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from nodebook.documents.formulas.verdicts import relative_error
from nodebook.evidence import results
from nodebook.experiments.ch01_residual import chain_rule
from nodelib.models.blocks import PlainBlock

VARIANTS = ("relu",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
TOLERANCE = {"*.relative_error": 1e3}

SIZES = (6, 9, 7, 8, 5, 3)


def network(seed: int) -> tuple[list[nn.Module], Tensor]:
    """The blocks and the input."""
    generator = torch.Generator().manual_seed(seed)
    blocks: list[nn.Module] = []
    for fan_in, fan_out in pairwise(SIZES):
        layer = nn.Linear(fan_in, fan_out, dtype=torch.float64)
        with torch.no_grad():
            for parameter in layer.parameters():
                draw = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(draw * fan_in**-0.5)
        blocks.append(layer if fan_out == SIZES[-1] else PlainBlock(layer, torch.relu))
    return blocks, torch.randn(SIZES[0], generator=generator, dtype=torch.float64)


def loss(last: Tensor) -> Tensor:
    """Half the squared distance from (1, 0, 0)."""
    target = torch.zeros_like(last)
    target[0] = 1.0
    return (last - target).square().sum() / 2


def run(variant: str, seed: int) -> results.Outcome:
    """Three gradients of every block, compared."""
    blocks, x = network(seed)
    found = chain_rule.products(blocks, x, loss)
    true = chain_rule.automatic(blocks, x, loss)
    shifted = chain_rule.differences(blocks, x, loss)
    errors = [relative_error(a, b) for a, b in zip(found, true, strict=True)]
    from_left, from_right = chain_rule.multiplications(SIZES)
    sets = {0: "T", 1: "T + 1"}[len(found) - len(blocks)]
    return results.Outcome(
        metrics={
            "last.relative_error": errors[-1],
            "earlier.relative_error": max(errors[:-1]),
            "differences.relative_error": max(map(relative_error, shifted, true)),
            "blocks": len(blocks),
            "parameter_sets": sets,
            "from_left": from_left,
            "from_right": from_right,
        }
    )
