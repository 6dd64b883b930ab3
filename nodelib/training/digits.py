"""Training and evaluation of the classifiers of digits (chapter 07)."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodelib.errors import ModelError
from nodelib.seeds import generator
from nodelib.training import History, Recipe, train
from nodelib.training.augmentation import Affine
from nodelib.training.batches import shuffled
from nodelib.training.memory import keep_freed_memory

EVALUATED_TOGETHER = 500
"""Images in a batch of ``predictions``. An adaptive solve takes the same steps for all of them."""


@dataclass(frozen=True)
class Plan:
    """How a classifier is trained.

    ``rate`` is the peak of a one-cycle schedule, ``smoothing`` the share of a label that is spread
    over all classes; the others are as in ``nodelib.training.Recipe``. Every epoch visits the
    images in a new order; those that fill no batch are left out.
    """

    epochs: float
    batch: int = 128
    rate: float = 4e-3
    weight_decay: float = 0.02
    clip: float | None = 1.0
    ema: float | None = 0.998
    smoothing: float = 0.05
    augmentation: Affine = field(default_factory=lambda: Affine(12, 0.1, 2))

    def steps(self, images: int) -> int:
        """Number of updates on so many training images.

        Raises:
            ModelError: if the epochs come to less than one step.
        """
        steps = math.floor(self.epochs * (images // self.batch))
        if steps < 1:
            raise ModelError(
                f"{images} images and {self.epochs} epochs in batches of {self.batch} are no step"
            )
        return steps


def fit(
    module: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    plan: Plan,
    *,
    seed: int,
    label: str = "training",
    checkpoint: Path | None = None,
) -> History:
    """Train a classifier in place on images (n, 28, 28) of bytes and labels (n,).

    The ``notes`` of the history are the evaluations of the field in each step's forward pass, for
    a classifier that has a field. See ``nodelib.training.train`` for ``checkpoint``.

    Raises:
        ModelError: as ``train`` and ``Plan.steps`` do.
    """
    pixels, classes = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
    recipe = Recipe(
        plan.steps(len(pixels)), plan.rate, "one-cycle", plan.weight_decay, plan.clip, plan.ema
    )
    rows = shuffled(len(pixels), plan.batch, seed=seed)

    def loss(step: int) -> Tensor:
        chosen = rows(step)
        moved = plan.augmentation(pixels[chosen] / 255, generator(seed, step))
        return cross_entropy(module(moved), classes[chosen], label_smoothing=plan.smoothing)

    body = getattr(module, "body", None)
    note = (lambda: float(body.stats.nfe)) if hasattr(body, "stats") else None
    keep_freed_memory()
    return train(module, loss, recipe, label=label, checkpoint=checkpoint, note=note)


@torch.no_grad()
def predictions(module: nn.Module, images: np.ndarray) -> Tensor:
    """The class (n,) of every image (n, 28, 28) of bytes, as bytes."""
    return classes(module, torch.from_numpy(images) / 255).to(torch.uint8)


@torch.no_grad()
def classes(module: nn.Module, pixels: Tensor) -> Tensor:
    """The class (n,) of every image (n, 28, 28) with pixels between 0 and 1."""
    return torch.cat([module(part).argmax(1) for part in pixels.split(EVALUATED_TOGETHER)])
