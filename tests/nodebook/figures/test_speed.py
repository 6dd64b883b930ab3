"""Recorded measurements of speed as tables."""

import json

import pytest

from nodebook import paths
from nodebook.errors import ResultsError
from nodebook.figures import speed


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    (tmp_path / "bench").mkdir()
    ratio = {"ours_ms": 1500.0, "ratio": 0.5, "low": 0.4, "high": 0.8, "share": 64}
    plain = {"ours_ms": 10.0, "ratio": 2.0, "low": 2.0, "high": 2.5, "share": 1}
    entry = {
        "date": "2026-01-02",
        "modified": False,
        "commit": "0123456789",
        "hardware": {"cpu": "a processor", "threads": 2, "usable": 1},
        "versions": {"torch": "2.0", "numpy": "2.1", "diffrax": "0.7"},
        "ratios": [
            {"name": "batch 64 (first)", "peer": "one", **ratio},
            {"name": "batch 1", "peer": "one", **plain},
            {"name": "batch 1", "peer": "other", **plain, "ratio": 0.123},
        ],
    }
    (tmp_path / "bench" / "walk.json").write_text(json.dumps(entry))


def test_a_ratio_is_told_as_how_many_times_as_fast(recorded):
    found = speed.measured("walk")
    table = found.table()
    assert list(table.loc["batch 64 (first)"]) == ["128", "80 to 160", "1,500"]
    assert (found.times("batch 64"), found.milliseconds("batch 64")) == (128.0, 1500.0)


def test_a_contest_is_told_against_each_peer(recorded):
    table = speed.measured("walk").against()
    assert list(table.loc["batch 1"]) == ["2", "0.12"]
    assert list(table.loc["batch 64 (first)"]) == ["0.0078", ""]


def test_machine_date_and_commit_are_told(recorded):
    line = speed.measured("walk")._repr_markdown_()
    assert "nodelib bench walk" in line
    assert "2026-01-02, commit 0123456, 2 threads of a processor, held to one core" in line
    assert "torch 2.0, diffrax 0.7." in line


def test_a_measurement_of_changed_code_says_so(recorded, tmp_path):
    file = tmp_path / "bench" / "walk.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"modified": True}))
    assert "commit 0123456 with changes, 2 threads" in speed.measured("walk")._repr_markdown_()


def test_what_is_not_recorded_is_named_with_how_to_make_it(recorded):
    with pytest.raises(ResultsError, match="nodelib bench run --record"):
        speed.measured("run")
    with pytest.raises(ResultsError, match="no contest 'batch 7'"):
        speed.measured("walk").times("batch 7")


def test_a_point_of_growth_is_found_by_way_and_size():
    points = [
        {"quantity": "states", "way": way, "size": size, "milliseconds": milliseconds}
        for way, size, milliseconds in (("ours", 1, 2.0), ("ours", 8, 3.0), ("theirs", 8, 4.0))
    ]
    found = speed.Speed("growth", {"points": points})
    assert found.at("states", "ours", 8) == 3.0
    with pytest.raises(ValueError, match="not enough values"):
        found.at("states", "ours", 9)
