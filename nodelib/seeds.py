"""Random numbers from explicit seeds."""

import numpy as np
import torch


def generator(seed: int, step: int = 0) -> torch.Generator:
    """A generator for one step of one run: the same for the same pair, unrelated for others."""
    state = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
