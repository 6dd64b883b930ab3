"""What chunks of one length do to training: memory, and how far one step is from the next.

The deck: recordings last from half an hour to more than a day; batches of whole ones fill the
memory, and "chunks of a predictable size stabilise training". Here the deck's GRU-ODE-Bayes, with
the loss of its repository, is asked for its gradient in many batches of eight people, untrained:
``chunks``, 512 beats of each; or ``whole``, pieces whose lengths are to one another as the
recordings are, and 512 on average, so that both see as many beats. Each sample is stepped over its
own times.

Metrics, each for ``chunks`` and ``whole``:

- ``loss``: standard deviation over the batches by their mean, of the loss
- ``gradient``: the same of the norm of the gradient
- ``bytes``: what the largest of the batches keeps for the backward pass, in MiB
- ``longest``: beats of the longest piece in any batch

and ``a_day``: MiB that one recording of 100,000 beats would keep, in proportion to its beats.
"""

import numpy as np
import torch

from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.classifiers import NETWORKS
from nodebook.experiments.ch11_gru_ode_ecg.ecg_networks import CENTRE, SPREAD
from nodelib import data
from nodelib.data.aami import beats
from nodelib.models.gru_ode import Events, pad_events

VARIANTS = ("deck",)
SEEDS = (0, 1, 2)
NEEDS = ("mitdb", "nsr2db", "chf2db")
TOLERANCE = {"*": 0.02}

TOGETHER, BATCHES, MEAN = 8, 16, 512
DAY = 100_000
"""Beats of a day."""


def run(variant: str, seed: int) -> results.Outcome:
    """Both kinds of batches, the same people in each."""
    recordings = intervals()
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(len(recordings), TOGETHER, replace=False) for _ in range(BATCHES)]
    mean = np.mean([len(rr) for rr, _ in recordings])
    network = NETWORKS["deck-full"](len(rr_chunks.SOURCES), seed)
    metrics: dict[str, dict[str, float]] = {
        key: {} for key in ("loss", "gradient", "bytes", "longest")
    }
    for kind in ("chunks", "whole"):
        losses, norms, kept, longest = [], [], [], []
        for people in drawn:
            lengths = [
                MEAN if kind == "chunks" else max(2, round(MEAN * len(recordings[k][0]) / mean))
                for k in people
            ]
            events, label = batch([recordings[k] for k in people], lengths, rng)
            saved = Kept()
            with torch.autograd.graph.saved_tensors_hooks(saved, lambda tensor: tensor):
                loss = network.loss(events, label)
            trained = [p for p in network.parameters() if p.requires_grad]
            gradients = torch.autograd.grad(loss, trained)
            losses.append(float(loss.detach()))
            norms.append(float(torch.stack([g.norm() for g in gradients]).norm()))
            kept.append(saved.bytes / 2**20)
            longest.append(max(lengths))
        metrics["loss"][kind] = float(np.std(losses) / np.mean(losses))
        metrics["gradient"][kind] = float(np.std(norms) / np.mean(norms))
        metrics["bytes"][kind] = max(kept)
        metrics["longest"][kind] = max(longest)
    each = metrics["bytes"]["chunks"] / (TOGETHER * MEAN)
    metrics["a_day"] = each * DAY
    provenance = [getattr(data, s)(allow_standin=False).provenance for s in rr_chunks.SOURCES]
    return results.Outcome(metrics=metrics, data=provenance)


def rederive(recorded: results.Run) -> dict[str, object]:
    """All of it again."""
    return dict(run(recorded.variant, recorded.seed).metrics)


class Kept:
    """Counts the bytes of what is saved for the backward pass, each storage once."""

    def __init__(self) -> None:
        self.seen: dict[int, torch.Tensor] = {}

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        self.seen[tensor.untyped_storage().data_ptr()] = tensor  # kept, so that no other is there
        return tensor

    @property
    def bytes(self) -> int:
        """So far."""
        return sum(tensor.untyped_storage().nbytes() for tensor in self.seen.values())


def intervals() -> list[tuple[np.ndarray, int]]:
    """R-R intervals in s of every recording, and the number of its database."""
    found = []
    for k, source in enumerate(rr_chunks.SOURCES):
        database = getattr(data, source)(allow_standin=False)
        for name in database.records:
            if source == "mitdb":
                record = database.record(name, signals=False)
                found.append((np.diff(beats(record)[0]) / record.fs, k))
            else:
                found.append((database.rr(name), k))
    return found


def batch(
    recordings: list[tuple[np.ndarray, int]], lengths: list[int], rng: np.random.Generator
) -> tuple[Events, torch.Tensor]:
    """A piece of each recording, of a given length, from anywhere; and the numbers of databases."""
    series = []
    for (rr, _), length in zip(recordings, lengths, strict=True):
        start = rng.integers(len(rr) - length + 1)
        piece = np.clip(rr[start : start + length], rr_chunks.SHORTEST, rr_chunks.LONGEST)
        clock = torch.from_numpy(np.cumsum(piece) - piece[0])
        values = torch.from_numpy((piece - CENTRE) / SPREAD)[:, None]
        series.append((clock, values, torch.ones_like(values, dtype=torch.bool)))
    return pad_events(series), torch.tensor([k for _, k in recordings])
