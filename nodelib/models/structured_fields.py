"""Learnable vector fields of a given structure, many side by side.

Each is a module whose parameters have the leading axis S of the seeds and maps states (S, ..., 2)
to the field there. They are what a plain network (``networks.MLP``) is compared with: a structure
that fits needs few parameters, and one that does not cannot be helped by data.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nodelib.fields.random import TwoCentres, monomials
from nodelib.models.networks import Affine
from nodelib.seeds import generator

STREAM = 1_000_039


class Polynomial(nn.Module):
    """A polynomial of the state in each component; ``weights`` (S, monomials, 2) starts at zero."""

    def __init__(self, seeds: Sequence[int], degree: int = 3) -> None:
        super().__init__()
        self.degree = degree
        terms = (degree + 1) * (degree + 2) // 2
        self.weights = nn.Parameter(torch.zeros(len(seeds), terms, 2, dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``."""
        terms = monomials(z.reshape(z.shape[0], -1, 2), self.degree)
        return torch.bmm(terms, self.weights).reshape(z.shape)


class HamiltonianNetwork(nn.Module):
    """``J grad H``, with H a network of two hidden layers of tanh units (Greydanus et al. 2019).

    The gradient is written out, so that evaluating the field needs no automatic differentiation.
    """

    def __init__(self, units: int, seeds: Sequence[int]) -> None:
        super().__init__()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        make = {"generators": generators, "alone": False, "dtype": torch.float64}
        self.first = Affine(2, units, **make)
        self.second = Affine(units, units, **make)
        self.third = nn.Parameter(
            torch.stack([torch.randn(units, generator=g, dtype=torch.float64) for g in generators])
            / units**0.5
        )

    def energy(self, z: Tensor) -> Tensor:
        """H of states (S, ..., 2), shape (S, ...)."""
        hidden = torch.tanh(self.second(torch.tanh(self.first(z))))
        rows = hidden.reshape(z.shape[0], -1, hidden.shape[-1])
        return torch.bmm(rows, self.third.unsqueeze(-1)).reshape(z.shape[:-1])

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``."""
        rows = z.reshape(z.shape[0], -1, 2)
        one = torch.tanh(self.first(rows))
        two = torch.tanh(self.second(one))
        slope = self.third.unsqueeze(1) * (1 - two.square())
        slope = torch.bmm(slope, self.second.weight.mT) * (1 - one.square())
        slope = torch.bmm(slope, self.first.weight.mT)
        return torch.stack((slope[..., 1], -slope[..., 0]), -1).reshape(z.shape)


def two_centres_at_random(seeds: Sequence[int]) -> TwoCentres:
    """``TwoCentres`` side by side with random constants, to be learned: normal, s.d. 1/2."""
    draws = []
    for seed in seeds:
        random = generator(seed, STREAM)
        draws.append(torch.randn(10, generator=random, dtype=torch.float64) / 2)
    numbers = torch.stack(draws)
    a, b = numbers[:, :4].reshape(-1, 2, 2), numbers[:, 4:8].reshape(-1, 2, 2)
    return TwoCentres(a, b, numbers[:, 8:])
