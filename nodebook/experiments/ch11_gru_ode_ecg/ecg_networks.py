"""Networks that say where a chunk of a rhythm is from: GRU-ODE-Bayes, recurrent ones, the deck's.

A variant is ``<network>.<task>``: the networks are those of ``classifiers``, the tasks those of
``ecg_statistics`` without ``jittered``. The deck's two networks are asked the deck's question only;
where beats are dropped, the networks are ``DROPPED``. What is left of a chunk keeps its times and
its R-R intervals.

Every person is tested once, by a network trained on three or four of the other folds. The learning
rate is chosen of ``RATES`` by the macro-F1 of validation people, the fourth fold, in the first of
the five divisions only; with it, all five are trained on all four folds for the same number of
epochs. Same epochs, batch and choice for all networks. The deck's networks keep the loss of its
repository.

The networks of a variant are trained side by side. For three seeds of one task that takes, on one
core, a quarter of an hour (gru, gru-decay, deck-baseline) to three quarters (gru-ode-bayes), less
where beats are dropped: 5 h for all. On a GPU (``NODELIB_DEVICE=cuda``) a training step is one CUDA
graph. A training that was interrupted goes on where it was. To record: ``nodelib record
ecg_networks --variant gru-ode-bayes.nsr-chf`` and so on.

Metrics: those of ``measures.measures`` over the answers of all five networks, the ``rate`` chosen,
and ``skipped``, steps that a network did not take, if there are any; the history has the folds'
mean loss. The recorded tensors are the weights of the five networks in half precision, to which
they are rounded before they answer, and ``scores``, what they answered, (chunks, classes).
"""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import f1_score

from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import ecg_statistics, rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.classifiers import NETWORKS, Classifier
from nodebook.experiments.ch11_gru_ode_ecg.measures import measures
from nodebook.experiments.ch11_gru_ode_ecg.rr_chunks import Chunks
from nodebook.experiments.ch11_gru_ode_ecg.side_by_side import Folds, fit, restored
from nodelib.models.gru_ode import Events, pad_events

SEEDS = (0, 1, 2)
NEEDS = ("mitdb", "nsr2db", "chf2db")
DROPPED = ("gru", "held", "gru-ode-bayes")
FAIR = ("gru", "gru-decay", "held", "gru-ode-bayes")
ASKED = {"sources": tuple(NETWORKS), "nsr-chf": FAIR} | dict.fromkeys(rr_chunks.DROPPED, DROPPED)
"""The networks that are given each task."""
TASKS = tuple(ASKED)
VARIANTS = tuple(f"{network}.{task}" for task, networks in ASKED.items() for network in networks)
SAMPLE = ("gru.sources", "deck-full.sources", "gru-ode-bayes.nsr-chf", "held.nsr-chf-80")
TOLERANCE = {"*": 0.02}

EPOCHS, BATCH = 20, 64
CENTRE, SPREAD = 0.75, 0.2
"""What R-R intervals in s are scaled by, the same for all: no number of the test is used."""
TOGETHER = 64


def asked(task: str, seed: int) -> tuple[Chunks, int]:
    """The chunks of a task, and the percentage of beats to drop."""
    whole, drop = rr_chunks.task_and_drop(task)
    return ecg_statistics.asked(whole, seed), drop


def events_of(found: Chunks, rows: np.ndarray, drop: int) -> Events:
    """Some chunks as a batch: the beats that are kept, their times and scaled R-R intervals."""
    chosen, series = found.rows(rows), []
    for row, clock, rr, seen in zip(rows, chosen.times, chosen.rr, chosen.observed, strict=True):
        keep = rr_chunks.kept(row, len(clock), drop)
        series.append(
            (
                torch.from_numpy(clock[keep]),
                torch.from_numpy((rr[keep] - CENTRE) / SPREAD)[:, None],
                torch.from_numpy(seen[keep])[:, None],
            )
        )
    return pad_events(series)


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Choose the rates, train five networks a seed, and ask each of the people it has not seen."""
    name, task = variant.split(".")
    found, drop = asked(task, 0)
    classes = int(found.label.max()) + 1
    events = events_of(found, np.arange(len(found)), drop)
    data = (events.times, events.values, events.observed, events.lengths)
    divisions = {seed: rr_chunks.folds(found, seed) for seed in seeds}

    def quality(network: Classifier, rows: np.ndarray) -> float:
        answer = answers(network, found, drop, rows).argmax(1)
        return f1_score(found.label[rows], answer, average="macro", zero_division=0)

    fitted = fit(
        lambda seed: NETWORKS[name](classes, seed),
        (*data, torch.from_numpy(found.label)),
        divisions,
        quality,
        epochs=EPOCHS,
        batch=BATCH,
        label=f"{variant}-{'-'.join(map(str, seeds))}",
    )
    outcomes = {}
    for seed, own in fitted.items():
        scores = scored(found, drop, divisions[seed], own.networks)
        kept = torch.from_numpy(scores).half()
        outcomes[seed] = own.outcome(tested(found, scores), found.provenance, scores=kept)
    return outcomes


PART = "the people of one of five folds asked again"


def rederive(recorded: results.Run) -> dict[str, object]:
    """The metrics of the answers: of one fold from the weights, of the others as recorded."""
    return again(recorded, folds=1)


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """The metrics of the answers, from the weights."""
    return again(recorded, folds=rr_chunks.FOLDS)


def again(recorded: results.Run, folds: int) -> dict[str, object]:
    """The metrics, with the people of the first so many folds asked again."""
    name, task = recorded.variant.split(".")
    found, drop = asked(task, recorded.seed)
    classes, tensors = int(found.label.max()) + 1, recorded.tensors()
    scores = tensors["scores"].double().numpy()
    for k, (_, test) in enumerate(rr_chunks.folds(found, recorded.seed)[:folds]):
        network = restored(NETWORKS[name](classes, recorded.seed), tensors, k)
        scores[test] = answers(network, found, drop, test)
    return tested(found, scores)


def scored(found: Chunks, drop: int, parts: Folds, networks: Sequence[Classifier]) -> np.ndarray:
    """The scores (n, classes) that each fold's network gives its people."""
    scores = np.zeros((len(found), found.label.max() + 1))
    for network, (_, test) in zip(networks, parts, strict=True):
        scores[test] = answers(network, found, drop, test)
    return scores


def tested(found: Chunks, scores: np.ndarray) -> dict[str, object]:
    """The metrics of the answers."""
    return measures(found.label, scores, found.person, seed=0)


@torch.no_grad()
def answers(network: Classifier, found: Chunks, drop: int, rows: np.ndarray) -> np.ndarray:
    """Scores (rows, classes), probabilities."""
    parts = np.array_split(rows, max(1, len(rows) // TOGETHER))
    return torch.cat([network(events_of(found, p, drop)).softmax(1) for p in parts]).numpy()
