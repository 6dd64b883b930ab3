"""Downloads from the official sources: a temporary name, a check, three tries, then the rename."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from nodelib.data.find import network, places
from nodelib.errors import ChecksumError, DataError, OfflineError

RETRIES = 2
"""Tries after the first; pooch waits 1 s, then 2 s."""

TIMEOUT = (network.PATIENCE, 30.0)
"""Seconds to connect, and between two pieces of a file."""

REFUSALS = (403, 407, 451, 502, 503, 504)
"""HTTP status of a host that cannot be used now: a filter on the way, or out of service."""


def fetch(
    name: str,
    files: Mapping[str, str | None],
    bases: Sequence[str],
    directory: Path,
    *,
    bars: bool = False,
) -> None:
    """Download what is not already there intact.

    Args:
        name: the data set, for messages.
        files: file name to its SHA-256 (None where no list has it).
        bases: addresses of the folders that hold the files, each ending in "/"; the first that
            answers is used.
        directory: where the files go. Files that are finished stay when a later one fails, so
            that the next call goes on from there.
        bars: show a bar for each file, on a terminal (for large files).

    Raises:
        OfflineError: if no address answers, or the one that does refuses.
        ChecksumError: if a file arrives with another SHA-256.
        DataError: if a download breaks off or a file cannot be written.
    """
    base = next((base for base in bases if network.reachable(network.host(base))), None)
    if base is None:
        hosts = " and ".join(network.host(base) for base in bases)
        raise OfflineError(
            f"cannot download {name}: {hosts} cannot be reached. "
            f"Go online and run 'nodelib data fetch {name}', or set NODELIB_DATA to a directory "
            "that has it"
        )
    pooch.get_logger().setLevel("WARNING")
    registry = pooch.create(directory, base, registry=dict(files), retry_if_failed=RETRIES)
    downloader = pooch.HTTPDownloader(
        timeout=TIMEOUT, chunk_size=1 << 16, progressbar=bars and sys.stderr.isatty()
    )
    for file in tqdm(files, desc=name, unit="file", disable=None, leave=False):
        _fetch_one(registry, file, downloader, name)


def _fetch_one(registry: pooch.Pooch, file: str, downloader, name: str) -> None:
    target = registry.path / file
    again = (
        f"run 'nodelib data fetch {name}' to try again (finished files are kept), or set "
        "NODELIB_OFFLINE=1 to go on with what is at hand"
    )
    try:
        registry.fetch(file, downloader=downloader)
    except requests.RequestException as error:
        message = f"could not download {registry.get_url(file)} ({_reason(error)}): {again}"
        if error.response is not None and error.response.status_code in REFUSALS:
            network.refused(network.host(registry.base_url))
            raise OfflineError(message) from error
        raise DataError(message) from error
    except ValueError as error:
        raise ChecksumError(
            f"{registry.get_url(file)} arrived damaged, or is a page to log in: its SHA-256 is not "
            f"the published one, in {RETRIES + 1} tries; nothing was kept: {again}"
        ) from error
    except OSError as error:
        raise places.write_failure(error, target) from error


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.TooManyRedirects):
        return "it is redirected without end"
    if error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    return "the connection broke off"
