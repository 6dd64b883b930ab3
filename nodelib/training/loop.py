"""One training loop: schedule, clipping, weight averages, progress bar, and resuming.

The loss is a function of the number of the step alone: whoever writes it draws the step's random
numbers from ``generator(seed, step)``. Then a run that was interrupted goes on as if it had not
been, and the same call gives the same numbers.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from nodelib.errors import ModelError

SAVE_EVERY_SECONDS = 30.0
BETAS, EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Recipe:
    """How a module is trained with Adam, or AdamW where ``weight_decay`` is not 0.

    Attributes:
        steps: number of updates.
        rate: learning rate; of "one-cycle" the peak, of "cosine" the start.
        schedule: "constant", "cosine" (to 0), or "one-cycle" (up for a tenth of the steps, then
            down to 0, both along a cosine).
        weight_decay: decoupled weight decay of the parameters with more than one dimension (not
            counting the axis of seeds).
        clip: largest norm of the gradient, of each network on its own; None for no limit.
        ema: decay of an exponential moving average of the parameters, which replaces them at the
            end; None for no average.
    """

    steps: int
    rate: float
    schedule: str = "constant"
    weight_decay: float = 0.0
    clip: float | None = None
    ema: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rate <= 0:
            raise ModelError(f"steps {self.steps} and rate {self.rate} must be positive")
        if self.schedule not in SCHEDULES:
            raise ModelError(
                f"there is no schedule {self.schedule!r}; there are {', '.join(SCHEDULES)}"
            )
        if self.ema is not None and not 0 < self.ema < 1:
            raise ModelError(f"ema {self.ema} must lie between 0 and 1")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, 0 to ``steps - 1``."""
        return self.rate * SCHEDULES[self.schedule](step / self.steps)


