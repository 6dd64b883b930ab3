"""What the compiler is given in place of operators that it leaves to libraries.

``Rewriting`` is a pass over the compiler's graphs, before it writes C++ for them: each rule is
asked for every operator, and says what stands for it, or None.
"""

from collections.abc import Callable
from typing import Any

from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node
from torch.fx.node import map_arg


class Writer:
    """Adds operators to a graph, each with the shape and dtype of its value, as the compiler wants.

    What was added before for the same operator and arguments is returned again.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.made: dict[tuple, Node] = {}

    def __call__(self, target: Any, *arguments: Any) -> Node:
        key = (target, *(tuple(x) if isinstance(x, list) else x for x in arguments))
        if key not in self.made:
            made = self.graph.call_function(target, arguments)
            made.meta["val"] = target(*map_arg(arguments, lambda node: node.meta["val"]))
            self.made[key] = made
        return self.made[key]


Rule = Callable[[Writer, Node], Node | None]


class Rewriting(CustomGraphPass):
    """The pass, with its rules."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules

    def __call__(self, graph: Graph) -> None:
        """Write out what a rule says of the operators of a graph."""
        write = Writer(graph)
        for node in list(graph.nodes):
            if node.op != "call_function" or not _on_processor(node):
                continue
            for rule in self.rules:
                with graph.inserting_before(node):
                    found = rule(write, node)
                if found is not None:
                    node.replace_all_uses_with(found)
                    graph.erase_node(node)
                    break

    def uuid(self) -> Any:
        """The pass is what these files say."""
        files = {rule.__code__.co_filename for rule in self.rules}
        return get_hash_for_files((__file__, *sorted(files)))


def _on_processor(node: Node) -> bool:
    value = node.meta.get("val")
    return getattr(getattr(value, "device", None), "type", None) == "cpu"
