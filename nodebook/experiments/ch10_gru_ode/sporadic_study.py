"""GRU-ODE-Bayes against recurrent baselines on sporadic series, and with parts taken away.

The data are ``nodelib.data.sporadic``: of every series 12 events are seen, at each of which one or
both components are measured, and 4 later events are predicted. Each seed draws its own training,
validation and test series. Values are standardised by the training series; errors are told in the
units of the data. All networks have 24 units of state, the same number of steps, the same batches
and two learning rates on offer; the rate is chosen for each model and seed by the likelihood of the
validation series' later events. The test series are used once, with that choice. The hours were
planned first: seeds stand side by side, at about 0.08 s of one core for a step of GRU-ODE-Bayes and
0.03 s of a baseline, so that all three variants fit in ten minutes of one core.

Variants: ``ou`` (two correlated Ornstein-Uhlenbeck processes, with the exact filter) and
``brusselator``; and, at the one rate of 0.01 and for fewer steps, ``changing_mean`` (``ou`` with
means that move within the series, as in the paper, with the exact filter) and, on ``ou`` with one
thing changed at a time, ``ablations`` (parts of the model) and ``solvers`` (solver and steps).

Training maximises the likelihood of every measured entry before it is taken in, those of the later
events included; GRU-ODE-Bayes adds ``mixing`` times the divergence after the jump.

Metrics, on the later events of the test series:

- ``nll.<model>``: negative log-likelihood, nats a measured value; ``mse.<model>``: squared error
- ``excess.<model>``: nats above the exact filter (not for the Brusselator)
- ``over_gap.<model>``, ``over_last.<model>``: nats below the GRU told the gaps, and below carrying
  the last value (positive: better)
- ``chosen.<model>``, ``validation.<model>.<rate>``: the choice
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nodebook.evidence import results
from nodebook.experiments.ch10_gru_ode.changing_mean import ChangingMean
from nodebook.experiments.ch10_gru_ode.side_by_side import Choices, GRUODEBayes, divergence, nll
from nodelib.data.sporadic import (
    SPLITS,
    Brusselator,
    DoubleOU,
    Sampling,
    SporadicSeries,
    gaussian_nll,
)
from nodelib.models.networks import load_weights, member_weights
from nodelib.models.sporadic import LastObservation, SporadicGRU
from nodelib.seeds import generator
from nodelib.training import Recipe, train

VARIANTS = ("ou", "brusselator", "changing_mean", "ablations", "solvers")
SEEDS = (0, 1, 2)
NEEDS = ()
TOLERANCE = {"*": 5e-3}

PROCESSES = {"ou": DoubleOU(), "brusselator": Brusselator(), "changing_mean": ChangingMean()}
SAMPLINGS = {
    "ou": Sampling(),
    "brusselator": Sampling(until=18.0, end=24.0),
    "changing_mean": Sampling(),
}
COUNTS = {"train": 400, "validation": 200, "test": 1000}
MODELS = ("ode_bayes", "gap", "decay")
RATES = (0.003, 0.01)
STEPS = {"ou": 300, "brusselator": 200, "changing_mean": 80, "ablations": 80, "solvers": 80}
BATCH, HIDDEN = 64, 24
BASE = Choices(hidden=HIDDEN, observed=0.1)
ABLATIONS: Mapping[str, dict] = {
    "as_is": {},
    "minimal": {"full": False},
    "impute": {"impute": True},
    "no_divergence": {"mixing": 0.0},
    "plain_jump": {"jump": "plain"},
    "no_flow": {"steps": 0},
    "one_step": {"steps": 1},
    "midpoint_one_step": {"solver": "midpoint", "steps": 1},
}
SOLVERS: Mapping[str, dict] = {
    "euler_2": {},
    "euler_4": {"steps": 4},
    "euler_delta_t": {"delta_t": 0.25},
    "midpoint_2": {"solver": "midpoint"},
    "rk4_1": {"solver": "rk4", "steps": 1},
}
CHANGES = {"ablations": ABLATIONS, "solvers": SOLVERS}
ONE_RATE = ("changing_mean", *CHANGES)
LABELS = {
    "exact": "exact filter",
    "ode_bayes": "GRU-ODE-Bayes",
    "gap": "GRU told the gaps",
    "decay": "GRU with decay",
    "last": "last value carried",
}

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def process_of(variant: str) -> str:
    """The name of the process that a variant is about."""
    return variant if variant in PROCESSES else "ou"


def models_of(variant: str) -> tuple[str, ...]:
    """The networks that a variant trains."""
    return tuple(CHANGES[variant]) if variant in CHANGES else MODELS


def sets(variant: str, seed: int) -> dict[str, SporadicSeries]:
    """Training, validation and test series of a seed, independent draws."""
    name = process_of(variant)
    return {
        part: PROCESSES[name].draw(COUNTS[part], SAMPLINGS[name], (seed, k))
        for k, part in enumerate(SPLITS)
    }


class Scale:
    """Mean and standard deviation of each component's measured training values, (F,)."""

    def __init__(self, train_series: SporadicSeries) -> None:
        values = np.where(train_series.mask, train_series.x, np.nan)
        self.mean, self.deviation = np.nanmean(values, (0, 1)), np.nanstd(values, (0, 1))

    def tensors(self, series: SporadicSeries) -> Batch:
        """Times, standardised values, masks and seen events of one network, (B, ...)."""
        x = np.where(series.mask, (series.x - self.mean) / self.deviation, 0.0)
        arrays = (series.times.astype(np.float32), x.astype(np.float32))
        return *map(torch.from_numpy, arrays), *map(torch.from_numpy, (series.mask, series.seen))


