"""Recurrent networks as discrete dynamics: what they do when the sampling interval changes.

The models of ``nodelib.models.recurrent`` learn van der Pol's oscillator (mu = 1) from 32
trajectories of 5 time units with noise of s.d. 0.05, sampled every 0.2 ("regular") or at
intervals drawn uniformly from 0.05 to 0.35 ("irregular"). They see the first sample and predict the
others. All get 600 steps of Adam on all trajectories and the rate of ``RATES`` with the least mean
error on 16 validation trajectories, sampled as in training. ``rnn_gap`` needs irregular training.

Metrics of one seed, errors as root mean square over 64 test trajectories without noise, in units of
the signal's standard deviation:

- ``error.<training>.<model>.<sampling>`` with sampling "same" (0.2), "half" (0.1), "double" (0.4),
  "irregular"
- ``scaled.<training>.<model>.<sampling>``: the map of "rnn" or "residual" read as Euler's method,
  the step scaled with the interval
- ``own_clock.<sampling>``: error of "rnn", regular, if sample k is compared with time 0.2 k
- ``refined.<n>``: distance of the residual model with n steps per interval from its ODE, and
  ``refined.order``; ``refined_error.<n>``: its error
- ``gru``: relative error of a GRU cell against its residual form ``h + (1 - z) (n - h)``
- ``answer``: to document 003's question, whether a recurrent or residual network can predict at
  irregular times, from the errors of the models trained and tested so: "yes" if that of "rnn" is at
  most a quarter above that of "ode"; else "with the intervals as input" if that of "rnn_gap" is;
  else "with the intervals as steps" if that of "residual" is; else "no"
- ``similar``: whether a recurrent network is a residual one, as document 004 says: "gated cells
  are" if the GRU is to rounding; "all are" if the trained "rnn" also keeps its error, up to a
  factor of two, at "half" when read as Euler's method; about longer intervals it says nothing, see
  ``scaled.regular.rnn.double``
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nodebook.evidence import results
from nodebook.evidence.tolerance import Tolerance
from nodelib.fields import VanDerPol
from nodelib.models.networks import load_weights, member_weights
from nodelib.models.recurrent import RecurrentModel
from nodelib.ode.solvers import solve
from nodelib.seeds import generator
from nodelib.training import Recipe, train

VARIANTS = ("oscillator",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()
TOLERANCE = {
    "gru": Tolerance(absolute=1e-13),  # rounding of a number that would be zero: see ``_similar``
    "refined.*": 0.1,  # differences of nearly equal predictions, and the slope between two of them
    "*": 2e-2,  # predictions in single precision over 25 steps and more, each fed with the last
}

INTERVAL, SAMPLES = 0.2, 25
NOISE = 0.05
RATES = (3e-3, 1e-2, 3e-2)
STEPS = 600
TRAINED = {
    "regular": ("rnn", "residual", "ode"),
    "irregular": ("rnn", "rnn_gap", "residual", "ode"),
}
SAMPLINGS = ("same", "half", "double", "irregular")
REFINEMENTS = (1, 2, 4, 8, 16, 32)
FINE = 0.005


@dataclass(frozen=True)
class Series:
    """Trajectories: intervals (S, B, n) in units of 0.2, noisy and true samples (S, B, n + 1, 2).

    Entries of the first axis belong to different seeds and share nothing.
    """

    gaps: Tensor
    noisy: Tensor
    true: Tensor


def trajectories(sampling: str, seeds: Sequence[int], count: int, part: int) -> Series:
    """Drawn trajectories of van der Pol's oscillator; different parts are drawn separately.

    The start is uniform in the square of side 5 around 0; times are multiples of 0.005.
    """
    factor = {"half": 0.5, "double": 2.0}.get(sampling, 1.0)
    n = round(SAMPLES / factor)
    steps_per_gap = INTERVAL / FINE
    rows = []
    for seed in seeds:
        draw = generator(seed, 10_000 + part)
        start = 5 * torch.rand(count, 2, generator=draw, dtype=torch.float64) - 2.5
        low, high = round(0.25 * steps_per_gap), round(1.75 * steps_per_gap)
        random = torch.randint(low, high + 1, (count, n), generator=draw)
        gaps = torch.full((count, n), round(factor * steps_per_gap))
        gaps = random if sampling == "irregular" else gaps
        noise = NOISE * torch.randn(count, n + 1, 2, generator=draw)
        rows.append((start, gaps, noise))
    start, gaps, noise = (torch.stack(column) for column in zip(*rows, strict=True))
    places = torch.cat((torch.zeros_like(gaps[..., :1]), gaps.cumsum(-1)), -1)
    last = int(places.max())
    with torch.no_grad():
        times = torch.arange(last + 1, dtype=torch.float64) * FINE
        path = solve(VanDerPol(), start, times, method="rk4", max_steps=last).z
    path = path.permute(1, 2, 0, 3)
    true = path.gather(2, places.unsqueeze(-1).expand(*places.shape, 2)).float()
    return Series((gaps / steps_per_gap).float(), true + noise, true)


def fit(kind: str, training: str, seeds: Sequence[int], recipe: Recipe) -> RecurrentModel:
    """Train the models of one kind side by side on their own trajectories."""
    model = RecurrentModel(kind, seeds=seeds)
    sampling = "same" if training == "regular" else "irregular"
    data = trajectories(sampling, seeds, 32, part=0)

    def loss(step: int) -> Tensor:
        predicted = model(data.noisy[:, :, 0], data.gaps)
        return (predicted - data.noisy).square().mean((1, 2, 3))

    train(model, loss, recipe, members=len(seeds), label=f"{kind}, {training}")
    return model


@torch.no_grad()
def errors(model: RecurrentModel, data: Series, true: Tensor | None = None, step=None):
    """Relative root mean square error of each model; where it has left all bounds, 1e6.

    An ODE is a promise for all steps: here "ode" takes four where training took one.
    """
    true = data.true if true is None else true
    parts = 4 if model.kind == "ode" else 1
    predicted = model(data.true[:, :, 0], data.gaps, step, parts)
    size = true.std(dim=(1, 2, 3))
    found = (predicted - true).square().mean((1, 2, 3)).sqrt() / size
    return found.nan_to_num(1e6, posinf=1e6).clamp_max(1e6).tolist()


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Train every model at every rate, choose the rates by validation, and measure."""
    tensors: dict[int, dict[str, Tensor]] = {seed: {} for seed in seeds}
    rates, tuning = {}, {}
    for training, kinds in TRAINED.items():
        sampling = "same" if training == "regular" else "irregular"
        validation = trajectories(sampling, seeds, 16, part=1)
        for kind in kinds:
            recipes = {rate: Recipe(STEPS, rate, "cosine", clip=1.0) for rate in RATES}
            tried = {rate: fit(kind, training, seeds, r) for rate, r in recipes.items()}
            found = {rate: errors(model, validation) for rate, model in tried.items()}
            best = min(RATES, key=lambda rate: sum(found[rate]))
            name = f"{training}.{kind}"
            rates[f"rate.{name}"] = best
            tuning[name] = {f"{rate:g}": found[rate] for rate in RATES}
            for k, seed in enumerate(seeds):
                own = member_weights(tried[best], k)
                tensors[seed] |= {f"{name}.{key}": value for key, value in own.items()}
    return {
        seed: results.Outcome(
            metrics={**rates, **measures(tensors[seed], seed)},
            history={"validation_error": tuning},
            tensors=tensors[seed],
            parameters=sum(value.numel() for value in tensors[seed].values()),
        )
        for seed in seeds
    }


