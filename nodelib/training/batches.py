"""The order in which a training visits its examples."""

from collections.abc import Callable

import torch
from torch import Tensor

from nodelib.seeds import generator

ORDERS = 10**9
"""Number, beyond that of any step, at which the generators of the orders of the epochs begin."""


def shuffled(examples: int, batch: int, *, seed: int) -> Callable[[int], Tensor]:
    """A function that gives the rows (batch,) of the examples of each step, counted from 0.

    Every epoch visits the examples in a new order; those that fill no batch are left out. The rows
    of a step do not depend on the steps before it, so that a training may go on anywhere.
    """
    each = examples // batch
    orders: dict[int, Tensor] = {}

    def rows(step: int) -> Tensor:
        epoch, place = divmod(step, each)
        if epoch not in orders:
            orders.clear()
            orders[epoch] = torch.randperm(examples, generator=generator(seed, ORDERS + epoch))
        return orders[epoch][place * batch : (place + 1) * batch]

    return rows
