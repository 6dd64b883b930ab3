"""Layers on maps of 6 x 6 pixels: the field of the ODE-Net, and a residual block.

Maps are kept pixels first, (36, n, 64); see ``nodelib.models.conv.winograd``. The classifiers built
of these are in ``nodelib.models.classifiers``.
"""

import torch
from torch import Tensor, nn

from nodelib.models.conv.normalisation import group_norm
from nodelib.models.conv.winograd import convolve, kernel_products
from nodelib.ode.steps import Field

CHANNELS, GROUPS, SIDE = 64, 32, 6


class Norm(nn.Module):
    """Group normalisation of small maps, with a ReLU where ``rectified``."""

    def __init__(self, *, rectified: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(CHANNELS))
        self.bias = nn.Parameter(torch.zeros(CHANNELS))
        self.rectified = rectified

    def forward(self, maps: Tensor) -> Tensor:
        """(36, n, 64) to the same shape."""
        return group_norm(maps, self.weight, self.bias, GROUPS, rectified=self.rectified)


class ConvField(nn.Module):
    """The field of RK-Net and ODE-Net: norm, ReLU, convolution, twice, and a last norm.

    Each convolution sees the time as one more map, constant over the image. A constant map
    convolved is the time multiplied by one fixed map, so nothing is concatenated here: the result
    is the same, and the first input channel of the kernels (64, 65, 3, 3) belongs to the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(rectified=k < 2) for k in range(3))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(CHANNELS + 1, CHANNELS, 3, padding=1) for _ in range(2)
        )

    def kernels(self) -> tuple[Tensor, ...]:
        """What a solve needs of the convolutions, the same at every time: compute it once.

        For each the products (64, 64, 64), the map of the time (36, 1, 64) and the bias (64,).
        """
        found: list[Tensor] = []
        for convolution in self.convolutions:
            weight = convolution.weight
            ones = weight.new_ones(1, 1, SIDE, SIDE)
            of_time = nn.functional.conv2d(ones, weight[:, :1], padding=1)
            of_time = of_time.reshape(CHANNELS, 1, SIDE**2).permute(2, 1, 0)
            found += [kernel_products(weight[:, 1:], SIDE), of_time, convolution.bias]
        return tuple(found)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at time ``t`` and maps (36, n, 64)."""
        return self.at(t, z, self.kernels())

    def prepared(self, z: Tensor) -> tuple[Field, tuple[Tensor, ...]]:
        """The field with ``kernels()`` at hand, and the tensors that it depends on."""
        kernels = self.kernels()

        def field(t: Tensor, z: Tensor) -> Tensor:
            return self.at(t, z, kernels)

        return field, (*kernels, *self.norms.parameters())

    def at(self, t: Tensor, z: Tensor, kernels: tuple[Tensor, ...]) -> Tensor:
        """The field at a time and maps (36, n, 64) with ``kernels()`` at hand."""
        for k in range(2):
            products, of_time, bias = kernels[3 * k : 3 * k + 3]
            z = convolve(self.norms[k](z), products).add_(t * of_time + bias)
        return self.norms[2](z)


class ResidualMaps(nn.Module):
    """``z + conv(relu(norm(conv(relu(norm(z))))))`` on small maps (36, n, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(rectified=True) for _ in range(2))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False) for _ in range(2)
        )

    def forward(self, z: Tensor) -> Tensor:
        """The output of the block, of the shape of ``z``."""
        change = z
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            change = convolve(norm(change), kernel_products(convolution.weight, SIDE))
        return z + change
