"""The field of the ODE-Net as document 003 prints it, with the time concatenated to the maps.

For comparison: ``nodelib.models.conv.small_maps.ConvField`` is the same function of the same
parameters.
"""

import torch
from torch import Tensor, nn

from nodelib.models.conv.small_maps import CHANNELS, GROUPS, SIDE, ConvField
from nodelib.models.networks import load_weights


class ConcatenatedField(nn.Module):
    """Norm, ReLU, convolution of (t, z), twice, and a last norm, on maps (n, 64, 6, 6)."""

    def __init__(self, field: ConvField) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, CHANNELS) for _ in range(3))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(CHANNELS + 1, CHANNELS, 3, padding=1) for _ in range(2)
        )
        load_weights(self, dict(field.named_parameters()))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at time ``t`` and maps (n, 64, 6, 6)."""
        for norm, convolution in zip(self.norms, self.convolutions, strict=False):
            z = torch.relu(norm(z))
            z = convolution(torch.cat([torch.ones_like(z[:, :1]) * t, z], 1))
        return self.norms[2](z)


def as_images(maps: Tensor) -> Tensor:
    """Maps (36, n, 64) in the usual order (n, 64, 6, 6)."""
    return maps.permute(1, 2, 0).reshape(*maps.shape[1:], SIDE, SIDE)


def as_maps(images: Tensor) -> Tensor:
    """Maps (n, 64, 6, 6) with the pixels first, (36, n, 64)."""
    return images.flatten(2).permute(2, 0, 1)
