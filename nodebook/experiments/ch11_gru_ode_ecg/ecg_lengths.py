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
    each = metrics["bytes"]["chunks"] / (TOGETHER * MEAN)
    metrics["a_day"] = each * DAY
    return results.Outcome(metrics=metrics, data=rr_chunks.provenance())


def rederive(recorded: results.Run) -> dict[str, object]:
    """All of it again."""
    return dict(run(recorded.variant, recorded.seed).metrics)


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
