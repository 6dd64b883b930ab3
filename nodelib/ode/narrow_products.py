"""Matrix products with few columns, turned round before the compiler writes code for them.

On a processor PyTorch leaves products of matrices to a library (MKL, OpenBLAS) that is several
times faster at ``B^T A^T``, with few rows, than at ``A B``, with few columns. Fields of few numbers
are full of the latter: the last layer of a network, and the gradients of the weights and of the
inputs of its first. The sums are the same, taken in another order, so that values move by rounding.
"""

from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

FEW, TALL = 8, 4
"""So many columns are few, where there are at least so many times as many rows."""

aten = torch.ops.aten


class NarrowProducts(CustomGraphPass):
    """The pass over the compiler's graphs."""

    def __call__(self, graph: Graph) -> None:
        """Turn the narrow products of a graph round."""
        for node in list(graph.nodes):
            if node.op != "call_function" or node.kwargs:
                continue
            if node.target is aten.mm.default and _is_narrow(node):
                _replace(graph, node, *node.args)
            elif node.target is aten.addmm.default and _is_narrow(node):
                bias, *factors = node.args
                _replace(graph, node, *factors, bias)

    def uuid(self) -> Any:
        """The pass is what this file says."""
        return get_hash_for_files((__file__,))


def _is_narrow(node: Node) -> bool:
    rows, columns = node.meta["val"].shape
    return columns <= FEW and rows >= TALL * columns


def _replace(graph: Graph, node: Node, a: Node, b: Node, bias: Node | None = None) -> None:
    with graph.inserting_before(node):
        turned = [_called(graph, aten.permute.default, x, [1, 0]) for x in (b, a)]
        product = _called(graph, aten.mm.default, *turned)
        found = _called(graph, aten.permute.default, product, [1, 0])
        # A loop hands on what lies in memory as it did before.
        found = _called(graph, aten.clone.default, found, memory_format=torch.contiguous_format)
        if bias is not None:
            found = _called(graph, aten.add.Tensor, found, bias)
    node.replace_all_uses_with(found)
    graph.erase_node(node)


def _called(graph: Graph, target: Any, *arguments: Any, **settings: Any) -> Node:
    """A new node, with the shape and dtype of its value, as the compiler wants."""
    made = graph.call_function(target, arguments, settings)
    values = [x.meta["val"] if isinstance(x, Node) else x for x in arguments]
    made.meta["val"] = target(*values, **settings)
    return made
