"""What a run read: the data, recorded results and claims behind a page.

A notebook's page ends with a line that names its data, and its execution is reused only while
everything it read is unchanged. Both need to know what was read, so the readers say so here: the
runner sets ``NODELIB_TRACE`` to a file, and each reader adds one JSON line to it.
"""

import json
import os
from pathlib import Path


def note(kind: str, name: str, fingerprint: str, **details: str) -> None:
    """Record that ``name`` (of ``kind`` "data", "results" or "claims") was read.

    ``fingerprint`` is a hash of what was read; ``details`` are short texts for the page.
    Does nothing where ``NODELIB_TRACE`` is unset, as in a reader's own session.
    """
    target = os.environ.get("NODELIB_TRACE")
    if not target:
        return
    line = json.dumps({"kind": kind, "name": name, "fingerprint": fingerprint, **details})
    with Path(target).open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def read(path: Path) -> list[dict[str, str]]:
    """The notes in a trace file, in order, each once; empty if nothing was read."""
    if not path.is_file():
        return []
    seen = dict.fromkeys(path.read_text(encoding="utf-8").splitlines())
    return [json.loads(line) for line in seen]
