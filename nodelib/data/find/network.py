"""Whether the network may be used, and whether a host answers: asked once, remembered.

A build runs many notebooks, each in its own process. Where there is no network, waiting for a
time-out in each would cost more than the work, so a failure is also noted in the cache for ten
minutes.
"""

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

from nodelib import files
from nodelib.data.find import places
from nodelib.errors import DataError

PATIENCE = 4.0
"""Seconds that a host has to answer."""

FORGET = 600.0
"""Seconds that a failure noted in the cache is believed."""

HOSTS = (
    "https://physionet.org",
    "https://ossci-datasets.s3.amazonaws.com",
    "https://storage.googleapis.com",
)
"""Where the data sets are published."""

_answers: dict[str, bool] = {}


def host(address: str) -> str:
    """Scheme and name of the host in an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def switched_off() -> bool:
    """True where ``NODELIB_OFFLINE`` is set to something other than 0."""
    return os.environ.get("NODELIB_OFFLINE", "0") not in ("", "0")


def reachable(host: str, *, again: bool = False) -> bool:
    """True if ``host`` (scheme and name) answers within :data:`PATIENCE` seconds.

    All of :data:`HOSTS` are asked at once on the first call of a process, so that no later call
    waits. ``again=True`` forgets earlier failures first, as a user who asks for a download wants.
    """
    if again:
        _answers.clear()
        with contextlib.suppress(OSError):
            _note().unlink()
    if host not in _answers and host in _noted():
        _answers[host] = False
    if host not in _answers:
        _ask({host, *HOSTS} - _answers.keys())
    return _answers[host]


def refused(host: str) -> None:
    """Remember that ``host`` answers, but refuses: a filter on the way, or out of service."""
    _answers[host] = False
    _write_note()


def _ask(hosts: set[str]) -> None:
    found: dict[str, bool] = {}

    def ask(host: str) -> None:
        try:
            requests.head(host, timeout=PATIENCE)
        except requests.RequestException:
            found[host] = False
        else:
            found[host] = True

    # Looking a name up can outlast any socket time-out: daemon threads can be left behind.
    threads = [threading.Thread(target=ask, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    _answers.update({host: found.get(host, False) for host in hosts})
    if not all(_answers[host] for host in hosts):
        _write_note()


def _note() -> Path:
    return places.cache() / "unreachable.json"


def _noted() -> set[str]:
    """Hosts that another process found unreachable a short while ago."""
    try:
        note = json.loads(_note().read_text(encoding="utf-8"))
        return set(note["hosts"]) if 0 <= time.time() - note["time"] < FORGET else set()
    except (OSError, ValueError, KeyError, TypeError, DataError):
        return set()


def _write_note() -> None:
    hosts = sorted(host for host, answers in _answers.items() if not answers)
    # The note only saves time: a cache that cannot be written is reported where it matters.
    with contextlib.suppress(OSError, DataError):
        files.write(_note(), json.dumps({"time": time.time(), "hosts": hosts}).encode())
