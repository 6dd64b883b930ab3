"""Backpropagation as products of Jacobian matrices."""

import torch
from torch import nn

from nodebook.experiments.ch01_residual import backpropagated_blocks, chain_rule


def loss(h):
    return h.sin().sum()


def test_two_linear_blocks_have_the_gradient_of_the_closed_form():
    first, second = (nn.Linear(2, 2, bias=False, dtype=torch.float64) for _ in range(2))
    x = torch.tensor([0.3, -0.7], dtype=torch.float64)
    found = chain_rule.products([first, second], x, loss)
    row = (second.weight @ first.weight @ x).cos()
    assert torch.allclose(found[1], torch.outer(row, first.weight @ x).flatten())
    assert torch.allclose(found[0], torch.outer(second.weight.T @ row, x).flatten())


def test_products_automatic_and_differences_agree_on_relu_blocks_of_different_widths():
    blocks, x = backpropagated_blocks.network(3)
    ways = (chain_rule.products, chain_rule.automatic, chain_rule.differences)
    products, automatic, differences = (
        torch.cat(way(blocks, x, backpropagated_blocks.loss)) for way in ways
    )
    assert torch.allclose(products, automatic, rtol=1e-12, atol=1e-13)
    assert torch.allclose(differences, automatic, rtol=1e-5, atol=1e-8)


def test_there_is_one_gradient_for_each_block_of_its_size():
    blocks, x = backpropagated_blocks.network(0)
    found = chain_rule.products(blocks, x, backpropagated_blocks.loss)
    assert [len(g) for g in found] == [sum(p.numel() for p in b.parameters()) for b in blocks]


def test_multiplications_are_counted_as_for_small_chains_by_hand():
    assert chain_rule.multiplications((2, 3, 4)) == (3 * 2 + 4 * 3, 2 * 3 * 4 + 2 * 4)


def test_the_experiment_finds_rounding_only_and_as_many_sets_as_blocks():
    metrics = backpropagated_blocks.run("relu", 1).metrics
    assert metrics["last.relative_error"] < 1e-12
    assert metrics["earlier.relative_error"] < 1e-12
    assert 0 < metrics["differences.relative_error"] < 1e-6
    assert (metrics["blocks"], metrics["parameter_sets"]) == (5, "T")
