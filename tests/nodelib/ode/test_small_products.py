"""Products with a small side are written out, and nothing else is."""

import pytest
import torch
from rewritten_graphs import count, rewritten

from nodelib.ode.small_products import MOST, write_product

aten = torch.ops.aten
LIBRARY = (aten.mm.default, aten.addmm.default)


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def written(function, *tensors):
    """The graph of a function after the pass, and how many products it leaves to the library."""
    module = rewritten(write_product, function, *tensors)
    return module, count(module, *LIBRARY)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(
    ("rows", "inner", "columns", "left"),
    [
        (64, 2, 50, 0),
        (64, 50, 2, 0),
        (2, 64, 50, 0),
        (50, 64, 2, 0),
        (1, 50, 1, 0),
        (1, 20, 50, 0),
        (64, 50, 8, 0),
        (64, 50, 9, 1),
        (9, 9, 9, 1),
        (2, MOST // 16, 17, 1),
    ],
)
def test_products_with_a_small_side_are_written_out(rows, inner, columns, left, turned, bias):
    a = drawn(inner, rows).t() if turned[0] else drawn(rows, inner)
    b = drawn(columns, inner).t() if turned[1] else drawn(inner, columns)
    function, tensors = torch.mm, (a, b)
    if bias:
        function, tensors = torch.addmm, (drawn(columns), a, b)
    module, kept = written(function, *tensors)
    assert kept == left
    found, expected = module(*tensors), function(*tensors)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert found.shape == expected.shape


def test_what_is_written_twice_is_written_once():
    h, w = drawn(64, 2), drawn(50, 2)

    def both(h, w):
        return torch.mm(h, w.permute(1, 0)) + torch.mm(h, w.permute(1, 0))

    module, left = written(both, h, w)
    assert left == 0
    assert count(module, aten.mul.Tensor) == 1
    torch.testing.assert_close(module(h, w), both(h, w), rtol=1e-13, atol=1e-13)


def test_a_scaled_product_is_left_alone():
    a, b, bias = drawn(64, 50), drawn(50, 2), drawn(2)
    module, left = written(lambda *x: torch.addmm(*x, beta=2.0), bias, a, b)
    assert left == 1
    torch.testing.assert_close(module(bias, a, b), 2 * bias + a @ b)


def test_products_of_whole_numbers_and_of_nothing_are_left_alone():
    whole = torch.arange(6).reshape(3, 2)
    assert written(torch.mm, whole, whole.t())[1] == 1
    assert written(torch.mm, drawn(0, 16), drawn(16, 50))[1] == 1
