"""Recorded runs: what an experiment gave, with what it was made from, read back and checked.

A run is one file ``results/<experiment>/<variant>-seed<k>.json``, and beside it a file of the same
name ending in ``.safetensors`` where the run has weights. Nothing is ever pickled. ``recording``
writes them.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import safetensors
import torch
from safetensors.torch import load_file

from nodebook import paths
from nodebook.errors import ResultsError
from nodebook.evidence.metrics import flatten, look_up
from nodelib import files, trace


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one run of an experiment gives.

    ``metrics`` and ``history`` hold numbers, text, and lists and dictionaries of them; ``tensors``
    are the weights to keep; ``parameters`` counts the trained numbers; ``nfe`` is the number of
    evaluations of the vector field; ``data`` holds the provenance of each data set that was read;
    ``devices`` are the names of those that it was trained on, each with its steps.
    """

    metrics: Mapping[str, Any]
    history: Mapping[str, Any] | Sequence[Any] | None = None
    tensors: Mapping[str, torch.Tensor] | None = None
    parameters: int | None = None
    nfe: float | None = None
    data: Sequence[Any] = ()
    devices: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Run:
    """One recorded run, as read from its file (see ``results.schema.json`` for the fields).

    ``together`` runs were made side by side in ``wall_seconds``. ``devices`` is empty where all
    was done on the CPU.
    """

    path: Path
    experiment: str
    variant: str
    seed: int
    metrics: dict[str, Any]
    history: Any
    parameters: int | None
    nfe: float | None
    weights: dict[str, str] | None
    data: list[dict[str, str]]
    command: str
    wall_seconds: float
    cpu_seconds: float
    together: int
    devices: dict[str, int]
    date: str
    commit: str
    modified: bool | None
    versions: dict[str, str]
    hardware: dict[str, Any]

    def metric(self, name: str) -> Any:
        """Value of the metric ``name``; ``"a.b.0"`` reaches into dictionaries and lists.

        Raises:
            ResultsError: if the run has no such metric.
        """
        try:
            return look_up(self.metrics, name)
        except KeyError:
            near = get_close_matches(name, [key for key, _ in flatten(self.metrics)])
            raise ResultsError(
                f"{self.path} has no metric {name!r}"
                + (f"; near it: {', '.join(near)}" if near else "")
            ) from None

    def tensors(self) -> dict[str, torch.Tensor]:
        """The recorded weights, after a check of their SHA-256; empty if the run has none.

        Raises:
            ResultsError: if the file is missing, damaged, or not the one that was recorded.
        """
        if self.weights is None:
            return {}
        path = self.path.with_name(self.weights["file"])
        if not path.is_file():
            raise ResultsError(f"{path} is missing: {_remedy(self.experiment)}")
        if files.sha256(path) != self.weights["sha256"]:
            raise ResultsError(
                f"{path} is not the file that {self.path.name} was recorded with "
                f"(its SHA-256 differs): {_remedy(self.experiment)}"
            )
        try:
            return load_file(path)
        except safetensors.SafetensorError as error:
            raise ResultsError(f"{path} is damaged ({error})") from error

    def provenance_line(self) -> str:
        """When, from which code, on what and in which time the run was made, in one line."""
        code = f"commit {self.commit[:7]}" if self.commit != "unknown" else "an unknown commit"
        if self.modified:
            code += " with changes"
        data = ", ".join(f"{entry['name']} ({entry['completeness']})" for entry in self.data)
        group = "" if self.together == 1 else f" ({self.together} runs side by side)"
        return (
            f"recorded {self.date[:10]} at {code}, seed {self.seed}"
            + (f", data {data}" if data else "")
            + (f", trained on {' and '.join(self.devices)}" if self.devices else "")
            + f", on {self.hardware['cores']} cores of {self.hardware['cpu']}"
            + f", torch {self.versions.get('torch', 'unknown')}, {self.wall_seconds:.1f} s{group}"
        )


def read(experiment: str, variant: str | None = None, seed: int | None = None) -> list[Run]:
    """The recorded runs of an experiment by variant and seed; an empty list if there are none.

    Raises:
        ResultsError: if a file is malformed.
    """
    trace.note("results", experiment, fingerprint(experiment))
    runs = [load(path) for path in sorted((paths.results() / experiment).glob("*.json"))]
    return sorted(
        (run for run in runs if variant in (None, run.variant) and seed in (None, run.seed)),
        key=lambda run: (run.variant, run.seed),
    )


def one(experiment: str, variant: str, seed: int = 0) -> Run:
    """The recorded run of one variant and seed.

    Raises:
        ResultsError: if it is not recorded or malformed.
    """
    runs = read(experiment, variant, seed)
    if not runs:
        missing = paths.results() / experiment / f"{variant}-seed{seed}.json"
        raise ResultsError(f"{missing} is missing: {_remedy(experiment)}")
    return runs[0]


def experiments() -> list[str]:
    """Names of the experiments of which something is recorded."""
    folders = {path.parent for path in paths.results().glob("*/*.json")}
    return sorted(folder.name for folder in folders - {paths.measurements()})


def fingerprint(experiment: str) -> str:
    """Hash of the names and contents of everything recorded of an experiment, also of nothing."""
    total = hashlib.sha256()
    folder = paths.results() / experiment
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        total.update(f"{path.name} {files.sha256(path)}\n".encode())
    return total.hexdigest()


def check_entry(entry: Any, path: Path) -> None:
    """Check what is, or is to be, the content of a run's file against the schema.

    Raises:
        ResultsError: naming the file and the field, if it does not fit.
    """
    error = jsonschema.exceptions.best_match(_validator().iter_errors(entry))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "top level"
        raise ResultsError(
            f"{path} is no recorded run ({place}: {error.message}): {_remedy(path.parent.name)}"
        )


def load(path: Path) -> Run:
    """The run in a file.

    Raises:
        ResultsError: if it cannot be read, is none, or has another run's name.
    """
    try:
        entry = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        raise ResultsError(f"{path} is no readable JSON ({error})") from error
    check_entry(entry, path)
    if (path.parent.name, path.name) != (
        entry["experiment"],
        f"{entry['variant']}-seed{entry['seed']}.json",
    ):
        raise ResultsError(
            f"{path} says it is {entry['experiment']}, {entry['variant']}, seed {entry['seed']}: "
            "give the file its own name back"
        )
    weights = entry.pop("tensors")
    del entry["format"]
    entry.setdefault("together", 1)
    entry.setdefault("devices", {})
    return Run(path=path, weights=weights, **entry)


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    text = (
        resources.files("nodebook.evidence")
        .joinpath("results.schema.json")
        .read_text(encoding="utf-8")
    )
    return jsonschema.Draft202012Validator(json.loads(text))


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _remedy(experiment: str) -> str:
    return f"restore it from the repository, or record it again with 'nodelib record {experiment}'"
