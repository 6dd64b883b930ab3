"""GRU-ODE-Bayes (De Brouwer et al. 2019), several small networks side by side, with its choices.

The state flows along ``dh/dt`` of a continuous GRU between events, and jumps through a discrete GRU
at each event that is seen. Every series walks its own gaps, each in the same number of steps.
Tensors have a leading axis S of seeds. h(0) is learned, as these series have no covariates.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models import gaussians, gru_ode
from nodelib.models.networks import MLP
from nodelib.models.sporadic import GRUCells

SOLVERS = ("euler", "midpoint", "rk4")


@dataclass(frozen=True)
class Choices:
    """What the ablations change; ``mixing`` weighs the divergence after the jump.

    ``steps`` is the number of solver steps for a gap, 0 for a state that does not flow; with
    ``delta_t`` a gap takes as many as it needs for steps of at most that length. ``jump`` is
    "error" (value, mean, log-variance and error of each measured component) or "plain" (the values
    and their masks alone). ``observed`` is the standard deviation about a measured value that the
    divergence asks the state for.
    """

    hidden: int = 24
    prep: int = 6
    full: bool = True
    impute: bool = False
    solver: str = "euler"
    steps: int = 2
    delta_t: float | None = None
    mixing: float = 0.1
    jump: str = "error"
    observed: float = 0.05

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise ModelError(f"there is no solver {self.solver!r}; there are {', '.join(SOLVERS)}")
        if self.jump not in ("error", "plain"):
            raise ModelError(f"jump {self.jump!r}: choose 'error' or 'plain'")
        if self.steps < 0 or self.mixing < 0 or self.observed <= 0:
            raise ModelError("steps and mixing must not be negative, observed must be positive")

    @property
    def stepping(self) -> gru_ode.Stepping | None:
        """How a gap is stepped over; None for a state that does not flow."""
        if not self.steps:
            return None
        steps = self.steps if self.delta_t is None else None
        return gru_ode.Stepping(self.solver, steps=steps, delta_t=self.delta_t)


class GRUODEBayes(nn.Module):
    """S networks with the same choices, each from its own seed."""

    def __init__(self, choices: Choices, components: int, seeds: Sequence[int]) -> None:
        super().__init__()
        self.choices, self.members = choices, len(seeds)
        self.stepping = choices.stepping
        hidden, gates = choices.hidden, 3 if choices.full else 2
        self.start = nn.Parameter(torch.zeros(len(seeds), 1, hidden))
        self.head = MLP((hidden, hidden, 2 * components), "relu", seeds=seeds)
        if choices.steps:  # a state that does not flow needs no field
            self.gates = MLP((hidden, (gates - 1) * hidden), seeds=[100 + s for s in seeds])
            self.candidate = MLP((hidden, hidden), seeds=[200 + s for s in seeds])
        if choices.impute and choices.steps:
            self.fed = MLP((2 * components, gates * hidden), seeds=[300 + s for s in seeds])
        if choices.jump == "error":
            draws = [torch.Generator().manual_seed(400 + s) for s in seeds]
            shape = (components, 4, choices.prep)
            self.weight = nn.Parameter(
                torch.stack([torch.randn(shape, generator=d) / 2 for d in draws])
            )
            self.bias = nn.Parameter(torch.zeros(len(seeds), components, choices.prep))
            inputs = components * choices.prep
        else:
            inputs = 2 * components
        self.cell = GRUCells(inputs, hidden, seeds)

    @property
    def count(self) -> int:
        """Numbers that one network has."""
        return sum(p[0].numel() for p in self.parameters())

    def slope(self, h: Tensor, p: Tensor | None = None) -> Tensor:
        """``dh/dt = (1 - z) (n - h)`` at states (S, B, H); ``p`` only with imputation."""
        hidden = self.choices.hidden
        gates = self.gates(h)
        fed = self.fed(self.head(h) if p is None else p) if self.choices.impute else None
        if fed is not None:
            gates = gates + fed[..., :-hidden]
        gates = torch.sigmoid(gates)
        update = gates[..., :hidden]
        reset = gates[..., hidden:] if self.choices.full else update

        def candidate(gated: Tensor) -> Tensor:
            drawn = self.candidate(gated)
            return drawn if fed is None else drawn + fed[..., -hidden:]

        return gru_ode.slope(h, reset, update, candidate)

    def flow(self, h: Tensor, gap: Tensor) -> Tensor:
        """The state after each series' own gap (S, B, 1)."""
        if self.stepping is None:
            return h
        length, count = self.stepping.plan(gap)
        return self.stepping.advance(self.slope, h, length, count, int(count.max()))

    def jump(self, h: Tensor, p: Tensor, x: Tensor, used: Tensor) -> Tensor:
        """The state after values x (S, B, F) of the components ``used`` are taken in."""
        x = torch.where(used, x, torch.zeros_like(x))
        if self.choices.jump == "plain":
            return self.cell(torch.cat((x, used.to(x.dtype)), -1), h)
        mean, log_variance = p.chunk(2, -1)
        error = (x - mean) * torch.exp(-log_variance / 2)
        told = torch.stack((x, mean, log_variance, error), -1)
        inner = torch.einsum("sbfk,sfkq->sbfq", told, self.weight) + self.bias[:, None]
        return self.cell((torch.relu(inner) * used.unsqueeze(-1)).flatten(2), h)

    def walk(self, times: Tensor, x: Tensor, mask: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions before and after each event, (S, B, E, 2F) each.

        Args:
            times: (S, B, E), increasing.
            x, mask: (S, B, E, F).
            seen: (S, B, E); an event that is not seen makes no jump.
        """
        h = self.start.expand(-1, times.shape[1], -1)
        now = torch.zeros_like(times[:, :, 0])
        before, after = [], []
        for k in range(times.shape[2]):
            h = self.flow(h, (times[:, :, k] - now).unsqueeze(-1))
            now = times[:, :, k]
            p = self.head(h)
            used = mask[:, :, k] & seen[:, :, k, None]
            h = torch.where(used.any(-1, keepdim=True), self.jump(h, p, x[:, :, k], used), h)
            before.append(p)
            after.append(self.head(h))
        return torch.stack(before, 2), torch.stack(after, 2)

    def forward(self, times: Tensor, x: Tensor, mask: Tensor, seen: Tensor) -> Tensor:
        """Predictions before each event."""
        return self.walk(times, x, mask, seen)[0]


def nll(p: Tensor, x: Tensor, chosen: Tensor) -> Tensor:
    """Gaussian negative log-likelihood of the chosen entries, the mean for each network, (S,)."""
    mean, log_variance = p.chunk(2, -1)
    each = -gaussians.log_density(x, mean, log_variance)
    return (each * chosen).sum((1, 2, 3)) / chosen.sum((1, 2, 3))


def divergence(p: Tensor, x: Tensor, observed: float, chosen: Tensor) -> Tensor:
    """KL(prediction after the jump || N(x, observed²)), the mean of chosen entries, (S,)."""
    mean, log_variance = p.chunk(2, -1)
    each = gaussians.kl(mean, log_variance, x, 2 * math.log(observed))
    return (each * chosen).sum((1, 2, 3)) / chosen.sum((1, 2, 3))
