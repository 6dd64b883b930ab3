"""What five ways to differentiate a solve keep, evaluate and take, against steps and outputs.

A network field on 16 states of size 8 in float64, solved with the 3/8 rule on a fixed grid.

Metrics, for each way:

- ``kept.<way>.<steps>``: bytes kept between the passes, without the parameters, one output
- ``evaluations.<way>.<steps>``: field evaluations of both passes
- ``kept_at_outputs.<way>.<n>``: bytes kept with n outputs after the initial state, 256 steps in all
- ``kept_growth.<way>`` and the like: "constant", "linear", or "between", from the slope in
  logarithms over the last decade
- ``evaluations_ratio.<way>``: evaluations over those of "backprop", at the most steps
- ``kept_ratio``: backprop's bytes over the adjoint's, at the most steps
- ``step_graph``: bytes that one step's graph holds, the most that "checkpoint" adds backwards;
  ``state``: bytes of one batch of states

The history holds the time of both passes against the steps: medians in ms of turns in which the
ways alternate.
"""

import statistics
import time
from collections.abc import Mapping, Sequence

import torch

from nodebook.benchmarks import gradient_problems
from nodebook.benchmarks.differentiation import WAYS, differentiate, kept_by
from nodebook.benchmarks.growth import growth
from nodebook.evidence import results

VARIANTS = ("network",)
SEEDS = (0,)
NEEDS = ()

STEPS = (10, 30, 100, 300, 1000)
OUTPUTS = (1, 2, 4, 8, 16, 32, 64, 128)
TOTAL_STEPS = 256
METHOD = "rk4_38"
REPEATS = 7

FEW = 3
"""Of so many numbers of steps and of outputs verification counts again."""
PART = "the three smallest numbers of steps and of outputs"


def kept_at_steps(seed: int = 0, steps: Sequence[int] = STEPS) -> dict[str, list[int]]:
    """Bytes kept by each way at each number of steps."""
    problem = gradient_problems.network(seed)
    return {
        way: [kept_by(way, *problem.parts[:3], method=METHOD, num_steps=n) for n in steps]
        for way in WAYS
    }


def kept_at_outputs(seed: int = 0, outputs: Sequence[int] = OUTPUTS) -> dict[str, list[int]]:
    """Bytes kept by each way at each number of outputs, the steps being as many in all."""
    problem = gradient_problems.network(seed)
    found: dict[str, list[int]] = {way: [] for way in WAYS}
    for n in outputs:
        t = torch.linspace(*problem.t.tolist(), n + 1, dtype=torch.float64)
        for way in WAYS:
            settings = {"method": METHOD, "num_steps": TOTAL_STEPS // n}
            found[way].append(kept_by(way, problem.field, problem.z0, t, **settings))
    return found


def evaluations(seed: int, steps: Sequence[int] = STEPS) -> dict[str, list[int]]:
    """Field evaluations of both passes of each way, at each number of steps."""
    problem = gradient_problems.network(seed)
    found: dict[str, list[int]] = {}
    for way in WAYS:
        runs = [differentiate(way, *problem.parts, method=METHOD, num_steps=n) for n in steps]
        found[way] = [run.nfe_forward + run.nfe_backward for run in runs]
    return found


def milliseconds(
    seed: int, steps: Sequence[int] = STEPS, repeats: int = REPEATS
) -> dict[str, list[float]]:
    """Median time of both passes of each way, at each number of steps, taken in turns."""
    problem = gradient_problems.network(seed)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for n in steps:
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(repeats):
            for way in WAYS:
                began = time.perf_counter()
                differentiate(way, *problem.parts, method=METHOD, num_steps=n)
                taken[way].append(1e3 * (time.perf_counter() - began))
        for way in WAYS:
            found[way].append(statistics.median(taken[way]))
    return found


def run(variant: str, seed: int) -> results.Outcome:
    """Count and time."""
    history = {"steps": list(STEPS), "milliseconds": milliseconds(seed)}
    return results.Outcome(metrics=_metrics(seed), history=history)


def rederive(recorded: results.Run) -> dict[str, object]:
    """Bytes and evaluations at the smallest numbers of steps and outputs."""
    seed, steps, outputs = recorded.seed, STEPS[:FEW], OUTPUTS[:FEW]
    return {
        **_named("kept", steps, kept_at_steps(seed, steps)),
        **_named("evaluations", steps, evaluations(seed, steps)),
        **_named("kept_at_outputs", outputs, kept_at_outputs(seed, outputs)),
    }


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All metrics; the times in the history are not compared."""
    return _metrics(recorded.seed)


def _metrics(seed: int) -> dict[str, object]:
    problem = gradient_problems.network(seed)
    kept, evaluated = kept_at_steps(seed), evaluations(seed)
    one_step = kept_by("backprop", *problem.parts[:3], method=METHOD, num_steps=1)
    ratios = {way: evaluated[way][-1] / evaluated["backprop"][-1] for way in WAYS}
    at_outputs = kept_at_outputs(seed)
    return {
        **_named("kept", STEPS, kept),
        **_grown("kept", STEPS, kept),
        **_named("evaluations", STEPS, evaluated),
        **_grown("evaluations", STEPS, evaluated),
        **_named("kept_at_outputs", OUTPUTS, at_outputs),
        **_grown("kept_at_outputs", OUTPUTS, at_outputs),
        **{f"evaluations_ratio.{way}": ratio for way, ratio in ratios.items()},
        "kept_ratio": kept["backprop"][-1] / kept["adjoint"][-1],
        "step_graph": one_step,
        "state": problem.z0.nbytes,
    }


def _named(
    name: str, counts: Sequence[int], found: Mapping[str, Sequence[int]]
) -> dict[str, object]:
    metrics: dict[str, object] = {}
    for way, amounts in found.items():
        metrics |= {f"{name}.{way}.{n}": x for n, x in zip(counts, amounts, strict=True)}
    return metrics


def _grown(
    name: str, counts: Sequence[int], found: Mapping[str, Sequence[int]]
) -> dict[str, object]:
    return {f"{name}_growth.{way}": growth(counts, amounts) for way, amounts in found.items()}
