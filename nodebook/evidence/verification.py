"""Verification: every recorded run derived again and compared with what is recorded.

A run is compared number by number, and the claims that rest on it are judged a second time with
the numbers that came out here: the verdicts must be the same on every machine.
"""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from nodebook.errors import ResultsError
from nodebook.evidence import claims, processes, registry, results, tolerance
from nodebook.evidence.metrics import flatten, plain

ABSENT = "nothing"
SAME, DIFFERS, UNCHECKED = "same", "differs", "cannot be checked here"
UNREPEATED = "files whole"
"""Of a further seed or variant that is not derived again: its files are whole and fit together."""


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
    metrics that the experiment does not derive again; ``by_processor`` holds the differences of
    metrics that depend on the processor, which decide nothing; ``reason`` says why a run could not
    be checked, or what is wrong with its files; ``part`` says what was looked at, where that was
    not all; ``derived`` holds the metrics as they came out.
    """

    experiment: str
    variant: str
    seed: int
    status: Literal["same", "differs", "cannot be checked here", "files whole"]
    compared: int = 0
    left: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    by_processor: tuple[Difference, ...] = ()
    reason: str = ""
    part: str = ""
    derived: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class OtherVerdict:
    """A claim that would be judged otherwise by what was derived again."""

    claim: str
    recorded: str
    derived: str


@dataclass(frozen=True)
class Task:
    """One recorded run to check, with the data sets that it lacks here.

    ``whole``: without PART; ``files_only``: nothing is derived again.
    """

    run: results.Run
    missing: tuple[str, ...] = ()
    whole: bool = False
    files_only: bool = False


def plan(only: str | None = None, *, whole: bool = False) -> list[Task]:
    """The recorded runs of all experiments, or of ``only`` one, in order.

    Of all experiments the first seed of each variant is derived again, or of each variant of the
    experiment's ``SAMPLE``; of one experiment every seed of all. Where an experiment's ``rederive``
    looks at a part, that part is. ``whole`` asks for everything.

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
    complete = functools.cache(registry.is_complete)  # many need the same
    tasks = [task for name in recorded for task in _tasks(name, complete, whole)]
    if whole or only is not None:
        return tasks
    return [
        dataclasses.replace(task, files_only=_variant(task) == _variant(before) or _left_out(task))
        for before, task in zip([None, *tasks], tasks, strict=False)
    ]


def check_all(tasks: Sequence[Task], jobs: int = 1) -> Iterator[Check]:
    """Check the runs, each as soon as it can be had, in order; with ``jobs`` processes.

    An experiment's ``rederive`` gives the metrics that it can compute from the recorded weights;
    without it the experiment runs again and every metric must come out. Whole numbers and texts
    must be equal, other numbers within the experiment's tolerance (see ``tolerance``).

    Raises:
        ResultsError: if ``jobs`` is less than one, or a process ends before its work is done.
    """
    yield from processes.in_order(check, tasks, jobs)


def verify(only: str | None = None, jobs: int = 1, *, whole: bool = False) -> list[Check]:
    """Check every recorded run, of all experiments or of ``only`` one; see ``plan``.

    Raises:
        ResultsError: see ``plan`` and ``check_all``.
    """
    return list(check_all(plan(only, whole=whole), jobs))


def check(task: Task) -> Check:
    """Derive one run again and compare it."""
    run, module = task.run, registry.load(task.run.experiment)
    identity = (run.experiment, run.variant, run.seed)
    try:
        run.tensors()
    except ResultsError as error:
        return Check(*identity, DIFFERS, reason=str(error))
    if task.files_only:
        return Check(*identity, UNREPEATED)
    if task.missing:
        return Check(*identity, UNCHECKED, reason=registry.data_remedy(task.missing))
    partly = hasattr(module, "rederive_all") and not task.whole
    recorded, got, left = _derive(module, run, task.whole)
    differences = compare(recorded, got, getattr(module, "TOLERANCE", {}))
    patterns = getattr(module, "BY_PROCESSOR", ())
    aside = tuple(d for d in differences if _is_aside(d, patterns))
    decisive = tuple(d for d in differences if d not in aside)
    return Check(
        *identity,
        DIFFERS if decisive else SAME,
        compared=sum(1 for _ in flatten(got)),
        left=left,
        part=module.PART if partly else "",
        differences=decisive,
        by_processor=aside,
        derived=got,
    )


def compare(
    recorded: Mapping[str, Any], got: Mapping[str, Any], declared: tolerance.Declared
) -> list[Difference]:
    """Differences between two sets of metrics, leaf by leaf; a missing leaf is a difference."""
    old, new = dict(flatten(recorded)), dict(flatten(got))
    return [
        Difference(name, old.get(name, ABSENT), new.get(name, ABSENT))
        for name in [*old, *(name for name in new if name not in old)]
        if name not in old
        or name not in new
        or not tolerance.agree(old[name], new[name], tolerance.find(name, declared))
    ]


