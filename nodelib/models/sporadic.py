"""Recurrent baselines for sporadic series: a GRU told the gaps, and one whose memory decays.

Each predicts every event before it is taken in: a mean and a log-variance for each component, from
the state and the time since the last event that was seen. Several networks stand side by side, so
that all tensors have a leading axis S of seeds.

- ``"gap"``: the gap is one more input, and the state is constant between events
- ``"decay"``: state and input decay between events, after GRU-D (Che et al. 2018, eqs. 3 to 6): the
  state towards 0, a component that is missing from its last value towards its mean
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models.networks import MLP

KINDS = ("gap", "decay")


class GRUCells(nn.Module):
    """S gated recurrent units side by side: ``h' = (1 - z) n + z h`` (Cho et al. 2014)."""

    def __init__(self, inputs: int, hidden: int, seeds: Sequence[int]) -> None:
        super().__init__()
        self.from_input = MLP((inputs, 3 * hidden), seeds=seeds)
        self.from_state = MLP((hidden, 3 * hidden), seeds=[500 + seed for seed in seeds])

    def forward(self, inputs: Tensor, h: Tensor) -> Tensor:
        """The next state (S, B, H) from inputs (S, B, inputs) and the state."""
        i_r, i_z, i_n = self.from_input(inputs).chunk(3, -1)
        h_r, h_z, h_n = self.from_state(h).chunk(3, -1)
        z = torch.sigmoid(i_z + h_z)
        n = torch.tanh(i_n + torch.sigmoid(i_r + h_r) * h_n)
        return (1 - z) * n + z * h


class SporadicGRU(nn.Module):
    """S baselines of one kind side by side; see the module.

    Args:
        kind: one of ``KINDS``.
        components: components F of the series.
        hidden: units H of the state.
        seeds: one for each network.

    Raises:
        ModelError: for an unknown kind, or no seed.
    """

    def __init__(self, kind: str, components: int, hidden: int, seeds: Sequence[int]) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ModelError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
        self.kind, self.hidden, self.members = kind, hidden, len(seeds)
        gaps = 1 if kind == "gap" else 0
        self.cell = GRUCells(2 * components + 1, hidden, seeds)
        self.head = MLP(
            (hidden + gaps, hidden, 2 * components), "relu", seeds=[900 + s for s in seeds]
        )
        if kind == "decay":
            self.fade = nn.Parameter(torch.zeros(len(seeds), 1, hidden))
            self.fade_input = nn.Parameter(torch.zeros(len(seeds), 1, components))
            self.mean = nn.Parameter(torch.zeros(len(seeds), 1, components))

    @property
    def count(self) -> int:
        """Numbers that one network has."""
        return sum(p[0].numel() for p in self.parameters())

    def forward(self, times: Tensor, x: Tensor, mask: Tensor, seen: Tensor) -> Tensor:
        """Predictions (S, B, E, 2F), means and then log-variances, each before its event.

        Args:
            times: (S, B, E), increasing.
            x, mask: (S, B, E, F).
            seen: (S, B, E); an event that is not seen is predicted only.
        """
        h = x.new_zeros(*times.shape[:2], self.hidden)
        since = x.new_zeros(*times.shape[:2], 1)  # since the last event that was seen
        apart = x.new_zeros(*times.shape[:2], x.shape[-1])  # since each component was measured
        last = torch.zeros_like(x[:, :, 0])
        before = x.new_zeros(*times.shape[:2])
        told = []
        for k in range(times.shape[2]):
            gap = (times[:, :, k] - before).unsqueeze(-1)
            before, since, apart = times[:, :, k], since + gap, apart + gap
            here = h
            if self.kind == "decay":
                here = h * torch.exp(-nn.functional.softplus(self.fade) * since)
            told.append(self.head(torch.cat((h, since), -1) if self.kind == "gap" else here))
            used = mask[:, :, k] & seen[:, :, k, None]
            value = torch.where(used, x[:, :, k], torch.zeros_like(last))
            if self.kind == "decay":
                keep = torch.exp(-nn.functional.softplus(self.fade_input) * apart)
                value = torch.where(used, x[:, :, k], keep * last + (1 - keep) * self.mean)
            after = self.cell(torch.cat((value, used.to(x.dtype), since), -1), here)
            h = torch.where(seen[:, :, k, None], after, h)
            since = torch.where(seen[:, :, k, None], torch.zeros_like(since), since)
            last = torch.where(used, x[:, :, k], last)
            apart = torch.where(used, torch.zeros_like(apart), apart)
        return torch.stack(told, 2)


class LastObservation:
    """The last value of each component, with a variance that grows with its age.

    The variance is ``start + growth * age``, one pair for each component, and a component not yet
    measured has its mean and variance in the training series. All is fitted by maximum likelihood.
    """

    GROWTH = torch.logspace(-4, 1, 26, dtype=torch.float64)

    def fit(self, times: Tensor, x: Tensor, mask: Tensor, seen: Tensor) -> "LastObservation":
        """Fit to series (B, E), (B, E, F), (B, E, F) and (B, E), double precision."""
        last, age = self.carried(times, x, mask, seen)
        self.start, self.growth, self.centre, self.spread = [], [], [], []
        for f in range(x.shape[-1]):
            chosen = mask[..., f] & age[..., f].isfinite()
            error, old = (x - last)[..., f][chosen] ** 2, age[..., f][chosen]
            grid = self.GROWTH[:, None, None] + self.GROWTH[None, :, None] * old
            score = (grid.log() + error / grid).mean(-1)
            best = divmod(int(score.argmin()), len(self.GROWTH))
            self.start.append(self.GROWTH[best[0]])
            self.growth.append(self.GROWTH[best[1]])
            self.centre.append(x[..., f][mask[..., f]].mean())
            self.spread.append(x[..., f][mask[..., f]].var())
        return self

    def carried(self, times: Tensor, x: Tensor, mask: Tensor, seen: Tensor):
        """Last value and its age before each event, (B, E, F); infinite age where there is none."""
        last = torch.zeros_like(x[:, 0])
        at = torch.full_like(last, -torch.inf)
        values, ages = [], []
        for k in range(times.shape[1]):
            values.append(last)
            ages.append(times[:, k, None] - at)
            used = mask[:, k] & seen[:, k, None]
            last = torch.where(used, x[:, k], last)
            at = torch.where(used, times[:, k, None], at)
        return torch.stack(values, 1), torch.stack(ages, 1)

    def predict(self, times: Tensor, x: Tensor, mask: Tensor, seen: Tensor):
        """Mean and variance of every entry before its event, (B, E, F) each."""
        last, age = self.carried(times, x, mask, seen)
        known = age.isfinite()
        start, growth, centre, spread = map(
            torch.stack, (self.start, self.growth, self.centre, self.spread)
        )
        grown = start + growth * torch.where(known, age, torch.zeros_like(age))
        return torch.where(known, last, centre), torch.where(known, grown, spread)
