"""Fixtures shared by the tests: where real data is, and no writing to the user's cache."""

import os
from pathlib import Path

import pytest

from nodebook import paths

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and a console keeps it from when it is made


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """Point the cache at a temporary directory and leave the network alone.

    So no test writes to the user's cache, or downloads 90 MiB into one that is thrown away.
    """
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NODELIB_CACHE", str(directory))
        patch.setenv("NODELIB_OFFLINE", "1")
        yield directory


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory with the real data: ``NODELIB_DATA``, or ``../shared/data`` if it exists.

    Skips where there is none; fails instead where ``NODELIB_REQUIRE_DATA=1``.
    """
    given = os.environ.get("NODELIB_DATA")
    directory = Path(given) if given else paths.root().parent / "shared" / "data"
    if not directory.is_dir():
        absent(f"no real data at {directory}: set NODELIB_DATA to the folder that holds mitdb/")
    return directory


@pytest.fixture(scope="session")
def mitdb_dir(data_dir) -> Path:
    """The folder of the MIT-BIH Arrhythmia Database."""
    directory = data_dir / "mitdb"
    if not directory.is_dir():
        absent(f"no mitdb in {data_dir}")
    return directory


@pytest.fixture
def real_data(data_dir, monkeypatch) -> Path:
    """``NODELIB_DATA`` set to the real data."""
    monkeypatch.setenv("NODELIB_DATA", str(data_dir))
    return data_dir


@pytest.fixture
def offline(tmp_path, monkeypatch) -> Path:
    """No network, no data directory and an empty cache, which is returned."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("NODELIB_OFFLINE", "1")
    monkeypatch.delenv("NODELIB_DATA", raising=False)
    monkeypatch.setenv("NODELIB_CACHE", str(cache))
    return cache


def absent(reason: str) -> None:
    """Skip for want of data, or fail where the data must be there."""
    if os.environ.get("NODELIB_REQUIRE_DATA") == "1":
        pytest.fail(f"NODELIB_REQUIRE_DATA=1, but there is {reason}")
    pytest.skip(reason)
