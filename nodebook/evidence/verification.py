"""Verification: every recorded run derived again and compared with what is recorded."""

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from nodebook.errors import ResultsError
from nodebook.evidence import registry, results
from nodebook.evidence.metrics import flatten, plain

RELATIVE = 1e-9
ABSENT = "nothing"


@dataclass(frozen=True)
class Difference:
    """A metric whose recorded value does not re-derive."""

    metric: str
    recorded: Any
    got: Any


@dataclass(frozen=True)
class Check:
    """What came of one recorded run.

    ``compared`` counts the numbers and texts that were derived again; ``left`` names the recorded
    metrics that the experiment does not derive again; ``reason`` says why a run could not be
    checked, or what is wrong with its files.
    """

    experiment: str
    variant: str
    seed: int
    status: Literal["same", "differs", "cannot be checked here"]
    compared: int = 0
    left: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    reason: str = ""


def verify(only: str | None = None) -> list[Check]:
    """Derive each recorded run again, of all experiments or of ``only`` one, and compare.

    An experiment's ``rederive`` gives the metrics that it can compute from the recorded weights;
    without it the experiment runs again and every metric must come out. Whole numbers and texts
    must be equal, other numbers within the experiment's tolerance (1e-9, relative).

    Raises:
        ResultsError: if nothing is recorded of ``only``, a recorded file is malformed, or a
            recorded run belongs to no experiment or variant that still exists.
    """
    recorded = results.experiments()
    if only is not None:
        if only not in recorded:
            raise ResultsError(
                f"nothing is recorded of an experiment {only!r}; "
                f"recorded are {', '.join(recorded) or 'none'}"
            )
        recorded = [only]
    return [check for name in recorded for check in _verify_experiment(name)]


def compare(
    recorded: Mapping[str, Any], got: Mapping[str, Any], tolerance: Mapping[str, float]
) -> list[Difference]:
    """Differences between two sets of metrics, leaf by leaf; a missing leaf is a difference.

    ``tolerance`` maps a pattern of flattened names ("loss.*") to a relative tolerance.
    """
    old, new = dict(flatten(recorded)), dict(flatten(got))
    return [
        Difference(name, old.get(name, ABSENT), new.get(name, ABSENT))
        for name in [*old, *(name for name in new if name not in old)]
        if name not in old
        or name not in new
        or not _agree(old[name], new[name], _tolerance_of(name, tolerance))
    ]


def _verify_experiment(name: str) -> list[Check]:
    runs = results.read(name)
    if name not in registry.names():
        raise ResultsError(
            f"{runs[0].path} belongs to experiment {name!r}, which is gone: "
            "remove the recording or restore the experiment"
        )
    module = registry.load(name)
    for run in runs:
        if run.variant not in module.VARIANTS:
            raise ResultsError(
                f"{run.path} is of variant {run.variant!r}, which experiment {name!r} does not "
                f"have (it has {', '.join(module.VARIANTS)}): remove the recording"
            )
    missing = registry.missing_data(name)
    return [_verify_run(module, run, missing) for run in runs]


def _verify_run(module: ModuleType, run: results.Run, missing: list[str]) -> Check:
    identity = (run.experiment, run.variant, run.seed)
    try:
        run.tensors()
    except ResultsError as error:
        return Check(*identity, "differs", reason=str(error))
    if missing:
        reason = registry.data_remedy(missing)
        return Check(*identity, "cannot be checked here", reason=reason)
    if hasattr(module, "rederive"):
        got = plain(module.rederive(run), "rederived metrics")
        recorded = {key: value for key, value in run.metrics.items() if key in got}
        left = tuple(key for key in run.metrics if key not in got)
    else:
        outcome = module.run(run.variant, run.seed)
        got = {**plain(outcome.metrics, "metrics"), **_counts(outcome.parameters, outcome.nfe)}
        recorded = {**run.metrics, **_counts(run.parameters, run.nfe)}
        left = ()
    differences = compare(recorded, got, getattr(module, "TOLERANCE", {}))
    status = "differs" if differences else "same"
    compared = sum(1 for _ in flatten(got))
    return Check(*identity, status, compared, left, tuple(differences))


def _counts(parameters: int | None, nfe: float | None) -> dict[str, Any]:
    return {"(parameters)": parameters, "(nfe)": nfe}


def _tolerance_of(name: str, tolerance: Mapping[str, float]) -> float | None:
    return next(
        (value for pattern, value in tolerance.items() if fnmatch.fnmatchcase(name, pattern)), None
    )


def _agree(recorded: Any, got: Any, tolerance: float | None) -> bool:
    if not _is_number(recorded) or not _is_number(got):
        return type(recorded) is type(got) and recorded == got
    if isinstance(recorded, int) and isinstance(got, int) and tolerance is None:
        return recorded == got
    return math.isclose(recorded, got, rel_tol=RELATIVE if tolerance is None else tolerance)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
