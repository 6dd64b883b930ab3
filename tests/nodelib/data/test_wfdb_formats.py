"""WFDB signal files as the world writes them: every format, frames, units, lengths, gaps."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import wfdb

from nodelib.data import read_record
from nodelib.errors import DataError

SLOW = np.round(100 * np.sin(np.arange(600) / 40)).astype(int)
"""Steps below 127, as format 8 needs; values that fit 8 bits."""


def checksum(values):
    return int(np.sum(values)) % 65536


@dataclass
class Maker:
    """Writes the files of a record."""

    folder: Path

    def data(self, name, content):
        (self.folder / name).write_bytes(content)

    def header(self, *lines, name="r"):
        (self.folder / f"{name}.hea").write_bytes("\n".join(lines).encode() + b"\n")
        return self.folder / name

    def one(self, values, *, gain="200/mV", fs="360", length=None, fmt="16", content=None):
        """A record of one signal in format 16, or with its bytes given."""
        self.data("r.dat", np.asarray(values, "<i2").tobytes() if content is None else content)
        length = len(values) if length is None else length
        tail = f"12 0 {values[0]} {checksum(values)} 0 MLII"
        return self.header(f"r 1 {fs} {length}", f"r.dat {fmt} {gain} {tail}")


@pytest.fixture
def make(tmp_path):
    return Maker(tmp_path)


def packed_310(values):
    """Three samples of 10 bits in two words of 16: low 11 bits of each, and their high 5."""
    out = b""
    for a, b, c in np.asarray(values).reshape(-1, 3) & 1023:
        first = (a << 1) | ((c & 31) << 11)
        second = (b << 1) | ((c >> 5) << 11)
        out += struct.pack("<HH", first, second)
    return out


def packed_311(values):
    """Three samples of 10 bits, lowest first, in a word of 32."""
    return b"".join(
        struct.pack("<I", a | (b << 10) | (c << 20))
        for a, b, c in (np.asarray(values).reshape(-1, 3) & 1023).tolist()
    )


def packed_212(values):
    out = b""
    for a, b in (np.asarray(values).reshape(-1, 2) & 4095).tolist():
        out += bytes([a & 255, (a >> 8) | ((b >> 8) << 4), b & 255])
    return out


BYTES = {
    "8": np.diff(SLOW, prepend=SLOW[0]).astype("i1").tobytes(),
    "16": SLOW.astype("<i2").tobytes(),
    "24": b"".join(int(v).to_bytes(3, "little", signed=True) for v in SLOW),
    "32": SLOW.astype("<i4").tobytes(),
    "61": SLOW.astype(">i2").tobytes(),
    "80": (SLOW + 128).astype("u1").tobytes(),
    "160": (SLOW + 32768).astype("<u2").tobytes(),
    "212": packed_212(SLOW),
    "310": packed_310(SLOW),
    "311": packed_311(SLOW),
}


@pytest.mark.parametrize("fmt", BYTES)
@pytest.mark.parametrize("length", [len(SLOW), ""])
def test_every_format_gives_the_values_that_were_packed_by_hand(make, fmt, length):
    record = read_record(make.one(SLOW, fmt=fmt, content=BYTES[fmt], length=length), None)
    np.testing.assert_allclose(record.signals[:, 0], SLOW / 200, rtol=0, atol=1e-12)
    assert record.n_samples == len(SLOW)


@pytest.mark.parametrize("fmt", ["16", "24", "32", "212", "508", "516", "524"])
@pytest.mark.parametrize("n", [599, 600])
def test_what_wfdb_writes_in_two_signals_is_read_as_wfdb_reads_it(tmp_path, fmt, n):
    wfdb.wrsamp(
        "w",
        fs=250,
        units=["mV", "mV"],
        sig_name=["I", "II"],
        d_signal=np.column_stack([SLOW, -SLOW // 2])[:n],
        fmt=[fmt, fmt],
        adc_gain=[200.0, 100.0],
        baseline=[0, 10],
        write_dir=str(tmp_path),
    )
    record = read_record(tmp_path / "w", None)
    np.testing.assert_array_equal(record.signals, wfdb.rdrecord(str(tmp_path / "w")).p_signal)
    assert record.signals.shape == (n, 2)


@pytest.mark.parametrize("fmt", ["16", "212", "310", "32"])
def test_a_truncated_file_of_any_format_is_refused(make, fmt):
    path = make.one(SLOW, fmt=fmt, content=BYTES[fmt][:-60])
    with pytest.raises(DataError, match=r"r\.dat is truncated"):
        read_record(path, None)


def test_a_flac_file_that_is_none_is_refused_and_one_without_a_length_too(make):
    with pytest.raises(DataError, match=r"cannot be read .*is not a FLAC file"):
        read_record(make.one(SLOW, fmt="516"), None)
    with pytest.raises(DataError, match=r"the signals of .* cannot be read"):
        read_record(make.one(SLOW, fmt="516", content=b"fLaC" + bytes(99)), None)
    with pytest.raises(DataError, match=r"gives no length, and format 516 .* is compressed"):
        read_record(make.one(SLOW, fmt="516", length=""), None)


def test_an_unknown_format_is_named_with_the_known_ones(make):
    with pytest.raises(DataError, match=r"format 17 is not supported; these are: .*212.*524"):
        read_record(make.one(SLOW, fmt="17"), None)


def test_a_length_of_zero_means_unknown_and_has_to_be_removed_to_read_signals(make):
    path = make.one(SLOW, length=0)
    with pytest.raises(DataError, match=r"r\.hea gives a length of 0.*remove the 0"):
        read_record(path, None)
    assert read_record(path, None, signals=False).n_samples == len(SLOW)


def test_without_a_length_in_the_header_it_is_that_of_the_file(make):
    path = make.one(SLOW, length="")
    for signals in (True, False):
        assert read_record(path, None, signals=signals).n_samples == len(SLOW)
    wfdb.wrann("r", "atr", np.array([5, 10 * len(SLOW)]), ["N", "N"], write_dir=str(path.parent))
    with pytest.raises(DataError, match="an annotation at sample 6,000, after the end"):
        read_record(path)


def test_without_a_length_and_without_the_file_the_annotations_are_read(make):
    path = make.one(SLOW, length="")
    path.with_name("r.dat").unlink()
    wfdb.wrann("r", "atr", np.array([5, 9]), ["N", "N"], write_dir=str(path.parent))
    record = read_record(path, signals=False)
    assert (record.n_samples, record.samples.tolist()) == (0, [5, 9])
    with pytest.raises(DataError, match=r"r\.dat is missing"):
        read_record(path)


def test_files_of_different_length_need_a_length_in_the_header(make):
    make.data("a.dat", SLOW.astype("<i2").tobytes())
    make.data("b.dat", SLOW[:500].astype("<i2").tobytes())
    path = make.header("r 2 360", "a.dat 16", "b.dat 16")
    with pytest.raises(DataError, match=r"gives no length.*a\.dat 600, b\.dat 500"):
        read_record(path, None)


def test_an_empty_signal_file_is_refused(make):
    make.data("r.dat", b"")
    with pytest.raises(DataError, match=r"r\.dat holds no sample"):
        read_record(make.header("r 1 360", "r.dat 16"), None)


@pytest.mark.parametrize(
    ("gain", "mv"), [("200/mV", 1), ("0.2/uV", 1), ("200000/V", 1), ("0.0002/nV", 1), ("2e2/mv", 1)]
)
def test_every_unit_of_voltage_is_read_as_millivolts(make, gain, mv):
    record = read_record(make.one(SLOW, gain=gain), None)
    np.testing.assert_allclose(record.signals[:, 0], SLOW / 200 * mv, rtol=1e-12)


@pytest.mark.parametrize("unit", ["mmHg", "MV", "NU", "bpm", "m/s", "%"])
def test_a_signal_that_is_no_voltage_is_refused(make, unit):
    with pytest.raises(DataError, match=rf"signal MLII of .*r\.hea is in {unit}, which is no unit"):
        read_record(make.one(SLOW, gain=f"1/{unit}"), None)


def test_a_greek_mu_is_not_read_as_a_volt(make):
    with pytest.raises(DataError, match=r"line 2 that is not ASCII.*a Greek mu by a u"):
        read_record(make.one(SLOW, gain="0.2/µV"), None)


@pytest.mark.parametrize("gain", ["", "0", "0/mV", "200", "200(0)"])
def test_without_a_gain_or_with_none_there_are_200_units_in_a_millivolt(make, gain):
    make.data("r.dat", SLOW.astype("<i2").tobytes())
    record = read_record(make.header("r 1 360 600", f"r.dat 16 {gain}"), None)
    np.testing.assert_allclose(record.signals[:, 0], SLOW / 200, rtol=0, atol=1e-12)
    assert record.leads == ("signal 0",)


def test_without_a_baseline_it_is_the_zero_of_the_converter(make):
    make.data("r.dat", (SLOW + 1024).astype("<i2").tobytes())
    record = read_record(make.header("r 1 360 600", "r.dat 16 200 11 1024"), None)
    np.testing.assert_allclose(record.signals[:, 0], SLOW / 200, rtol=0, atol=1e-12)
    record = read_record(make.header("r 1 360 600", "r.dat 16 200(24)/mV 11 1024"), None)
    np.testing.assert_allclose(record.signals[:, 0], (SLOW + 1000) / 200, rtol=0, atol=1e-12)


def test_a_checksum_holds_with_or_without_a_sign_and_is_refused_when_wrong(make):
    make.data("r.dat", (-SLOW - 5).astype("<i2").tobytes())
    total = int((-SLOW - 5).sum())
    for value in (total % 65536, (total % 65536) - 65536):
        read_record(make.header("r 1 360 600", f"r.dat 16 200 12 0 -5 {value} 0 I"), None)
    path = make.header("r 1 360 600", f"r.dat 16 200 12 0 -5 {total % 65536 + 1} 0 I")
    with pytest.raises(DataError, match="the checksum of lead I is"):
        read_record(path, None)


def test_a_sample_marked_as_none_is_nan_and_counts_in_the_checksum(make):
    values = SLOW.copy()
    values[[3, 7, 9]] = -32768
    record = read_record(make.one(values), None)
    assert np.flatnonzero(np.isnan(record.signals[:, 0])).tolist() == [3, 7, 9]


def test_bytes_before_the_signal_are_passed_over(make):
    path = make.one(SLOW, fmt="16+512", content=bytes(512) + BYTES["16"])
    np.testing.assert_allclose(read_record(path, None).signals[:, 0], SLOW / 200)


def test_the_frequency_is_250_where_none_is_given_and_may_be_a_fraction(make):
    make.data("r.dat", BYTES["16"])
    assert read_record(make.header("r 1", "r.dat 16"), None).fs == 250.0
    assert read_record(make.one(SLOW, fs="128.5"), None).fs == 128.5
    assert read_record(make.one(SLOW, fs="360/0.5(10)"), None).fs == 360.0
    with pytest.raises(DataError, match="a sampling frequency of 0 Hz"):
        read_record(make.one(SLOW, fs="0"), None)


def test_time_and_date_change_nothing_and_windows_line_ends_neither(make):
    path = make.one(SLOW, length="600 12:30:15.5 01/02/1990")
    header = path.with_name("r.hea")
    header.write_bytes(header.read_bytes().replace(b"\n", b"\r\n") + b"#Age: 50\r\n")
    record = read_record(path, None)
    assert (record.n_samples, record.age, record.leads) == (600, 50, ("MLII",))


def test_several_signal_files_make_one_record(make):
    make.data("a.dat", np.column_stack([SLOW, SLOW + 1]).astype("<i2").tobytes())
    make.data("b.dat", BYTES["212"])
    first, second = checksum(SLOW), checksum(SLOW + 1)
    lines = (f"a.dat 16 200 12 0 0 {first} 0 I", f"a.dat 16 200 12 0 1 {second} 0 II")
    lines += ("b.dat 212 100",)
    record = read_record(make.header("r 3 360 600", *lines), None)
    expected = np.column_stack([SLOW / 200, (SLOW + 1) / 200, SLOW / 100])
    np.testing.assert_allclose(record.signals, expected, atol=1e-12)
    assert record.leads == ("I", "II", "signal 2")


@pytest.fixture
def mixed(make):
    """500 frames of four samples of an ECG and one of a pressure."""
    ecg = np.round(200 * np.sin(np.arange(2000) / 9)).astype(int)
    abp = np.round(100 + 20 * np.sin(np.arange(500) / 50)).astype(int)
    frames = np.concatenate([ecg.reshape(-1, 4), abp[:, None]], axis=1)
    make.data("f.dat", frames.astype("<i2").tobytes())
    path = make.header(
        "f 2 90 500",
        f"f.dat 16x4 200/mV 12 0 {ecg[0]} {checksum(ecg)} 0 ECG",
        f"f.dat 16 1/mmHg 12 0 {abp[0]} {checksum(abp)} 0 ABP",
        name="f",
    )
    wfdb.wrann("f", "atr", np.array([5, 400]), ["N", "V"], write_dir=str(path.parent))
    return path, ecg


def test_a_lead_with_several_samples_a_frame_is_read_at_its_own_frequency(mixed):
    path, ecg = mixed
    record = read_record(path, leads=["ECG"])
    np.testing.assert_allclose(record.signals[:, 0], ecg / 200)
    assert (record.fs, record.n_samples, record.leads) == (360.0, 2000, ("ECG",))
    assert record.samples.tolist() == [20, 1600]


def test_signals_of_several_frequencies_are_refused_with_a_way_out(mixed):
    with pytest.raises(DataError, match=r"ECG 360 Hz, ABP 90 Hz.*name those to read"):
        read_record(mixed[0])
    assert read_record(mixed[0], signals=False).samples.tolist() == [5, 400]
    with pytest.raises(DataError, match="no signal 'V5': it has ECG, ABP"):
        read_record(mixed[0], leads=["V5"])


def test_where_all_signals_have_as_many_samples_a_frame_no_lead_need_be_named(make):
    make.data("r.dat", BYTES["16"])
    path = make.header("r 1 90 300", f"r.dat 16x2 200/mV 12 0 0 {checksum(SLOW)} 0 I")
    wfdb.wrann("r", "atr", np.array([299]), ["N"], write_dir=str(path.parent))
    for signals in (True, False):
        record = read_record(path, signals=signals)
        assert (record.fs, record.n_samples, record.samples.tolist()) == (180.0, 600, [598])
    np.testing.assert_allclose(read_record(path).signals[:, 0], SLOW / 200)


def test_a_skewed_signal_is_moved_and_ends_in_gaps(make):
    make.data("g.dat", BYTES["16"])
    tail = f"200/mV 12 0 {SLOW[0]} {checksum(SLOW)} 0"
    path = make.header("r 2 360 600", f"g.dat 16 {tail} I", f"h.dat 16:3 {tail} II")
    make.data("h.dat", BYTES["16"])
    signals = read_record(path, None).signals
    np.testing.assert_array_equal(signals, wfdb.rdrecord(str(path)).p_signal)
    assert np.isnan(signals[-3:, 1]).all()
    assert np.isfinite(signals[:-3]).all()


@pytest.fixture
def segments(make):
    """Two segments: I and II in one, II alone with another gain in the other."""
    make.data("a.dat", np.column_stack([SLOW, SLOW + 1]).astype("<i2").tobytes())
    make.data("b.dat", BYTES["16"])
    first, second = f"12 0 0 {checksum(SLOW)} 0", f"12 0 1 {checksum(SLOW + 1)} 0"
    lines = (f"a.dat 16 200/mV {first} I", f"a.dat 16 200/mV {second} II")
    make.header("a 2 360 600", *lines, name="a")
    make.header("b 1 360 600", f"b.dat 16 0.1/uV {first} II", name="b")
    zero = "~ 0 200/mV 12 0 0 0 0"
    make.header("layout 2 360 0", f"{zero} I", f"{zero} II", name="layout")
    return make


def test_segments_that_come_and_go_are_put_together_with_gaps(segments):
    path = segments.header("m/4 2 360 1210", "layout 0", "a 600", "~ 10", "b 600", name="m")
    record = read_record(path, None)
    expected = np.full((1210, 2), np.nan)
    expected[:600] = np.column_stack([SLOW, SLOW + 1]) / 200
    expected[610:, 1] = SLOW / 100
    np.testing.assert_allclose(record.signals, expected, atol=1e-12)
    assert (record.leads, record.n_samples, record.fs) == (("I", "II"), 1210, 360.0)
    second = read_record(path, None, leads=["II"])
    np.testing.assert_array_equal(second.signals, record.signals[:, [1]])


def test_segments_of_a_fixed_layout_are_read_as_wfdb_reads_them(segments):
    path = segments.header("m/3 2 360 1800", "a 600", "a 600", "a 600", name="m")
    wfdb.wrann("m", "atr", np.array([5, 1700]), ["N", "V"], write_dir=str(path.parent))
    record = read_record(path)
    np.testing.assert_array_equal(record.signals, wfdb.rdrecord(str(path)).p_signal)
    assert record.samples.tolist() == [5, 1700]
    without = read_record(path, signals=False)
    assert (without.signals, without.n_samples, without.leads) == (None, 1800, ("I", "II"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["m/3 2 360 1200", "a 600", "a 600"], "announces 3 segments and describes 2"),
        (["m/2 2 360 1300", "a 600", "a 600"], "says 1,300 samples, and its segments have 1,200"),
        (["m/2 2 360 1190", "a 600", "a 590"], r"a\.hea has 600 samples, where m\.hea says 590"),
        (["m/2 2 250 1200", "a 600", "a 600"], r"a\.hea gives 360 Hz and m\.hea 250 Hz"),
        (["m/2 2 360 1200", "a 600", "c 600"], r"c\.hea is missing"),
        (["m/2 2 360 1200", "m 600", "m 600"], "has segments itself"),
        (["m/1 2 360 600", "~ 600"], "has no segment but gaps"),
    ],
)
def test_segments_that_do_not_make_up_their_record_are_refused(segments, lines, message):
    with pytest.raises(DataError, match=message):
        read_record(segments.header(*lines, name="m"), None)


def test_a_folder_with_spaces_and_other_letters_is_read(make, tmp_path):
    folder = tmp_path / "mes données ✓"
    folder.mkdir()
    path = Maker(folder).one(SLOW)
    wfdb.wrann("r", "atr", np.array([9]), ["N"], write_dir=str(folder))
    assert read_record(path).samples.tolist() == [9]


def test_no_change_of_a_byte_in_a_header_ends_in_a_foreign_error(make):
    path = make.one(SLOW)
    header = path.with_name("r.hea")
    content = header.read_bytes()
    rng = np.random.default_rng(0)
    read_well = 0
    for _ in range(300):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] = rng.choice(list(b"0123456789 /.-+x:()\n\t#~aem\x80"))
        header.write_bytes(changed)
        try:
            read_record(path, None)
        except DataError:
            continue
        read_well += 1
    assert 0 < read_well < 300


def test_a_byte_order_mark_and_a_missing_last_line_end_change_nothing(make):
    path = make.one(SLOW)
    header = path.with_name("r.hea")
    header.write_bytes(b"\xef\xbb\xbf" + header.read_bytes().rstrip(b"\n"))
    record = read_record(path, None)
    assert (record.name, record.leads, record.n_samples) == ("r", ("MLII",), 600)
    np.testing.assert_allclose(record.signals[:, 0], SLOW / 200)


@pytest.mark.parametrize("fmt", BYTES)
@pytest.mark.parametrize("signals", [1, 2])
def test_every_format_is_read_with_several_samples_a_frame(make, fmt, signals):
    per_frame = 6 // signals
    order = SLOW.reshape(-1, signals, per_frame)
    columns = [order[:, k].reshape(-1) for k in range(signals)]
    content = BYTES[fmt]
    if fmt == "8":
        steps = [np.diff(column, prepend=column[0]).reshape(-1, per_frame) for column in columns]
        content = np.stack(steps, 1).astype("i1").tobytes()
    make.data("r.dat", content)
    lines = [
        f"r.dat {fmt}x{per_frame} 200(7)/mV 12 0 {c[0]} {checksum(c)} 0 s{k}"
        for k, c in enumerate(columns)
    ]
    record = read_record(make.header(f"r {signals} 60 100", *lines), None)
    assert (record.fs, record.n_samples) == (60.0 * per_frame, 100 * per_frame)
    np.testing.assert_allclose(record.signals, (np.stack(columns, 1) - 7) / 200, atol=1e-12)


def test_frames_a_skew_and_bytes_before_the_signal_go_together(make):
    make.data("r.dat", bytes(64) + BYTES["16"])
    tail = f"200/mV 12 0 {SLOW[0]} {checksum(SLOW)} 0 I"
    path = make.header("r 1 180 300", f"r.dat 16x2:1+64 {tail}")
    found = read_record(path, None).signals[:, 0]
    np.testing.assert_allclose(found[:-2], SLOW[2:] / 200)
    assert np.isnan(found[-2:]).all()
