"""Does the continuous adjoint train as well as backpropagation? A small network on few digits.

The network of the page with 16 maps in place of 64, on the first 1,000 training digits for eight
epochs, once differentiated by the continuous adjoint and once by backpropagation through the
accepted steps. Both are solved by Dormand-Prince at a tolerance of 1e-2, begin at the same weights
and see the same batches. The plan is that of the page's live cell and was not tuned. It is
a small control beside ``ode-net-adjoint`` of ``mnist``.

Metrics: ``errors`` of 2,000 training digits that are held out (55,000 to 56,999) and ``error`` in
percent; ``loss``, the mean of the last 50 steps; ``nfe``, mean evaluations of a forward pass.
No test image is looked at. The history has the loss in a hundred parts, the tensors the weights.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from nodebook.evidence import results
from nodebook.experiments.ch07_mnist.mnist import wrong
from nodelib import data
from nodelib.data.digits import Mnist
from nodelib.models.blocks import ODEBlock
from nodelib.models.classifiers import parameter_count, seeded, standardised
from nodelib.models.networks import load_weights
from nodelib.training.augmentation import Affine
from nodelib.training.digits import Plan, fit, predictions

VARIANTS = ("backprop", "adjoint")
SEEDS = (0, 1, 2)
NEEDS = ("mnist",)

WIDTH, LIMITS = 16, {"method": "dopri5", "rtol": 1e-2, "atol": 1e-2}
SEEN, HELD_OUT = slice(0, 1000), slice(55_000, 57_000)
PLAN = Plan(
    epochs=8,
    batch=16,
    rate=2e-2,
    weight_decay=0.01,
    clip=None,
    ema=None,
    smoothing=0.0,
    augmentation=Affine(),
)


class SmallField(nn.Module):
    """Norm, ReLU, convolution of time and maps, twice, and a last norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(width // 2, width) for _ in range(3))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width + 1, width, 3, padding=1) for _ in range(2)
        )

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at a time and maps (n, width, 6, 6)."""
        time = t * torch.ones_like(z[:, :1])
        for norm, convolution in zip(self.norms, self.convolutions, strict=False):
            z = convolution(torch.cat((time, torch.relu(norm(z))), 1))
        return self.norms[2](z)


class SmallClassifier(nn.Module):
    """Reduction of the image, an ODE block on small maps, and a linear layer."""

    def __init__(self, width: int, settings: Mapping[str, object]) -> None:
        super().__init__()
        self.reduction = nn.Sequential(
            nn.Conv2d(1, width, 3),
            nn.GroupNorm(width // 2, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 4, stride=2, padding=1),
            nn.GroupNorm(width // 2, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 4, stride=2, padding=1),
        )
        self.body = ODEBlock(SmallField(width), **settings)
        self.norm = nn.GroupNorm(width // 2, width)
        self.readout = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n, 10) of images (n, 28, 28) with pixels between 0 and 1."""
        z = self.body(self.reduction(standardised(images).unsqueeze(1)))
        return self.readout(torch.relu(self.norm(z)).mean((2, 3)))


def run(variant: str, seed: int) -> results.Outcome:
    """Train one network in one way, and classify the digits that are held out."""
    digits = data.mnist(allow_standin=False)
    network = untrained(variant, seed)
    history = fit(
        network,
        digits.train_images[SEEN],
        digits.train_labels[SEEN],
        PLAN,
        seed=seed,
        label=f"{variant} {seed}",
    )
    losses = history.of()
    return results.Outcome(
        metrics={
            **measures(network, digits),
            "loss": float(np.mean(losses[-50:])),
            "nfe": float(np.mean(history.notes)),
        },
        history={"loss": history.thinned()},
        tensors={name: value.detach() for name, value in network.named_parameters()},
        parameters=parameter_count(network),
        data=[digits.provenance],
    )


def rederive(recorded: results.Run) -> dict[str, object]:
    """The errors, from the weights."""
    network = load_weights(untrained(recorded.variant, recorded.seed), recorded.tensors())
    return measures(network, data.mnist(allow_standin=False))


def measures(network: nn.Module, digits: Mnist) -> dict[str, object]:
    """Errors on the digits that are held out."""
    labels = digits.train_labels[HELD_OUT]
    errors = wrong(predictions(network, digits.train_images[HELD_OUT]), labels)
    return {"errors": errors, "error": 100 * errors / len(labels)}


def untrained(variant: str, seed: int) -> SmallClassifier:
    """The network before training; the same seed gives both variants the same start."""
    with seeded(seed):
        return SmallClassifier(WIDTH, {**LIMITS, "grad": variant})
