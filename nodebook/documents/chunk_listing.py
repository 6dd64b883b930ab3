"""Document 000's listing that cuts long records into chunks: its names, and what it does.

``NAMES`` has the listing's names and control flow without its texts and comments, so that Python
itself can say which names it reads and never sets. ``chunks`` is the same in our own words, with
what it leaves undefined as arguments.
"""

import ast
import builtins

import numpy as np

NAMES = """
def chunk_patient_data(patient_data):
    num_events = len(times)
    if num_events <= chunk_size:
        return [patient_data]
    while start_idx < num_events:
        end_idx = min(start_idx + chunk_size, num_events)
        chunk = {"id": (patient_data["id"], len(chunks))}
        chunk_times = times[start_idx:end_idx]
        chunk["times"] = chunk_times - chunk_times[0]
        start_idx += chunk_size - chunk_overlap
        if end_idx == num_events:
            break
    return chunks
"""


def undefined_names(source: str = NAMES) -> list[str]:
    """Names that a function reads and that are no argument and bound nowhere, or not before.

    A name that is only ever changed in place (``x += 1``) is not bound before.
    """
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    changed = {id(node.target) for node in nodes if isinstance(node, ast.AugAssign)}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {n.id for n in names if isinstance(n.ctx, ast.Store) and id(n) not in changed}
    read = {n.id for n in names if isinstance(n.ctx, ast.Load) or id(n) in changed}
    return sorted(read - bound - arguments - set(dir(builtins)))


def what_it_raises(record: dict) -> str:
    """Name of the error when the listing is run as printed on a record; "nothing" if none."""
    scope: dict = {}
    exec(compile(NAMES, "the listing", "exec"), scope)
    try:
        scope["chunk_patient_data"](record)
    except NameError as error:
        return type(error).__name__
    return "nothing"


def chunks(times: np.ndarray, size: int, overlap: int) -> list[np.ndarray]:
    """Times of the chunks of a record, as the listing makes them; each chunk begins at 0.

    A record of at most ``size`` events is handed back as it is, with its own times.

    Raises:
        ValueError: where the listing would never come to an end.
    """
    if overlap >= size:
        raise ValueError(f"overlap {overlap} is not below size {size}: the listing would not end")
    if len(times) <= size:
        return [times]
    found, start = [], 0
    while start < len(times):
        end = min(start + size, len(times))
        found.append(times[start:end] - times[start])
        start += size - overlap
        if end == len(times):
            break
    return found
