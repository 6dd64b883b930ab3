"""Networks that say where a chunk of a rhythm is from: GRU-ODE-Bayes, recurrent ones, the deck's.

A variant is ``<network>.<task>``: the networks are those of ``classifiers``, the tasks those of
``ecg_statistics`` without ``jittered``, and ``nsr-chf-20``, ``-50`` and ``-80``, in which so many
percent of the beats of every chunk are dropped at random, in training and test: what is left keeps
its time and its R-R interval.

Every person is tested once, by a network trained on three or four of the other folds. The learning
rate is chosen of ``RATES`` by the macro-F1 of validation people, the fourth fold, in the first of
the five divisions only; with it, all five are trained on all four folds for the same number of
epochs. Same epochs, batch and choice for all networks. The deck's networks keep the loss of its
repository.

The plan of hours, on one core, for one seed of one task, measured on a few steps: 6 min (gru,
gru-decay, deck-baseline), 15 (held, deck-full) and 30 (gru-ode-bayes); 80 for all six. ``nsr-chf``
and ``sources`` first, three seeds each: 8 h; then the three dropped ones of ``gru``, ``held`` and
``gru-ode-bayes``: less, as there are fewer beats. A training that was interrupted goes on where it
was. To record: ``nodelib record ecg_networks --variant gru-ode-bayes.nsr-chf --seed 0`` and so on.

Metrics: those of ``measures.measures`` over the answers of all five networks; ``rate`` chosen;
``seconds_per_epoch`` of training. The recorded tensors are the weights of the five networks in half
precision, to which they are rounded before they answer.
"""

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

from nodebook import paths
from nodebook.evidence import results
from nodebook.experiments.ch11_gru_ode_ecg import ecg_statistics, rr_chunks
from nodebook.experiments.ch11_gru_ode_ecg.classifiers import NETWORKS
from nodebook.experiments.ch11_gru_ode_ecg.measures import measures
from nodebook.experiments.ch11_gru_ode_ecg.rr_chunks import Chunks
from nodelib.models.classifiers import parameter_count
from nodelib.models.gru_ode import Events, pad_events
from nodelib.models.networks import halved, load_weights
from nodelib.training import Recipe, train
from nodelib.training.batches import shuffled

SEEDS = (0, 1, 2)
UNFINISHED = True
NEEDS = ("mitdb", "nsr2db", "chf2db")
DROPS = (20, 50, 80)
TASKS = ("sources", "nsr-chf", *(f"nsr-chf-{percent}" for percent in DROPS))
VARIANTS = tuple(f"{network}.{task}" for task in TASKS for network in NETWORKS)
TOLERANCE = {"*": 0.02}

RATES = (1e-3, 3e-3)
EPOCHS, BATCH = 12, 64
CENTRE, SPREAD = 0.75, 0.2
"""What R-R intervals in s are scaled by, the same for all: no number of the test is used."""
TOGETHER = 64


def asked(task: str, seed: int) -> tuple[Chunks, int]:
    """The chunks of a task, and the percentage of beats to drop."""
    *head, last = task.split("-")
    drop = int(last) if last.isdigit() else 0
    return ecg_statistics.asked("-".join(head) if drop else task, seed), drop


def events_of(found: Chunks, rows: np.ndarray, drop: int) -> Events:
    """Some chunks as a batch: the beats that are kept, their times and scaled R-R intervals.

    Which beats are dropped depends on the chunk alone; the first always stays.
    """
    chosen, series = found.rows(rows), []
    for row, clock, rr, seen in zip(rows, chosen.times, chosen.rr, chosen.observed, strict=True):
        keep = np.ones(len(clock), bool)
        if drop:
            drawn = np.random.default_rng((row, drop)).random(len(keep) - 1)
            keep[1:] = drawn >= drop / 100
        series.append(
            (
                torch.from_numpy(clock[keep]),
                torch.from_numpy((rr[keep] - CENTRE) / SPREAD)[:, None],
                torch.from_numpy(seen[keep])[:, None],
            )
        )
    return pad_events(series)


