"""The hyperbolic tangent that is written out for the compiler, against that of double precision."""

import pytest
import torch
from rewritten_graphs import count, rewritten

from nodelib.ode.hyperbolic import CUT, write_tanh


def written(x):
    """The function as it is written out for tensors like ``x``, and whether it is."""
    module = rewritten(write_tanh, torch.tanh, x)
    return module, not count(module, torch.ops.aten.tanh.default)


def numbers() -> torch.Tensor:
    """Positive numbers of single precision from 2^-30 to 16, one in 61 of all."""
    first, last = torch.tensor([2.0**-30, 16.0]).view(torch.int32).tolist()
    return torch.arange(first, last, 61, dtype=torch.int32).view(torch.float32)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_it_is_off_by_a_unit_in_the_last_place(sign):
    x = sign * numbers()
    module, whole = written(x)
    assert whole
    found, right = module(x).double(), torch.tanh(x.double())
    one = right.abs().float()
    unit = (torch.nextafter(one, torch.tensor(2.0)) - one).double()
    assert ((found - right).abs() / unit).max() < 1.1


def test_special_values():
    x = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-40, 88.0, -1e30, CUT])
    module, _ = written(x)
    found = module(x)
    torch.testing.assert_close(found, torch.tanh(x), equal_nan=True, rtol=2e-7, atol=0)
    assert found[2] == 1
    assert found[3] == -1


def test_double_precision_is_left_to_the_library():
    _, whole = written(torch.ones(3, dtype=torch.float64))
    assert not whole