@dataclass
class History:
    """What a training run was like.

    ``losses`` has a row for each step and, for several networks side by side, a column for each;
    ``rates`` are the learning rates; ``notes`` are the numbers that ``train`` was told to note, one
    for each step; ``seconds`` is the time of training, of all the sittings of a run that was
    resumed together.
    """

    losses: list[list[float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    notes: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def of(self, member: int = 0) -> np.ndarray:
        """Losses of one network, one for each step."""
        return np.array([row[member] for row in self.losses])

    def thinned(self, member: int = 0, points: int = 100) -> dict[str, list[float]]:
        """Steps and losses at about ``points`` places, each the mean since the place before."""
        losses = self.of(member)
        edges = np.unique(np.linspace(0, len(losses), min(points, len(losses)) + 1).astype(int))
        spans = list(pairwise(edges))
        return {
            "step": [int(stop) for _, stop in spans],
            "loss": [float(losses[start:stop].mean()) for start, stop in spans],
        }


def train(
    module: nn.Module,
    loss: Callable[[int], Tensor],
    recipe: Recipe,
    *,
    members: int | None = None,
    label: str = "training",
    checkpoint: Path | None = None,
    on_step: Callable[[int], None] | None = None,
    note: Callable[[], float] | None = None,
) -> History:
    """Train a module, or several networks side by side, in place.

    Args:
        module: its parameters are trained.
        loss: loss of a step (0, 1, ...): a scalar, or with ``members`` one number for each network.
        recipe: how.
        members: number of networks side by side, whose parameters all have that leading axis.
            They are trained on the sum of their losses, which no two of them share.
        label: for the progress bar, which is shown in a terminal only.
        checkpoint: file to resume from and to write to as training goes on, or None. It is left in
            place at the end; one of another recipe is refused.
        on_step: called with the number of steps done, first with 0, before each step and at the
            end.
        note: a number to keep for each step, asked for after the step's loss.

    A network among several whose loss is not finite gets no gradient from that step, so that the
    others go on; its losses in the history say so.

    Raises:
        ModelError: if the loss has the wrong shape or is finite for no network, or the checkpoint
            is damaged or does not belong to this run.
    """
    parameters = [value for value in module.parameters() if value.requires_grad]
    state = _State.start(parameters, recipe)
    if checkpoint is not None and checkpoint.is_file():
        state.restore(checkpoint)
    started, saved, before = time.perf_counter(), time.perf_counter(), state.history.seconds
    bar = tqdm(
        range(state.done, recipe.steps),
        desc=label,
        initial=state.done,
        total=recipe.steps,
        disable=None,
        leave=False,
    )
    for step in bar:
        if on_step is not None:
            on_step(step)
        values = loss(step)
        if note is not None:
            state.history.notes.append(note())
        lost = _diverged(values, members, step)
        gradients = torch.autograd.grad(values.sum(), parameters)
        if lost is not None:
            gradients = tuple(g.index_fill(0, lost, 0.0) for g in gradients)
        state.update(gradients, members)
        state.history.losses.append(values.detach().reshape(-1).tolist())
        state.history.seconds = before + time.perf_counter() - started
        if checkpoint is not None and time.perf_counter() - saved > SAVE_EVERY_SECONDS:
            state.save(checkpoint)
            saved = time.perf_counter()
    if checkpoint is not None:
        state.save(checkpoint)
    state.finish()
    if on_step is not None:
        on_step(recipe.steps)
    return state.history


@dataclass
class _State:
    """Parameters, Adam's moments and the average: what a run needs to go on."""

    parameters: list[Tensor]
    recipe: Recipe
    first: list[Tensor]
    second: list[Tensor]
    average: list[Tensor]
    history: History

    @classmethod
    def start(cls, parameters: list[Tensor], recipe: Recipe) -> "_State":
        if not parameters:
            raise ModelError("the module has no parameter that can be trained")
        zeros = [[torch.zeros_like(p) for p in parameters] for _ in range(2)]
        average = [p.detach().clone() for p in parameters] if recipe.ema else []
        return cls(parameters, recipe, *zeros, average, History())

    @property
    def done(self) -> int:
        return len(self.history.losses)

    @torch.no_grad()
    def update(self, gradients: tuple[Tensor, ...], members: int | None) -> None:
        """Adam with decoupled weight decay: Kingma and Ba 2015, Loshchilov and Hutter 2019."""
        rate, count = self.recipe.rate_at(self.done), self.done + 1
        gradients = _clipped(gradients, self.recipe.clip, members)
        if self.recipe.weight_decay:
            batch = 0 if members is None else 1
            for parameter in self.parameters:
                if parameter.dim() - batch > 1:
                    parameter.mul_(1 - rate * self.recipe.weight_decay)
        torch._foreach_lerp_(self.first, list(gradients), 1 - BETAS[0])
        torch._foreach_mul_(self.second, BETAS[1])
        torch._foreach_addcmul_(self.second, list(gradients), list(gradients), 1 - BETAS[1])
        scale = torch._foreach_sqrt(self.second)
        torch._foreach_div_(scale, math.sqrt(1 - BETAS[1] ** count))
        torch._foreach_add_(scale, EPSILON)
        step = -rate / (1 - BETAS[0] ** count)
        torch._foreach_addcdiv_(self.parameters, self.first, scale, step)
        if self.average:
            # early on a long average would still remember the start
            decay = min(self.recipe.ema, count / (count + 9))
            torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
        self.history.rates.append(rate)

    @torch.no_grad()
    def finish(self) -> None:
        if self.average:
            for parameter, mean in zip(self.parameters, self.average, strict=True):
                parameter.copy_(mean)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(path.name + ".part")
        metadata = {
            "recipe": json.dumps(asdict(self.recipe)),
            "history": json.dumps(asdict(self.history)),
        }
        save_file(self._tensors(), half, metadata)
        half.replace(path)

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


def _clipped(
    gradients: tuple[Tensor, ...], limit: float | None, members: int | None
) -> tuple[Tensor, ...]:
    if limit is None:
        return gradients
    rows = 1 if members is None else members
    norms = torch.stack([g.reshape(rows, -1).norm(dim=1) for g in gradients]).norm(dim=0)
    factors = (limit / norms.clamp_min(1e-12)).clamp_max(1.0)
    if members is None:
        return tuple(g * factors[0] for g in gradients)
    return tuple(g * factors.reshape(-1, *[1] * (g.dim() - 1)) for g in gradients)


def _diverged(values: Tensor, members: int | None, step: int) -> Tensor | None:
    """Numbers of the networks whose loss is not finite, None if there are none."""
    expected = () if members is None else (members,)
    if values.shape != expected:
        raise ModelError(
            f"the loss must have shape {expected}, not {tuple(values.shape)}: "
            "one number for each network"
        )
    finite = values.detach().isfinite()
    if not finite.any():
        raise ModelError(f"the loss is {values.tolist()} at step {step}: training has diverged")
    return None if finite.all() else (~finite).nonzero().flatten()


def _warm(share: float) -> float:
    rising = 0.1
    if share < rising:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * share / rising)) / 2
    return (1 + math.cos(math.pi * (share - rising) / (1 - rising))) / 2


SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
    "one-cycle": _warm,
}
"""Learning rate as a share of ``Recipe.rate``, by the share of training that is done."""
