"""Recording: one run written with its provenance, as ``results`` reads it."""

import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nodebook import paths
from nodebook.errors import ResultsError
from nodebook.evidence import results, surroundings
from nodebook.evidence.metrics import plain, write
from nodelib import files

FORMAT = 1
SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]*")
DATA_FIELDS = ("name", "source", "completeness", "sha256", "detail")


def check_writable(experiment: str) -> None:
    """See whether the runs of an experiment can be written, and leave nothing behind.

    Raises:
        ResultsError: naming the folder, if they cannot.
    """
    folder = paths.results() / experiment
    while not folder.is_dir():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResultsError(
            f"{folder} cannot be written ({error.strerror}), so that nothing was run: "
            "free space, mend its permissions, or work in a clone of your own"
        ) from error


def record(
    experiment: str,
    variant: str,
    seed: int,
    outcome: results.Outcome,
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
        **({"devices": dict(outcome.devices)} if set(outcome.devices) - {"cpu"} else {}),
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
        results.check_entry(entry, target)
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


def _data_entry(provenance: Any) -> dict[str, str]:
    if isinstance(provenance, Mapping):
        fields = provenance
    else:
        fields = {name: getattr(provenance, name) for name in DATA_FIELDS}
    return {name: fields[name] for name in DATA_FIELDS}
