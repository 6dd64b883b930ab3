"""The one-minute excerpts of nsrdb and chfdb, for where the whole signals are not at hand."""

from collections.abc import Container, Mapping
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from nodelib.errors import DataError

UNITS_PER_MV = 200.0
"""Gain of nsrdb, as the excerpts' ``.info`` files state."""


def has(database: str, record: str, files: Container[str]) -> bool:
    """True if there is an excerpt of the record among the file names ``files``."""
    return all(name in files for name in _names(database, record))


def find(
    database: str, record: str, files: Mapping[str, Path]
) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """The excerpt of a record: float64 signals (samples, leads) in mV and the leads' names.

    For nsrdb it is the first minute of lead ECG1 (a MATLAB file, as PhysioBank ATM exports it);
    for chfdb a minute of both leads of record chf15 (text, one number a line). None if there is
    none.

    Raises:
        DataError: if a file is malformed.
    """
    if not has(database, record, files):
        return None
    paths = [files[name] for name in _names(database, record)]
    if database == "nsrdb":
        return _mat(paths[0]), ("ECG1",)
    columns = [_text(path) for path in paths]
    if len({len(column) for column in columns}) > 1:
        raise DataError(f"{paths[0]} and {paths[1]} differ in length: replace both")
    return np.column_stack(columns), ("ECG1", "ECG2")


def _names(database: str, record: str) -> tuple[str, ...]:
    if database == "nsrdb":
        return (f"{record}m.mat",)
    return (f"chfdb{record}_1.csv", f"chfdb{record}_2.csv")


def _mat(path: Path) -> np.ndarray:
    try:
        return loadmat(path)["val"].T / UNITS_PER_MV
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path} is not a MATLAB file with 'val' ({error}): replace it") from error


def _text(path: Path) -> np.ndarray:
    try:
        return np.loadtxt(path, ndmin=1)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not one number a line ({error}): replace it") from error
