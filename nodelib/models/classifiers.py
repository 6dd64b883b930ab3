"""Four classifiers of digits: MLP, ResNet, RK-Net and ODE-Net (Chen et al. 2018, table 1).

The three convolutional ones share the reduction of a 28 x 28 image to 64 maps of 6 x 6 pixels and
the last layer. Between them stand six residual blocks, or one ODE block from t = 0 to 1: solved by
a Runge-Kutta method on a fixed grid (RK-Net) or by an adaptive one (ODE-Net). RK-Net and ODE-Net
have the same field and so the same parameters; a trained one can be given the other's solver.

What stands between is in ``nodelib.models.conv.small_maps``, on maps that are kept pixels first,
(36, n, 64).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models.blocks import ODEBlock
from nodelib.models.conv.small_maps import CHANNELS, GROUPS, ConvField, Norm, ResidualMaps
from nodelib.models.networks import MLP

PIXELS, CLASSES, HIDDEN = 28, 10, 300
BLOCKS = 6
MEAN, DEVIATION = 0.1307, 0.3081
"""Of the pixels of the MNIST training images, between 0 and 1."""


class ConvClassifier(nn.Module):
    """Reduction of the image, ``body`` on small maps, mean over the pixels, and a linear layer."""

    def __init__(self, body: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.reduction = nn.Sequential(
            nn.Conv2d(1, CHANNELS, 3),
            nn.GroupNorm(GROUPS, CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
            nn.GroupNorm(GROUPS, CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
        )
        self.body = body()
        self.norm = Norm(rectified=True)
        self.readout = nn.Linear(CHANNELS, CLASSES)

    def maps(self, images: Tensor) -> Tensor:
        """Small maps (36, n, 64) of images (n, 28, 28) with pixels between 0 and 1."""
        maps = self.reduction(standardised(images).unsqueeze(1))
        return maps.flatten(2).permute(2, 0, 1).contiguous()

    def scores(self, maps: Tensor) -> Tensor:
        """Scores (n, 10) of the maps that the body gives."""
        return self.readout(self.norm(maps).mean(0))

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n, 10) of images (n, 28, 28) with pixels between 0 and 1."""
        return self.scores(self.body(self.maps(images)))


class MLPClassifier(nn.Module):
    """One hidden layer of 300 rectified units."""

    def __init__(self) -> None:
        super().__init__()
        seed = int(torch.randint(2**31, ()))
        self.layers = MLP((PIXELS**2, HIDDEN, CLASSES), "relu", seeds=seed)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n, 10) of images (n, 28, 28) with pixels between 0 and 1."""
        return self.layers(standardised(images).flatten(1))


def standardised(images: Tensor) -> Tensor:
    """Pixels with the mean and standard deviation of MNIST's taken out.

    Raises:
        ModelError: if they are not images (n, 28, 28).
    """
    if images.dim() != 3 or images.shape[1:] != (PIXELS, PIXELS):
        raise ModelError(f"images must have shape (n, 28, 28), not {tuple(images.shape)}")
    return (images - MEAN) / DEVIATION


SOLVERS: Mapping[str, Mapping[str, Any]] = {
    "rk-net": {"method": "rk4", "options": {"num_steps": 2}, "grad": "backprop"},
    "ode-net": {"method": "dopri5", "rtol": 1e-2, "atol": 1e-2, "grad": "backprop"},
}

KINDS: Mapping[str, Callable[[], nn.Module]] = {
    "mlp": MLPClassifier,
    "resnet": lambda: ConvClassifier(
        lambda: nn.Sequential(*(ResidualMaps() for _ in range(BLOCKS)))
    ),
    "rk-net": lambda: ConvClassifier(lambda: ODEBlock(ConvField(), **SOLVERS["rk-net"])),
    "ode-net": lambda: ConvClassifier(lambda: ODEBlock(ConvField(), **SOLVERS["ode-net"])),
}


def classifier(kind: str, *, seed: int) -> nn.Module:
    """An untrained classifier of one of ``KINDS``; the same seed gives the same start.

    Raises:
        ModelError: if there is no such kind.
    """
    if kind not in KINDS:
        raise ModelError(f"there is no classifier {kind!r}; there are {', '.join(KINDS)}")
    with seeded(seed):
        return KINDS[kind]()


def parameter_count(module: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(value.numel() for value in module.parameters())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's own generator, set to a seed and put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