def run(variant: str, seed: int) -> results.Outcome:
    """Choose the rate, train five networks, and ask each of the people it has not seen."""
    name, task = variant.split(".")
    found, drop = asked(task, seed)
    divisions = rr_chunks.folds(found, seed)
    rate = chosen(name, found, drop, divisions, seed, variant)
    scores = np.zeros((len(found), found.label.max() + 1))
    tensors: dict[str, Tensor] = {}
    seconds, steps = 0.0, 0
    for k, (rows, test) in enumerate(divisions):
        network, spent = trained(name, found, drop, rows, rate, seed, f"{variant}-{seed}-{k}")
        tensors |= {f"{k}.{key}": value for key, value in halved(network).items()}
        scores[test] = answers(network, found, drop, test)
        seconds, steps = seconds + spent, steps + EPOCHS
    metrics = {
        **measures(found.label, scores, found.person, seed=0),
        "rate": rate,
        "seconds_per_epoch": seconds / steps,
    }
    return results.Outcome(
        metrics=metrics,
        tensors=tensors,
        parameters=parameter_count(NETWORKS[name](scores.shape[1], seed)),
        data=list(found.provenance),
    )


def rederive(recorded: results.Run) -> dict[str, object]:
    """The metrics of the answers, from the weights."""
    name, task = recorded.variant.split(".")
    found, drop = asked(task, recorded.seed)
    scores = np.zeros((len(found), found.label.max() + 1))
    tensors = recorded.tensors()
    for k, (_, test) in enumerate(rr_chunks.folds(found, recorded.seed)):
        start = f"{k}."
        weights = {
            key.removeprefix(start): value
            for key, value in tensors.items()
            if key.startswith(start)
        }
        network = load_weights(NETWORKS[name](scores.shape[1], recorded.seed), weights)
        scores[test] = answers(network, found, drop, test)
    return measures(found.label, scores, found.person, seed=0)


def chosen(name: str, found: Chunks, drop: int, divisions: list, seed: int, label: str) -> float:
    """The rate with the best macro-F1 on the second fold of people, not trained on."""
    rows = divisions[0][0]
    held_out = np.intersect1d(rows, divisions[1][1])
    rest = np.setdiff1d(rows, held_out)
    quality = {}
    for rate in RATES:
        place = f"{label}-{seed}-rate-{rate:g}"
        network, _ = trained(name, found, drop, rest, rate, seed, place)
        answer = answers(network, found, drop, held_out).argmax(1)
        quality[rate] = f1_score(found.label[held_out], answer, average="macro", zero_division=0)
    return max(quality, key=quality.get)


def trained(
    name: str, found: Chunks, drop: int, rows: np.ndarray, rate: float, seed: int, place: str
) -> tuple[nn.Module, float]:
    """A network trained on some rows, and the seconds that took."""
    network = NETWORKS[name](int(found.label.max()) + 1, seed)
    recipe = Recipe(EPOCHS * (len(rows) // BATCH), rate, "one-cycle", weight_decay=1e-4, clip=1.0)
    label = torch.from_numpy(found.label)

    drawn_at = shuffled(len(rows), BATCH, seed=seed)

    def loss(step: int) -> Tensor:
        drawn = rows[drawn_at(step).numpy()]
        return network.loss(events_of(found, drawn, drop), label[drawn])

    checkpoint = paths.build() / "training" / f"ecg-{place}.safetensors"
    history = train(network, loss, recipe, label=place, checkpoint=checkpoint)
    return network, history.seconds


@torch.no_grad()
def answers(network: nn.Module, found: Chunks, drop: int, rows: np.ndarray) -> np.ndarray:
    """Scores (rows, classes), probabilities."""
    parts = np.array_split(rows, max(1, len(rows) // TOGETHER))
    return torch.cat([network(events_of(found, p, drop)).softmax(1) for p in parts]).numpy()
