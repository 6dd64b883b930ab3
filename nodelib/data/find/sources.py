"""The data sets: their files and their official addresses."""

from dataclasses import dataclass
from functools import cache

from nodelib.data.find import hashes
from nodelib.errors import DataError

_PHYSIONET = "https://physionet.org/files"


@dataclass(frozen=True)
class Source:
    """A data set as it is published, and how it may lie on a disk.

    Attributes:
        name: short name, such as ``"mitdb"``.
        title: full name.
        origin: who publishes it, for provenance lines.
        addresses: folders to download from; the first that answers is used.
        records: names of its records; empty for MNIST.
        fs: sampling frequency in Hz; 0 for MNIST.
        annotator: suffix of the reference annotations.
        layouts: alternative complete sets of files, relative to the data directory.
        extras: further files that belong to it and are real but make no complete set.
        divisible: a part of it is worth reading.
        official: the package's list of SHA-256 sums is the publisher's own.
        deferred: suffixes of large files that are checked only when they are read.
    """

    name: str
    title: str
    origin: str
    addresses: tuple[str, ...]
    records: tuple[str, ...]
    fs: float
    annotator: str
    layouts: tuple[tuple[str, ...], ...]
    extras: tuple[str, ...] = ()
    divisible: bool = False
    official: bool = False
    deferred: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that counts, relative to the data directory."""
        return tuple(dict.fromkeys([f for layout in self.layouts for f in layout] + [*self.extras]))


MITDB_RECORDS = tuple(
    f"{number}"
    for number in [*range(100, 125), *range(200, 235)]
    if number not in (110, 120, 204, 206, 211, 216, 218, 224, 225, 226, 227, 229)
)
NSRDB_RECORDS = (
    *("16265", "16272", "16273", "16420", "16483", "16539", "16773", "16786", "16795"),
    *("17052", "17453", "18177", "18184", "19088", "19090", "19093", "19140", "19830"),
)
CHFDB_RECORDS = tuple(f"chf{number:02d}" for number in range(1, 16))
NSR2DB_RECORDS = tuple(f"nsr{number:03d}" for number in range(1, 55))
CHF2DB_RECORDS = tuple(f"chf{number}" for number in range(201, 230))


def _flat(folder: str, records: tuple[str, ...], suffixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{folder}/{record}{suffix}" for record in records for suffix in suffixes)


def _physionet(name: str, title: str, **rest) -> Source:
    address = f"{_PHYSIONET}/{name}/1.0.0/"
    return Source(name, title, "PhysioNet", (address,), **rest)


def _rr(name: str, title: str, records: tuple[str, ...]) -> Source:
    return _physionet(
        name,
        title,
        records=records,
        fs=128.0,
        annotator="ecg",
        layouts=(
            _flat(f"rr-intervals/{name}", records, ("_rr_secs.txt.gz",)),
            _flat(name, records, (".ecg", ".hea")),
        ),
    )


_MNIST = tuple(
    (part, kind, idx)
    for part in ("train", "t10k")
    for kind, idx in (("images", "idx3"), ("labels", "idx1"))
)

_ALL = (
    Source(
        "mnist",
        "MNIST database of handwritten digits",
        "the MNIST mirrors",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        records=(),
        fs=0.0,
        annotator="",
        # as published; unzipped; and as some programs name what they unzip
        layouts=tuple(
            tuple(f"mnist/{part}-{kind}{mark}{idx}-ubyte{end}" for part, kind, idx in _MNIST)
            for mark, end in (("-", ".gz"), ("-", ""), (".", ""), (".", ".gz"))
        ),
    ),
    _physionet(
        "mitdb",
        "MIT-BIH Arrhythmia Database",
        records=MITDB_RECORDS,
        fs=360.0,
        annotator="atr",
        layouts=(_flat("mitdb", MITDB_RECORDS, (".dat", ".hea", ".atr")),),
        official=True,
    ),
    _physionet(
        "nsrdb",
        "MIT-BIH Normal Sinus Rhythm Database",
        records=NSRDB_RECORDS,
        fs=128.0,
        annotator="atr",
        layouts=(_flat("nsrdb", NSRDB_RECORDS, (".dat", ".hea", ".atr")),),
        extras=_flat("nsrdb/annotations", NSRDB_RECORDS, (".hea", ".atr"))
        + _flat("nsrdb/one-minute", NSRDB_RECORDS, ("m.mat", "m.info")),
        divisible=True,
        deferred=(".dat",),
    ),
    _physionet(
        "chfdb",
        "BIDMC Congestive Heart Failure Database",
        records=CHFDB_RECORDS,
        fs=250.0,
        annotator="ecg",
        layouts=(_flat("chfdb", CHFDB_RECORDS, (".dat", ".hea", ".ecg")),),
        extras=_flat("chfdb/annotations", CHFDB_RECORDS, (".hea", ".ecg", ".ecg-"))
        + ("chfdb/one-minute/chfdbchf15_1.csv", "chfdb/one-minute/chfdbchf15_2.csv"),
        divisible=True,
        deferred=(".dat",),
    ),
    _rr("nsr2db", "Normal Sinus Rhythm RR Interval Database", NSR2DB_RECORDS),
    _rr(
        "chf2db",
        "Congestive Heart Failure RR Interval Database",
        CHF2DB_RECORDS,
    ),
)

NAMES = tuple(source.name for source in _ALL)
"""Names of the data sets that can be looked for, downloaded and checked."""


@cache
def get(name: str) -> Source:
    """The data set called ``name``.

    Raises:
        DataError: if there is none.
    """
    for source in _ALL:
        if source.name == name:
            return source
    raise DataError(f"there is no data set {name!r}; there are {', '.join(NAMES)}")


def published(source: Source) -> dict[str, str]:
    """SHA-256 of the set's files as the package knows them, by path in the data directory.

    For MNIST they are of the unzipped content: the zipped bytes differ by origin.
    """
    folder = source.layouts[0][0].rpartition("/")[0]
    return {f"{folder}/{file}": value for file, value in hashes.published(source.name).items()}
