"""The latent ODE of Chen et al. 2018, section 5, several side by side.

A recurrent encoder reads the observations backwards in time and ends with a Gaussian for the state
at time 0; an ODE carries that state forwards; a decoder turns it into observations at any time.
Training maximises the evidence lower bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models.gaussians import kl_to_standard, log_density, sample
from nodelib.models.latent.cells import Recurrent, gaps, generators, packed, part_seeds
from nodelib.models.networks import MLP, Affine, Field, member_count
from nodelib.ode.gradients import odeint


@dataclass(frozen=True)
class Sizes:
    """Units of a latent ODE; the defaults are those of Chen et al.'s spirals.

    With ``places`` the encoder is not recurrent: it reads that many places of a regular grid at
    once, with zeros where nothing is observed, through one hidden layer.
    """

    observed: int = 2
    latent: int = 4
    encoder: int = 25
    field: tuple[int, ...] = (20, 20)
    decoder: int = 20
    decoder_activation: str = "relu"
    places: int | None = None


class LatentODE(nn.Module):
    """S latent ODEs, one for each seed.

    Args:
        sizes: numbers of units.
        times: whether the encoder gets, with each observation, the time since the one before it.
            Without, as in document 003's listing, it cannot know how the observations lie in time.
        nodes: times from 0 on, equally spaced, at which the solver lands (RK4, one step between
            neighbours); between them the state is the cubic through states and slopes.
        seeds: one for each network.
    """

    def __init__(self, sizes: Sizes, *, times: bool, nodes: Tensor, seeds: Sequence[int]) -> None:
        super().__init__()
        self.sizes, self.times = sizes, times
        self.register_buffer("nodes", nodes, persistent=False)
        if sizes.places is None:
            self.encoder = Recurrent(sizes.observed + times, sizes.encoder, seeds=seeds, part=0)
            self.posterior = Affine(
                sizes.encoder, 2 * sizes.latent, generators=generators(seeds, 1), alone=False
            )
        else:
            if times:
                raise ModelError("an encoder of a regular grid takes no times: give times=False")
            layers = (sizes.places * sizes.observed, sizes.encoder, 2 * sizes.latent)
            self.encoder = MLP(layers, "elu", seeds=part_seeds(seeds, 0))
        layers = (sizes.latent, *sizes.field, sizes.latent)
        self.field = Field(MLP(layers, "elu", seeds=part_seeds(seeds, 2)))
        layers = (sizes.latent, sizes.decoder, sizes.observed)
        self.decoder = MLP(layers, sizes.decoder_activation, seeds=part_seeds(seeds, 3))

    @property
    def count(self) -> int:
        """Parameters of one network."""
        return member_count(self)

    def encode(self, t: Tensor, x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the state at time 0, each (S, B, latent).

        Args:
            t: times, (T,).
            x: values, (S, B, T, observed); those that are not observed are not used.
            observed: (S, B, T).
        """
        if self.sizes.places is not None:
            seen = torch.where(observed.unsqueeze(-1), x, 0.0)
            return self.encoder(seen.flatten(2)).chunk(2, dim=-1)
        if self.times:
            x = torch.cat([x, gaps(t, observed).unsqueeze(-1)], dim=-1)
        last = self.encoder.last(*packed(x.flip(2), observed.flip(2)))
        return self.posterior(last).chunk(2, dim=-1)

    def trajectory(self, z0: Tensor, t: Tensor) -> Tensor:
        """The latent state at times ``t`` within the nodes, (T, S, B, latent)."""
        nodes = self.nodes[: covering(self.nodes, t)]
        z = odeint(self.field, z0, nodes, method="rk4", grad="backprop")
        values, slopes = hermite(nodes, t)
        # networks side by side come first, so that all nodes go through the field at once
        slope = self.field(nodes[0], z.transpose(0, 1)).transpose(0, 1)
        return torch.tensordot(values, z, 1) + torch.tensordot(slopes, slope, 1)

    def decode(self, z: Tensor) -> Tensor:
        """Observations (S, B, T, observed) of states (T, S, B, latent)."""
        return self.decoder(z.permute(1, 2, 0, 3))

    def predict(self, t: Tensor, x: Tensor, observed: Tensor, at: Tensor) -> Tensor:
        """Means of the observations at the times ``at``, from the mean state at time 0."""
        mean, _ = self.encode(t, x, observed)
        return self.decode(self.trajectory(mean, at))

    def bound(
        self, t: Tensor, x: Tensor, observed: Tensor, noise: Tensor, scale: float
    ) -> tuple[Tensor, Tensor]:
        """The evidence lower bound of each sequence in nats, (S, B), in its two parts.

        The bound is the first, the expected log-likelihood from one draw of the state, less the
        second, the divergence of the posterior from a standard Gaussian.

        Args:
            t, x, observed: as for ``encode``.
            noise: standard Gaussian numbers, (S, B, latent).
            scale: standard deviation of the observations about the decoder's output.
        """
        mean, log_variance = self.encode(t, x, observed)
        z = self.trajectory(sample(mean, log_variance, noise), t)
        log_scale = 2 * torch.log(torch.tensor(scale)).item()
        each = log_density(x, self.decode(z), log_scale).sum(-1)
        likelihood = torch.where(observed, each, 0.0).sum(-1)
        return likelihood, kl_to_standard(mean, log_variance).sum(-1)


def covering(nodes: Tensor, t: Tensor) -> int:
    """How many nodes it takes to reach the last of the times ``t``.

    Raises:
        ModelError: if ``t`` leaves the nodes.
    """
    step = float(nodes[1] - nodes[0])
    first, last = float(t.min()), float(t.max())
    if first < float(nodes[0]) - 1e-3 * step or last > float(nodes[-1]) + 1e-3 * step:
        raise ModelError(
            f"times {first:g} to {last:g} leave the solver's nodes, which end at {nodes[-1]:g}: "
            "give the model nodes that go further"
        )
    return min(len(nodes), int((last - float(nodes[0])) / step - 1e-3) + 2)


def hermite(nodes: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices (T, nodes) that take values and slopes at the nodes to the piecewise cubic at ``t``.

    The nodes are equally spaced; the cubic has error of order four, as the solver has.
    """
    step = nodes[1] - nodes[0]
    place = ((t - nodes[0]) / step).clamp(0, len(nodes) - 1)
    left = place.floor().clamp(max=len(nodes) - 2)
    s = (place - left).unsqueeze(1)
    at_left = nn.functional.one_hot(left.long(), len(nodes)).to(t.dtype)
    at_right = nn.functional.one_hot(left.long() + 1, len(nodes)).to(t.dtype)
    values = (1 + 2 * s) * (1 - s) ** 2 * at_left + s**2 * (3 - 2 * s) * at_right
    slopes = s * (1 - s) ** 2 * at_left - s**2 * (1 - s) * at_right
    return values, step * slopes
