"""Random affine maps of images: small turns, changes of size and shifts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.errors import ModelError


@dataclass(frozen=True)
class Affine:
    """How far images may be moved; each quantity is drawn uniformly, anew for every image.

    Attributes:
        degrees: largest turn, either way.
        scale: largest relative change of the size, 0.1 for 0.9 to 1.1; below 1.
        pixels: largest shift along each axis, either way, before the turn and the change of size.

    Raises:
        ModelError: if one is negative, or the scale not below 1.
    """

    degrees: float = 0.0
    scale: float = 0.0
    pixels: float = 0.0

    def __post_init__(self) -> None:
        if min(self.degrees, self.scale, self.pixels) < 0 or self.scale >= 1:
            raise ModelError(
                f"degrees {self.degrees}, scale {self.scale} and pixels {self.pixels} must not be "
                "negative, and the scale must be below 1"
            )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Moved images (n, height, width), interpolated linearly, 0 from outside the image."""
        if self == Affine():
            return images
        count, height, width = images.shape
        draws = 2 * torch.rand(4, count, generator=generator) - 1
        angle = draws[0] * torch.pi * self.degrees / 180
        size = 1 / (1 + draws[1] * self.scale)
        cosine, sine = size * angle.cos(), size * angle.sin()
        across, down = 2 * self.pixels * draws[2] / width, 2 * self.pixels * draws[3] / height
        rows = (cosine, -sine, across), (sine, cosine, down)
        matrices = torch.stack([torch.stack(row, -1) for row in rows], 1)
        shape = [count, 1, height, width]
        grid = torch.nn.functional.affine_grid(matrices, shape, align_corners=False)
        moved = torch.nn.functional.grid_sample(images.unsqueeze(1), grid, align_corners=False)
        return moved.squeeze(1)