def stacked(batches: Sequence[Batch]) -> Batch:
    """Batches of several networks with a leading axis S."""
    return tuple(torch.stack(parts) for parts in zip(*batches, strict=True))


def build(name: str, seeds: Sequence[int]) -> nn.Module:
    """Untrained networks side by side: one of ``MODELS``, ``ABLATIONS`` or ``SOLVERS``."""
    if name in ("gap", "decay"):
        return SporadicGRU(name, 2, HIDDEN, seeds)
    changed = ({"ode_bayes": {}} | ABLATIONS | SOLVERS)[name]
    return GRUODEBayes(Choices(**{**vars(BASE), **changed}), 2, seeds)


def losses(model: nn.Module, batch: Batch) -> Tensor:
    """Training loss of each network, (S,)."""
    _, x, mask, seen = batch
    if isinstance(model, GRUODEBayes) and model.choices.mixing:
        before, after = model.walk(*batch)
        choices, used = model.choices, mask & seen.unsqueeze(-1)
        return nll(before, x, mask) + choices.mixing * divergence(after, x, choices.observed, used)
    return nll(model(*batch), x, mask)


def train_all(
    name: str, train_sets: Sequence[Batch], seeds: Sequence[int], rate: float, steps: int
):
    """Networks of one name trained side by side, each on its own series."""
    model, whole = build(name, seeds), stacked(train_sets)
    count = whole[0].shape[1]

    def loss(step: int) -> Tensor:
        rows = [torch.randperm(count, generator=generator(s, step))[:BATCH] for s in seeds]
        return losses(model, stacked([tuple(p[k][r] for p in whole) for k, r in enumerate(rows)]))

    recipe = Recipe(steps, rate, "one-cycle", clip=1.0)
    history = train(model, loss, recipe, members=len(seeds), label=f"{name} at {rate:g}")
    return model, history


@torch.no_grad()
def predict(model: nn.Module, scale: Scale, series: SporadicSeries):
    """Mean and variance of every entry in the units of the data, (N, E, F), of one network."""
    mean, log_variance = model(*stacked([scale.tensors(series)]))[0].double().chunk(2, -1)
    deviation = torch.from_numpy(scale.deviation)
    mean = torch.from_numpy(scale.mean) + deviation * mean
    return mean.numpy(), (deviation**2 * log_variance.exp()).numpy()


