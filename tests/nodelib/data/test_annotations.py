"""Annotation files and header comments as the world writes them."""

import numpy as np
import pytest
import wfdb

from nodelib.data import aami, annotations, rhythms
from nodelib.data.headers import age_and_sex
from nodelib.data.records import Record
from nodelib.errors import DataError


@pytest.fixture
def read(tmp_path):
    """Write the words of an annotation file, and read it."""

    def read(words, *, fs=360.0, n_samples=1000):
        (tmp_path / "r.atr").write_bytes(np.array(words, "<u2").tobytes())
        return annotations.read(tmp_path / "r", "atr", fs=fs, n_samples=n_samples)

    return read


def word(code, value):
    return (code << 10) | (value & 1023)


def skip(interval):
    """The words that move the clock by a long or negative interval."""
    return [word(59, 0), (interval >> 16) & 65535, interval & 65535]


def test_a_file_of_an_end_mark_alone_has_no_annotation(read):
    found = read([0])
    assert (found.samples.tolist(), found.symbols, found.aux) == ([], [], [])
    assert found.channels.tolist() == []


@pytest.mark.parametrize("code", [42, 44, 49, 52, 58])
def test_a_code_to_which_wfdb_gives_no_symbol_is_shown_by_its_number(read, code):
    found = read([word(1, 50), word(code, 100), 0])
    assert found.symbols == ["N", f"[{code}]"]
    assert found.samples.tolist() == [50, 150]


def test_texts_subtypes_channels_and_numbers_belong_to_their_annotation(read):
    aux = int.from_bytes(b"(N", "little")
    words = [word(28, 10), word(63, 2), aux, word(1, 20), word(61, 1), word(62, 1), word(60, 3)]
    found = read([*words, word(5, 30), 0])
    assert found.symbols == ["+", "N", "V"]
    assert found.aux == ["(N", "", ""]
    assert found.channels.tolist() == [0, 1, 1]
    assert found.samples.tolist() == [10, 30, 60]


def test_annotations_out_of_order_are_sorted_with_all_that_belongs_to_them(read):
    found = read([word(5, 900), word(62, 1), *skip(-800), word(1, 0), word(62, 0), 0])
    assert found.samples.tolist() == [100, 900]
    assert found.symbols == ["N", "V"]
    assert found.channels.tolist() == [0, 1]


def test_an_annotation_before_the_start_is_refused(read):
    with pytest.raises(
        DataError, match=r"r\.atr has an annotation at sample -70, before the start"
    ):
        read([*skip(-100), word(1, 30), 0])


def test_an_annotation_after_the_end_is_refused_unless_the_end_is_not_known(read):
    words = [*skip(100_000), word(1, 0), 0]
    with pytest.raises(DataError, match="at sample 100,000, after the end of the record"):
        read(words)
    assert read(words, n_samples=0).samples.tolist() == [100_000]


def test_a_file_with_a_clock_of_its_own_is_counted_in_samples_of_the_record(tmp_path):
    wfdb.wrann("r", "atr", np.array([100, 300]), ["N", "V"], fs=1000, write_dir=str(tmp_path))
    found = annotations.read(tmp_path / "r", "atr", fs=250.0, n_samples=1000)
    assert found.samples.tolist() == [25, 75]


def test_no_bytes_whatever_end_in_a_foreign_error(read):
    rng = np.random.default_rng(0)
    read_well = 0
    for _ in range(300):
        try:
            found = read([*rng.integers(0, 65536, rng.integers(1, 30)), 0])
        except DataError:
            continue
        read_well += 1
        assert all(isinstance(symbol, str) for symbol in found.symbols)
        assert (np.diff(found.samples) >= 0).all()
    assert 0 < read_well < 300


def record(samples, symbols, channels):
    return Record(
        "r", 360.0, None, (), np.array(samples), list(symbols), [""] * len(symbols),
        None, None, [], "r", 1000, channels=np.array(channels),
    )  # fmt: skip


def test_beats_of_two_signals_at_one_time_are_told_apart_by_their_channel():
    both = record([300, 300, 600], "NVN", [0, 1, 0])
    with pytest.raises(DataError, match=r"beats of several signals at one time \(channels 0, 1\)"):
        rhythms.events(both)
    assert rhythms.events(both, channel=0).time.tolist() == pytest.approx([300 / 360, 600 / 360])
    assert aami.beats(both, channel=1)[1].tolist() == [2]
    with pytest.raises(DataError, match="two beats at one time or out of order"):
        rhythms.events(record([300, 300], "NN", [0, 0]))


@pytest.mark.parametrize(
    ("comments", "expected"),
    [
        (["Age: 71", "Sex: Female"], (71, "F")),
        (["<age>: 69  <sex>: M  <diagnoses> (none)"], (69, "M")),
        (["Age: 69  Sex: M"], (69, "M")),
        (["age: 40", "gender: male"], (40, "M")),
        (["AGE 33", "SEX f"], (33, "F")),
        (["Age (years): 55.0"], (55, None)),
        (["Sex: M", "Dx: 426783006", "Age: 60"], (60, "M")),
        (["69 years, female"], (69, "F")),
        (["? M"], (None, "M")),
        (["Age: NaN", "Sex: Unknown"], (None, None)),
        (["Age: ?  Sex: ?"], (None, None)),
        (["Age: -1  Sex: F"], (None, "F")),
        (["Age: 300", "Sex: F"], (None, "F")),
        (["age: 6 months"], (None, None)),
        (["Dosage: 40 mg, page 3"], (None, None)),
        (["Sex: Mixed"], (None, None)),
        (["24 MHz clock"], (None, None)),
    ],
)
def test_age_and_sex_are_read_in_many_forms_and_never_guessed(comments, expected):
    assert age_and_sex(comments) == expected
