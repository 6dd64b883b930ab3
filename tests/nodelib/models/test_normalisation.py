"""Group normalisation of maps stored pixels first."""

import pytest
import torch
from torch.nn.functional import group_norm as reference

from nodelib.errors import ModelError
from nodelib.models.conv.normalisation import group_norm, native

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = 3 + torch.randn(5, 6, 3, 3, generator=GENERATOR, dtype=torch.float64)
WEIGHT, BIAS = torch.randn(2, 6, generator=GENERATOR, dtype=torch.float64)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("rectified", [False, True])
def test_it_is_torchs_on_maps_stored_the_other_way(groups, rectified):
    maps = IMAGES.flatten(2).permute(2, 0, 1)
    expected = reference(IMAGES, groups, WEIGHT, BIAS).flatten(2).permute(2, 0, 1)
    expected = expected.relu() if rectified else expected
    found = group_norm(maps, WEIGHT, BIAS, groups, rectified=rectified)
    assert torch.allclose(found, expected, atol=1e-12)
    on_a_gpu = native(maps, WEIGHT, BIAS, groups, rectified)
    assert torch.allclose(on_a_gpu, expected, atol=1e-12)


@pytest.mark.parametrize("rectified", [False, True])
def test_its_gradients_are_those_of_finite_differences(rectified):
    maps = IMAGES.flatten(2).permute(2, 0, 1)[:, :2].contiguous()
    inputs = [x.clone().requires_grad_() for x in (maps, WEIGHT, BIAS)]
    assert torch.autograd.gradcheck(lambda *x: group_norm(*x, 3, rectified=rectified), inputs)


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ModelError, match="cannot be normalised in 4 groups"):
        group_norm(torch.zeros(9, 2, 6), WEIGHT, BIAS, 4)


def test_a_weight_of_another_length_is_refused():
    with pytest.raises(ModelError, match=r"weight \(5,\) and bias \(6,\) must both be \(6,\)"):
        group_norm(torch.zeros(9, 2, 6), WEIGHT[:5], BIAS, 2)
