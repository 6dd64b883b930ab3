"""Random affine maps of images."""

import pytest
import torch

from nodelib.errors import ModelError
from nodelib.training.augmentation import Affine

IMAGES = torch.zeros(50, 28, 28)
IMAGES[:, 8:20, 12:16] = 1


def moved(affine, seed=0):
    return affine(IMAGES, torch.Generator().manual_seed(seed))


def centre(images):
    grid = torch.arange(28.0)
    mass = images.sum((1, 2))
    down = (images.sum(2) * grid).sum(1) / mass
    return torch.stack([down, (images.sum(1) * grid).sum(1) / mass], 1)


def test_no_motion_leaves_the_images_as_they_are():
    assert torch.equal(moved(Affine()), IMAGES)


def test_shifts_stay_within_their_limit_and_reach_towards_it():
    shift = (centre(moved(Affine(pixels=3))) - centre(IMAGES)).abs()
    assert 2.5 < float(shift.max()) <= 3.001


def test_sizes_stay_within_their_limits():
    ratio = moved(Affine(scale=0.2)).sum((1, 2)) / IMAGES.sum((1, 2))
    assert float(ratio.min()) > 0.8**2 - 0.02
    assert float(ratio.max()) < 1.2**2 + 0.02
    assert float(ratio.max() - ratio.min()) > 0.4


def test_a_turn_keeps_the_ink_and_the_middle():
    images = IMAGES.roll((0, 0), (1, 2))
    turned = moved(Affine(degrees=20))
    assert not torch.allclose(turned, images)
    assert torch.allclose(turned.sum((1, 2)), images.sum((1, 2)), rtol=0.01)
    assert torch.allclose(centre(turned), torch.tensor(13.5).expand(50, 2), atol=0.05)


def test_every_image_moves_its_own_way_and_the_same_seed_moves_it_again():
    affine = Affine(12, 0.1, 2)
    assert torch.equal(moved(affine, 1), moved(affine, 1))
    assert not torch.equal(moved(affine, 1), moved(affine, 2))
    assert not torch.allclose(moved(affine)[0], moved(affine)[1])


@pytest.mark.parametrize("limits", [(-1, 0, 0), (0, 1.0, 0), (0, 0, -2)])
def test_limits_that_make_no_sense_are_refused(limits):
    with pytest.raises(ModelError, match="must not be negative, and the scale must be below 1"):
        Affine(*limits)
