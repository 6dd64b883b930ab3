"""Files: their hash, and writing them whole or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write(target: Path, content: bytes) -> None:
    """Write a file so that no half of it is ever seen; see :func:`replacing`.

    Raises:
        OSError: if it cannot be written; an older file is then still there.
    """
    with replacing(target) as part:
        part.write_bytes(content)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """The path of a temporary file that becomes ``target`` if the block succeeds.

    Its folder is made. Where the block fails (a full disk, Ctrl-C) the temporary file is removed
    and an older ``target`` stays. Processes that write the same file do not disturb each other.

    Raises:
        OSError: if the folder or the file cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
