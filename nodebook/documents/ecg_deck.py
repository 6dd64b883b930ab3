"""The two models of document 000's table of accuracies, rebuilt in our words.

The slides print the frame: a state from the covariates, one solve over all times, and for the
baseline the first state in its place. What they cut ("...") is taken from the repository that the
deck names (https://github.com/DaturaSol/neural-edo-bayes, MIT licence): every observation's jump is
computed from that one trajectory, all at once; the jumps are added up; their sum is added to the
trajectory's end, in the full model twice, in the baseline once; in the baseline the state before a
jump is detached where the jump is measured. The solver is Euler's method with one step from each
time to the next.

The parts, and their weights, are those of the library's ``GRUODEBayes`` with the full cell and
imputation; the repository bounds the log-variance by ``5 tanh``, which is left out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.models.gru_ode import Events, GRUODEBayes


@dataclass(frozen=True)
class Answer:
    """What the deck's model does with a batch of B samples of at most L events.

    Attributes:
        before: states of the trajectory at each event, (B, L, H).
        deltas: what each jump changes, (B, L, H); zero in padding.
        end: the trajectory at its end, (B, H).
        h: the state that is classified, (B, H).
        logits: (B, classes).
    """

    before: Tensor
    deltas: Tensor
    end: Tensor
    h: Tensor
    logits: Tensor


@dataclass(frozen=True)
class DeckModel:
    """The deck's use of the parts of ``model``.

    Attributes:
        model: the parts.
        ode: the full model; False for the baseline.
        counted: how often the sum of the jumps is added; 2 or 1 in the repository.
        together: whether the solve runs over the times of the whole batch and to the latest of
            them, as the listing's does; else each sample has its own, as in a batch of one.
    """

    model: GRUODEBayes
    ode: bool
    counted: int
    together: bool = False

    def __call__(self, events: Events) -> Answer:
        """Classify a batch."""
        first = self.model.initial(events)
        before, end = self.trajectory(first, events)
        x = events.values.to(self.model.dtype)
        observed = events.observed.to(self.model.dtype)
        mean, logvar = self.model.predict(before).chunk(2, -1)
        flat = [y.flatten(0, 1) for y in (before, x, observed, mean, logvar)]
        after = self.model.jump(*flat, self.model.jump.joint_weight()).view_as(before)
        deltas = (after - (before if self.ode else before.detach())) * events.real.unsqueeze(-1)
        h = end + self.counted * deltas.sum(1)
        return Answer(before, deltas, end, h, self.model.classify(h))

    def trajectory(self, first: Tensor, events: Events) -> tuple[Tensor, Tensor]:
        """States at every event (B, L, H) and at the end (B, H), without a jump."""
        batch, most = events.times.shape
        if not self.ode:
            return first.unsqueeze(1).expand(batch, most, -1), first
        if self.together:
            merged = torch.unique(torch.cat((events.start, events.times.flatten())))
            gaps = merged.diff().expand(batch, -1)
        else:
            gaps = events.gaps
        h, states = first, [first]
        for gap in gaps.to(self.model.dtype).unbind(1):
            h = h + gap.unsqueeze(-1) * self.model.field(h)
            states.append(h)
        path = torch.stack(states, 1)
        before = path[:, 1:-1]
        if self.together:
            place = torch.searchsorted(merged, events.times)
            before = path[torch.arange(batch)[:, None], place]
        return before, path[:, -1]


def full(model: GRUODEBayes, *, together: bool = False) -> DeckModel:
    """The deck's GRU-ODE-Bayes."""
    return DeckModel(model, ode=True, counted=2, together=together)


def baseline(model: GRUODEBayes) -> DeckModel:
    """The deck's baseline."""
    return DeckModel(model, ode=False, counted=1)
