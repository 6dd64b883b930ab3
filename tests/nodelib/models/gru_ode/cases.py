"""Cases of the reference computation: files of parameters, inputs, outputs and gradients.

The names of the parameters are those of the reference; ``named`` gives ours under these names.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nodelib.models.gru_ode import Events, GRUODEBayes, Sizes, Stepping, pad_events

SIZES = {
    "input_size": "features",
    "hidden_size": "hidden",
    "p_hidden": "p_hidden",
    "prep_hidden": "prep_hidden",
    "cov_size": "cov",
    "cov_hidden": "cov_hidden",
    "class_hidden": "class_hidden",
}
SWITCHES = ("impute", "full_gru_ode", "logvar", "solver")
SOLVERS = ("euler", "midpoint")
BATCH = ("times", "time_ptr", "X", "M", "obs_idx", "cov", "delta_t", "T", "mixing")
ENDS = ("out_h", "out_loss", "out_loss_nll", "out_class_logit", "path_t", "path_p", "path_h")
BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy raises for a file, or an array in it, that cannot be read."""


class CaseError(Exception):
    """A file is no case of the reference, or holds a setting that is not known here."""


@dataclass(frozen=True)
class Case:
    """A case: the model with its parameters, its batch, and every array of the file."""

    model: GRUODEBayes
    events: Events
    mixing: float
    until: float
    arrays: Mapping[str, Tensor]


def read_case(path: Path) -> Case:
    """Read a case of the format of ``tests/golden``.

    Raises:
        CaseError: naming file and key, if something is missing, broken, of another shape, or has
            settings that are not known here.
    """
    raw = _arrays(path)
    missing = ({"config", *BATCH, *ENDS}) - raw.keys()
    if missing:
        raise CaseError(f"{path}: keys missing: {', '.join(sorted(missing))}")
    try:
        config = json.loads(str(raw.pop("config")))
    except ValueError as error:
        raise CaseError(f"{path}: config is no JSON: {error}") from error
    arrays = {name: torch.from_numpy(np.asarray(value)) for name, value in raw.items()}
    model = _model(path, config, arrays)
    parameters = {
        name.removeprefix("param/"): value
        for name, value in arrays.items()
        if name.startswith("param/")
    }
    own = named(model, lambda parameter: parameter.detach())
    # A cell without imputation ignores its input; weights of it may be in the file all the same.
    spare = {name for name in parameters if name.startswith("gru_c.lin_x") and not model.impute}
    if own.keys() != parameters.keys() - spare:
        raise CaseError(
            f"{path}: parameters missing {sorted(own.keys() - parameters.keys())}, left over "
            f"{sorted(parameters.keys() - spare - own.keys())}"
        )
    for name, view in own.items():
        if view.shape != parameters[name].shape:
            raise CaseError(
                f"{path}: param/{name} has shape {tuple(parameters[name].shape)}, not "
                f"{tuple(view.shape)}"
            )
        view.copy_(parameters[name])
    return Case(
        model,
        _events(path, arrays),
        float(arrays["mixing"]),
        float(arrays["T"]),
        arrays,
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of a file."""
    try:
        file = np.load(path, allow_pickle=False)
    except BROKEN as error:
        raise CaseError(f"{path} is no reference case: {error}") from error
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise CaseError(f"{path} is no reference case: one array, not named ones")
    found = {}
    with file:
        for name in file.files:
            try:
                found[name] = file[name]
            except BROKEN as error:
                raise CaseError(f"{path}: {name} cannot be read: {error}") from error
    return found


def named(model: GRUODEBayes, pick: Callable[[nn.Parameter], Tensor]) -> dict[str, Tensor]:
    """Views of ``pick(parameter)``, the parameter or its gradient, under the reference's names."""
    cell, jump = model.cell, model.jump
    views = {}
    for name, layers in {
        "p_model": model.predict,
        "classification_model": model.classify,
        "covariates_map": model.first[0],
    }.items():
        for ours, theirs in ((0, 0), (2, 3)):  # the reference has a dropout between
            for kind in ("weight", "bias"):
                views[f"{name}.{theirs}.{kind}"] = pick(getattr(layers[ours], kind))
    views["gru_obs.w_prep"] = pick(jump.weight)
    views["gru_obs.bias_prep"] = pick(jump.bias)
    for kind, parameter in jump.gru.named_parameters():
        views[f"gru_obs.gru_d.{kind}"] = pick(parameter)
    full = cell.gates == 2
    gates = pick(cell.gate_weight).chunk(cell.gates)
    hidden = zip("rz" if full else "z", gates, strict=True)
    for letter, weight in (*hidden, ("h" if full else "n", pick(cell.candidate_weight))):
        views[f"gru_c.lin_h{letter}.weight"] = weight
    if cell.input is not None:
        for kind, parameter in cell.input.named_parameters():
            value = pick(parameter)
            if full:
                views[f"gru_c.lin_x.{kind}"] = value
            else:
                views[f"gru_c.lin_xz.{kind}"], views[f"gru_c.lin_xn.{kind}"] = value.chunk(2)
    return views


def _model(path: Path, config: dict, arrays: Mapping[str, Tensor]) -> GRUODEBayes:
    unknown = config.keys() - SIZES.keys() - set(SWITCHES)
    missing = (SIZES.keys() | set(SWITCHES)) - config.keys()
    if unknown or missing:
        raise CaseError(f"{path}: settings unknown {sorted(unknown)}, missing {sorted(missing)}")
    if not config["logvar"]:
        raise CaseError(f"{path}: logvar must be true; other variances are not implemented")
    if config["solver"] not in SOLVERS:
        raise CaseError(f"{path}: the solver is {config['solver']!r}, not one of {SOLVERS}")
    last = "param/classification_model.3.weight"
    if last not in arrays:
        raise CaseError(f"{path}: keys missing: {last}")
    classes = arrays[last].shape[0]
    sizes = Sizes(**{ours: config[theirs] for theirs, ours in SIZES.items()}, classes=classes)
    return GRUODEBayes(
        sizes,
        Stepping(config["solver"], delta_t=float(arrays["delta_t"])),
        full=config["full_gru_ode"],
        impute=config["impute"],
        seed=0,
        dtype=torch.float64,
    )


def _events(path: Path, arrays: Mapping[str, Tensor]) -> Events:
    """The rows of a case, which stand by time, by sample instead."""
    rows = len(arrays["X"])
    shapes = {
        "X": (rows, arrays["X"].shape[-1]),
        "M": tuple(arrays["X"].shape),
        "obs_idx": (rows,),
        "time_ptr": (len(arrays["times"]) + 1,),
    }
    for name, shape in shapes.items():
        if tuple(arrays[name].shape) != shape:
            raise CaseError(f"{path}: {name} has shape {tuple(arrays[name].shape)}, not {shape}")
    if int(arrays["time_ptr"][-1]) != rows:
        raise CaseError(
            f"{path}: time_ptr ends at {int(arrays['time_ptr'][-1])}, X has {rows} rows"
        )
    per_time = arrays["time_ptr"].diff()
    clocks = arrays["times"].repeat_interleave(per_time)
    samples = arrays["obs_idx"]
    series = []
    for k in range(len(arrays["cov"])):
        rows = samples == k
        series.append((clocks[rows], arrays["X"][rows], arrays["M"][rows]))
    end = max(float(arrays["T"]), float(clocks.max()) if len(clocks) else 0.0)
    return pad_events(series, end=end, covariates=arrays["cov"])
