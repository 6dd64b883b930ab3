"""Speed against peers: ratios measured in one process, interleaved, as medians of repeats.

A module ``nodebook/benchmarks/contests/<name>.py`` has ``contests() -> list[Contest]``; one in
``diagrams`` has ``measure(repeats)``, which returns dataclasses of its own, the points of a
diagram. Absolute times are shown but never compared between runs; only ratios within a run mean
anything.
"""

import importlib
import json
import pkgutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from scipy.stats import binom

from nodebook.benchmarks import contests, diagrams
from nodebook.evidence import surroundings
from nodelib import files
from nodelib.errors import NodelibError

REPEATS = 15
PEERS = ("torchdiffeq", "torchode", "torchdyn", "diffrax", "jax")
"""Packages whose versions a recorded measurement has besides ours."""

Timed = Callable[[], object]


@dataclass(frozen=True)
class Contest:
    """The same work done by us and by a peer.

    ``fine`` is for ratios near one: one thread, processor time, and four times the repeats.
    ``share``: the peer does one part in so many of the work, since all of it would take too long.
    """

    name: str
    peer: str
    ours: Timed
    theirs: Timed
    fine: bool = False
    share: int = 1


@dataclass(frozen=True)
class Ratio:
    """What a contest measured; ``ratio`` below 1 means that we are faster.

    ``ratio`` is the median of all repeats, ``low`` and ``high`` are their quartiles, and ``least``
    and ``most`` hold the median itself with 95 % confidence. Where the peer did one part in
    ``share`` of the work, the ratio of the whole is smaller by that.
    """

    name: str
    peer: str
    ours_ms: float
    theirs_ms: float
    ratio: float
    low: float
    high: float
    repeats: int
    share: int
    least: float
    most: float


def names() -> list[str]:
    """Names of all benchmarks."""
    return sorted(m.name for p in (contests, diagrams) for m in pkgutil.iter_modules(p.__path__))


def of_points(name: str) -> bool:
    """Whether a benchmark has points and not ratios."""
    return name in {module.name for module in pkgutil.iter_modules(diagrams.__path__)}


def run(name: str, repeats: int = REPEATS) -> list[Any]:
    """Measure every contest of a benchmark, as ``Ratio``, or the points of a diagram.

    Raises:
        NodelibError: if there is no benchmark of that name, or ``repeats`` is less than 2.
    """
    if repeats < 2:
        raise NodelibError(f"a ratio needs at least 2 repeats for its spread, not {repeats}")
    if name not in names():
        raise NodelibError(f"there is no benchmark {name!r}; there are: {', '.join(names())}")
    if of_points(name):
        return importlib.import_module(f"{diagrams.__name__}.{name}").measure(repeats)
    module = importlib.import_module(f"{contests.__name__}.{name}")
    return [measure(contest, repeats) for contest in module.contests()]


def measure(contest: Contest, repeats: int = REPEATS) -> Ratio:
    """Time both sides in turn, after a warm-up; the quartiles of the ratio are its spread."""
    timed, threads = seconds, torch.get_num_threads()
    if contest.fine:
        timed, repeats = _processor_seconds, 4 * repeats
        torch.set_num_threads(1)
    try:
        contest.ours(), contest.theirs()
        sides = {"ours": contest.ours, "theirs": contest.theirs}
        ours, theirs = in_turn(sides, repeats, timed).values()
    finally:
        torch.set_num_threads(threads)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Ratio(
        contest.name,
        contest.peer,
        1e3 * statistics.median(ours),
        1e3 * statistics.median(theirs),
        middle,
        low,
        high,
        repeats,
        contest.share,
        *median_interval(ratios),
    )


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Two of the values that hold the median of their distribution with 95 % confidence.

    How many of n values lie below the median is binomial with probability 1/2 (Conover, *Practical
    Nonparametric Statistics*, section 3.2). Under six values, the ends, with less confidence.
    """
    rank = max(int(binom.ppf(0.025, len(values), 0.5)) - 1, 0)
    ordered = sorted(values)
    return ordered[rank], ordered[-1 - rank]


def report(measured: Sequence[Any]) -> dict[str, object]:
    """What ``run`` returned, with the code and the machine that it was measured on, for JSON."""
    commit, modified = surroundings.commit()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "modified": modified,
        "hardware": surroundings.hardware() | {"usable": surroundings.usable_cores()},
        "versions": surroundings.versions(*PEERS),
        "ratios": [asdict(x) for x in measured if isinstance(x, Ratio)],
        "points": [asdict(x) for x in measured if not isinstance(x, Ratio)],
    }


def write(file: Path, measured: Sequence[Any]) -> None:
    """Put a report into a file, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    files.write(file, (json.dumps(report(measured), indent=1) + "\n").encode())


def seconds(work: Timed) -> float:
    """What a piece of work takes by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def warm_seconds(work: Timed) -> float:
    """The same right after the work was done once, so that what it needs is in the caches."""
    work()
    return seconds(work)


def in_turn(
    tasks: Mapping[Any, Timed], repeats: int, timed: Callable[[Timed], float] = warm_seconds
) -> dict[Any, list[float]]:
    """Seconds of each of the tasks, which are taken in turn so often."""
    taken: dict[Any, list[float]] = {key: [] for key in tasks}
    for _ in range(repeats):
        for key, task in tasks.items():
            taken[key].append(timed(task))
    return taken


def quartiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """The median and the two other quartiles, in milliseconds."""
    low, middle, high = (1e3 * x for x in statistics.quantiles(seconds, n=4))
    return middle, low, high


def _processor_seconds(work: Timed) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
