"""On which device networks are trained: the CPU, or what ``NODELIB_DEVICE`` names, such as cuda."""

import os

import torch

from nodebook.errors import ResultsError


def training() -> torch.device:
    """The device for training. Tests and verification always run on the CPU.

    Raises:
        ResultsError: if ``NODELIB_DEVICE`` names none, or one that is not here.
    """
    named = os.environ.get("NODELIB_DEVICE") or "cpu"
    try:
        device = torch.empty(0, device=named).device
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ResultsError(f"NODELIB_DEVICE={named}: {first}; give cpu or cuda") from error
    torch.backends.cudnn.allow_tf32 = False  # products in full float32, as on the CPU
    torch.backends.cudnn.deterministic = True
    return device
