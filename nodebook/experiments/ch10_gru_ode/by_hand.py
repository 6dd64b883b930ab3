"""The model that the page of chapter 10 writes out, beside the study's and the library's.

All three have the same parts under names of their own. Here are the weights of one put into
another, so that the page can show that they give the same numbers.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models import gru_ode

NAMES = {
    "start": "start",
    "head.0": "head.layers.0",
    "head.2": "head.layers.1",
    "flow.gates": "gates.layers.0",
    "flow.candidate": "candidate.layers.0",
    "jump.weight": "weight",
    "jump.bias": "bias",
}
"""The page's names, and the study's."""


def from_study(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of one recorded network under the names of the page's model.

    The study's affine maps are (inputs, outputs), the page's the other way round.
    """
    found = {}
    for ours, theirs in NAMES.items():
        if theirs in weights:
            found[ours] = weights[theirs]
        else:
            found[f"{ours}.weight"] = weights[f"{theirs}.weight"].T
            found[f"{ours}.bias"] = weights[f"{theirs}.bias"]
    for ours, theirs in {"ih": "from_input", "hh": "from_state"}.items():
        found[f"jump.cell.weight_{ours}"] = weights[f"cell.{theirs}.layers.0.weight"].T
        found[f"jump.cell.bias_{ours}"] = weights[f"cell.{theirs}.layers.0.bias"]
    return found


@torch.no_grad()
def in_library(model: nn.Module, stepping: gru_ode.Stepping, noise: float) -> gru_ode.GRUODEBayes:
    """The library's model with the weights of the page's.

    Raises:
        ModelError: if the flow has a bias or the first state is not 0: the library's flow has no
            biases, and its first state is a function of covariates.
    """
    weights = model.state_dict()
    for name in ("start", "flow.gates.bias", "flow.candidate.bias"):
        if weights[name].any():
            raise ModelError(f"{name} is not zero: the library's model has none")
    features, _, prep = weights["jump.weight"].shape
    units, hidden = weights["head.0.weight"].shape
    sizes = gru_ode.Sizes(features, hidden, p_hidden=units, prep_hidden=prep)
    found = gru_ode.GRUODEBayes(sizes, stepping, full=True, noise=noise, seed=0)
    update, reset = weights["flow.gates.weight"].chunk(2)
    found.cell.gate_weight.copy_(torch.cat((reset, update)))
    found.cell.candidate_weight.copy_(weights["flow.candidate.weight"])
    found.predict.load_state_dict(model.head.state_dict())
    found.jump.weight.copy_(weights["jump.weight"])
    found.jump.bias.copy_(weights["jump.bias"])
    found.jump.gru.load_state_dict(model.jump.cell.state_dict())
    for parameter in found.first.parameters():  # h(0) = 0
        parameter.zero_()
    return found
