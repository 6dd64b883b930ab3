"""Irregular series for several networks side by side, and the training of models on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nodelib.errors import ModelError
from nodelib.models.latent.ode import LatentODE
from nodelib.models.latent.recurrent import Forecaster
from nodelib.seeds import generator
from nodelib.training import History, Recipe, train


@dataclass(frozen=True)
class Series:
    """For each of S networks N series on a common grid, with marks of what was observed.

    Attributes:
        t: times, (T,), increasing.
        x: values, (S, N, T, n).
        observed: (S, N, T).
    """

    t: Tensor
    x: Tensor
    observed: Tensor

    @classmethod
    def of(cls, t: np.ndarray, x: Sequence[np.ndarray], observed: Sequence[np.ndarray]) -> "Series":
        """From arrays, one (N, T, n) and one (N, T) for each network, as float32.

        Raises:
            ModelError: if they do not fit together, or a series has no observation.
        """
        values, marks = np.stack(x), np.stack(observed)
        if values.shape[:3] != marks.shape or values.shape[2] != len(t):
            raise ModelError(
                f"values {values.shape}, marks {marks.shape} and times {np.shape(t)} do not fit: "
                "give (N, T, n), (N, T) and (T,)"
            )
        if not marks.any(axis=-1).all():
            raise ModelError("a series has no observation: leave it out")
        as_tensor = [torch.as_tensor(a, dtype=torch.float32) for a in (t, values)]
        return cls(*as_tensor, torch.as_tensor(marks))

    def until(self, length: int) -> "Series":
        """Only the first ``length`` places."""
        return Series(self.t[:length], self.x[:, :, :length], self.observed[:, :, :length])

    def batch(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Values and marks of the series with numbers ``which``, (S, B)."""
        rows = torch.arange(len(which)).unsqueeze(1)
        return self.x[rows, which], self.observed[rows, which]


def rms(error: np.ndarray) -> float:
    """Root mean square of all entries."""
    return float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))


def fit(
    model: LatentODE | Forecaster,
    series: Series,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    scale: float,
    batch: int,
    annealed: int = 0,
    label: str = "training",
    checkpoint: Path | None = None,
) -> History:
    """Train by maximum likelihood (``Forecaster``) or evidence lower bound (``LatentODE``).

    The loss is in nats for each observation. The draws of a network depend on its own seed only.

    Args:
        model: S networks, trained in place.
        series: what they are trained on, for each its own.
        recipe: how.
        seeds: one for each network.
        scale: standard deviation of the observations about the model's output.
        batch: series in a step, drawn with replacement.
        annealed: steps over which the weight of the bound's divergence rises from 0 to 1 (Bowman et
            al. 2016), for a ``LatentODE``.
        label, checkpoint: as for ``nodelib.training.train``.
    """
    per_series = series.observed.sum(-1).float().mean(-1)
    rows = {seed: k for k, seed in enumerate(dict.fromkeys(seeds))}
    of = torch.tensor([rows[seed] for seed in seeds])
    latent = model.sizes.latent if isinstance(model, LatentODE) else 0

    def loss(step: int) -> Tensor:
        which, noise = [], []
        for seed in rows:
            draw = generator(seed, step)
            which.append(torch.randint(series.x.shape[1], (batch,), generator=draw))
            noise.append(torch.randn(batch, latent, generator=draw))
        x, observed = series.batch(torch.stack(which)[of])
        if isinstance(model, LatentODE):
            likelihood, divergence = model.bound(
                series.t, x, observed, torch.stack(noise)[of], scale
            )
            value = likelihood - min(1.0, step / annealed if annealed else 1.0) * divergence
        else:
            value = model.log_likelihood(series.t, x, observed, scale)
        return -value.mean(-1) / per_series

    return train(model, loss, recipe, members=len(seeds), label=label, checkpoint=checkpoint)
