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
from torch import nn

from nodebook.benchmarks.differentiation import kept_bytes
from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.classifiers import NETWORKS
from nodebook.experiments.ch11_gru_ode_ecg.ecg_networks import CENTRE, SPREAD
from nodelib.models.gru_ode import Events, pad_events

VARIANTS = ("deck",)
SEEDS = (0, 1, 2)
NEEDS = ("mitdb", "nsr2db", "chf2db")
TOLERANCE = {"*": 0.02}

TOGETHER, BATCHES, MEAN = 8, 16, 512
DAY = 100_000
"""Beats of a day."""

PART = "the lengths, and the bytes of one batch of chunks"


def run(variant: str, seed: int) -> results.Outcome:
    """Both kinds of batches, the same people in each."""
    recordings = intervals()
    rng = np.random.default_rng(seed)
    drawn = people_drawn(len(recordings), rng)
    network = deck_model(seed)
    metrics: dict[str, dict[str, float]] = {
        key: {} for key in ("loss", "gradient", "bytes", "longest")
    }
    for kind in ("chunks", "whole"):
        losses, norms, kept, longest = [], [], [], []
        for people in drawn:
            lengths = lengths_of(kind, recordings, people)
            events, label = batch([recordings[k] for k in people], lengths, rng)
            loss = network.loss(events, label)
            kept.append(kept_bytes(loss, list(network.parameters())) / 2**20)
            trained = [p for p in network.parameters() if p.requires_grad]
            gradients = torch.autograd.grad(loss, trained)
            losses.append(float(loss.detach()))
            norms.append(float(torch.stack([g.norm() for g in gradients]).norm()))
            longest.append(max(lengths))
        metrics["loss"][kind] = float(np.std(losses) / np.mean(losses))
        metrics["gradient"][kind] = float(np.std(norms) / np.mean(norms))
        metrics["bytes"][kind] = max(kept)
        metrics["longest"][kind] = max(longest)
    metrics["a_day"] = of_a_day(metrics["bytes"]["chunks"])
    return results.Outcome(metrics=metrics, data=rr_chunks.provenance())


def rederive(recorded: results.Run) -> dict[str, object]:
    """The longest pieces, and the bytes of the first batch of chunks: all of these keep as many."""
    recordings = intervals()
    rng = np.random.default_rng(recorded.seed)
    drawn = people_drawn(len(recordings), rng)
    network = deck_model(recorded.seed)
    events, label = batch([recordings[k] for k in drawn[0]], [MEAN] * TOGETHER, rng)
    kept = kept_bytes(network.loss(events, label), list(network.parameters())) / 2**20
    longest = {
        kind: max(max(lengths_of(kind, recordings, people)) for people in drawn)
        for kind in ("chunks", "whole")
    }
    return {"longest": longest, "bytes": {"chunks": kept}, "a_day": of_a_day(kept)}


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All of it again."""
    return dict(run(recorded.variant, recorded.seed).metrics)


def people_drawn(people: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Who is in each batch."""
    return [rng.choice(people, TOGETHER, replace=False) for _ in range(BATCHES)]


def lengths_of(
    kind: str, recordings: list[tuple[np.ndarray, int]], people: np.ndarray
) -> list[int]:
    """Beats of the piece of each of some people."""
    if kind == "chunks":
        return [MEAN] * len(people)
    mean = np.mean([len(rr) for rr, _ in recordings])
    return [max(2, round(MEAN * len(recordings[k][0]) / mean)) for k in people]


def deck_model(seed: int) -> nn.Module:
    """The deck's full model, untrained."""
    return NETWORKS["deck-full"](len(rr_chunks.SOURCES), seed)


def of_a_day(chunks: float) -> float:
    """MiB that a recording of a day would keep, from those of a batch of chunks."""
    return chunks / (TOGETHER * MEAN) * DAY


def intervals() -> list[tuple[np.ndarray, int]]:
    """R-R intervals in s of every recording, and the number of its database."""
    return [(rr, k) for rr, k, _ in rr_chunks.recordings()]


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
