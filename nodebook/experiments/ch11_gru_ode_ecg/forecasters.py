"""The networks that foretell the next beat of a rhythm: when it comes, and of which class.

The state just after a beat foretells the next one, before any time has passed: a state that has
flowed up to the next beat would know from how far it has flowed when that came. The features of a
beat are its scaled R-R interval and its AAMI class as five zeros and ones. The kinds are those of
``classifiers``: ``gru``, ``gru-decay``, ``gru-ode-bayes`` and ``held``.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodebook.experiments.ch11_gru_ode_ecg.classifiers import (
    HIDDEN,
    MIXING,
    as_events,
    hold,
    recurrent_states,
)
from nodelib.models.classifiers import seeded
from nodelib.models.gaussians import log_density
from nodelib.models.gru_ode import Events, GRUODEBayes, Sizes, Stepping

FEATURES, CLASSES = 6, 5


class Forecaster(nn.Module):
    """A network that gives states just after every beat, and what it foretells from them."""

    def __init__(self) -> None:
        super().__init__()
        self.readout = nn.Sequential(
            nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 + CLASSES)
        )

    def states(self, events: Events) -> tuple[Tensor, Tensor]:
        """States after the beats (B, L, HIDDEN), and a loss of the network's own, ()."""
        raise NotImplementedError

    def forward(self, events: Events) -> Tensor:
        """(B, L, 7): mean and log-variance of the next scaled interval, logits of its class."""
        return self.readout(self.states(events)[0])

    def loss_of(self, times: Tensor, values: Tensor, observed: Tensor, *last: Tensor) -> Tensor:
        """Mean likelihood loss of the next interval and class, where known; tensor by tensor.

        ``last`` are the lengths (B,), the next intervals (B, L), which of them are known, and the
        next classes (B, L). Padding must repeat the last time.
        """
        lengths, interval, known, kind = last
        events = as_events(times, values, observed, lengths)
        states, own = self.states(events)
        return own + losses(self.readout(states), interval, known, kind, events.real).sum()


def losses(told: Tensor, interval: Tensor, known: Tensor, kind: Tensor, real: Tensor) -> Tensor:
    """Mean loss of the interval and of the class, (2,), of what a forecaster gives, (B, L, 7)."""
    mean, logvar = told[..., 0], told[..., 1]
    seen, there = (known & real).to(told.dtype), real.to(told.dtype)
    timing = -(log_density(interval, mean, logvar) * seen).sum() / seen.sum()
    each = cross_entropy(told[..., 2:].transpose(1, 2), kind, reduction="none")
    return torch.stack([timing, (each * there).sum() / there.sum()])


class Recurrent(Forecaster):
    """A GRU over the beats: told the gaps, or with a state that decays over them."""

    def __init__(self, *, decay: bool, seed: int) -> None:
        with seeded(seed):
            super().__init__()
            self.cell = nn.GRUCell(FEATURES + 2, HIDDEN)
            self.fade = nn.Parameter(torch.full((HIDDEN,), -2.0)) if decay else None

    def states(self, events: Events) -> tuple[Tensor, Tensor]:
        """No loss of its own."""
        gaps = events.gaps[:, :-1].float()
        seen = events.observed[..., :1].float()
        inputs = torch.cat([events.values.float(), seen, gaps.unsqueeze(-1)], -1)
        states = recurrent_states(self.cell, self.fade, inputs, gaps, events.real)
        return torch.stack(states, 1), gaps.new_zeros(())


class Bayes(Forecaster):
    """GRU-ODE-Bayes, or the same with the state held between beats; also foretells as it flows."""

    def __init__(self, *, flows: bool, seed: int) -> None:
        with seeded(seed):
            super().__init__()
        sizes = Sizes(features=FEATURES, hidden=HIDDEN, prep_hidden=8)
        stepping = Stepping("exponential", steps=1)
        self.model = GRUODEBayes(sizes, stepping, full=True, impute=True, seed=seed)
        self.model.classify.requires_grad_(False)
        if not flows:
            hold(self.model)

    def states(self, events: Events) -> tuple[Tensor, Tensor]:
        """Its own loss is that of the model, a mean over what was observed."""
        followed = self.model.follow(events)
        return followed.after[:, 1:], followed.loss(MIXING) / followed.count.sum()


NETWORKS: Mapping[str, Callable[[int], Forecaster]] = {
    "gru": lambda seed: Recurrent(decay=False, seed=seed),
    "gru-decay": lambda seed: Recurrent(decay=True, seed=seed),
    "gru-ode-bayes": lambda seed: Bayes(flows=True, seed=seed),
    "held": lambda seed: Bayes(flows=False, seed=seed),
}
