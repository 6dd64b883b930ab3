"""Graphs of functions as the compiler would be given them."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from nodelib.ode.rewriting import Rewriting


def rewritten(rule, function, *tensors) -> GraphModule:
    """The graph of a function of these tensors after a rule was applied."""
    module = make_fx(function)(*tensors)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for node in module.graph.nodes:
            value = node.meta.get("val")
            if isinstance(value, torch.Tensor):
                empty = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)
                node.meta["val"] = mode.from_tensor(empty)
        Rewriting(rule)(module.graph)
    module.graph.lint()
    module.recompile()
    return module


def count(module: GraphModule, *targets) -> int:
    """How many nodes call one of the targets."""
    return sum(node.target in targets for node in module.graph.nodes)