def other_verdicts(checks: Iterable[Check]) -> list[OtherVerdict]:
    """The claims whose verdict changes if it is computed from what was derived again.

    Metrics that were not derived again keep their recorded values.

    Raises:
        LedgerError: if the ledger is malformed, or a rule does not fit what was derived.
    """
    derived = {(c.experiment, c.variant, c.seed): c.derived for c in checks if c.derived}
    if not derived:
        return []
    experiments = {experiment for experiment, _, _ in derived}

    def again(run: results.Run) -> results.Run:
        new = derived.get((run.experiment, run.variant, run.seed), {})
        return dataclasses.replace(run, metrics=_merged(run.metrics, new))

    pairs = [
        (claim.id, claims.verdict(claim).kind, claims.verdict(claim, again).kind)
        for claim in claims.load()
        if claim.evidence and claim.evidence["experiment"] in experiments
    ]
    return [OtherVerdict(*pair) for pair in pairs if pair[1] != pair[2]]


def summary(checks: Sequence[Check], others: Sequence[OtherVerdict]) -> str:
    """What came of it all, in one line."""
    counts = Counter(c.status for c in checks)
    parts = [f"{counts[kind]} {kind}" for kind in (SAME, DIFFERS, UNCHECKED) if counts[kind]]
    if counts[UNREPEATED]:
        parts.append(f"of {counts[UNREPEATED]} more only the files (numbers with --all)")
    partly = sum(1 for c in checks if c.left)
    parts_of = sum(1 for c in checks if c.part)
    aside = sum(len(c.by_processor) for c in checks)
    return (
        f"{len(checks)} recorded runs: {', '.join(parts)}; "
        f"{sum(c.compared for c in checks)} values compared"
        + (f", {aside} other on this processor, as declared" if aside else "")
        + (f"; of {partly} runs some metrics were not derived again" if partly else "")
        + (f"; {parts_of} runs were looked at in part (all of them with --all)" if parts_of else "")
        + f"; {f'{len(others)} verdicts change' if others else 'every verdict the same'}"
    )


def _variant(task: Task | None) -> tuple[str, str] | None:
    return task and (task.run.experiment, task.run.variant)


def _left_out(task: Task) -> bool:
    module = registry.load(task.run.experiment)
    return task.run.variant not in getattr(module, "SAMPLE", module.VARIANTS)


def _tasks(name: str, complete: Callable[[str], bool], whole: bool) -> list[Task]:
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
    missing = tuple(need for need in module.NEEDS if not complete(need))
    return [Task(run, missing, whole) for run in runs]


def _derive(
    module: ModuleType, run: results.Run, whole: bool
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
    """What is recorded and what comes out, and the names of what is not derived again."""
    if hasattr(module, "rederive"):
        again = getattr(module, "rederive_all", module.rederive) if whole else module.rederive
        got = plain(again(run), "rederived metrics")
        return _shared(run.metrics, got), got, tuple(_left(run.metrics, got))
    outcome = module.run(run.variant, run.seed)
    got = {**plain(outcome.metrics, "metrics"), **_counts(outcome.parameters, outcome.nfe)}
    return {**run.metrics, **_counts(run.parameters, run.nfe)}, got, ()


def _shared(recorded: Mapping[str, Any], got: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded under the names of ``got``."""
    return {
        name: _shared(value, got[name]) if _both(value, got[name]) else value
        for name, value in recorded.items()
        if name in got
    }


def _left(recorded: Mapping[str, Any], got: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of what is recorded and not in ``got``."""
    for name, value in recorded.items():
        if name not in got:
            yield prefix + name
        elif _both(value, got[name]):
            yield from _left(value, got[name], f"{prefix}{name}.")


def _merged(recorded: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded, with the new values in place of the old."""
    return {**recorded} | {
        name: _merged(recorded[name], value) if _both(recorded.get(name), value) else value
        for name, value in new.items()
    }


def _both(one: object, other: object) -> bool:
    return isinstance(one, Mapping) and isinstance(other, Mapping)


def _counts(parameters: int | None, nfe: float | None) -> dict[str, Any]:
    return {"(parameters)": parameters, "(nfe)": nfe}


def _is_aside(difference: Difference, patterns: Sequence[str]) -> bool:
    """Whether a difference is of the processor only: the metric is there, and of the same type."""
    return tolerance.fits(difference.metric, patterns) and type(difference.recorded) is type(
        difference.got
    )
