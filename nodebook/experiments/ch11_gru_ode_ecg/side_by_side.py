"""Chapter 11's training: networks of one kind side by side, each on people of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nodebook import devices, paths
from nodelib.models.stacked import Stacked, captured
from nodelib.training import Recipe, train
from nodelib.training.batches import shuffled

RATES = (1e-3, 3e-3)
"""Learning rates that are tried."""


@dataclass(frozen=True)
class Member:
    """One of the networks: its seed, the rows that it is trained on, and its learning rate."""

    seed: int
    rows: np.ndarray
    rate: float


def trained(
    networks: Sequence[nn.Module],
    data: Sequence[Tensor],
    members: Sequence[Member],
    *,
    epochs: int,
    batch: int,
    label: str,
) -> tuple[list[nn.Module], Counter[str]]:
    """Train them by their ``loss_of`` batches of ``data``, whose rows are the examples.

    All take as many steps as the one with the fewest rows has in its epochs.

    Returns:
        The networks, on the CPU, and the devices that they were trained on, each with its steps.
    """
    device = devices.training()
    stacked = Stacked(networks, "loss_of").to(device)
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

    losses = captured(stacked, batches(0))
    history = train(
        stacked,
        lambda step: losses(*batches(step)),
        recipe,
        members=len(members),
        label=label,
        checkpoint=paths.build() / "training" / f"ecg-{label}.safetensors",
    )
    return [stacked.network(k) for k in range(len(members))], Counter(history.devices)


def divided(
    divisions: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to try a rate on, and of people to judge it by: the second fold, in the first division.

    Neither has any of the people of the first division's test.
    """
    held_out = np.intersect1d(divisions[0][0], divisions[1][1])
    return np.setdiff1d(divisions[0][0], held_out), held_out
