"""Small multilayer perceptrons, alone or many side by side, and the vector fields that they make.

A network of a few dozen units spends its time in Python, not in arithmetic. Where the same network
is trained from several seeds, all of them are therefore held in one module whose parameters have a
leading axis, one entry for each seed, and are trained at once; none of them sees the others.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError

M = TypeVar("M", bound=nn.Module)

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "elu": nn.functional.elu,
    "softplus": nn.functional.softplus,
    "silu": nn.functional.silu,
    "sigmoid": torch.sigmoid,
    "identity": lambda z: z,
}


class Affine(nn.Module):
    """``z W + b`` for one seed, or for several side by side.

    ``weight`` has shape (inputs, outputs) and ``bias`` (outputs,); with a sequence of S seeds both
    have a leading axis S. Initial values are uniform within ``1 / sqrt(inputs)``, as in PyTorch's
    ``Linear``, from a generator of the entry's own seed.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        generators: Sequence[torch.Generator],
        alone: bool,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        bound = inputs**-0.5
        weights, biases = [], []
        for generator in generators:
            draw = {"generator": generator, "dtype": dtype}
            weights.append((2 * torch.rand(inputs, outputs, **draw) - 1) * bound)
            biases.append((2 * torch.rand(outputs, **draw) - 1) * bound)
        self.alone = alone
        self.weight = nn.Parameter(weights[0] if alone else torch.stack(weights))
        self.bias = nn.Parameter(biases[0] if alone else torch.stack(biases))

    def forward(self, z: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs); several side by side: (S, ..., inputs) likewise."""
        if self.alone:
            return z @ self.weight + self.bias
        rows = z.reshape(z.shape[0], -1, z.shape[-1])
        out = torch.baddbmm(self.bias.unsqueeze(1), rows, self.weight)
        return out.reshape(*z.shape[:-1], out.shape[-1])


class MLP(nn.Module):
    """Affine maps with an activation between them, and none after the last.

    Args:
        sizes: numbers of units from the input to the output, at least two.
        activation: a name in ``ACTIVATIONS``.
        seeds: one seed, for a network that maps (..., sizes[0]) to (..., sizes[-1]); or a sequence
            of S seeds, for S independent networks that map (S, ..., sizes[0]) to
            (S, ..., sizes[-1]). Network k starts exactly as the network of ``seeds[k]`` alone.
        dtype: of the parameters.

    Raises:
        ModelError: if there are fewer than two sizes, a size or the number of seeds is not
            positive, or the activation is unknown.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "tanh",
        *,
        seeds: int | Sequence[int],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ModelError(f"sizes {list(sizes)}: give at least two positive numbers of units")
        if activation not in ACTIVATIONS:
            raise ModelError(
                f"there is no activation {activation!r}; there are {', '.join(ACTIVATIONS)}"
            )
        alone = isinstance(seeds, int)
        every = [seeds] if alone else list(seeds)
        if not every:
            raise ModelError("seeds is empty: give one seed for each network")
        generators = [torch.Generator().manual_seed(seed) for seed in every]
        self.sizes, self.activation = tuple(sizes), activation
        self.members = None if alone else len(every)
        self.layers = nn.ModuleList(
            Affine(inputs, outputs, generators=generators, alone=alone, dtype=dtype)
            for inputs, outputs in pairwise(sizes)
        )

    @property
    def count(self) -> int:
        """Parameters of one network."""
        return sum(a * b + b for a, b in pairwise(self.sizes))

    def forward(self, z: Tensor) -> Tensor:
        """The output; see the class for the shapes."""
        if self.members is not None and z.shape[0] != self.members:
            raise ModelError(
                f"{self.members} networks side by side need an input of leading length "
                f"{self.members}, not of shape {tuple(z.shape)}"
            )
        act = ACTIVATIONS[self.activation]
        for layer in self.layers[:-1]:
            z = act(layer(z))
        return self.layers[-1](z)

    def one(self, k: int) -> dict[str, Tensor]:
        """Parameters of network ``k`` of those side by side, for ``load`` into one alone."""
        return member_weights(self, k)

    def load(self, weights: Mapping[str, Tensor]) -> "MLP":
        """Take these parameters (of ``one``, ``state_dict`` or a recorded run); returns self."""
        return load_weights(self, weights)


class Field(nn.Module):
    """The autonomous vector field ``f(t, z) = network(z)``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``; it does not depend on ``t``."""
        return self.network(z)


def member_count(module: nn.Module) -> int:
    """Parameters of one entry of a module whose parameters all have the leading axis of seeds."""
    return sum(value[0].numel() for value in module.parameters())


def member_weights(module: nn.Module, k: int) -> dict[str, Tensor]:
    """Parameters of entry ``k`` of a module whose parameters all have the leading axis of seeds."""
    return {name: value.detach()[k].clone() for name, value in module.named_parameters()}


@torch.no_grad()
def halved(module: nn.Module) -> dict[str, Tensor]:
    """The parameters in half precision, to which those of the module are rounded as well."""
    for parameter in module.parameters():
        parameter.copy_(parameter.half())
    return {name: value.detach().half() for name, value in module.named_parameters()}


def load_weights(module: M, weights: Mapping[str, Tensor]) -> M:
    """Give a module these parameters, all of them and in the right shapes; returns it.

    Raises:
        ModelError: if a parameter is missing, left over, or of another shape.
    """
    own = dict(module.named_parameters())
    if own.keys() != weights.keys():
        lacking, extra = own.keys() - weights.keys(), weights.keys() - own.keys()
        raise ModelError(
            f"these weights do not fit: missing {sorted(lacking)}, left over {sorted(extra)}"
        )
    for name, value in own.items():
        if value.shape != weights[name].shape:
            raise ModelError(
                f"weight {name!r} has shape {tuple(weights[name].shape)}, not {tuple(value.shape)}"
            )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(weights[name])
    return module
