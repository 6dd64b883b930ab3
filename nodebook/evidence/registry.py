"""The registry of experiments: it finds, runs and records them, and knows none by name.

``nodebook/experiments`` has a package for each chapter, which lists its ``EXPERIMENTS``; the other
modules beside them are what they share. The module of an experiment has:

- ``VARIANTS: tuple[str, ...]`` and ``SEEDS: tuple[int, ...]``: what is recorded,
- optionally ``ONCE: tuple[str, ...]``: those of the variants that are recorded with the first seed
  alone,
- ``NEEDS: tuple[str, ...]``: the data sets that must be complete,
- ``run(variant, seed) -> results.Outcome``, or ``run_together(variant, seeds)``, which trains all
  seeds side by side and returns an outcome for each seed; it needs ``rederive``,
- optionally ``rederive(run: results.Run) -> dict``: the metrics (or some of them) computed again
  from the recorded weights; without it, verification runs the experiment again,
- optionally ``rederive_all(run)`` and ``PART: str``, where all of it would take too long for every
  day: ``rederive`` then looks at the part that ``PART`` names, and ``verify --all`` at everything,
- optionally ``SAMPLE: tuple[str, ...]``: the variants that verification derives again every day, if
  not all; with ``--only`` and ``--all`` it derives the others too,
- optionally ``UNFINISHED = True`` while not all variants and seeds are recorded,
- optionally ``TOLERANCE: dict[str, float | Tolerance]``: how far numbers may move on another
  processor, by pattern of a metric's name (a number is a relative tolerance; see ``tolerance``),
- optionally ``BY_PROCESSOR: tuple[str, ...]``: patterns of metrics that belong to the processor a
  run was made on. Another value elsewhere is shown and decides nothing; no claim rests on them.
"""

import importlib
import pkgutil
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from nodebook.errors import ResultsError
from nodebook.evidence import allocator, recording
from nodelib import data
from nodelib.errors import OfflineError

PACKAGE = "nodebook.experiments"
REQUIRED = ("VARIANTS", "SEEDS", "NEEDS")


def chapters() -> dict[str, tuple[str, ...]]:
    """The chapters' packages of experiments, each with the names of its experiments, in order.

    Raises:
        ResultsError: if an experiment is listed twice.
    """
    package = importlib.import_module(PACKAGE)
    found = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg)
    listed = {name: importlib.import_module(f"{PACKAGE}.{name}").EXPERIMENTS for name in found}
    owners: dict[str, str] = {}
    for chapter, experiments in listed.items():
        for name in experiments:
            if name in owners:
                raise ResultsError(
                    f"experiment {name!r} is listed by {PACKAGE}.{owners[name]} and by "
                    f"{PACKAGE}.{chapter}: names of experiments must differ"
                )
            owners[name] = chapter
    return listed


def names() -> list[str]:
    """Names of all experiments."""
    return sorted(name for listed in chapters().values() for name in listed)


def load(name: str) -> ModuleType:
    """The module of an experiment.

    Raises:
        ResultsError: if there is none of that name, it is listed and does not exist or is listed
            twice, or it lacks what the registry needs.
    """
    chapter = next((chapter for chapter, listed in chapters().items() if name in listed), None)
    if chapter is None:
        raise ResultsError(f"there is no experiment {name!r}; there are {', '.join(names())}")
    place = f"{PACKAGE}.{chapter}.{name}"
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name != place:
            raise
        raise ResultsError(
            f"{PACKAGE}.{chapter} lists an experiment {name!r}, but has no module of that name"
        ) from error
    lacking = [attribute for attribute in REQUIRED if not hasattr(module, attribute)]
    if hasattr(module, "rederive_all"):
        lacking += [name for name in ("rederive", "PART") if not hasattr(module, name)]
    if not hasattr(module, "run_together"):
        lacking += [] if hasattr(module, "run") else ["run"]
    elif not hasattr(module, "rederive") and "rederive" not in lacking:
        lacking.append("rederive")
    if lacking:
        raise ResultsError(f"experiment {name!r} does not define {', '.join(lacking)}")
    for listing in ("SAMPLE", "ONCE"):
        if unknown := set(getattr(module, listing, ())) - set(module.VARIANTS):
            raise ResultsError(
                f"experiment {name!r} has in {listing} what is not among its VARIANTS: "
                f"{', '.join(sorted(unknown))}"
            )
    return module


def planned(name: str, variant: str) -> tuple[int, ...]:
    """The seeds with which a variant of an experiment is recorded."""
    module = load(name)
    return module.SEEDS[:1] if variant in getattr(module, "ONCE", ()) else module.SEEDS


def missing_data(name: str) -> list[str]:
    """The data sets that an experiment needs complete and that are not so here."""
    return [need for need in load(name).NEEDS if not is_complete(need)]


def is_complete(need: str) -> bool:
    """Whether a data set is complete here."""
    try:
        return getattr(data, need)(allow_standin=False).provenance.completeness == "complete"
    except OfflineError:
        return False


def data_remedy(missing: Sequence[str]) -> str:
    """What is needed, and how to get it, where the data sets ``missing`` are not complete."""
    return (
        f"needs the complete data set {' and '.join(missing)}: "
        f"get it with 'nodelib data fetch {' '.join(missing)}' or set NODELIB_DATA"
    )


def record(
    name: str, variants: Sequence[str] | None = None, seeds: Sequence[int] | None = None
) -> list[Path]:
    """Run an experiment for each variant and seed (default: all planned), time it, and record it.

    Raises:
        ResultsError: if a variant is unknown, a data set that it needs is not complete here, or
            the folder for the results cannot be written.
    """
    module = load(name)
    variants = module.VARIANTS if variants is None else variants
    unknown = [variant for variant in variants if variant not in module.VARIANTS]
    if unknown:
        raise ResultsError(
            f"experiment {name!r} has no variant {', '.join(unknown)}; "
            f"it has {', '.join(module.VARIANTS)}"
        )
    if missing := missing_data(name):
        raise ResultsError(f"experiment {name!r} {data_remedy(missing)}")
    recording.check_writable(name)  # before hours of work
    allocator.keep_freed_memory()
    together = hasattr(module, "run_together")
    paths = []
    for variant in variants:
        wanted = planned(name, variant) if seeds is None else tuple(seeds)
        for group in [wanted] if together else [(seed,) for seed in wanted]:
            paths += _record_group(module, name, variant, group, together)
    return paths


def renew(profile: str, *names: str) -> None:
    """In profile "full" record experiments again, after saying which; else do nothing.

    A chapter calls it once, before it reads what is recorded.

    Raises:
        ResultsError: see ``record``.
    """
    if profile != "full":
        return
    print(f"profile full: recording {', '.join(names)} again, with all variants and seeds")
    for name in names:
        record(name)


def _record_group(
    module: ModuleType, name: str, variant: str, seeds: Sequence[int], together: bool
) -> list[Path]:
    wall, cpu = time.perf_counter(), time.process_time()
    if together:
        outcomes = module.run_together(variant, seeds)
    else:
        outcomes = {seed: module.run(variant, seed) for seed in seeds}
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    command = ["nodelib", "record", name, "--variant", variant]
    for seed in seeds:
        command += ["--seed", str(seed)]
    return [
        recording.record(
            name,
            variant,
            seed,
            outcomes[seed],
            command=shlex.join(command),
            wall_seconds=wall,
            cpu_seconds=cpu,
            together=len(seeds),
        )
        for seed in seeds
    ]
