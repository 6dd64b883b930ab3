"""Adam, and all that a training run needs to go on where it was interrupted."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nodelib import files
from nodelib.errors import ModelError
from nodelib.training.history import History
from nodelib.training.recipe import Recipe

BETAS, EPSILON = (0.9, 0.999), 1e-8


@dataclass
class State:
    """Parameters, Adam's moments and the average: what a run needs to go on.

    Attributes:
        parameters: the tensors that are trained, updated in place.
        recipe: how.
        first, second: Adam's running means of the gradients and of their squares.
        average: the moving average of the parameters; empty where the recipe asks for none.
        history: of the steps done.
    """

    parameters: list[Tensor]
    recipe: Recipe
    first: list[Tensor]
    second: list[Tensor]
    average: list[Tensor]
    history: History

    @classmethod
    def start(cls, parameters: list[Tensor], recipe: Recipe) -> "State":
        """The state before the first step.

        Raises:
            ModelError: if there is no parameter.
        """
        if not parameters:
            raise ModelError("the module has no parameter that can be trained")
        zeros = [[torch.zeros_like(p) for p in parameters] for _ in range(2)]
        average = [p.detach().clone() for p in parameters] if recipe.ema else []
        return cls(parameters, recipe, *zeros, average, History())

    @property
    def done(self) -> int:
        """Number of steps done."""
        return len(self.history.losses)

    @torch.no_grad()
    def update(self, gradients: tuple[Tensor, ...], members: int | None) -> None:
        """Adam with decoupled weight decay: Kingma and Ba 2015, Loshchilov and Hutter 2019."""
        rate, count = self.recipe.rate_at(self.done), self.done + 1
        gradients = clipped(gradients, self.recipe.clip, members)
        shares = self.recipe.shares
        if self.recipe.weight_decay:
            batch = 0 if members is None else 1
            for parameter in self.parameters:
                if parameter.dim() - batch > 1:
                    share = 1.0 if shares is None else along(shares, parameter)
                    parameter.mul_(1 - rate * self.recipe.weight_decay * share)
        torch._foreach_lerp_(self.first, list(gradients), 1 - BETAS[0])
        torch._foreach_mul_(self.second, BETAS[1])
        torch._foreach_addcmul_(self.second, list(gradients), list(gradients), 1 - BETAS[1])
        scale = torch._foreach_sqrt(self.second)
        torch._foreach_div_(scale, math.sqrt(1 - BETAS[1] ** count))
        torch._foreach_add_(scale, EPSILON)
        if shares is not None:
            scale = [part / along(shares, part) for part in scale]
        step = -rate / (1 - BETAS[0] ** count)
        torch._foreach_addcdiv_(self.parameters, self.first, scale, step)
        if self.average:
            # early on a long average would still remember the start
            decay = min(self.recipe.ema, count / (count + 9))
            torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
        self.history.rates.append(rate)

    @torch.no_grad()
    def finish(self) -> None:
        """Replace the parameters by their average, where there is one."""
        if self.average:
            for parameter, mean in zip(self.parameters, self.average, strict=True):
                parameter.copy_(mean)

    def save(self, path: Path) -> None:
        """Write what :meth:`restore` needs, whole or not at all."""
        metadata = {
            "recipe": json.dumps(asdict(self.recipe)),
            "history": json.dumps(asdict(self.history)),
        }
        with files.replacing(path) as part:
            save_file(self._tensors(), part, metadata)

    def restore(self, path: Path) -> None:
        """Go on from a file.

        Raises:
            ModelError: if it was written under another recipe or for other parameters.
        """
        try:
            with safe_open(path, framework="pt") as stored:
                metadata = stored.metadata() or {}
                names = stored.keys()
                tensors = {name: stored.get_tensor(name) for name in names}
        except SafetensorError as error:
            raise ModelError(f"{path} is damaged ({error}): remove it to start again") from error
        if metadata.get("recipe") != json.dumps(asdict(self.recipe)):
            raise ModelError(f"{path} was written under another recipe: remove it to start again")
        own = self._tensors()
        if {name: value.shape for name, value in tensors.items()} != {
            name: value.shape for name, value in own.items()
        }:
            raise ModelError(f"{path} holds other parameters: remove it to start again")
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(tensors[name])
        self.history = History(**json.loads(metadata["history"]))

    def _tensors(self) -> Mapping[str, Tensor]:
        groups = {
            "parameter": self.parameters,
            "first": self.first,
            "second": self.second,
            "average": self.average,
        }
        return {
            f"{name}.{k}": value.detach()
            for name, values in groups.items()
            for k, value in enumerate(values)
        }


def along(shares: tuple[float, ...], like: Tensor) -> Tensor:
    """A number for each entry of the leading axis of ``like``, broadcast against it."""
    return like.new_tensor(shares).reshape(-1, *[1] * (like.dim() - 1))


def clipped(
    gradients: tuple[Tensor, ...], limit: float | None, members: int | None
) -> tuple[Tensor, ...]:
    """Gradients scaled down to a norm of at most ``limit``, each of ``members`` on its own."""
    if limit is None:
        return gradients
    rows = 1 if members is None else members
    norms = torch.stack([g.reshape(rows, -1).norm(dim=1) for g in gradients]).norm(dim=0)
    factors = (limit / norms.clamp_min(1e-12)).clamp_max(1.0)
    if members is None:
        return tuple(g * factors[0] for g in gradients)
    return tuple(g * factors.reshape(-1, *[1] * (g.dim() - 1)) for g in gradients)
