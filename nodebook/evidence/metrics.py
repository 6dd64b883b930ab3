"""Metrics as plain JSON: checked, flattened, looked up by name and written readably."""

import json
import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nodebook.errors import ResultsError


def plain(value: Any, where: str) -> Any:
    """``value`` as plain JSON: NumPy numbers and arrays become Python's, tuples become lists.

    Raises:
        ResultsError: naming ``where`` in the structure, if a number is not finite, a key is no
            text, or a value is nothing that JSON can hold.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist(), where)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise ResultsError(f"{where} is {value}: record finite numbers only, or leave it out")
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ResultsError(f"{where} has the key {key!r}: keys must be text")
        return {key: plain(entry, f"{where}.{key}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry, f"{where}.{index}") for index, entry in enumerate(value)]
    raise ResultsError(
        f"{where} is a {type(value).__name__}: record numbers, text, lists and dictionaries of them"
    )


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a nested structure as ``("a.b.0", leaf)``, in order."""
    if isinstance(value, Mapping):
        entries: Any = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    else:
        yield prefix, value
        return
    for key, entry in entries:
        yield from flatten(entry, f"{prefix}.{key}" if prefix else str(key))


def look_up(value: Any, name: str) -> Any:
    """What ``name`` ("a.b.0") stands for in a nested structure; keys may hold dots themselves.

    Raises:
        KeyError: if there is nothing of that name.
    """
    if not name:
        return value
    parts = name.split(".")
    if isinstance(value, list) and parts[0].isdigit() and int(parts[0]) < len(value):
        return look_up(value[int(parts[0])], ".".join(parts[1:]))
    if isinstance(value, Mapping):
        for length in range(len(parts), 0, -1):
            key = ".".join(parts[:length])
            if key in value:
                try:
                    return look_up(value[key], ".".join(parts[length:]))
                except KeyError:
                    continue
    raise KeyError(name)


def write(value: Any, indent: int = 0) -> str:
    """JSON with one key a line and lists of numbers or text on one line; floats round-trip."""
    inner = "  " * (indent + 1)
    if isinstance(value, Mapping) and value:
        lines = [f"{inner}{_text(key)}: {write(entry, indent + 1)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + "  " * indent + "}"
    if isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
        lines = [inner + write(entry, indent + 1) for entry in value]
        return "[\n" + ",\n".join(lines) + "\n" + "  " * indent + "]"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
