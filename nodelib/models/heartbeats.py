"""The two classifiers of heartbeats of document 001: ResNet and ODE-Net.

Both take a beat of 187 samples, reduce it by three convolutions to a sequence of 46 positions and
64 channels, and end with a group normalisation, a ReLU, the mean over the positions and a linear
layer to the five classes. Between stand six residual blocks (182,853 parameters in all), or one ODE
block from t = 0 to 1 (59,333), as the deck prints them layer by layer; its ODE block is that of
Chen et al. 2018 with one dimension less.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models.blocks import ODEBlock
from nodelib.models.classifiers import seeded
from nodelib.models.conv.sequences import (
    ResidualSequence,
    SequenceField,
    convolve,
    tap_matrices,
)
from nodelib.models.conv.small_maps import CHANNELS, Norm

SAMPLES, CLASSES, BLOCKS = 187, 5, 6

SOLVER: Mapping[str, Any] = {
    "method": "dopri5",
    "rtol": 1e-2,
    "atol": 1e-2,
    "grad": "backprop",
    "options": {"first_step": 0.5},
}
"""How the ODE-Net is solved unless said otherwise. The tolerance is loose, and the first step is
given: choosing one costs two evaluations and begins with a cautious, short step."""


class HeartbeatClassifier(nn.Module):
    """Reduction of a beat, ``body`` on sequences (46, n, 64), mean, and a linear layer.

    With ``features`` the linear layer sees so many more numbers of each beat, such as R-R
    intervals, beside the 64 means.
    """

    def __init__(self, body: Callable[[], nn.Module], *, features: int = 0) -> None:
        super().__init__()
        self.features = features
        self.convolutions = nn.ModuleList(
            (
                nn.Conv1d(1, CHANNELS, 3),
                nn.Conv1d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
                nn.Conv1d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
            )
        )
        self.norms = nn.ModuleList(Norm(rectified=True) for _ in range(2))
        self.body = body()
        self.norm = Norm(rectified=True)
        self.readout = nn.Linear(CHANNELS + features, CLASSES)

    def maps(self, beats: Tensor) -> Tensor:
        """Sequences (46, n, 64) of beats (n, 187).

        Raises:
            ModelError: if they are not beats of 187 samples.
        """
        if beats.dim() != 2 or beats.shape[1] != SAMPLES:
            raise ModelError(f"beats must have shape (n, {SAMPLES}), not {tuple(beats.shape)}")
        first, *others = self.convolutions
        maps = beats.t().unfold(0, 3, 1) @ first.weight[:, 0].t() + first.bias
        for norm, convolution in zip(self.norms, others, strict=True):
            matrices = tap_matrices(convolution.weight)
            maps = convolve(norm(maps), matrices, convolution.bias, stride=2)
        return maps

    def scores(self, maps: Tensor, rhythm: Tensor | None = None) -> Tensor:
        """Scores (n, 5) of the sequences that the body gives, and of the features (n, features).

        Raises:
            ModelError: if the features are missing, or there are some where none are expected.
        """
        given = 0 if rhythm is None else rhythm.shape[1]
        if given != self.features:
            raise ModelError(f"{given} features of a beat do not fit a network of {self.features}")
        means = self.norm(maps).mean(0)
        return self.readout(means if rhythm is None else torch.cat([means, rhythm], 1))

    def forward(self, beats: Tensor, rhythm: Tensor | None = None) -> Tensor:
        """Scores (n, 5) of beats (n, 187) with samples between 0 and 1."""
        return self.scores(self.body(self.maps(beats)), rhythm)

    def by_layer(self) -> list[nn.Parameter]:
        """The parameters in the order of the layers that the deck prints, from input to output."""
        layers: list[nn.Module] = [self.convolutions[0]]
        for norm, convolution in zip(self.norms, self.convolutions[1:], strict=True):
            layers += [norm, convolution]
        blocks = [self.body.f] if isinstance(self.body, ODEBlock) else self.body
        for block in blocks:
            for k, norm in enumerate(block.norms):
                layers += [norm, *block.convolutions[k : k + 1]]
        layers += [self.norm, self.readout]
        return [parameter for layer in layers for parameter in layer.parameters()]


BODIES: Mapping[str, Callable[[], nn.Module]] = {
    "resnet": lambda: nn.Sequential(*(ResidualSequence() for _ in range(BLOCKS))),
    "ode-net": lambda: ODEBlock(SequenceField(), **SOLVER),
    "one-block": lambda: nn.Sequential(ResidualSequence()),
}
"""The kinds of classifier. "one-block" is a ResNet of the ODE-Net's size (58,693 parameters)."""


def heartbeat_classifier(kind: str, *, seed: int, features: int = 0) -> HeartbeatClassifier:
    """An untrained classifier of one of ``BODIES``; the same seed gives the same start.

    Raises:
        ModelError: if there is no such kind.
    """
    if kind not in BODIES:
        raise ModelError(f"there is no classifier {kind!r}; there are {', '.join(BODIES)}")
    with seeded(seed):
        return HeartbeatClassifier(BODIES[kind], features=features)
