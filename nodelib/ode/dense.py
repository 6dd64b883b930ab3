"""Dense output: the solution inside a Runge-Kutta step, from the stages of the step alone.

A continuous extension gives the state at a share ``theta`` of a step of length ``h`` as

    z(t + theta h) = z + h sum_i b_i(theta) k_i,

with polynomials ``b_i`` that are 0 at 0 and the weights of the method at 1 (Hairer, Nørsett &
Wanner, *Solving Ordinary Differential Equations I*, section II.6). Of order 4 for Dormand & Prince
(Shampine 1986, in the form of the book) and for Tsitouras (2011); for Bogacki & Shampine it is the
cubic through both ends and their slopes, of order 3.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from nodelib.ode.tableaus import DORMAND_PRINCE, Tableau

Polynomial = tuple[float, ...]
"""Coefficients of the powers 0, 1, 2, ..."""


def _times(*factors: Polynomial) -> Polynomial:
    product: Polynomial = (1.0,)
    for factor in factors:
        terms = [0.0] * (len(product) + len(factor) - 1)
        for i, a in enumerate(product):
            for j, b in enumerate(factor):
                terms[i + j] += a * b
        product = tuple(terms)
    return product


def _plus(*summands: Polynomial) -> Polynomial:
    padded = (_padded(summand, summands) for summand in summands)
    return tuple(map(sum, zip(*padded, strict=True)))


THETA, SQUARE = (0.0, 1.0), (0.0, 0.0, 1.0)
LESS_ONE = (-1.0, 1.0)
#: The four cubics through values and slopes at both ends: of the value behind, and of the slopes.
BEHIND = _times(SQUARE, (3.0, -2.0))
SLOPE_BEFORE = _times(THETA, LESS_ONE, LESS_ONE)
SLOPE_BEHIND = _times(SQUARE, LESS_ONE)
#: Coefficients below this come from rounding.
ROUNDING = 1e-13
#: Zero at both ends, with its slope.
BUMP = _times(SQUARE, LESS_ONE, LESS_ONE)


def _cubic(b: Sequence[float]) -> tuple[Polynomial, ...]:
    """The cubic of Hermite, for a method whose first and last stage are the slopes at the ends."""
    found = [_times((weight,), BEHIND) for weight in b]
    found[0] = _plus(found[0], SLOPE_BEFORE)
    found[-1] = _plus(found[-1], SLOPE_BEHIND)
    return tuple(found)


def _dormand_prince() -> tuple[Polynomial, ...]:
    """Hairer et al., equation (6.12) of section II.6."""
    bumps = (
        _times((-5 / 11282082432,), (2558722523.0, -31403016.0)),
        (0.0,),
        _times((100 / 32700410799,), (882725551.0, -15701508.0)),
        _times((-25 / 1880347072,), (443332067.0, -31403016.0)),
        _times((32805 / 199316789632,), (23143187.0, -3489224.0)),
        _times((-55 / 822651844,), (29972135.0, -7076736.0)),
        _times((10 / 29380423,), (7414447.0, -829305.0)),
    )
    cubics = _cubic(DORMAND_PRINCE.b)
    return tuple(_plus(c, _times(BUMP, d)) for c, d in zip(cubics, bumps, strict=True))


def _tsitouras() -> tuple[Polynomial, ...]:
    """Tsitouras 2011, section 4."""
    return (
        _times(
            (-1.0530884977290216,),
            THETA,
            (-1.3299890189751412, 1.0),
            (0.7139816917074209, -1.4364028541716351, 1.0),
        ),
        _times((0.1017,), SQUARE, (1.2949852507374631, -2.1966568338249754, 1.0)),
        _times(
            (2.490627285651252793,),
            SQUARE,
            (1.57803468208092486, -2.38535645472061657, 1.0),
        ),
        _times(
            (-16.54810288924490272,),
            (-1.21712927295533244, 1.0),
            (-0.61620406037800089, 1.0),
            SQUARE,
        ),
        _times(
            (47.37952196281928122,),
            (-1.203071208372362603, 1.0),
            (-0.658047292653547382, 1.0),
            SQUARE,
        ),
        _times((-34.87065786149660974,), (-1.2, 1.0), (-0.666666666666666667, 1.0), SQUARE),
        _times((2.5,), LESS_ONE, (-0.6, 1.0), SQUARE),
    )


@cache
def extension(tableau: Tableau) -> tuple[Polynomial, ...]:
    """The polynomials ``b_i`` of an adaptive method, one for each stage."""
    if tableau.name == "dopri5":
        return _dormand_prince()
    return _tsitouras() if tableau.name == "tsit5" else _cubic(tableau.b)


@cache
def bumps(tableau: Tableau) -> tuple[tuple[float, ...], ...]:
    """Weights of the stages that a step's polynomial needs beside the cubic of Hermite.

    With ``u`` and ``v``, the sums of the stages with the first and the second of these,

        z(t + theta h) = cubic + h theta^2 (1 - theta)^2 (u + theta v),

    where the cubic is the one through both ends and their slopes. Empty for a method whose
    polynomial is that cubic.
    """
    pairs = []
    for b, cubic in zip(extension(tableau), _cubic(tableau.b), strict=True):
        rest = (*_plus(b, _times((-1.0,), cubic)), *[0.0] * 4)
        # BUMP begins with theta^2 - 2 theta^3: so its multiples begin.
        pairs.append((rest[2], rest[3] + 2 * rest[2]))
    found = list(zip(*pairs, strict=True))
    while found and max(map(abs, found[-1])) < ROUNDING:
        found.pop()
    return tuple(found)


def weights_between(shares: Tensor, dt: Tensor, parts: int) -> Tensor:
    """The weights (m, parts) of which states at ``shares`` (m,) of m steps are sums, in float64.

    The steps are ``dt`` (m,) long, in float64 like the shares. The 4 to 6 ``parts`` are the state
    before the steps and the field there, none to both of the sums ``u`` and ``v`` of ``bumps``, and
    the state after the steps and the field there.
    """
    table, powers, are_states = _hermite(parts)
    values = shares[:, None] ** powers @ table
    return torch.where(are_states, values, values * dt[:, None])


@cache
def _hermite(parts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients (powers, parts) of ``weights_between``, the powers, and which parts are states.

    The weights of the others are in proportion to the length of the step.
    """
    before = (_plus((1.0,), _times((-1.0,), BEHIND)), SLOPE_BEFORE)
    sums = (BUMP, _times(BUMP, THETA))[: parts - 4]
    with torch.inference_mode(False):
        table = _coefficients((*before, *sums, BEHIND, SLOPE_BEHIND)).T.contiguous()
        powers = torch.arange(len(table), dtype=torch.float64)
        are_states = torch.zeros(parts, dtype=torch.bool)
        are_states[[0, parts - 2]] = True
    return table, powers, are_states


