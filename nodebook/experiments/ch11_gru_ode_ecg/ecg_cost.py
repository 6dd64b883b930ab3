"""What an epoch of GRU-ODE-Bayes on chunks of ECG costs, by counts: the GPU paradox.

The deck trains faster on a CPU than on a GPU, and says why: many short solves. Its repository tells
that the CPU's hour was for batches of one sample (or four) and the GPU's five hours for batches of
64. Here the *steps that must wait for one another* are counted for one epoch of the deck's 7,500
chunks of 512 beats, drawn from the databases at hand, and the calls of PyTorch's operators that
each step makes, forwards and backwards.

Variants ``batch-1``, ``batch-4``, ``batch-16`` and ``batch-64``. The seed draws the batches.

Metrics:

- ``steps.union``: times in the union of a batch, mean; ``steps.own``: most beats of a sample
- ``epoch.union``, ``epoch.own``: steps in a row in an epoch, forwards
- ``operators.union``, ``operators.own``: calls of operators in a training step for one time of the
  union (each sample then takes the step) or for one beat of its own
- ``epoch_operators.union``, ``epoch_operators.own``: the same for an epoch, in millions
- ``work.union``: multiplications of the field in an epoch over those of own intervals
- ``bytes.union``, ``bytes.own``: MiB that a training step keeps for its backward pass, from what
  one more time of the union, or one more beat, keeps
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from nodebook.benchmarks.differentiation import kept_bytes
from nodebook.documents.ecg_deck import full
from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.ecg_networks import events_of
from nodelib.models.gru_ode import Events, GRUODEBayes, Sizes, Stepping

BATCHES = (1, 4, 16, 64)
VARIANTS = tuple(f"batch-{size}" for size in BATCHES)
SEEDS = (0,)
NEEDS = ("mitdb", "nsr2db", "chf2db")
SAMPLE = ("batch-16",)
TOLERANCE = {"operators.*": 0.02, "epoch_operators.*": 0.02, "bytes.*": 0.02, "*": 1e-6}

CHUNKS = 7500
"""Training chunks of the deck, about: 64 of 81 records, see ``ecg_preparation``."""
DRAWS = 20
"""Batches that the union of times is averaged over."""
SHORT = 24
"""Beats of a sample over which operators are counted, and half as many: the difference counts."""

PART = "the steps, and the operators and bytes of a step of its own"


def run(variant: str, seed: int) -> results.Outcome:
    """Count for one size of batch."""
    provenance = rr_chunks.chunks().provenance
    metrics = counts(variant, seed, ("union", "own"))
    return results.Outcome(metrics=metrics, data=list(provenance))


def rederive(recorded: results.Run) -> dict[str, object]:
    """All but the operators and bytes of a step over the union of times."""
    return counts(recorded.variant, recorded.seed, ("own",))


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All of it again."""
    return dict(run(recorded.variant, recorded.seed).metrics)


def counts(variant: str, seed: int, ways: Sequence[str]) -> dict[str, object]:
    """The metrics of one size of batch, with the operators and bytes of some ways to step."""
    size = int(variant.split("-")[1])
    batches = CHUNKS / size
    epoch, rows = steps_of_an_epoch(size, seed)
    steps = {key: count / batches for key, count in epoch.items()}
    cost = {way: per_step(rows, way == "union") for way in ways}
    operators = {way: calls for way, (calls, _) in cost.items()}
    return {
        "steps": steps,
        "epoch": epoch,
        "operators": operators,
        "bytes": {way: steps[way] * kept / 2**20 for way, (_, kept) in cost.items()},
        "epoch_operators": {way: epoch[way] * operators[way] / 1e6 for way in ways},
        "work": {"union": epoch["union"] / epoch["own"]},
    }


def steps_of_an_epoch(size: int, seed: int) -> tuple[dict[str, float], np.ndarray]:
    """Steps over the union of times and over own ones, in batches of a size; and a batch's rows."""
    times, rng = rr_chunks.chunks().times, np.random.default_rng(seed)
    drawn = (rng.integers(len(times), size=size) for _ in range(DRAWS))
    union = float(np.mean([len(np.unique(times[rows])) for rows in drawn]))
    batches = CHUNKS / size
    steps = {"union": union * batches, "own": rr_chunks.SIZE * batches}
    return steps, rng.integers(len(times), size=size)


def per_step(rows: np.ndarray, together: bool) -> tuple[float, float]:
    """Calls of operators and bytes kept in a training step for one more step of the solve."""
    few, many = (counted(rows, together, beats) for beats in (SHORT // 2, SHORT))
    calls, kept, steps = (more - less for less, more in zip(few, many, strict=True))
    return calls / steps, kept / steps


def counted(rows: np.ndarray, together: bool, beats: int) -> tuple[int, int, int]:
    """Of a training step over so many beats: calls of operators, bytes kept, steps of the solve."""
    events, model = first_beats(rows, beats), deck_model()
    way = full(model, together=True) if together else model
    kept = kept_bytes(way(events).logits.sum(), list(model.parameters()))
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        way(events).logits.sum().backward()
    calls = sum(event.count for event in watched.key_averages() if event.key.startswith("aten::"))
    return calls, kept, union_steps(events) if together else beats


def first_beats(rows: np.ndarray, beats: int) -> Events:
    """The first beats of some chunks."""
    few = rr_chunks.chunks().rows(rows)
    short = replace(few, rr=few.rr[:, :beats], observed=few.observed[:, :beats])
    return events_of(short, np.arange(len(rows)), 0)


def union_steps(events: Events) -> int:
    """Steps from the start over the times of all samples."""
    return len(torch.unique(torch.cat((events.start, events.times.flatten())))) - 1


def deck_model() -> GRUODEBayes:
    """The parts of the deck's models, of the sizes in its repository."""
    sizes = Sizes(features=1, hidden=64, p_hidden=32, prep_hidden=32, class_hidden=64, classes=3)
    return GRUODEBayes(sizes, Stepping("euler", steps=1), full=True, impute=True, seed=0)
