"""Products with few columns are turned round, and nothing else is."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from nodelib.ode.narrow_products import NarrowProducts

aten = torch.ops.aten


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def rewritten(function, *tensors):
    """The graph of a function after the pass, and how many products it had turned round."""
    module = make_fx(function)(*tensors)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for node in module.graph.nodes:
            if isinstance(node.meta.get("val"), torch.Tensor):
                node.meta["val"] = mode.from_tensor(torch.empty_like(node.meta["val"]))
        NarrowProducts()(module.graph)
    module.graph.lint()
    module.recompile()
    turned = [n for n in module.graph.nodes if n.target is aten.clone.default]
    return module, len(turned)


@pytest.mark.parametrize(
    ("rows", "columns", "turned"), [(64, 2, 1), (64, 8, 1), (64, 9, 0), (4, 2, 0), (2, 64, 0)]
)
def test_products_with_few_columns_are_turned_round(rows, columns, turned):
    a, b, bias = drawn(rows, 50), drawn(50, columns), drawn(columns)
    for function, tensors in ((torch.mm, (a, b)), (torch.addmm, (bias, a, b))):
        module, count = rewritten(function, *tensors)
        assert count == turned
        found, expected = module(*tensors), function(*tensors)
        assert found.is_contiguous()
        torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-14)


def test_factors_that_are_views_stay_views():
    h, x = drawn(64, 50), drawn(64, 2)
    module, count = rewritten(lambda h, x: torch.mm(h.t(), x), h, x)
    assert count == 1
    torch.testing.assert_close(module(h, x), h.t() @ x, rtol=1e-14, atol=1e-14)


def test_a_scaled_product_is_left_alone():
    a, b, bias = drawn(64, 50), drawn(50, 2), drawn(2)
    module, count = rewritten(lambda *x: torch.addmm(*x, beta=2.0), bias, a, b)
    assert count == 0
    torch.testing.assert_close(module(bias, a, b), 2 * bias + a @ b)
