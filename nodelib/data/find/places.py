"""The directories that data is read from and written to."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch

from nodelib.errors import DataError

OWN = "NODELIB_DATA directory"
CACHE = "cache"


def own() -> Path | None:
    """The directory named by ``NODELIB_DATA``; None where it is unset.

    Raises:
        DataError: if it is set to something that is not a readable directory.
    """
    value = os.environ.get("NODELIB_DATA")
    if not value:
        return None
    path = _absolute(value, "NODELIB_DATA")
    if not _readable_directory(path):
        raise DataError(
            f"NODELIB_DATA is set to {path}, which is not a readable directory: "
            "set it to the folder that holds mitdb/, mnist/ and so on, or unset it"
        )
    return path


def cache() -> Path:
    """The directory for what was downloaded or generated: ``NODELIB_CACHE``, or the user's own.

    It need not exist yet.

    Raises:
        DataError: if it exists but is not a directory that can be read.
    """
    value = os.environ.get("NODELIB_CACHE") or str(pooch.os_cache("nodelib"))
    path = _absolute(value, "NODELIB_CACHE")
    if _exists(path) and not _readable_directory(path):
        raise DataError(
            f"the cache {path} is not a readable directory: make it one, or set NODELIB_CACHE "
            "to a directory that you can read and write"
        )
    return path


def anchor() -> None:
    """Make ``NODELIB_DATA`` and ``NODELIB_CACHE`` absolute, for this process and its children.

    A relative path means the directory in which a command was called; a chapter is executed in
    another one.

    Raises:
        DataError: if one begins with ``~`` and there is no such home directory.
    """
    for variable in ("NODELIB_DATA", "NODELIB_CACHE"):
        if value := os.environ.get(variable):
            os.environ[variable] = str(_absolute(value, variable))


def search() -> list[tuple[str, Path]]:
    """Where to look for data on this disk, in order: (kind of place, directory)."""
    mine = own()
    return ([(OWN, mine)] if mine else []) + [(CACHE, cache())]


def write_failure(error: OSError, path: Path) -> DataError:
    """The message for a file that could not be written: full disk, or no permission."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"the disk is full: could not write {path}; nothing half-written was kept. Free some "
            "space, or set NODELIB_CACHE to a directory on another disk"
        )
    return DataError(
        f"could not write {path} ({error.strerror or error}): make the directory writable, or set "
        "NODELIB_CACHE to one that is"
    )


def read_failure(error: OSError, path: Path) -> DataError:
    """The message for a file that could not be read."""
    return DataError(
        f"{path} cannot be read ({error.strerror or error}): check that it exists and that you "
        "may read it"
    )


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """A temporary directory that becomes ``target`` if the block succeeds and vanishes if not.

    Where another process made ``target`` in the meantime, that one is kept.

    Raises:
        DataError: if the directory or a file in it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise write_failure(error, target.parent) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise write_failure(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _absolute(value: str, variable: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise DataError(
            f"there is no home directory for {value}: set {variable} to a directory without '~'"
        ) from error


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _readable_directory(path: Path) -> bool:
    try:
        with os.scandir(path):
            return True
    except OSError:
        return False
