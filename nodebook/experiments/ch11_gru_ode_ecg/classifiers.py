"""The networks that chapter 11 trains to tell where a rhythm is from, and their losses.

All take ``Events`` of one feature, the scaled R-R interval, and give logits. Besides the faithful
GRU-ODE-Bayes and the deck's two models:

- ``held``: the same with the state held between the beats, that is without the ODE
- ``gru``: a GRU that is told value, mask and the gap before the beat
- ``gru-decay``: a GRU whose state decays over the gaps, after GRU-D (Che et al. 2018, eq. 4)
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from nodebook.documents import ecg_deck
from nodelib.models.classifiers import seeded
from nodelib.models.gru_ode import Events, GRUODEBayes, Sizes, Stepping, gaussian_kl, gaussian_nll
from nodelib.models.gru_ode.jump import gru_step

HIDDEN = 32
MIXING, WEIGHT = 1e-3, 1.0
"""Of the divergence after the jump, and of the classification beside the likelihood, in ours."""
DECK_MIXING, DECK_WEIGHT = 0.1, 0.1
"""The same in the deck's repository, where likelihood and divergence are sums over all entries, and
the classification is a mean."""


class Classifier(nn.Module):
    """A network that is called on events and has a loss."""

    def loss(self, events: Events, label: Tensor) -> Tensor:
        """What it is trained on, of events and their classes (B,)."""
        raise NotImplementedError

    def loss_of(self, times: Tensor, values: Tensor, observed: Tensor, *last: Tensor) -> Tensor:
        """``loss`` of what makes the events, tensor by tensor: then their lengths and the label.

        Padding must repeat the last time.
        """
        lengths, label = last
        return self.loss(as_events(times, values, observed, lengths), label)


def as_events(times: Tensor, values: Tensor, observed: Tensor, lengths: Tensor) -> Events:
    """Events of tensors that ``pad_events`` made, unchecked: from 0 to the last of each sample."""
    return Events(
        times, values, observed, lengths, torch.zeros_like(times[:, 0]), times[:, -1], None
    )


class Recurrent(Classifier):
    """A GRU over the beats: told the gaps, or with a state that decays over them."""

    def __init__(self, classes: int, *, decay: bool, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            self.cell = nn.GRUCell(3, HIDDEN)
            self.readout = nn.Linear(HIDDEN, classes)
            self.fade = nn.Parameter(torch.full((HIDDEN,), -2.0)) if decay else None

    def forward(self, events: Events) -> Tensor:
        """Logits (B, classes) after the last beat."""
        gaps = events.gaps[:, :-1].float()
        seen = events.observed.float()
        inputs = torch.cat([events.values.float(), seen, gaps.unsqueeze(-1)], -1)
        return self.readout(recurrent_states(self.cell, self.fade, inputs, gaps, events.real)[-1])

    def loss(self, events: Events, label: Tensor) -> Tensor:
        """Cross-entropy."""
        return cross_entropy(self(events), label)


def recurrent_states(
    cell: nn.GRUCell, fade: Tensor | None, inputs: Tensor, gaps: Tensor, real: Tensor
) -> list[Tensor]:
    """States (B, HIDDEN) of a GRU after each of L beats, unchanged by padding.

    Args:
        cell: the GRU.
        fade: of a state that decays over the gaps, its rates before their softplus; or None.
        inputs: (B, L, inputs).
        gaps: before the beats, (B, L).
        real: (B, L), false in padding.
    """
    h, found = gaps.new_zeros(len(gaps), HIDDEN), []
    for k in range(inputs.shape[1]):
        if fade is not None:
            h = h * torch.exp(-softplus(fade) * gaps[:, k : k + 1])
        h = torch.where(real[:, k : k + 1], gru_step(cell, inputs[:, k], h), h)
        found.append(h)
    return found


def hold(model: GRUODEBayes) -> None:
    """Let the state of a model stand still between beats; its flow is then not trained."""
    model.flow = lambda h, dt, count, most: h
    model.cell.requires_grad_(False)


class Faithful(Classifier):
    """GRU-ODE-Bayes as published, with its classifier; or with the state held between beats.

    From beat to beat it takes one step of the exponential Euler method: where most beats are
    dropped, gaps of 45 s occur, over which Euler's own overflows.
    """

    def __init__(self, classes: int, *, flows: bool, seed: int) -> None:
        super().__init__()
        self.model = parts(classes, seed)
        self.model.stepping = Stepping("exponential", steps=1)
        if not flows:
            hold(self.model)

    def forward(self, events: Events) -> Tensor:
        """Logits (B, classes) after the last beat."""
        return self.model(events).logits

    def loss(self, events: Events, label: Tensor) -> Tensor:
        """Mean likelihood loss of an observed value, and the cross-entropy."""
        followed = self.model.follow(events)
        told = followed.loss(MIXING) / followed.count.sum()
        return told + WEIGHT * cross_entropy(followed.logits, label)


class Deck(Classifier):
    """One of the deck's two models, with the loss of its repository."""

    def __init__(self, classes: int, *, ode: bool, seed: int) -> None:
        super().__init__()
        self.model = parts(classes, seed)
        self.way = (ecg_deck.full if ode else ecg_deck.baseline)(self.model)
        if not ode:
            self.model.cell.requires_grad_(False)

    def forward(self, events: Events) -> Tensor:
        """Logits (B, classes)."""
        return self.way(events).logits

    def loss(self, events: Events, label: Tensor) -> Tensor:
        """The sum of likelihood and divergence, and a tenth of two cross-entropies."""
        return deck_loss(self.model, self.way(events), events, label)[0]


def deck_loss(
    model: GRUODEBayes, answer: ecg_deck.Answer, events: Events, label: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss of the repository, and its part that knows the classes.

    The class is asked of the state after every jump and of the last state, each as a mean; the
    likelihood before the jumps and the divergence after them are sums over the batch.
    """
    x, observed = events.values.to(model.dtype), events.observed.to(model.dtype)
    nll = gaussian_nll(x, *model.predict(answer.before).chunk(2, -1), observed).sum()
    after = answer.before + answer.deltas
    kl = gaussian_kl(x, *model.predict(after).chunk(2, -1), observed).sum()
    real = events.real.to(model.dtype)
    each = model.classify(after).transpose(1, 2)
    lost = cross_entropy(each, label.unsqueeze(1).expand(real.shape), reduction="none")
    mean = (lost * real).sum() / real.sum()
    classes = DECK_WEIGHT * (mean + cross_entropy(answer.logits, label))
    return nll + DECK_MIXING * kl + classes, classes


def parts(classes: int, seed: int) -> GRUODEBayes:
    """GRU-ODE-Bayes of one feature, full cell, one Euler step from beat to beat as in the deck."""
    sizes = Sizes(features=1, hidden=HIDDEN, prep_hidden=8, class_hidden=HIDDEN, classes=classes)
    return GRUODEBayes(sizes, Stepping("euler", steps=1), full=True, impute=True, seed=seed)


NETWORKS: Mapping[str, Callable[[int, int], Classifier]] = {
    "gru": lambda classes, seed: Recurrent(classes, decay=False, seed=seed),
    "gru-decay": lambda classes, seed: Recurrent(classes, decay=True, seed=seed),
    "gru-ode-bayes": lambda classes, seed: Faithful(classes, flows=True, seed=seed),
    "held": lambda classes, seed: Faithful(classes, flows=False, seed=seed),
    "deck-full": lambda classes, seed: Deck(classes, ode=True, seed=seed),
    "deck-baseline": lambda classes, seed: Deck(classes, ode=False, seed=seed),
}
