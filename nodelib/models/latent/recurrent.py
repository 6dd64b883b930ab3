"""The recurrent baseline of Chen et al. 2018, section 5.1, several side by side.

A recurrent network reads the observations forwards and is trained to predict the next one, by
Gaussian likelihood. Beyond the last observation it is fed its own predictions. With ``times`` each
observation comes with the time to the next one; without, a step of the network means whatever time
lay between two observations, and it can only be told on average how long that was.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nodelib.models.gaussians import log_density
from nodelib.models.latent.cells import Recurrent, gaps_ahead, generators, packed
from nodelib.models.networks import Affine, member_count


class Forecaster(nn.Module):
    """S recurrent networks that predict the next observation, one for each seed.

    Args:
        observed, hidden: sizes; Chen et al. use 25 hidden units.
        times: whether the time to the next observation is an input.
        seeds: one for each network.
    """

    def __init__(
        self,
        observed: int = 2,
        hidden: int = 25,
        *,
        times: bool,
        seeds: Sequence[int],
    ) -> None:
        super().__init__()
        self.times = times
        self.cell = Recurrent(observed + times, hidden, seeds=seeds, part=0)
        self.readout = Affine(hidden, observed, generators=generators(seeds, 1), alone=False)

    @property
    def count(self) -> int:
        """Parameters of one network."""
        return member_count(self)

    def read(
        self, t: Tensor, x: Tensor, observed: Tensor, end: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read sequences: values, marks and states, one place after the other.

        The values (S, B, P, inputs) and marks (S, B, P) are those of ``packed``, with the time to
        the next observation if the network takes it; the states (P, S, B, hidden) are those after
        each. ``end`` is the time of the point that follows the last observation. Shapes of what is
        read are those of ``LatentODE.encode``.
        """
        if self.times:
            x = torch.cat([x, gaps_ahead(t, observed, end).unsqueeze(-1)], dim=-1)
        values, used = packed(x, observed)
        return values, used, self.cell(values, used)

    def log_likelihood(self, t: Tensor, x: Tensor, observed: Tensor, scale: float) -> Tensor:
        """Log-likelihood in nats of each sequence's observations but the first, (S, B)."""
        values, used, states = self.read(t, x, observed, float(t[-1]))
        # As self.readout, but of states that begin with their place and need not be moved for it.
        predicted = torch.matmul(states[:-1], self.readout.weight).permute(1, 2, 0, 3)
        predicted = predicted + self.readout.bias[:, None, None]
        log_scale = 2 * torch.log(torch.tensor(scale)).item()
        following = values[:, :, 1:, : predicted.shape[-1]]
        each = log_density(following, predicted, log_scale).sum(-1)
        return torch.where(used[:, :, 1:], each, 0.0).sum(-1)

    def roll(
        self, t: Tensor, x: Tensor, observed: Tensor, *, first: float, stride: float, steps: int
    ) -> Tensor:
        """Predictions at ``first``, ``first + stride``, ... from its own, (S, B, steps, n).

        Without ``times`` the two times are not used: a step is a step.
        """
        h = self.read(t, x, observed, first)[-1][-1]
        value = self.readout(h)
        values = [value]
        for _ in range(steps - 1):
            entry = value
            if self.times:
                entry = torch.cat([value, torch.full_like(value[..., :1], stride)], dim=-1)
            h = self.cell.step(entry, h)
            value = self.readout(h)
            values.append(value)
        return torch.stack(values, dim=2)

    def forecast(self, t: Tensor, x: Tensor, observed: Tensor, at: Tensor, stride: float) -> Tensor:
        """Predictions at increasing times ``at`` after the last point, (S, B, len(at), n).

        With ``times`` the network steps to ``at[0]`` and from there in strides. Without, its steps
        are taken to be ``stride`` long and to begin at the last observation. Between the steps
        predictions are joined by straight lines.
        """
        if self.times:
            steps = max(2, int(torch.ceil((at[-1] - at[0]) / stride - 1e-3)) + 1)
            rolled = self.roll(t, x, observed, first=float(at[0]), stride=stride, steps=steps)
            place = ((at - at[0]) / stride).expand(*x.shape[:2], -1)
        else:
            last = torch.where(observed, t, t[0]).amax(-1, keepdim=True)
            steps = int(torch.ceil((at[-1] - last.min()) / stride - 1e-3)) + 1
            seen = torch.where(observed & (t == last), 1.0, 0.0)
            anchor = (seen.unsqueeze(-1) * x).sum(2, keepdim=True)
            rolled = self.roll(t, x, observed, first=float(at[0]), stride=stride, steps=steps)
            rolled = torch.cat([anchor, rolled], dim=2)
            place = (at - last) / stride
        left = place.floor().long().clamp(0, rolled.shape[2] - 2)
        share = (place - left).unsqueeze(-1)
        index = left.unsqueeze(-1).expand(*left.shape, rolled.shape[-1])
        return torch.lerp(rolled.gather(2, index), rolled.gather(2, index + 1), share)
