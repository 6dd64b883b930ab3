"""The states of torch's random number generators, read and put back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def generator_states(device: torch.device) -> tuple[Tensor, ...]:
    """The states of the default generators of the CPU and, if another, of ``device``."""
    states = (torch.get_rng_state(),)
    if device.type == "cuda":
        states += (torch.cuda.get_rng_state(device),)
    return states


@contextmanager
def generators_at(states: tuple[Tensor, ...], device: torch.device) -> Iterator[None]:
    """The default generators set to ``states`` within, and as they were afterwards."""
    with torch.random.fork_rng([device] if len(states) > 1 else []):
        torch.set_rng_state(states[0])
        if len(states) > 1:
            torch.cuda.set_rng_state(states[1], device)
        yield
