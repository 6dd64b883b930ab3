"""Networks of one architecture side by side, each with data of its own.

Small networks spend their time between operations, not in them, on a processor and far more so on a
GPU. Side by side the networks share the operations: each of them is called once for all networks.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from nodelib.errors import ModelError


class Stacked(nn.Module):
    """Some networks as one module, whose parameters have a leading axis.

    Args:
        networks: S of them, of one class and the same sizes; they are copied.
        method: which of their methods is called.

    Raises:
        ModelError: if there is none, or their parameters differ in name, shape or training.
    """

    def __init__(self, networks: Sequence[nn.Module], method: str = "forward") -> None:
        super().__init__()
        kinds = {
            tuple((name, p.shape, p.requires_grad) for name, p in network.named_parameters())
            for network in networks
        }
        if len(kinds) != 1:
            raise ModelError(f"{len(kinds)} kinds of networks were given: stack one or more of one")
        stacked, buffers = stack_module_state(list(networks))
        if buffers:
            raise ModelError(f"{', '.join(buffers)}: networks with buffers are not stacked")
        self._names = list(stacked)
        self.weights = nn.ParameterList(stacked.values())
        for weight, own in zip(self.weights, networks[0].parameters(), strict=True):
            weight.requires_grad_(own.requires_grad)
        # Kept out of the module's own parameters: only its code is used.
        self._template = [_Method(copy.deepcopy(networks[0]), method)]

    def forward(self, *data: Tensor) -> Any:
        """What the method gives of each network and its part of the data, stacked.

        Every tensor of ``data`` has a leading axis of S.
        """
        weights = {f"network.{k}": w for k, w in zip(self._names, self.weights, strict=True)}
        template = self._template[0]
        return vmap(lambda own, *part: functional_call(template, own, part))(weights, *data)

    @torch.no_grad()
    def network(self, k: int) -> nn.Module:
        """A copy of the k-th network as it is now, on the CPU."""
        found = copy.deepcopy(self._template[0].network)
        found.load_state_dict(
            {name: weight[k].cpu() for name, weight in zip(self._names, self.weights, strict=True)}
        )
        return found


class _Method(nn.Module):
    """A method of a network as the call of a module."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self.method = network, method

    def forward(self, *data: Tensor) -> Any:
        return getattr(self.network, self.method)(*data)


def captured(module: nn.Module, sample: tuple[Tensor, ...]) -> nn.Module:
    """On a GPU the module as CUDA graphs: what it launches, forwards and back, is launched at once.

    A training step of thousands of small operations takes as long as it takes to launch them one by
    one; as a graph it takes as long as they run. On a CPU the module is returned as it is.

    Args:
        module: no value of its input may decide what it does.
        sample: input of the shapes that it will be called with; others are then refused.
    """
    if sample[0].device.type != "cuda":
        return module
    return torch.cuda.make_graphed_callables(module, sample, num_warmup_iters=1)
