"""Training and use of the classifiers of heartbeats (chapter 09)."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nodelib import files
from nodelib.errors import ModelError
from nodelib.models.heartbeats import HeartbeatClassifier
from nodelib.training import History, Recipe, train
from nodelib.training.batches import shuffled
from nodelib.training.devices import device_of
from nodelib.training.memory import keep_freed_memory

TOGETHER = 512
"""Beats in a batch of ``scores``. An adaptive solve takes the same steps for all of them."""


@dataclass(frozen=True)
class Plan:
    """How a classifier is trained: AdamW on the cross-entropy, with a one-cycle schedule.

    ``rate`` is the peak; the others are as in ``nodelib.training.Recipe``. Every epoch visits the
    beats in a new order; those that fill no batch are left out.
    """

    epochs: int
    batch: int = 128
    rate: float = 2e-3
    schedule: str = "one-cycle"
    weight_decay: float = 0.02
    clip: float | None = 1.0
    ema: float | None = None

    def recipe(self, beats: int) -> Recipe:
        """The recipe on so many training beats.

        Raises:
            ModelError: if the epochs come to less than one step.
        """
        steps = self.epochs * (beats // self.batch)
        if steps < 1:
            raise ModelError(
                f"{beats} beats and {self.epochs} epochs in batches of {self.batch} are no step"
            )
        return Recipe(steps, self.rate, self.schedule, self.weight_decay, self.clip, self.ema)


@dataclass(frozen=True)
class Beats:
    """What a classifier is shown: ``x`` (n, 187), ``y`` (n,) and, or None, features (n, k)."""

    x: np.ndarray
    y: np.ndarray
    rhythm: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or (
            self.rhythm is not None and len(self.rhythm) != len(self.y)
        ):
            raise ModelError("beats, classes and features must be as many as each other")
        if not np.isfinite(self.x).all():
            row = int(np.flatnonzero(~np.isfinite(self.x).all(1))[0])
            raise ModelError(f"beat {row} holds NaN or Inf: leave it out or repair the record")

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
        """The same as tensors: float32, int64, float32 or None."""
        rhythm = None if self.rhythm is None else torch.from_numpy(self.rhythm).float().to(device)
        classes = torch.from_numpy(np.asarray(self.y, np.int64)).to(device)
        return torch.from_numpy(self.x).float().to(device), classes, rhythm


@dataclass
class Course:
    """A training: its ``history``, and after every epoch the loss on the beats that are watched.

    ``seconds`` are those of training alone.
    """

    history: History
    watched: list[float] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    network: HeartbeatClassifier,
    beats: Beats,
    plan: Plan,
    *,
    seed: int,
    watched: Beats | None = None,
    label: str = "training",
    checkpoint: Path | None = None,
) -> Course:
    """Train a classifier in place, on the device where it is; look at ``watched`` beats, too.

    The loss on ``watched`` is taken after every epoch.

    Nothing is chosen by what is watched. The ``notes`` of the history are the evaluations of the
    field in each step's forward pass, 0 for a network without one. A training that is interrupted
    goes on from ``checkpoint`` (see ``nodelib.training.train``).

    Raises:
        ModelError: as ``train`` and ``Plan.recipe`` do.
    """
    x, y, rhythm = beats.tensors(device_of(network))
    recipe = plan.recipe(len(y))
    each = recipe.steps // plan.epochs
    rows = shuffled(len(y), plan.batch, seed=seed)

    def loss(step: int) -> Tensor:
        chosen = rows(step)
        given = None if rhythm is None else rhythm[chosen]
        return cross_entropy(network(x[chosen], given), y[chosen])

    keep_freed_memory()
    watch = _Watch(network, watched, each, plan.epochs, checkpoint)
    history = train(
        network,
        loss,
        recipe,
        label=label,
        checkpoint=checkpoint,
        on_step=watch,
        note=lambda: float(evaluations(network)),
    )
    losses = [watch.losses[epoch] for epoch in sorted(watch.losses)]
    return Course(history, losses, history.seconds - watch.seconds)


class _Watch:
    """Called with the number of steps done; keeps what it saw beside the checkpoint."""

    def __init__(
        self,
        network: HeartbeatClassifier,
        watched: Beats | None,
        each: int,
        epochs: int,
        checkpoint: Path | None,
    ) -> None:
        self.network, self.watched, self.each, self.epochs = network, watched, each, epochs
        self.path = None if checkpoint is None else checkpoint.with_suffix(".watched.json")
        self.losses: dict[int, float] = {}
        self.seconds = 0.0
        if self.path is not None and self.path.is_file() and checkpoint.is_file():
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            self.losses = {int(key): value for key, value in stored["losses"].items()}
            self.seconds = stored["seconds"]

    def __call__(self, done: int) -> None:
        epoch, rest = divmod(done, self.each)
        if self.watched is None or not done or rest or epoch in self.losses:
            return
        began = time.perf_counter()
        self.losses[epoch] = mean_loss(scores(self.network, self.watched), self.watched.y)
        if epoch < self.epochs:  # the last look comes after the training's clock has stopped
            self.seconds += time.perf_counter() - began
        if self.path is not None:
            kept = {"losses": self.losses, "seconds": self.seconds}
            files.write(self.path, json.dumps(kept).encode())


@torch.no_grad()
def scores(network: HeartbeatClassifier, beats: Beats) -> Tensor:
    """Scores (n, 5) of all beats, on the CPU."""
    x, _, rhythm = beats.tensors(device_of(network))
    found = []
    for start in range(0, len(x), TOGETHER):
        part = slice(start, start + TOGETHER)
        found.append(network(x[part], None if rhythm is None else rhythm[part]))
    return torch.cat(found).cpu()


def mean_loss(found: Tensor, y: np.ndarray) -> float:
    """Mean cross-entropy of scores (n, 5) and classes (n,)."""
    return float(cross_entropy(found, torch.from_numpy(np.asarray(y, np.int64))))


def evaluations(network: HeartbeatClassifier) -> int:
    """Evaluations of the field in the last forward pass, 0 for a network without one."""
    stats = getattr(network.body, "stats", None)
    return 0 if stats is None else stats.nfe
