"""One recorded run of each chapter made again, by its own command, in a clean clone.

``nodelib verify`` derives numbers from recorded weights where it can. This asks more: the checkout
is cloned, nothing is taken over but the data sets, ``nodelib record`` trains and measures from the
start, and every number is set against the recorded one. Variants are the chapters; which run
stands for a chapter is in ``CHOSEN``, a training where one is affordable.

Metrics of one run:

- ``run``: experiment, variant and seed that were recorded again
- ``compared``: numbers and texts, without what belongs to the processor or is a duration;
  ``equal``: how many are the same to the last bit
- ``largest``: largest difference of a number, relative to the larger of the two, where they differ
  by more than rounding (1e-12); 0 where none does
- ``spreads``: the largest of these differences in standard deviations over the recorded seeds; 0
  where none differs or there is one seed
- ``weights``: whether the recorded tensors are the same to the last bit ("equal", "differ", "none")
- ``processor``: whether both runs had the same model of processor ("same", "another")
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from nodebook import paths
from nodebook.errors import ResultsError
from nodebook.evidence import registry, results, tolerance, verification
from nodebook.evidence.metrics import flatten

CHOSEN: Mapping[str, tuple[str, str, int]] = {
    "01": ("first_gradients", "unnormalised", 0),
    "02": ("adjoint_formulas", "audit", 0),
    "03": ("gradient_errors", "deck", 0),
    "04": ("training_loop", "listing", 0),
    "05": ("lotka_volterra_length", "250", 0),
    "06": ("vae_digits", "mnist", 0),
    "07": ("mnist_small", "backprop", 0),
    "08": ("mitdb_census", "rhythms", 0),
    "09": ("heartbeat_baselines", "logistic.inter-patient", 0),
    "10": ("gru_ode_listings", "listings", 0),
    "11": ("ecg_statistics", "trees.sources", 0),
}
VARIANTS = tuple(CHOSEN)
SEEDS = (0,)
NEEDS = ("mnist", "mitdb", "nsr2db", "chf2db")
TIMES = ("*seconds*", "*minutes*", "python.*")
"""Names of metrics that are durations, or shares of them (``gru_ode_listings``)."""
ROUNDING = tolerance.Tolerance(relative=0.0)
"""What is no difference, however small the number."""


def run(variant: str, seed: int) -> results.Outcome:
    """Record one chapter's run again; the seed is that of the run in ``CHOSEN``."""
    name, kind, chosen = CHOSEN[variant]
    recorded = results.one(name, kind, chosen)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        _call("git", "-c", "safe.directory=*", "clone", "--quiet", str(paths.root()), str(clone))
        path = clone / "results" / name / recorded.path.name
        path.unlink()
        words = ("record", name, "--variant", kind, "--seed", str(chosen))
        _call(sys.executable, "-m", "nodebook.cli", *words, inside=clone)
        again = results.load(path)
        compared = compare(recorded, again, results.read(name, kind), _aside(name))
        metrics = {"run": f"{name}, {kind}, seed {chosen}", **compared}
    return results.Outcome(metrics=metrics)


def rederive(run: results.Run) -> dict[str, object]:
    """What is compared, from the recorded run of the chapter."""
    name, kind, chosen = CHOSEN[run.variant]
    leaves = compared_leaves(results.one(name, kind, chosen).metrics, _aside(name))
    return {"run": f"{name}, {kind}, seed {chosen}", "compared": len(leaves)}


def compared_leaves(metrics: Mapping[str, Any], aside: Sequence[str] = ()) -> dict[str, Any]:
    """The leaves of nested metrics by their names, without durations and what is put aside."""
    return {
        name: value
        for name, value in flatten(metrics)
        if not tolerance.fits(name, (*TIMES, *aside))
    }


def compare(
    recorded: results.Run,
    again: results.Run,
    seeds: Sequence[results.Run] = (),
    aside: Sequence[str] = (),
) -> dict[str, object]:
    """Two runs, leaf by leaf and tensor by tensor; ``seeds``: all recorded ones of the variant.

    Raises:
        ResultsError: if they do not have the same metrics, or a text differs.
    """
    old, new = compared_leaves(recorded.metrics, aside), compared_leaves(again.metrics, aside)
    if old.keys() != new.keys():
        odd = ", ".join(sorted(old.keys() ^ new.keys()))
        raise ResultsError(f"{recorded.path} and the run made again do not both have: {odd}")
    others = [compared_leaves(run.metrics, aside) for run in seeds]
    largest = spreads = 0.0
    for found in verification.compare(old, new, {"*": ROUNDING}):
        name, value, got = found.metric, found.recorded, found.got
        if not isinstance(value, int | float):
            raise ResultsError(f"{recorded.path}: {name} is {value!r}, again {got!r}")
        difference = abs(got - value)
        largest = max(largest, difference / max(abs(value), abs(got)))
        deviation = statistics.stdev(run[name] for run in others) if len(others) > 1 else 0.0
        spreads = max(spreads, difference / deviation if deviation else 0.0)
    return {
        "compared": len(old),
        "equal": sum(value == new[name] for name, value in old.items()),
        "largest": largest,
        "spreads": spreads,
        "weights": _tensors(recorded, again),
        "processor": "same" if recorded.hardware["cpu"] == again.hardware["cpu"] else "another",
    }


def _aside(name: str) -> tuple[str, ...]:
    return tuple(getattr(registry.load(name), "BY_PROCESSOR", ()))


def _tensors(recorded: results.Run, again: results.Run) -> str:
    old, new = recorded.tensors(), again.tensors()
    if not old:
        return "none"
    same = old.keys() == new.keys() and all(torch.equal(old[key], new[key]) for key in old)
    return "equal" if same else "differ"


def _call(*words: str, inside: Path | None = None) -> None:
    environment = dict(os.environ)
    if inside is not None:
        environment |= {"NODELIB_ROOT": str(inside), "PYTHONPATH": str(inside)}
    try:
        done = subprocess.run(
            words, cwd=inside, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ResultsError(f"{words[0]} could not be started ({error.strerror})") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ResultsError(f"'{' '.join(words)}' failed: {''.join(last)}")
