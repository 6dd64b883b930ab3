"""GRU-ODE-Bayes as a plain loop over the union of the times of a batch.

The algorithm of De Brouwer et al. 2019 taken literally, with ordinary PyTorch modules: all samples
are stepped to the next time at which any of them was observed, and those observed there jump. It is
what the batched model of ``nodelib`` is timed against; a test holds that both compute the same.
"""

import math

import torch
from torch import Tensor, nn


class UnionOfTimes(nn.Module):
    """The minimal cell with imputation, one Euler step from each time of the union to the next."""

    def __init__(self, features: int, hidden: int, *, units: int = 25, prepared: int = 10) -> None:
        super().__init__()
        self.start = nn.Sequential(
            nn.Linear(1, units), nn.ReLU(), nn.Linear(units, hidden), nn.Tanh()
        )
        self.readout = nn.Sequential(
            nn.Linear(hidden, units), nn.ReLU(), nn.Linear(units, 2 * features)
        )
        self.input_gate = nn.Linear(2 * features, hidden)
        self.input_candidate = nn.Linear(2 * features, hidden)
        self.state_gate = nn.Linear(hidden, hidden, bias=False)
        self.state_candidate = nn.Linear(hidden, hidden, bias=False)
        self.prepare_weight = nn.Parameter(torch.randn(features, 4, prepared) / 2)
        self.prepare_bias = nn.Parameter(torch.full((features, prepared), 0.1))
        self.update = nn.GRUCell(features * prepared, hidden)

    def derivative(self, p: Tensor, h: Tensor) -> Tensor:
        """``dh/dt`` of the minimal cell."""
        gate = torch.sigmoid(self.input_gate(p) + self.state_gate(h))
        candidate = torch.tanh(self.input_candidate(p) + self.state_candidate(gate * h))
        return (1 - gate) * (candidate - h)

    def forward(
        self, times: Tensor, values: Tensor, observed: Tensor, mixing: float, most: int
    ) -> Tensor:
        """The loss over the first ``most`` times of the union.

        Args:
            times: (B, L), when each sample was observed.
            values, observed: (B, L, F), what was observed, and 1 where it was.
            mixing: weight of the divergence after the jumps.
            most: times of the union to walk.
        """
        batch = len(values)
        clocks, order = times.flatten().sort()
        values, observed = values.flatten(0, 1)[order], observed.flatten(0, 1)[order]
        samples = torch.arange(batch).repeat_interleave(times.shape[1])[order]
        union, sizes = clocks.unique_consecutive(return_counts=True)
        h = self.start(values.new_zeros(batch, 1))
        p = self.readout(h)
        loss, now, row = values.new_zeros(()), 0.0, 0
        for time, size in zip(union[:most].tolist(), sizes.tolist(), strict=False):
            h = h + (time - now) * self.derivative(p, h)
            p = self.readout(h)
            who = samples[row : row + size]
            x, mask = values[row : row + size], observed[row : row + size]
            mean, logvar = p[who].chunk(2, dim=-1)
            error = (x - mean) / torch.exp(0.5 * logvar)
            nll = 0.5 * (error**2 + logvar + math.log(2 * math.pi))
            told = torch.stack((x, mean, logvar, error), dim=-1).unsqueeze(-2)
            told = torch.relu((told @ self.prepare_weight).squeeze(-2) + self.prepare_bias)
            told = (told * mask.unsqueeze(-1)).flatten(1)
            jumped = h.clone()
            jumped[who] = self.update(told, h[who])
            h = jumped
            p = self.readout(h)
            mean, logvar = p[who].chunk(2, dim=-1)
            kl = (torch.exp(logvar) + (mean - x) ** 2) / (2 * 0.01**2) - 0.5 * logvar
            kl = kl + math.log(0.01) - 0.5
            loss = loss + (nll * mask).sum() + mixing * (kl * mask).sum()
            now, row = time, row + size
        return loss
