"""Where a network is, and what that device is called in a record."""

import torch
from torch import nn


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first parameter."""
    return next(module.parameters()).device


def name_of(device: torch.device) -> str:
    """ "cpu", or the name that the maker of a GPU gave it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
