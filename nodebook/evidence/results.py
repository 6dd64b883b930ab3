"""Recorded runs: what an experiment gave, with what it was made from, written and read back.

A run is one file ``results/<experiment>/<variant>-seed<k>.json``, and beside it a file of the same
name ending in ``.safetensors`` where the run has weights. Nothing is ever pickled.
"""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import safetensors
import torch
from safetensors.torch import load_file, save_file

from nodebook import paths
from nodebook.errors import ResultsError
from nodebook.evidence import surroundings
from nodebook.evidence.metrics import flatten, look_up, plain, write
from nodelib import files, trace

FORMAT = 1
SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]*")
DATA_FIELDS = ("name", "source", "completeness", "sha256", "detail")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one run of an experiment gives.

    ``metrics`` and ``history`` hold numbers, text, and lists and dictionaries of them; ``tensors``
    are the weights to keep; ``parameters`` counts the trained numbers; ``nfe`` is the number of
    evaluations of the vector field; ``data`` holds the provenance of each data set that was read.
    """

    metrics: Mapping[str, Any]
    history: Mapping[str, Any] | Sequence[Any] | None = None
    tensors: Mapping[str, torch.Tensor] | None = None
    parameters: int | None = None
    nfe: float | None = None
    data: Sequence[Any] = ()


@dataclasses.dataclass(frozen=True)
class Run:
    """One recorded run, as read from its file (see ``results.schema.json`` for the fields).

    ``together`` runs were made side by side in ``wall_seconds``.
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
            + f", on {self.hardware['cores']} cores of {self.hardware['cpu']}"
            + f", torch {self.versions.get('torch', 'unknown')}, {self.wall_seconds:.1f} s{group}"
        )


def record(
    experiment: str,
    variant: str,
    seed: int,
    outcome: Outcome,
    *,
    command: str,
    wall_seconds: float,
    cpu_seconds: float,
    together: int = 1,
) -> Path:
    """Write one run with its provenance; either all of it is written or nothing is.

    ``together`` is the number of runs that were made side by side in that time. Returns the path
    of the JSON file. An earlier recording of the same run is replaced.

    Raises:
        ResultsError: if a name is not in lower case letters, digits, ``_``, ``.`` and ``-``, a
            number is not finite, or the outcome holds what JSON cannot.
    """
    for name, value in (("experiment", experiment), ("variant", variant)):
        if not SLUG.fullmatch(value):
            raise ResultsError(f"{name} {value!r}: use lower case letters, digits, '_', '.', '-'")
    folder = paths.results() / experiment
    target = folder / f"{variant}-seed{seed}.json"
    weights = target.with_suffix(".safetensors")
    commit, modified = surroundings.commit()
    entry = {
        "format": FORMAT,
        "experiment": experiment,
        "variant": variant,
        "seed": seed,
        "metrics": plain(outcome.metrics, "metrics"),
        "history": plain(outcome.history, "history"),
        "parameters": outcome.parameters,
        "nfe": outcome.nfe,
        "tensors": None,
        "data": [_data_entry(provenance) for provenance in outcome.data],
        "command": command,
        "wall_seconds": round(wall_seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        **({} if together == 1 else {"together": together}),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": commit,
        "modified": modified,
        "versions": surroundings.versions(),
        "hardware": surroundings.hardware(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    half_json = folder / f".{target.name}.part"
    half_weights = folder / f".{weights.name}.part"
    try:
        if outcome.tensors:
            save_file(
                {
                    name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
                    for name, tensor in outcome.tensors.items()
                },
                half_weights,
            )
            entry["tensors"] = {"file": weights.name, "sha256": files.sha256(half_weights)}
        _check(entry, target)
        half_json.write_text(write(entry) + "\n", encoding="utf-8")
        if outcome.tensors:
            half_weights.replace(weights)
        half_json.replace(target)
        if not outcome.tensors:
            weights.unlink(missing_ok=True)
    except OSError as error:
        raise ResultsError(f"{target} could not be written: {error}") from error
    finally:
        half_json.unlink(missing_ok=True)
        half_weights.unlink(missing_ok=True)
    return target


def read(experiment: str, variant: str | None = None, seed: int | None = None) -> list[Run]:
    """The recorded runs of an experiment by variant and seed; an empty list if there are none.

    Raises:
        ResultsError: if a file is malformed.
    """
    trace.note("results", experiment, fingerprint(experiment))
    runs = [_load(path) for path in sorted((paths.results() / experiment).glob("*.json"))]
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
    return sorted({path.parent.name for path in paths.results().glob("*/*.json")})


def fingerprint(experiment: str) -> str:
    """Hash of the names and contents of everything recorded of an experiment, also of nothing."""
    total = hashlib.sha256()
    folder = paths.results() / experiment
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        total.update(f"{path.name} {files.sha256(path)}\n".encode())
    return total.hexdigest()


def _load(path: Path) -> Run:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        raise ResultsError(f"{path} is no readable JSON ({error})") from error
    _check(entry, path)
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
    return Run(path=path, weights=weights, **entry)


def _check(entry: Any, path: Path) -> None:
    error = jsonschema.exceptions.best_match(_validator().iter_errors(entry))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "top level"
        raise ResultsError(
            f"{path} is no recorded run ({place}: {error.message}): {_remedy(path.parent.name)}"
        )


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    text = (
        resources.files("nodebook.evidence")
        .joinpath("results.schema.json")
        .read_text(encoding="utf-8")
    )
    return jsonschema.Draft202012Validator(json.loads(text))


def _data_entry(provenance: Any) -> dict[str, str]:
    if isinstance(provenance, Mapping):
        fields = provenance
    else:
        fields = {name: getattr(provenance, name) for name in DATA_FIELDS}
    return {name: fields[name] for name in DATA_FIELDS}


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _remedy(experiment: str) -> str:
    return f"restore it from the repository, or record it again with 'nodelib record {experiment}'"
