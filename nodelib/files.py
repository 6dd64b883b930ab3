"""Files: their hash, and writing them whole or not at all."""

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write(target: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that no half of it is ever seen."""
    part = target.with_name(target.name + ".part")
    part.write_bytes(content)
    part.replace(target)