def scored(series: SporadicSeries, mean: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Mean negative log-likelihood and squared error on the events to be predicted."""
    chosen = series.targets
    each = gaussian_nll(series.x, mean, variance)[chosen]
    return float(each.mean()), float(((series.x - mean) ** 2)[chosen].mean())


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Train, choose by validation series and test, for all seeds."""
    data = {seed: sets(variant, seed) for seed in seeds}
    scales = {seed: Scale(data[seed]["train"]) for seed in seeds}
    shown = [scales[seed].tensors(data[seed]["train"]) for seed in seeds]
    names, rates = models_of(variant), (0.01,) if variant in ONE_RATE else RATES
    tensors: dict[int, dict[str, Tensor]] = {seed: {} for seed in seeds}
    choice = {seed: {"validation": {}, "chosen": {}} for seed in seeds}
    histories: dict[int, dict] = {seed: {} for seed in seeds}
    for name in names:
        best = dict.fromkeys(seeds, np.inf)
        for rate in rates:
            model, history = train_all(name, shown, seeds, rate, STEPS[variant])
            for k, seed in enumerate(seeds):
                weights = member_weights(model, k)
                single = alone(name, weights)
                held_out = data[seed]["validation"]
                score = scored(held_out, *predict(single, scales[seed], held_out))[0]
                choice[seed]["validation"].setdefault(name, {})[f"{rate:g}"] = score
                if score < best[seed]:
                    best[seed] = score
                    choice[seed]["chosen"][name] = rate
                    tensors[seed].update({f"{name}/{key}": v for key, v in weights.items()})
                    losses_of = history.thinned(k, 40)
                    histories[seed][name] = {**losses_of, "seconds": history.seconds}
    return {
        seed: results.Outcome(
            metrics={**measure(variant, data[seed], tensors[seed]), **choice[seed]},
            history=histories[seed],
            tensors=tensors[seed],
            parameters=build(names[0], [0]).count,
        )
        for seed in seeds
    }


def alone(name: str, weights: Mapping[str, Tensor]) -> nn.Module:
    """One network from its weights."""
    return load_weights(build(name, [0]), {key: value[None] for key, value in weights.items()})


def recorded_model(tensors: Mapping[str, Tensor], name: str) -> nn.Module:
    """One network of a recorded run."""
    start = f"{name}/"
    return alone(
        name,
        {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)},
    )


def rederive(run: results.Run) -> dict[str, object]:
    """All metrics but those of the choice, from the recorded weights."""
    return measure(run.variant, sets(run.variant, run.seed), run.tensors())


def measure(
    variant: str, data: Mapping[str, SporadicSeries], tensors: Mapping[str, Tensor]
) -> dict[str, dict]:
    """Metrics on the test series."""
    test, scale = data["test"], Scale(data["train"])
    told = {}
    for name in models_of(variant):
        told[name] = predict(recorded_model(tensors, name), scale, test)
    if process_of(variant) != "brusselator":
        told["exact"] = PROCESSES[process_of(variant)].filter(test)
    if variant not in CHANGES:
        told["last"] = carried(data["train"], test)
    scores = {name: scored(test, *prediction) for name, prediction in told.items()}
    found = {
        "nll": {name: score[0] for name, score in scores.items()},
        "mse": {name: score[1] for name, score in scores.items()},
    }
    for key, against in {"over_gap": "gap", "over_last": "last"}.items():
        if against in scores:
            found[key] = {n: scores[against][0] - s[0] for n, s in scores.items() if n != against}
    if "exact" in scores:
        optimum = scores["exact"][0]
        found["excess"] = {n: s[0] - optimum for n, s in scores.items() if n != "exact"}
    return found


def carried(train_series: SporadicSeries, test: SporadicSeries):
    """Mean and variance of carrying the last value, fitted to the training series."""

    def tensors(series: SporadicSeries) -> list[Tensor]:
        return [torch.from_numpy(a) for a in (series.times, series.x, series.mask, series.seen)]

    fitted = LastObservation().fit(*tensors(train_series))
    return tuple(part.numpy() for part in fitted.predict(*tensors(test)))