def rederive(recorded: results.Run) -> dict[str, object]:
    """Everything but the rates, from the weights."""
    return measures(recorded.tensors(), recorded.seed)


def restored(weights: Mapping[str, Tensor], training: str, kind: str) -> RecurrentModel:
    """The recorded model of one kind and training, alone in its group."""
    prefix = f"{training}.{kind}."
    own = {
        name.removeprefix(prefix): value.unsqueeze(0)
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    return load_weights(RecurrentModel(kind, seeds=[0]), own)


@torch.no_grad()
def measures(weights: Mapping[str, Tensor], seed: int) -> dict[str, object]:
    """All metrics but the rates."""
    tests = {s: trajectories(s, [seed], 64, part=2) for s in SAMPLINGS}
    metrics: dict[str, object] = {}
    for training, kinds in TRAINED.items():
        for kind in kinds:
            model = restored(weights, training, kind)
            for sampling, data in tests.items():
                name = f"{training}.{kind}.{sampling}"
                metrics[f"error.{name}"] = errors(model, data)[0]
                if kind in ("rnn", "residual"):
                    scaled = errors(model, data, step=model.scaled_step)[0]
                    metrics[f"scaled.{name}"] = scaled
    rnn = restored(weights, "regular", "rnn")
    for sampling in ("half", "double"):
        clock = replayed(tests[sampling])
        metrics[f"own_clock.{sampling}"] = errors(rnn, tests[sampling], clock)[0]
    metrics |= refined(restored(weights, "regular", "residual"), tests["same"])
    metrics["gru"] = gru_error(seed)
    metrics["answer"] = _answer(metrics)
    metrics["similar"] = _similar(metrics)
    return metrics


@torch.no_grad()
def replayed(data: Series) -> Tensor:
    """True states, one every 0.2, for as many samples as ``data`` has, from the same starts."""
    n = data.gaps.shape[-1]
    times = torch.arange(n * round(INTERVAL / FINE) + 1, dtype=torch.float64) * FINE
    start = data.true[:, :, 0].double()
    path = solve(VanDerPol(), start, times, method="rk4", max_steps=len(times)).z
    return path[:: round(INTERVAL / FINE)].permute(1, 2, 0, 3).float()


@torch.no_grad()
def refined(model: RecurrentModel, data: Series) -> dict[str, object]:
    """The residual model with n shorter steps for each interval, against its ODE and the truth."""
    double = model.double()
    first, gaps = data.true[:, :, 0].double(), data.gaps.double()
    found = {}
    for n in (*REFINEMENTS, 1024):
        found[n] = double(first, gaps, parts=n)
    size, limit = data.true.std(), found[1024]
    distances = [float((found[n] - limit).square().mean().sqrt() / size) for n in REFINEMENTS]
    metrics: dict[str, object] = {
        f"refined.{n}": d for n, d in zip(REFINEMENTS, distances, strict=True)
    }
    metrics["refined.order"] = math.log2(distances[-2] / distances[-1])
    for n in (*REFINEMENTS, 1024):
        wrong = (found[n] - data.true).square().mean().sqrt() / size
        metrics[f"refined_error.{n}"] = float(wrong)
    return metrics


@torch.no_grad()
def gru_error(seed: int) -> float:
    """Relative error of PyTorch's GRU cell against ``h + (1 - z) (n - h)``, in float64."""
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    cell = nn.GRUCell(3, 8, dtype=torch.float64)
    x, h = torch.randn(10, 3, dtype=torch.float64), torch.randn(10, 8, dtype=torch.float64)
    torch.random.set_rng_state(torch_state)
    of_x = (x @ cell.weight_ih.T + cell.bias_ih).chunk(3, -1)
    of_h = (h @ cell.weight_hh.T + cell.bias_hh).chunk(3, -1)
    reset, update = (torch.sigmoid(a + b) for a, b in zip(of_x[:2], of_h[:2], strict=True))
    new = torch.tanh(of_x[2] + reset * of_h[2])
    expected = cell(x, h)
    return float((h + (1 - update) * (new - h) - expected).abs().max() / expected.abs().max())


def _answer(metrics: Mapping[str, object]) -> str:
    answers = {
        "rnn": "yes",
        "rnn_gap": "with the intervals as input",
        "residual": "with the intervals as steps",
    }
    ode = metrics["error.irregular.ode.irregular"]
    for kind, answer in answers.items():
        if metrics[f"error.irregular.{kind}.irregular"] <= 1.25 * ode:
            return answer
    return "no"


def _similar(metrics: Mapping[str, object]) -> str:
    if metrics["gru"] > 1e-12:
        return "no"
    kept = metrics["scaled.regular.rnn.half"] < 2 * metrics["error.regular.rnn.same"]
    return "all are" if kept else "gated cells are"
