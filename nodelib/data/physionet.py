"""The PhysioNet databases with ECG signals: mitdb, nsrdb and chfdb."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nodelib.data import fingerprints, minutes, standins
from nodelib.data.find import sources
from nodelib.data.find.acquisition import acquire
from nodelib.data.find.holdings import Holding
from nodelib.data.find.provenance import Provenance
from nodelib.data.find.sources import Source
from nodelib.data.records import Record, read_record
from nodelib.errors import DataError

PATIENTS = {"202": "201"}
"""mitdb records 201 and 202 are from one person (their headers say so); it is called 201 here."""


@dataclass(frozen=True)
class Database:
    """A set of ECG records.

    Attributes:
        name: ``"mitdb"``, ``"nsrdb"`` or ``"chfdb"``.
        directory: the folder of the set (of its annotations, where they have their own).
        records: names of the records of which at least a part is at hand.
        provenance: where they came from.
        files: path of each file at hand, by file name.
        annotator: suffix of the reference annotations.
        holding: the files as they were found; None for a synthetic stand-in.
    """

    name: str
    directory: Path
    records: tuple[str, ...]
    provenance: Provenance
    files: Mapping[str, Path]
    annotator: str
    holding: Holding | None

    @property
    def annotated(self) -> tuple[str, ...]:
        """Names of the records whose annotations are at hand."""
        return tuple(name for name in self.records if self._annotations(name))

    def record(self, name: str, *, signals: bool = True) -> Record:
        """Read one record.

        Where only a part of it is at hand, that part is read, and the record's ``note`` says what
        is missing: for nsrdb and chfdb, signals may be one minute, and there may be no
        annotations (``samples`` is then empty; see :attr:`annotated`).

        Args:
            name: one of ``records``.
            signals: False does not open the signal file.

        Raises:
            DataError: if there is no such record, or its files are damaged or disagree.
        """
        if name not in self.records:
            raise DataError(
                f"{self.name} has no record {name!r} at hand: it has {', '.join(self.records)}"
            )
        whole = self.files.get(f"{name}.dat")
        annotations = self._annotations(name)
        if self.holding and signals and whole:
            self.holding.check_file(whole)
        if not annotations and whole:
            record = read_record(whole.with_suffix(""), None, signals=signals)
            return replace(record, note="no annotations at hand")
        if not annotations:
            return self._with_minute(self._bare(name), "no annotations", signals)
        path, annotator = annotations.with_suffix(""), annotations.suffix.removeprefix(".")
        together = whole is not None and whole.parent == path.parent
        record = read_record(
            path, annotator, signals=signals and together, patient=PATIENTS.get(name)
        )
        if together or self.holding is None:
            return record
        earlier = ", in an earlier revision," if annotator.endswith("-") else ""
        return self._with_minute(record, f"annotations{earlier} of the whole record", signals)

    def _with_minute(self, record: Record, had: str, signals: bool) -> Record:
        if not signals:
            return replace(record, note=had)
        minute = minutes.find(self.name, record.name, self.files)
        if minute is None:
            return replace(record, note=f"{had}; no signals at hand")
        values, leads = minute
        seconds = len(values) / record.fs
        return replace(
            record,
            signals=values,
            leads=leads,
            n_samples=record.n_samples or len(values),
            note=f"{had}; signals are {seconds:.0f} s of {' and '.join(leads)}",
        )

    def _annotations(self, name: str) -> Path | None:
        return self.files.get(f"{name}.{self.annotator}") or self.files.get(
            f"{name}.{self.annotator}-"
        )

    def _bare(self, name: str) -> Record:
        return Record(
            name=name,
            fs=sources.get(self.name).fs,
            signals=None,
            leads=(),
            samples=np.empty(0, np.int64),
            symbols=[],
            aux=[],
            age=None,
            sex=None,
            comments=[],
            patient=name,
            n_samples=0,
        )


def mitdb(*, allow_standin: bool = True) -> Database:
    """MIT-BIH Arrhythmia Database: 48 half-hour records of two leads at 360 Hz, beats annotated.

    Looked for in the ``NODELIB_DATA`` directory, the cache and PhysioNet, in this order. Where
    none has it, synthetic records in the same form stand in (McSharry et al. 2003).

    Raises:
        OfflineError: if it cannot be had and ``allow_standin`` is False.
        ChecksumError: if a file's SHA-256 is not the published one.
        DataError: if files are missing or cannot be read.
    """
    return _load("mitdb", standins.labelled_records, allow_standin)


def nsrdb(*, allow_standin: bool = True) -> Database:
    """MIT-BIH Normal Sinus Rhythm Database: 18 day-long records of two leads at 128 Hz.

    A part of it counts: annotations of some records, and one minute of signal of each. The
    download is of headers and annotations; ``fetch(["nsrdb"], signals=True)`` gets the signals
    too. The stand-in is synthetic annotations without signals.

    Raises:
        OfflineError, ChecksumError, DataError: as :func:`mitdb`.
    """
    return _load("nsrdb", standins.annotated_records, allow_standin)


def chfdb(*, allow_standin: bool = True) -> Database:
    """BIDMC Congestive Heart Failure Database: 15 records of about 20 hours, two leads at 250 Hz.

    The beats are those of a detector, not audited by hand. A part of it counts, as for
    :func:`nsrdb`. Where record chf02 has only an earlier revision of its annotations
    (``chf02.ecg-``), that is read and the record's ``note`` says so.

    Raises:
        OfflineError, ChecksumError, DataError: as :func:`mitdb`.
    """
    return _load("chfdb", standins.annotated_records, allow_standin)


def inventory(holding: Holding) -> str:
    """What a holding has of its set, in a few words, starting with a capital."""
    source, files = holding.source, {Path(file).name for file in holding.files}
    if holding.completeness == "complete":
        return f"All {len(source.records)} records"
    suffixes = (f".{source.annotator}", f".{source.annotator}-")
    annotated = len({Path(file).stem for file in files if file.endswith(suffixes)})
    whole = sum(f"{record}.dat" in files for record in source.records)
    minute = sum(minutes.has(source.name, record, files) for record in source.records)
    return (
        f"Annotations of {annotated} of {len(source.records)} records, whole signals of {whole}, "
        f"one minute of signal of {minute}"
    )


def _load(name: str, standin: Callable, allow_standin: bool) -> Database:
    source = sources.get(name)
    holding = acquire(source, allow_standin=allow_standin)
    database = _synthetic(source, standin) if holding is None else _real(holding)
    fingerprints.note(database.provenance)
    return database


def _synthetic(source: Source, standin: Callable) -> Database:
    directory, records, sha256 = standin(source)
    detail = f"{len(records)} synthetic records made by a model, not recordings."
    return Database(
        name=source.name,
        directory=directory,
        records=records,
        provenance=Provenance(source.name, "generated", "synthetic", sha256, detail),
        files={file.name: file for file in directory.iterdir()},
        annotator=source.annotator,
        holding=None,
    )


def _real(holding: Holding) -> Database:
    holding.check()
    source = holding.source
    # Where a name occurs twice, the first in the source's order of files is taken.
    files = {Path(file).name: holding.directory / file for file in reversed(holding.files)}
    stems = {Path(file).stem for file in files}
    annotated = [path for path in files.values() if path.suffix.startswith(f".{source.annotator}")]
    return Database(
        name=source.name,
        directory=annotated[-1].parent if annotated else holding.directory / source.name,
        records=tuple(
            record
            for record in source.records
            if record in stems or minutes.has(source.name, record, files)
        ),
        provenance=Provenance(
            source.name,
            holding.place,
            holding.completeness,
            holding.sha256(),
            f"{inventory(holding)}; {holding.verdict()}.",
        ),
        files=files,
        annotator=source.annotator,
        holding=holding,
    )
