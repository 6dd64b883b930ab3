"""RR intervals: the times between heartbeats in long recordings (nsr2db and chf2db)."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nodelib.data import fingerprints, standins
from nodelib.data.aami import BEATS
from nodelib.data.find import hashes, places, sources
from nodelib.data.find.acquisition import acquire
from nodelib.data.find.holdings import Holding
from nodelib.data.find.provenance import Provenance, digest
from nodelib.data.records import read_record
from nodelib.errors import DataError


@dataclass(frozen=True)
class RRDatabase:
    """A set of RR interval series.

    Attributes:
        name: ``"nsr2db"`` or ``"chf2db"``.
        records: names of the series.
        provenance: where they came from.
        holding: their files; None for the synthetic stand-in.
    """

    name: str
    records: tuple[str, ...]
    provenance: Provenance
    holding: Holding | None

    def rr(self, record: str) -> np.ndarray:
        """RR intervals of a record in seconds, float64, shape (beats - 1,).

        They are between consecutive beats of any type. The largest are pauses in the recording.

        Raises:
            DataError: if there is no such record, or its file is not as it should be.
        """
        if record not in self.records:
            raise DataError(
                f"{self.name} has no record {record!r}: it has {self.records[0]} to "
                f"{self.records[-1]}"
            )
        if self.holding is None:
            return standins.rr(sources.get(self.name), self.records.index(record))
        text = self.holding.path(f"{record}_rr_secs.txt.gz")
        if text:
            return _from_text(text)
        return _from_annotations(self.holding.path(f"{record}.ecg"))


def nsr2db(*, allow_standin: bool = True) -> RRDatabase:
    """RR intervals of 54 people in normal sinus rhythm, about 24 hours each (PhysioNet nsr2db).

    Raises:
        OfflineError: if they cannot be had and ``allow_standin`` is False.
        DataError: if a file is damaged.
    """
    return _load("nsr2db", "people in normal sinus rhythm", allow_standin)


def chf2db(*, allow_standin: bool = True) -> RRDatabase:
    """RR intervals of 29 people with congestive heart failure, about 24 hours each (chf2db).

    Raises:
        OfflineError: if they cannot be had and ``allow_standin`` is False.
        DataError: if a file is damaged.
    """
    return _load("chf2db", "people with congestive heart failure", allow_standin)


def _load(name: str, people: str, allow_standin: bool) -> RRDatabase:
    source = sources.get(name)
    holding = acquire(source, allow_standin=allow_standin)
    if holding is None:
        records = standins.rr_names(source)
        made = {record: hashes.of_array(standins.rr(source, k)) for k, record in enumerate(records)}
        detail = (
            f"{len(records)} series of {standins.BEATS:,} synthetic RR intervals, drawn from a "
            "model, not measured."
        )
        provenance = Provenance(name, "generated", "synthetic", digest(made), detail)
    else:
        holding.check()
        records = source.records
        detail = f"RR intervals of {len(records)} {people}; {holding.verdict()}."
        provenance = Provenance(name, holding.place, "complete", holding.sha256(), detail)
    database = RRDatabase(name, records, provenance, holding)
    fingerprints.note(provenance)
    return database


def _from_text(path: Path) -> np.ndarray:
    try:
        with gzip.open(path, "rt", encoding="ascii") as stream:
            values = np.loadtxt(stream, ndmin=1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise hashes.damaged_gzip(path, error) from error
    except ValueError as error:
        raise DataError(f"{path} is not one number a line ({error}): replace it") from error
    except OSError as error:
        raise places.read_failure(error, path) from error
    # The first number of the file is the time of the first beat, not an interval.
    return _positive(values[1:], path)


def _from_annotations(path: Path) -> np.ndarray:
    record = read_record(path.with_suffix(""), "ecg", signals=False)
    beats = record.samples[[symbol in BEATS for symbol in record.symbols]]
    return _positive(np.diff(beats) / record.fs, path)


def _positive(intervals: np.ndarray, path: Path) -> np.ndarray:
    if not intervals.size or not np.all(np.isfinite(intervals) & (intervals > 0)):
        raise DataError(f"{path} has an RR interval that is not a positive number: replace it")
    return intervals
