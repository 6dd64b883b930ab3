"""Cases of the reference computation: files of parameters, inputs, outputs and gradients.

The names of the parameters are those of the reference; ``named`` gives ours under these names.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models.gru_ode.events import Events, pad_events
from nodelib.models.gru_ode.model import GRUODEBayes, Sizes
from nodelib.models.gru_ode.stepping import Stepping

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
        ModelError: naming the file, if it is no such case or has settings that are not known here.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            raw = {name: file[name] for name in file.files}
        config = json.loads(str(raw.pop("config")))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is no reference case: {error}") from error
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
        raise ModelError(
            f"{path}: parameters missing {sorted(own.keys() - parameters.keys())}, left over "
            f"{sorted(parameters.keys() - spare - own.keys())}"
        )
    for name, view in own.items():
        if view.shape != parameters[name].shape:
            raise ModelError(
                f"{path}: {name} has shape {tuple(parameters[name].shape)}, not {tuple(view.shape)}"
            )
        view.copy_(parameters[name])
    return Case(
        model,
        _events(arrays),
        float(arrays["mixing"]),
        float(arrays["T"]),
        arrays,
    )


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
        raise ModelError(f"{path}: settings unknown {sorted(unknown)}, missing {sorted(missing)}")
    if not config["logvar"]:
        raise ModelError(f"{path}: logvar must be true; other variances are not implemented")
    if config["solver"] not in SOLVERS:
        raise ModelError(f"{path}: the solver is {config['solver']!r}, not one of {SOLVERS}")
    classes = arrays["param/classification_model.3.weight"].shape[0]
    sizes = Sizes(**{ours: config[theirs] for theirs, ours in SIZES.items()}, classes=classes)
    return GRUODEBayes(
        sizes,
        Stepping(config["solver"], delta_t=float(arrays["delta_t"])),
        full=config["full_gru_ode"],
        impute=config["impute"],
        seed=0,
        dtype=torch.float64,
    )


def _events(arrays: Mapping[str, Tensor]) -> Events:
    """The rows of a case, which stand by time, by sample instead."""
    per_time = arrays["time_ptr"].diff()
    clocks = arrays["times"].repeat_interleave(per_time)
    samples = arrays["obs_idx"]
    series = []
    for k in range(len(arrays["cov"])):
        rows = samples == k
        series.append((clocks[rows], arrays["X"][rows], arrays["M"][rows]))
    end = max(float(arrays["T"]), float(clocks.max()) if len(clocks) else 0.0)
    return pad_events(series, end=end, covariates=arrays["cov"])
