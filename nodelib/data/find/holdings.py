"""What is on this disk of a data set, and whether it is intact."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nodelib.data.find import hashes, places, sources
from nodelib.data.find.provenance import Completeness, digest
from nodelib.data.find.sources import Source
from nodelib.errors import DataError

SUMS = "SHA256SUMS.txt"
"""PhysioNet's own list, kept beside the files that were downloaded with it."""


@dataclass(frozen=True)
class Holding:
    """The files of one data set in one place.

    Attributes:
        source: the data set.
        place: the kind of place, for provenance lines.
        directory: the data directory that the names in ``files`` are relative to.
        files: the files that are there.
        completeness: ``"complete"`` or ``"partial"``.
    """

    source: Source
    place: str
    directory: Path
    files: tuple[str, ...]
    completeness: Completeness

    @property
    def content(self) -> tuple[str, ...]:
        """The files that are checked and hashed before reading (large signals come later)."""
        return tuple(f for f in self.files if not f.endswith(self.source.deferred or ("\0",)))

    def path(self, name: str) -> Path | None:
        """Where the file called ``name`` is; None if it is not there."""
        return next((self.directory / f for f in self.files if Path(f).name == name), None)

    def known(self) -> Mapping[str, str]:
        """Published SHA-256 of each file for which a list has one."""
        listed = {}
        sums = self.directory / self.source.name / SUMS
        if sums.is_file():
            theirs = hashes.read(sums)
            listed |= {f"{self.source.name}/{file}": value for file, value in theirs.items()}
        listed |= sources.published(self.source)
        return {file: listed[file] for file in self.files if file in listed}

    def check(self) -> None:
        """Compare every file that is read at once with its published SHA-256.

        Raises:
            ChecksumError: if one differs.
            DataError: if one cannot be read.
        """
        known = self.known()
        hashes.check(
            self.source.name, self.directory, {f: known[f] for f in self.content if f in known}
        )

    def check_file(self, file: Path) -> None:
        """Compare one file, such as a large signal, with its published SHA-256 if there is one.

        Raises:
            ChecksumError: if it differs.
        """
        relative = file.relative_to(self.directory).as_posix()
        known = self.known()
        if relative in known:
            hashes.check(self.source.name, self.directory, {relative: known[relative]})

    def verdict(self) -> str:
        """A few words on what the files were checked against, for a provenance's detail."""
        sums = self.directory / self.source.name / SUMS
        official = self.source.official or sums.is_file()
        whose = "PhysioNet's SHA-256 list" if official else "the package's own SHA-256 list"
        listed = len(set(self.content) & self.known().keys())
        if listed == len(self.content):
            return f"all files match {whose}"
        return f"{listed} of {len(self.content)} files match {whose}, the rest are on none"

    def sha256(self) -> str:
        """One hash of the content, the same wherever the same files lie."""
        return digest({Path(f).name: hashes.sha256(self.directory / f) for f in self.content})


def search() -> list[tuple[str, Path]]:
    """Where to look on this disk, in order: (kind of place, directory).

    Raises:
        DataError: if ``NODELIB_DATA`` is not a directory or holds none of the sets, or if the
            cache cannot be read.
    """
    found = places.search()
    folders = sorted({file.partition("/")[0] for name in sources.NAMES for file in _files(name)})
    for place, directory in found:
        if place == places.OWN and not any((directory / f).is_dir() for f in folders):
            raise DataError(
                f"NODELIB_DATA is set to {directory}, which has none of the folders "
                f"{', '.join(folders)}: set it to the folder above them, or unset it"
            )
    return found


def find(source: Source) -> Holding | None:
    """The best holding on this disk: complete before partial, then in the order of the places.

    Raises:
        DataError: if ``NODELIB_DATA`` is not a directory, has only some of the files of a set
            that is of no use in part, or has a folder for the set with other files only; or if
            the cache cannot be read.
    """
    found = []
    for place, directory in search():
        if holding := look(source, place, directory):
            found.append(holding)
        elif place == places.OWN:
            _check_strangers(source, directory)
    for holding in found:
        if holding.completeness == "complete":
            return holding
        if not source.divisible and holding.place == places.OWN:
            raise DataError(incomplete(holding))
    if not source.divisible:
        return None
    return max(found, key=_annotated, default=None)


def missing(holding: Holding) -> tuple[str, ...]:
    """Files that the nearest complete layout has and the holding has not."""
    have = set(holding.files)
    return min(
        (tuple(f for f in layout if f not in have) for layout in holding.source.layouts), key=len
    )


def look(source: Source, place: str, directory: Path) -> Holding | None:
    """What ``directory`` holds of a set; None if nothing.

    Raises:
        DataError: if the folder of the set may not be read.
    """
    try:
        files = tuple(f for f in source.files if (directory / f).is_file())
    except OSError as error:
        raise places.read_failure(error, directory / source.name) from error
    if not files:
        return None
    complete = any(set(layout) <= set(files) for layout in source.layouts)
    return Holding(source, place, directory, files, "complete" if complete else "partial")


def _check_strangers(source: Source, directory: Path) -> None:
    """Refuse a folder of the user's for a set in which nothing is recognised: not pass it over."""
    folder = directory / source.name
    try:
        # MNIST/ or MITDB/, as other programs spell it, holds nothing where case counts.
        alike = [entry for entry in directory.iterdir() if entry.name.lower() == source.name]
        folder = next((entry for entry in alike if entry.is_dir()), folder)
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise places.read_failure(error, folder) from error
    if others := [name for name in names if not name.startswith((".", "SHA256SUMS"))]:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise DataError(
            f"{folder} holds {shown}, but no file of {source.name} by its published name, such as "
            f"{Path(source.files[0]).name}: unpack or rename them into {directory / source.name}, "
            "or move the folder away to go on without"
        )


@cache
def _files(name: str) -> tuple[str, ...]:
    return sources.get(name).files


def _annotated(holding: Holding) -> int:
    suffix = f".{holding.source.annotator}"
    return sum(f.endswith(suffix) for f in holding.files)


def incomplete(holding: Holding) -> str:
    """The message for a set of which only some files are there."""
    absent = missing(holding)
    return (
        f"{holding.directory / absent[0]} is missing ({len(absent)} of the "
        f"{len(holding.files) + len(absent)} files of {holding.source.name} are): complete the "
        "copy, or remove the folder from the NODELIB_DATA directory to go on without"
    )
