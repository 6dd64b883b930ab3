"""Getting a data set: from this disk, or else from its official source."""

from dataclasses import replace

from nodelib.data.find import download, hashes, holdings, network, places
from nodelib.data.find.holdings import SUMS, Holding
from nodelib.data.find.sources import Source
from nodelib.errors import DataError, OfflineError


def acquire(source: Source, *, allow_standin: bool) -> Holding | None:
    """Find a data set on this disk or download it; None where only a stand-in is left.

    Raises:
        OfflineError: if it is not at hand, cannot be downloaded, and no stand-in is allowed.
        DataError: if what is at hand is damaged, or a download breaks off.
    """
    if holding := holdings.find(source):
        return holding
    try:
        if network.switched_off():
            raise OfflineError(
                f"{source.name} is not at hand and NODELIB_OFFLINE forbids the download: set "
                f"NODELIB_DATA to a directory that has it, or unset NODELIB_OFFLINE"
            )
        return downloaded(source)
    except OfflineError:
        if allow_standin:
            return None
        raise


def downloaded(source: Source, *, signals: bool = False) -> Holding:
    """Download a data set into the cache, or complete what the cache has of it.

    Args:
        source: the data set.
        signals: for the two sets whose signals are large (nsrdb and chfdb), also download those.

    Raises:
        OfflineError: if the source does not answer.
        DataError: if a download breaks off, a file is not the published one, or the cache
            cannot be written.
    """
    directory = places.cache() / source.name
    download.fetch(source.name, _wanted(source, signals), source.addresses, directory, bars=signals)
    holding = holdings.look(source, places.CACHE, places.cache())
    return replace(holding, place=f"download from {source.origin}")


def _wanted(source: Source, signals: bool) -> dict[str, str]:
    """The files to download, relative to the folder of the set, with their SHA-256."""
    if source.name == "mnist":
        return dict(hashes.published("mnist-gz"))
    known = dict(hashes.published(source.name))
    flat = [file.rpartition("/")[2] for file in source.layouts[-1]]
    files = [file for file in flat if signals or not file.endswith(source.deferred or ("\0",))]
    if not all(file in known for file in files):
        known = _their_sums(source, known.get(SUMS))
    unlisted = [file for file in files if file not in known]
    if unlisted:
        (places.cache() / source.name / SUMS).unlink(missing_ok=True)
        raise DataError(
            f"{source.origin}'s {SUMS} does not list {unlisted[0]} of {source.name}: it cannot be "
            f"verified. The list was not kept: run 'nodelib data fetch {source.name}' to try again"
        )
    return {file: known[file] for file in files}


def _their_sums(source: Source, known: str | None) -> dict[str, str]:
    directory = places.cache() / source.name
    download.fetch(source.name, {SUMS: known}, source.addresses, directory)
    target = directory / SUMS
    try:
        return hashes.read(target)
    except DataError as error:
        target.unlink(missing_ok=True)
        raise DataError(
            f"{source.addresses[0]}{SUMS} arrived as something else than a list of SHA-256 sums "
            "(a page to log in, perhaps); nothing was kept. Check the connection in a browser, "
            f"then run 'nodelib data fetch {source.name}'"
        ) from error