@cache
def _table(tableau: Tableau) -> Tensor:
    """Coefficients of the polynomials from the power 1 on, (powers, stages)."""
    with torch.inference_mode(False):
        return _coefficients(extension(tableau))[:, 1:].T.contiguous()


def _coefficients(polynomials: Sequence[Polynomial]) -> Tensor:
    """Coefficients of polynomials, (polynomials, powers) in float64."""
    with torch.inference_mode(False):
        return torch.tensor([_padded(x, polynomials) for x in polynomials], dtype=torch.float64)


def _padded(polynomial: Polynomial, others: Sequence[Polynomial]) -> Polynomial:
    """A polynomial with zeros up to the length of the longest of several."""
    return (*polynomial, *[0.0] * (max(map(len, others)) - len(polynomial)))


def inside(
    tableau: Tableau, shares: Tensor, dt: float | Tensor, z: Tensor, stages: Sequence[Tensor]
) -> Tensor:
    """States (m, *state) at ``shares`` (m,) of the step from ``z`` with these stages.

    Shares are above 0 and at most 1, in float64; ``dt`` is a number or a 0-dimensional tensor.
    """
    table = _table(tableau).to(z.device)
    powers = shares.to(z.device)[:, None] ** torch.arange(1, len(table) + 1, device=z.device)
    weights = dt * (powers @ table).to(z.dtype)
    return z + torch.tensordot(weights, torch.stack(list(stages)), 1)
