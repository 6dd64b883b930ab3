"""SHA-256 of files: the published lists, and the check of files against them."""

import functools
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np

from nodelib import files
from nodelib.data.find import places
from nodelib.errors import ChecksumError, DataError

_REMEDY = (
    "copy or download it again ('nodelib data fetch {name}'), or remove the folder to go on without"
)


def parse(text: str, origin: str) -> dict[str, str]:
    """A list in the form that ``sha256sum`` prints: file name to SHA-256.

    Line ends of Windows, blank lines and capital digits are read as well.

    Raises:
        DataError: if a line has another form; ``origin`` names the list in the message.
    """
    hashes = {}
    for line in filter(str.strip, text.splitlines()):
        value, _, name = line.strip().partition(" ")
        value = value.lower()
        name = name.strip().removeprefix("*").removeprefix("./")
        if not name or len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise DataError(
                f"{origin} is not a list of SHA-256 sums (line {line[:60]!r}): remove it"
            )
        hashes[name] = value
    return hashes


def read(path: Path) -> dict[str, str]:
    """The list in a file; see :func:`parse`.

    Raises:
        DataError: if it cannot be read or is no such list.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise places.read_failure(error, path) from error
    return parse(text, str(path))


@functools.cache
def published(name: str) -> Mapping[str, str]:
    """The SHA-256 list that the package keeps for a data set: file name to hash."""
    entry = resources.files("nodelib.data.find") / "checksums" / f"{name}.txt"
    return parse(entry.read_text(encoding="utf-8"), f"the package's list for {name}")


def sha256(path: Path) -> str:
    """SHA-256 of a file, computed once per process while its size and time stay the same.

    Raises:
        DataError: if the file cannot be read.
    """
    return _readable(path, files.sha256)


def sha256_unzipped(path: Path) -> str:
    """SHA-256 of what a ``.gz`` file holds, or of another file; remembered like :func:`sha256`.

    Raises:
        DataError: if the file cannot be read or is not intact gzip.
    """
    return _readable(path, _unzipped if path.suffix == ".gz" else files.sha256)


def of_array(array: np.ndarray) -> str:
    """SHA-256 of an array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def damaged_gzip(path: Path, error: Exception) -> DataError:
    """The message for a file that should be gzip and is not, or is cut short."""
    return DataError(
        f"{path} is damaged: not an intact gzip file ({error}); copy or download it again"
    )


def check(name: str, directory: Path, files: Mapping[str, str]) -> None:
    """Compare files with their hashes.

    Args:
        name: the data set, for the message.
        directory: where the files lie.
        files: relative file name to the expected SHA-256.

    Raises:
        ChecksumError: if one differs; names the first that does, and how many do.
        DataError: if one cannot be read.
    """
    wrong = [file for file, known in files.items() if sha256(directory / file) != known]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ChecksumError(
            f"{directory / wrong[0]}{more} is damaged: its SHA-256 is not the published one; "
            + _REMEDY.format(name=name)
        )


def _readable(path: Path, function) -> str:
    try:
        stat = path.stat()
        return _remembered(function, path, stat.st_size, stat.st_mtime_ns)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged_gzip(path, error) from error
    except OSError as error:
        raise places.read_failure(error, path) from error


@functools.cache
def _remembered(function, path: Path, size: int, modified: int) -> str:
    return function(path)


def _unzipped(path: Path) -> str:
    with gzip.open(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
