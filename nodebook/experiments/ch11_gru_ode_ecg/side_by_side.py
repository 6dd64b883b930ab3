"""Chapter 11's training: networks of one kind side by side, each on people of its own.

In five folds of people a network is trained for each; the learning rate is chosen on validation
people, the second fold, by networks of the first division.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nodebook import devices, paths
from nodebook.evidence import results
from nodelib.data.find.provenance import Provenance
from nodelib.models.classifiers import parameter_count
from nodelib.models.networks import halved, load_weights
from nodelib.models.stacked import Stacked, captured
from nodelib.training import History, Recipe, train
from nodelib.training.batches import shuffled
from nodelib.training.memory import keep_freed_memory

RATES = (1e-3, 3e-3)
"""Learning rates that are tried."""

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
"""Rows to train on and rows of the people to ask, for each fold."""


@dataclass(frozen=True)
class Member:
    """One of the networks: its seed, the rows that it is trained on, and its learning rate."""

    seed: int
    rows: np.ndarray
    rate: float


@dataclass(frozen=True)
class Fitted:
    """What was trained from one seed: the rate chosen, and a network for each fold.

    ``tensors`` are the weights of all networks in half precision, to which these are rounded;
    ``loss`` is the course of the folds' mean loss, in about a hundred parts; ``devices`` are those
    that all was trained on, each with its steps; ``skipped`` counts the steps that one of the
    networks did not take, its gradient not being finite.
    """

    rate: float
    networks: list[nn.Module]
    tensors: dict[str, Tensor]
    loss: dict[str, list[float]]
    devices: Counter[str]
    skipped: int = 0

    def outcome(
        self, metrics: Mapping[str, object], data: Sequence[Provenance], **more: Tensor
    ) -> results.Outcome:
        """What is recorded of it, with ``metrics`` of its answers and ``more`` tensors."""
        skipped = {"skipped": self.skipped} if self.skipped else {}
        return results.Outcome(
            metrics={**metrics, "rate": self.rate, **skipped},
            history={"loss": self.loss},
            tensors=self.tensors | more,
            parameters=parameter_count(self.networks[0]),
            data=data,
            devices=self.devices,
        )


def fit(
    make: Callable[[int], nn.Module],
    data: Sequence[Tensor],
    divisions: Mapping[int, Folds],
    quality: Callable[[nn.Module, np.ndarray], float],
    *,
    epochs: int,
    batch: int,
    label: str,
) -> dict[int, Fitted]:
    """For each seed a network for each fold, at the rate that is best on validation people.

    Args:
        make: an untrained network of a seed, with a method ``loss_of``.
        data: what that is given, batch by batch; the rows are the examples.
        divisions: the folds of each seed.
        quality: of a network's answers about some rows; more is better.
        epochs, batch: all networks take as many steps as the one with the fewest rows has in its
            epochs.
        label: of the trainings, also in the names of their checkpoints.
    """
    tried = {seed: divided(parts) for seed, parts in divisions.items()}
    members = [Member(seed, rows, rate) for seed, (rows, _) in tried.items() for rate in RATES]
    plan = {"epochs": epochs, "batch": batch}
    networks, first = trained(make, data, members, **plan, label=f"{label}-rates")
    found: dict[int, dict[float, float]] = {seed: {} for seed in divisions}
    for member, network in zip(members, networks, strict=True):
        found[member.seed][member.rate] = quality(network, tried[member.seed][1])
    rates = {seed: max(of, key=of.get) for seed, of in found.items()}
    members = [
        Member(seed, rows, rates[seed]) for seed, parts in divisions.items() for rows, _ in parts
    ]
    networks, history = trained(make, data, members, **plan, label=label)
    spent = Counter(first.devices) + Counter(history.devices)
    fitted, start = {}, 0
    for seed, parts in divisions.items():
        own = range(start, start := start + len(parts))
        courses = [history.thinned(k) for k in own]
        loss = np.mean([course["loss"] for course in courses], axis=0).tolist()
        course = {"step": courses[0]["step"], "loss": loss}
        mine = [networks[k] for k in own]
        tensors = {
            f"{k}.{name}": value
            for k, network in enumerate(mine)
            for name, value in halved(network).items()
        }
        skipped = sum(member in own for _, member in history.skipped)
        fitted[seed] = Fitted(rates[seed], mine, tensors, course, spent, skipped)
    return fitted


def trained(
    make: Callable[[int], nn.Module],
    data: Sequence[Tensor],
    members: Sequence[Member],
    *,
    epochs: int,
    batch: int,
    label: str,
) -> tuple[list[nn.Module], History]:
    """Networks trained side by side, then on the CPU, and how that went."""
    device = devices.training()
    stacked = Stacked([make(m.seed) for m in members], "loss_of").to(device)
    recipe = Recipe(
        epochs * (min(len(m.rows) for m in members) // batch),
        RATES[0],
        "one-cycle",
        weight_decay=1e-4,
        clip=1.0,
        shares=tuple(m.rate / RATES[0] for m in members),
    )
    there = [part.to(device) for part in data]
    rows = [torch.from_numpy(m.rows) for m in members]
    orders = [shuffled(len(m.rows), batch, seed=m.seed) for m in members]

    def batches(step: int) -> tuple[Tensor, ...]:
        drawn = [own[order(step)] for own, order in zip(rows, orders, strict=True)]
        together = torch.stack(drawn).to(device)
        return tuple(part[together] for part in there)

    keep_freed_memory()
    losses = captured(stacked, batches(0))
    history = train(
        stacked,
        lambda step: losses(*batches(step)),
        recipe,
        members=len(members),
        label=label,
        checkpoint=paths.build() / "training" / f"ecg-{label}.safetensors",
    )
    return [stacked.network(k) for k in range(len(members))], history


def divided(divisions: Folds) -> tuple[np.ndarray, np.ndarray]:
    """Rows to try a rate on, and of people to judge it by: the second fold, in the first division.

    Neither has any of the people of the first division's test.
    """
    held_out = np.intersect1d(divisions[0][0], divisions[1][1])
    return np.setdiff1d(divisions[0][0], held_out), held_out


def restored(network: nn.Module, tensors: Mapping[str, Tensor], fold: int) -> nn.Module:
    """A network with the recorded weights of one fold."""
    start = f"{fold}."
    return load_weights(
        network,
        {
            name.removeprefix(start): value
            for name, value in tensors.items()
            if name.startswith(start)
        },
    )
