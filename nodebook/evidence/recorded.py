"""What a page wants of recorded runs: the runs, one metric over the seeds, and its mean."""

import functools
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nodebook import paths
from nodebook.evidence import results
from nodebook.evidence.results import Run


def runs(experiment: str, variant: str | None = None) -> list[Run]:
    """The recorded runs of an experiment (and variant) by variant and seed, read once.

    Raises:
        ResultsError: if a file is malformed.
    """
    return _read(paths.results(), experiment, variant)


def values(found: Iterable[Run], metric: str) -> list[Any]:
    """One metric of each run, in their order."""
    return [run.metric(metric) for run in found]


def measured(experiment: str, variant: str, metric: str) -> list[Any]:
    """The recorded values of a metric, one for each seed."""
    return values(runs(experiment, variant), metric)


def mean(experiment: str, variant: str, metric: str) -> float:
    """Mean of a recorded metric over the seeds."""
    return statistics.fmean(measured(experiment, variant, metric))


def chosen(found: Iterable[Run], metric: str) -> Run:
    """The run that validation chooses: that with the least value among those of ``metric``."""
    return min(found, key=lambda run: min(run.metric(metric).values()))


@functools.cache
def _read(folder: Path, experiment: str, variant: str | None) -> list[Run]:
    return results.read(experiment, variant)
