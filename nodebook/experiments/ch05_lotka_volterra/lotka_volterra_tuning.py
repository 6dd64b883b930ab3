"""The peak rate and the scaling of every model of ``lotka_volterra``, chosen on validation data.

Every model of that experiment meets the same grid: three peak rates, each with standardised states
and with states as they are, at half the length of training. (Except "rates", the true form, which
sees states as they are in both.) The score is one for all, whatever the question: the error of
predicted trajectories from the known starts of four validation trajectories, against their noisy
observations, as ``predator_prey.trajectory_error``. The best has the lowest mean over the tuning
seeds, which no other experiment uses.

Metrics: ``validation.<model>.<standardised or as-is>.<rate>``. The recorded weights are those of
the best of each model.
"""

from collections.abc import Sequence

import torch

from nodebook.evidence import results
from nodebook.experiments.ch05_lotka_volterra import predator_prey
from nodebook.experiments.ch05_lotka_volterra.lotka_volterra import (
    MODELS,
    SCALINGS,
    STEPS,
    best,
    build,
    recipe,
)
from nodebook.experiments.ch05_lotka_volterra.predator_prey import INTERVALS, SETTINGS, Observations
from nodebook.experiments.ch05_lotka_volterra.predator_prey_models import Model
from nodelib.training import train

VARIANTS = ("several",)
SEEDS = (100, 101, 102)
NEEDS = ()
TOLERANCE = {"*": 1e-5}

RATES = (3e-3, 1e-2, 3e-2)


def scores(model: Model, held_out: Observations) -> list[float]:
    """Error of predicted validation trajectories against their observations, for each model."""
    with torch.no_grad():
        walks = model.double().trajectories(held_out.clean[0], INTERVALS, fineness=2)
    return predator_prey.trajectory_error(walks[1:], held_out.states[1:]).tolist()


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Train every model at every point of the grid; both scalings go side by side."""
    twice = [seed for _ in SCALINGS for seed in seeds]
    scaled = [flag for flag in SCALINGS.values() for _ in seeds]
    seen = predator_prey.training(SETTINGS[variant], twice)
    held_out = predator_prey.validation(SETTINGS[variant], twice)
    tables: list[dict[str, float]] = [{} for _ in seeds]
    tensors: list[dict[str, torch.Tensor]] = [{} for _ in seeds]
    for name in MODELS:
        kept = {}
        for rate in RATES:
            model = build(name, twice, seen, scaled)
            train(
                model,
                lambda step, model=model: model.losses(seen),
                recipe(rate, STEPS // 2),
                members=len(twice),
                label=f"{name} {rate:g}",
            )
            weights = [model.weights(k) for k in range(len(twice))]
            for k, score in enumerate(scores(model, held_out)):
                key = f"{list(SCALINGS)[k // len(seeds)]}.{rate:g}"
                tables[k % len(seeds)][f"validation.{name}.{key}"] = score
                kept[key, k % len(seeds)] = weights[k]
        chosen = best(tables, name)
        for k in range(len(seeds)):
            tensors[k] |= {f"{name}/{chosen}/{key}": v for key, v in kept[chosen, k].items()}
    return {
        seed: results.Outcome(metrics=tables[k], tensors=tensors[k]) for k, seed in enumerate(seeds)
    }


def rederive(recorded: results.Run) -> dict[str, float]:
    """The scores of the best of each model, from the recorded weights."""
    setting = SETTINGS[recorded.variant]
    seen = predator_prey.training(setting, [recorded.seed])
    held_out = predator_prey.validation(setting, [recorded.seed])
    groups: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for key, value in recorded.tensors().items():
        name, chosen, parameter = key.split("/")
        groups.setdefault((name, chosen), {})[parameter] = value
    metrics = {}
    for (name, chosen), weights in groups.items():
        model = build(name, [recorded.seed], seen, SCALINGS[chosen.partition(".")[0]])
        metrics[f"validation.{name}.{chosen}"] = scores(model.load(weights), held_out)[0]
    return metrics
