"""Random vector fields in the plane, of six kinds, drawn from a seed.

Every field keeps its trajectories bounded: the kinds that are sums of random terms have a cubic
pull towards the origin that wins far out. Fields take a time, which they ignore, and states
(..., 2).
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.ode.steps import Field
from nodelib.seeds import generator

STREAM = 1_000_037
TERMS = 6


class TwoCentres(nn.Module):
    """Two linear fields around opposite centres, blended by a sigmoid.

    ``s A (z - c) + (1 - s) B (z + c)`` with ``s = sigmoid(c . z)``. The constants that it has
    unless told otherwise are those of the public code that document 001's listing agrees with: a
    slow decaying rotation around c = (-1, 0) and a fast growing one, the other way round, around
    (1, 0). Parameters ``a``, ``b`` (..., 2, 2) and ``centre`` (..., 2); with a leading axis S there
    are S fields, on states (S, ..., 2).
    """

    def __init__(
        self,
        a: Sequence | Tensor = ((-0.1, -0.5), (0.5, -0.1)),
        b: Sequence | Tensor = ((0.2, 1.0), (-1.0, 0.2)),
        centre: Sequence | Tensor = (-1.0, 0.0),
    ) -> None:
        super().__init__()
        self.a, self.b, self.centre = (
            nn.Parameter(torch.as_tensor(x, dtype=torch.float64).clone()) for x in (a, b, centre)
        )

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``."""
        shape = z.shape
        rows = z.reshape(*self.centre.shape[:-1], -1, 2)
        centre = self.centre.unsqueeze(-2)
        share = torch.sigmoid((rows * centre).sum(-1, keepdim=True))
        one, other = (rows - centre) @ self.a.mT, (rows + centre) @ self.b.mT
        return (share * one + (1 - share) * other).reshape(shape)


def monomials(z: Tensor, degree: int = 3) -> Tensor:
    """All monomials of a state (..., 2) up to a degree, by degree: (..., (n + 1)(n + 2) / 2)."""
    powers = [torch.ones_like(z)]
    for _ in range(degree):
        powers.append(powers[-1] * z)
    x, y = torch.stack(powers).unbind(-1)
    pairs = [(n - k, k) for n in range(degree + 1) for k in range(n + 1)]
    of_x, of_y = zip(*pairs, strict=True)
    return (x[list(of_x)] * y[list(of_y)]).movedim(0, -1)


def fourier(random: torch.Generator) -> Field:
    """A rotation, and plane waves of random direction, phase and length (2.5 to 6)."""
    angles, phases = _uniform(random, TERMS) * 2 * math.pi, _uniform(random, TERMS) * 2 * math.pi
    lengths = 2.5 + 3.5 * _uniform(random, TERMS)
    waves = torch.stack((angles.cos(), angles.sin())) * (2 * math.pi / lengths)
    heights = _normal(random, TERMS, 2) * math.sqrt(2 / TERMS) * 0.6
    return _confined(random, lambda z: torch.cos(z @ waves + phases) @ heights)


def network(random: torch.Generator) -> Field:
    """A rotation, and a network of 12 tanh units with random weights."""
    first, bias = _normal(random, 2, 12) * 1.5, _normal(random, 12)
    second = _normal(random, 12, 2) / math.sqrt(12) * 1.2
    return _confined(random, lambda z: torch.tanh(z @ first + bias) @ second)


def cubic(random: torch.Generator) -> Field:
    """Random polynomials of degree 3 in both components, whose cubic part the pull outweighs."""
    weights = _normal(random, 10, 2) * 0.3
    cubes = weights[6:]
    weights = torch.cat((weights[:6], cubes / cubes.norm(dim=1).sum() * 0.2))
    return _confined(random, lambda z: monomials(z) @ weights)


def hamiltonian(random: torch.Generator) -> Field:
    """``J grad H`` of a bowl with random waves on it: H is constant along every trajectory."""
    angles, phases = _uniform(random, TERMS) * 2 * math.pi, _uniform(random, TERMS) * 2 * math.pi
    lengths = 2.5 + 3.5 * _uniform(random, TERMS)
    waves = torch.stack((angles.cos(), angles.sin())) * (2 * math.pi / lengths)
    heights = _normal(random, TERMS) * 0.25

    def field(t: Tensor, z: Tensor) -> Tensor:
        slope = z * (0.8 + 0.1 * z.square().sum(-1, keepdim=True))
        slope = slope - (torch.sin(z @ waves + phases) * heights) @ waves.T
        return torch.stack((slope[..., 1], -slope[..., 0]), -1)

    return field


def van_der_pol(random: torch.Generator) -> Field:
    """van der Pol's oscillator, mu from 0.5 to 2, in units in which its cycle is 1.5 wide."""
    mu = float(0.5 + 1.5 * _uniform(random, 1))
    scale = 2 / 1.5

    def field(t: Tensor, z: Tensor) -> Tensor:
        x, v = z.unbind(-1)
        return torch.stack((v, mu * (1 - (scale * x) ** 2) * v - x), -1)

    return field


def two_centres(random: torch.Generator) -> Field:
    """Two rotations of random speed around random opposite centres: one decays, one grows.

    The document calls its own field random; its constants are fixed. Here they are drawn.
    """
    turns = 0.5 + 0.8 * _uniform(random, 2)
    angle = float(_uniform(random, 1)) * 2 * math.pi
    decay, growth = -0.3 - 0.2 * float(_uniform(random, 1)), 0.2 * float(_uniform(random, 1))
    a, b = (
        [[rate, -turn], [turn, rate]]
        for rate, turn in zip((decay, growth), (float(turns[0]), -float(turns[1])), strict=True)
    )
    blend = TwoCentres(a, b, (math.cos(angle), math.sin(angle))).requires_grad_(False)

    def field(t: Tensor, z: Tensor) -> Tensor:
        return blend(t, z) - 0.1 * z * z.square().sum(-1, keepdim=True)

    return field


KINDS: Mapping[str, Callable[[torch.Generator], Field]] = {
    "fourier": fourier,
    "network": network,
    "cubic": cubic,
    "hamiltonian": hamiltonian,
    "van-der-pol": van_der_pol,
    "two-centres": two_centres,
}


def draw_field(kind: str, seed: int) -> Field:
    """The field of a kind that belongs to a seed: the same for the same pair.

    Raises:
        ModelError: if there is no such kind.
    """
    if kind not in KINDS:
        raise ModelError(f"there is no kind of field {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind](generator(seed, STREAM))


def _confined(random: torch.Generator, terms: Callable[[Tensor], Tensor]) -> Field:
    """``terms``, a random rotation, and a pull ``-|z|^2 z / 4``."""
    turn = float(0.5 + _uniform(random, 1)) * (1 if float(_uniform(random, 1)) < 0.5 else -1)

    def field(t: Tensor, z: Tensor) -> Tensor:
        around = torch.stack((-z[..., 1], z[..., 0]), -1)
        pull = z * z.square().sum(-1, keepdim=True)
        return 0.3 * z + turn * around - 0.25 * pull + terms(z)

    return field


def _normal(random: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def _uniform(random: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=random, dtype=torch.float64)
