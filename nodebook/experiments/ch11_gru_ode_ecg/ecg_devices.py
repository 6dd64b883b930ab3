"""How long the deck's model takes on a GPU and on the CPU beside it: the GPU paradox, by the clock.

The deck: 5 h an epoch on a GPU, 1 h on a CPU; by its repository in batches of 64 and of one sample
(or four). Here both walk the same batches on one machine, forwards and back, and what one more
step of the walk takes is multiplied by the steps of an epoch, which ``ecg_cost`` counts. A batch is
stepped over the times of all its samples (``union``, as the deck does), or each sample over its own
(``own``). The sizes are those of the deck's repository.

At last a whole training step of chapter 11's version of the model (``deck-full``, a batch of 64
over 512 beats, own times) on the GPU: its operations launched one by one, and as one CUDA graph.

Needs a GPU; one thread on the CPU. Variants ``batch-1`` to ``batch-64``, and ``graph``.

Metrics: ``step.<way>.<device>`` seconds for one more step; ``hours.<way>.<device>`` for an epoch;
``epoch.<way>`` its steps. Of ``graph``: ``seconds.eager``, ``seconds.graph``, ``gain``.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from nodebook import devices
from nodebook.documents.ecg_deck import full
from nodebook.errors import ResultsError
from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.classifiers import NETWORKS
from nodebook.experiments.ch11_gru_ode_ecg.ecg_cost import (
    BATCHES,
    deck_model,
    first_beats,
    steps_of_an_epoch,
    union_steps,
)
from nodebook.experiments.ch11_gru_ode_ecg.ecg_networks import events_of
from nodelib.models.gru_ode import Events
from nodelib.models.stacked import Stacked, captured
from nodelib.training.devices import name_of

VARIANTS = (*(f"batch-{size}" for size in BATCHES), "graph")
SEEDS = (0,)
NEEDS = ("mitdb", "nsr2db", "chf2db")
TOLERANCE = {"epoch.*": 1e-6}

BEATS = {1: 256, 4: 64, 16: 16, 64: 6}
"""Beats of a sample in the longer of the two walks that are timed; the other has half of them."""
REPEATS = 3
TRAINED = 64


def run(variant: str, seed: int) -> results.Outcome:
    """Time one size of batch on both devices, or the graph."""
    gpu = devices.training()
    if gpu.type != "cuda":
        raise ResultsError("ecg_devices times a GPU: set NODELIB_DEVICE=cuda where there is one")
    torch.set_num_threads(1)
    found = rr_chunks.chunks()
    if variant == "graph":
        metrics = graph(seed, gpu)
    else:
        size = int(variant.split("-")[1])
        epoch, rows = steps_of_an_epoch(size, seed)
        metrics = {"epoch": epoch, "step": {}, "hours": {}}
        for way, steps in epoch.items():
            taken = {d.type: per_step(rows, way, d) for d in (torch.device("cpu"), gpu)}
            metrics["step"][way] = taken
            metrics["hours"][way] = {d: s * steps / 3600 for d, s in taken.items()}
    return results.Outcome(
        metrics=metrics,
        data=list(found.provenance),
        devices={name_of(gpu): REPEATS, "cpu": REPEATS},
    )


def rederive(recorded: results.Run) -> dict[str, object]:
    """The steps of an epoch; times are of one machine."""
    if recorded.variant == "graph":
        return {}
    return {"epoch": steps_of_an_epoch(int(recorded.variant.split("-")[1]), recorded.seed)[0]}


def per_step(
    rows: np.ndarray,
    way: str,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds that one more step of the walk takes, forwards and back."""
    longest = BEATS[len(rows)]
    walks = [walk(rows, way, beats, device) for beats in (longest // 2, longest)]
    seconds = timed([step for step, _ in walks], device, clock)
    return (seconds[1] - seconds[0]) / (walks[1][1] - walks[0][1])


def walk(
    rows: np.ndarray, way: str, beats: int, device: torch.device
) -> tuple[Callable[[], None], int]:
    """A training step over the first beats of some chunks, and the steps of its walk."""
    events = first_beats(rows, beats)
    there = Events(*(None if x is None else x.to(device) for x in vars(events).values()))
    way_of = full(deck_model().to(device), together=way == "union")
    steps = union_steps(events) if way == "union" else beats
    return lambda: way_of(there).logits.sum().backward(), steps


def graph(seed: int, gpu: torch.device) -> dict[str, object]:
    """Seconds of a training step, launched one by one and as a graph."""
    found = rr_chunks.chunks()
    rows = np.random.default_rng(seed).integers(len(found), size=TRAINED)
    e, label = events_of(found, rows, 0), torch.from_numpy(found.label[rows])
    batch = [x.unsqueeze(0).to(gpu) for x in (e.times, e.values, e.observed, e.lengths, label)]
    steps = []
    for way in (lambda module: module, lambda module: captured(module, tuple(batch))):
        stacked = Stacked([NETWORKS["deck-full"](3, seed)], "loss_of").to(gpu)
        losses = way(stacked)
        steps.append(lambda losses=losses: losses(*batch).sum().backward())
    eager, as_graph = timed(steps, gpu)
    return {"seconds": {"eager": eager, "graph": as_graph}, "gain": eager / as_graph}


def timed(
    steps: list[Callable[[], None]],
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Median seconds of each, in turn, after a warm-up."""
    taken: list[list[float]] = [[] for _ in steps]
    for _ in range(1 + REPEATS):
        for step, seconds in zip(steps, taken, strict=True):
            began = clock()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(clock() - began)
    return [statistics.median(seconds[1:]) for seconds in taken]
