"""One small network, asked six different things about the same trajectories (chapter 05).

=============  =====================================================================================
question       the network gives, and is trained on
=============  =====================================================================================
node           the derivative at a state; on observations, through the solver (a neural ODE)
derivative     the derivative at a state; on finite differences of the noisy observations
next           the state one gap later; on pairs of successive observations
rolled         the state one gap later; on observations, through its own iterates
time           the state at a time, from the known start; on observations
rates          (no network) the true form of the field with four unknown rates, trained as "node"
=============  =====================================================================================

Every model has a vector field, which "node", "derivative" and "rates" hold directly. A map from
state to next state implies the mean velocity over the gap, ``(next - state) / GAP``, and a map from
time to state the velocity at time 0. Every model also predicts trajectories from a start.

Where a network sees standardised states, its answers are in the same units. No network that walks
sees more than ``EDGE`` such units: beyond, it answers as at the edge, so that nothing overflows.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from nodebook.experiments.ch05_lotka_volterra.predator_prey import (
    EDGE,
    GAP,
    HORIZON,
    INTERVALS,
    Observations,
    windows,
)
from nodelib.errors import ModelError
from nodelib.models import networks
from nodelib.ode.gradients import odeint

QUESTIONS = ("node", "derivative", "next", "rolled", "time", "rates")
SIZES = (2, 30, 30, 2)
SIZES_TIME = (3, 25, 35, 2)
STEPS_PER_GAP = 2


class Model(nn.Module):
    """S models side by side, one for each seed.

    Args:
        question: one of ``QUESTIONS``.
        activation: of the network; of no effect for "rates".
        seeds: the seeds of the networks.
        observations: what the models are for; mean and spread of the states come from it.
        standardised: whether the network sees standardised states, or states as they are; one
            answer for all, or one for each seed. The loss is measured in standardised states
            always. The true form always sees them as they are.

    Raises:
        ModelError: for an unknown question or activation, or if there are not as many seeds as
            observed sets of trajectories.
    """

    def __init__(
        self,
        question: str,
        activation: str,
        seeds: Sequence[int],
        observations: Observations,
        standardised: bool | Sequence[bool] = True,
    ) -> None:
        super().__init__()
        if question not in QUESTIONS:
            raise ModelError(f"there is no question {question!r}; there are {', '.join(QUESTIONS)}")
        if observations.states.shape[1] != len(seeds):
            raise ModelError(
                f"{len(seeds)} seeds need as many sets of trajectories, "
                f"not {observations.states.shape[1]}"
            )
        self.question, self.members = question, len(seeds)
        if question == "rates":
            self.network = Rates(len(seeds))
        else:
            sizes = SIZES_TIME if question == "time" else SIZES
            self.network = networks.MLP(sizes, activation, seeds=seeds)
        states = observations.states.transpose(0, 1).flatten(1, 2)
        mean, spread = states.mean(1, keepdim=True), states.std(1, keepdim=True)
        if question == "rates":
            standardised = False
        as_is = ~torch.as_tensor(standardised).expand(len(seeds)).reshape(-1, 1, 1)
        self.register_buffer("spread", spread.float())
        self.register_buffer("centre", mean.masked_fill(as_is, 0.0).float())
        self.register_buffer("unit", spread.masked_fill(as_is, 1.0).float())

    @property
    def count(self) -> int:
        """Trained numbers of one model."""
        return self.network.count

    def weights(self, k: int) -> dict[str, Tensor]:
        """Trained numbers of model ``k``."""
        return networks.member_weights(self.network, k)

    def load(self, weights: Mapping[str, Tensor]) -> "Model":
        """Give a single model (one seed) these numbers; returns self."""
        networks.load_weights(self.network, {name: value[None] for name, value in weights.items()})
        return self

    def losses(self, observations: Observations) -> Tensor:
        """Mean squared error of what this question is trained on, in standard units, (S,)."""
        found, wanted = self._asked(observations)
        wrong = (found - wanted) * (self.unit / self.spread)
        return wrong.square().mean((0, 2, 3))

    def field(self, z: Tensor) -> Tensor:
        """The vector field, held or implied, at states (S, m, 2)."""
        u = self._inwards(z)
        if self.question == "time":
            return self.unit * self._velocity_at_start(u)
        if self.question in ("next", "rolled"):
            return self.unit * (self._answer(None, u) - u) / GAP
        return self.unit * self._answer(None, u)

    def trajectories(self, starts: Tensor, intervals: int, fineness: int = 1) -> Tensor:
        """States after 0, 1, ... ``intervals`` gaps from ``starts`` (S, k, 2).

        The shape is (intervals + 1, S, k, 2). ``fineness`` multiplies the steps of the solver.
        """
        walks = self._walks(self._inwards(starts), intervals, fineness)
        return self.centre + self.unit * walks

    def _asked(self, observations: Observations) -> tuple[Tensor, Tensor]:
        """What the models say and what was seen, both (n, S, rows, 2), in the network's units."""
        seen = self._inwards(observations.states.to(self.spread.dtype))
        if self.question in ("next", "derivative"):
            inside = seen.transpose(0, 1)
            if self.question == "next":
                states, wanted = inside[:, :-1], inside[:, 1:]
            else:
                states, wanted = inside, torch.gradient(inside, spacing=GAP, dim=1)[0]
            return self._answer(None, states.flatten(1, 2))[None], wanted.flatten(1, 2)[None]
        if self.question == "time":
            return self._walks(seen[0], INTERVALS)[1:], seen[1:]
        starts, wanted = windows(seen, observations.window)
        return self._walks(starts, observations.window)[1:], wanted

    def _walks(self, starts: Tensor, intervals: int, fineness: int = 1) -> Tensor:
        if self.question == "time":
            return torch.stack(
                [starts, *(self._at(GAP * n, starts) for n in range(1, intervals + 1))]
            )
        if self.question in ("next", "rolled"):
            states = [starts]
            for _ in range(intervals):
                states.append(self._answer(None, states[-1]))
            return torch.stack(states)
        t = GAP * torch.arange(intervals + 1, dtype=torch.float64)
        steps = {"num_steps": fineness * STEPS_PER_GAP}
        return odeint(self._answer, starts, t, method="rk4", grad="backprop", options=steps)

    def _inwards(self, z: Tensor) -> Tensor:
        """States in the units that the network sees."""
        return (z - self.centre) / self.unit

    def _answer(self, t: Tensor | None, u: Tensor) -> Tensor:
        return self.network(u.clamp(-EDGE, EDGE))

    def _at(self, t: float | Tensor, starts: Tensor) -> Tensor:
        clock = torch.as_tensor(t, dtype=starts.dtype).expand(*starts.shape[:-1], 1) / HORIZON
        return self.network(torch.cat((clock, starts), -1))

    def _velocity_at_start(self, u: Tensor) -> Tensor:
        with torch.enable_grad():
            clock = torch.zeros(*u.shape[:-1], 1, dtype=u.dtype, requires_grad=True)
            states = self._at(clock, u)
            parts = [
                torch.autograd.grad(states[..., i].sum(), clock, retain_graph=True)[0]
                for i in range(2)
            ]
        return torch.cat(parts, -1)


class Rates(nn.Module):
    """The Lotka-Volterra field with unknown rates (a, b, c, d), all 1 at first, for S seeds."""

    count = 4

    def __init__(self, members: int) -> None:
        super().__init__()
        self.rates = nn.Parameter(torch.ones(members, 4))

    def forward(self, z: Tensor) -> Tensor:
        """The field at states (S, m, 2)."""
        a, b, c, d = self.rates.unsqueeze(-1).unbind(1)
        prey, predator = z.unbind(-1)
        meetings = prey * predator
        return torch.stack((a * prey - b * meetings, d * meetings - c * predator), -1)
