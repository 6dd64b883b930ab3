"""Where data came from, how much of it there is, and the hash of what it says."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Completeness = Literal["complete", "partial", "synthetic"]


@dataclass(frozen=True)
class Provenance:
    """The origin of a data set as it was read.

    Attributes:
        name: the data set, for example ``"mitdb"``.
        source: the kind of place it came from, for example ``"NODELIB_DATA directory"``. Never
            a path: pages are published.
        completeness: ``"complete"`` (all of the published set), ``"partial"`` (real, but not
            all of it) or ``"synthetic"`` (made by a model, not measured).
        sha256: SHA-256 of the content; the same bytes give the same hash wherever they lie.
        detail: one plain sentence on what is there and what is not.
    """

    name: str
    source: str
    completeness: Completeness
    sha256: str
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.name} ({self.completeness}, {self.source}): {self.detail} "
            f"SHA-256 {self.sha256[:12]}."
        )


def digest(hashes: Mapping[str, str]) -> str:
    """One SHA-256 for a set of files, from each file's name and own SHA-256.

    It is the hash of the lines ``"<hash>  <name>\\n"`` sorted by name, the form that
    ``sha256sum`` prints.
    """
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()
