"""How long an epoch of the deck's two models takes on a CPU, one patient at a time or many.

The deck: 1 h an epoch for GRU-ODE-Bayes, 30 s for the baseline, a factor of 120; and one patient at
a time is "extremely slow". Here both are timed on the same batches of chunks, forwards and back, in
processor time of one thread. The full model steps over the times of the whole batch (``union``, as
the deck's does) or each sample over its own (``own``); what one more step takes is multiplied by
the steps of an epoch (``ecg_cost``). The baseline takes all beats at once, and is timed whole.

Variants ``batch-1``, ``batch-4``, ``batch-16`` and ``batch-64``.

Metrics: ``epoch.<way>``, steps of an epoch; ``hours.union``, ``hours.own``, ``hours.baseline`` of
an epoch of 7,500 chunks; ``slower.union`` and ``slower.own``, the full model's hours over the
baseline's; of ``batch-64`` also ``gained``, what batches of one take over these, timed in turn.
"""

import time

import numpy as np
import torch

from nodebook.documents.ecg_deck import baseline
from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.ecg_cost import (
    BATCHES,
    CHUNKS,
    deck_model,
    steps_of_an_epoch,
)
from nodebook.experiments.ch11_gru_ode_ecg.ecg_devices import per_step, timed
from nodebook.experiments.ch11_gru_ode_ecg.ecg_networks import events_of

VARIANTS = tuple(f"batch-{size}" for size in BATCHES)
SEEDS = (0,)
NEEDS = ("mitdb", "nsr2db", "chf2db")
TOLERANCE = {"epoch.*": 1e-6}

CPU = torch.device("cpu")


def run(variant: str, seed: int) -> results.Outcome:
    """Time one size of batch."""
    size = int(variant.split("-")[1])
    hours, epoch = timing(size, seed)
    metrics: dict[str, object] = {
        "epoch": epoch,
        "hours": hours,
        "slower": {way: hours[way] / hours["baseline"] for way in epoch},
    }
    if size == max(BATCHES):
        single, _ = timing(1, seed)
        metrics["gained"] = {way: single[way] / hours[way] for way in hours}
    return results.Outcome(metrics=metrics, data=list(rr_chunks.chunks().provenance))


def rederive(recorded: results.Run) -> dict[str, object]:
    """The steps of an epoch; times are of one machine."""
    return {"epoch": steps_of_an_epoch(int(recorded.variant.split("-")[1]), recorded.seed)[0]}


def timing(size: int, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Hours of an epoch by what is timed, and the steps of the full model's."""
    epoch, rows = steps_of_an_epoch(size, seed)
    clock = time.process_time
    hours = {way: per_step(rows, way, CPU, clock) * steps / 3600 for way, steps in epoch.items()}
    hours["baseline"] = whole(rows) * CHUNKS / size / 3600
    return hours, epoch


def whole(rows: np.ndarray) -> float:
    """Seconds of a training step of the baseline over whole chunks."""
    way = baseline(deck_model())
    events = events_of(rr_chunks.chunks(), rows, 0)
    return timed([lambda: way(events).logits.sum().backward()], CPU, time.process_time)[0]
