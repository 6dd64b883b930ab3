"""The recorded classifiers of MNIST on test images that were disturbed.

An exploration: no document claims anything of it. Every fifth test image, 2,000 in all, gets
Gaussian noise of a standard deviation (of pixels between 0 and 1, which are not clipped) or is
shifted by a number of pixels along a random one of the eight directions of a grid, with background
moved in. All networks see the same disturbed images; the seed is that of the networks and of the
disturbance. In training they had seen shifts of up to two pixels and no noise.

The variant ``disturbed`` has the networks after 8 epochs, ``disturbed.continued`` those after 16,
with the same MLP.

Metrics: ``error.<kind>.<disturbance>.<amount>``, errors in percent.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from nodebook.evidence import results
from nodebook.experiments.ch07_mnist.mnist import restored, trained
from nodelib import data
from nodelib.data.digits import Mnist
from nodelib.seeds import generator
from nodelib.training.digits import classes
from nodelib.training.memory import keep_freed_memory

VARIANTS = ("disturbed", "disturbed.continued")
SAMPLE = ("disturbed.continued",)
SEEDS = (0, 1, 2)
NEEDS = ("mnist",)

EVERY = 5
AMOUNTS: Mapping[str, tuple[float, ...]] = {
    "noise": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "shift": (1, 2, 3, 4, 5, 6),
}
QUICK: Mapping[str, tuple[float, ...]] = {"noise": (0.3,)}
"""What verification looks at again."""
PART = "one amount of noise"

DIRECTIONS = tuple((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0))


def run(variant: str, seed: int) -> results.Outcome:
    """Disturb and classify."""
    mnist = data.mnist(allow_standin=False)
    return results.Outcome(metrics=measures(variant, seed, mnist, AMOUNTS), data=[mnist.provenance])


def rederive(recorded: results.Run) -> dict[str, object]:
    """The metrics of one amount of noise."""
    mnist = data.mnist(allow_standin=False)
    return measures(recorded.variant, recorded.seed, mnist, QUICK)


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All metrics."""
    return run(recorded.variant, recorded.seed).metrics


@torch.no_grad()
def measures(
    variant: str, seed: int, mnist: Mnist, amounts: Mapping[str, Iterable[float]]
) -> dict[str, object]:
    """Errors of all networks of a variant and seed."""
    keep_freed_memory()
    images = torch.from_numpy(mnist.test_images[::EVERY]) / 255
    labels = torch.from_numpy(mnist.test_labels[::EVERY].astype(np.int64))
    networks = {
        kind: restored(found)
        for kind, found in trained(seed, continued=variant.endswith(".continued")).items()
    }
    metrics: dict[str, object] = {}
    for disturbance, values in amounts.items():
        for amount in values:
            disturbed = DISTURBANCES[disturbance](images, amount, seed)
            for kind, network in networks.items():
                name = f"error.{kind}.{disturbance}.{amount:g}"
                metrics[name] = error(network, disturbed, labels)
    return metrics


def noisy(images: Tensor, deviation: float, seed: int) -> Tensor:
    """Images with Gaussian noise."""
    return images + deviation * torch.randn(images.shape, generator=generator(seed, 0))


def shifted(images: Tensor, pixels: float, seed: int) -> Tensor:
    """Images (n, h, w) moved by whole pixels, each along a direction of its own."""
    pixels = int(pixels)
    drawn = torch.randint(len(DIRECTIONS), (len(images),), generator=generator(seed, 1)).tolist()
    wide = torch.nn.functional.pad(images, [pixels] * 4)
    height, width = images.shape[1:]
    moved = torch.empty_like(images)
    for k, way in enumerate(drawn):
        down, across = (pixels * (1 + step) for step in DIRECTIONS[way])
        moved[k] = wide[k, down : down + height, across : across + width]
    return moved


DISTURBANCES = {"noise": noisy, "shift": shifted}


def error(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Percent of the images that are not given their label."""
    return 100 * float((classes(network, images) != labels).double().mean())
