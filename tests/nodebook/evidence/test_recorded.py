"""What pages read of recorded runs."""

from types import SimpleNamespace

import pytest

from nodebook.errors import ResultsError
from nodebook.evidence import recorded, recording, results


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Three runs under a folder of their own, and the number of times that they were read."""
    (tmp_path / "_toc.yml").touch()
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    for seed, error in enumerate((0.1, 0.2, 0.6)):
        outcome = results.Outcome({"error": {"test": error}})
        recording.record("toy", "plain", seed, outcome, command="x", wall_seconds=1, cpu_seconds=1)
    reads = []
    read = results.read
    monkeypatch.setattr(results, "read", lambda *a: (reads.append(a), read(*a))[1])
    return reads


def test_a_metric_is_given_by_seed_and_as_a_mean(counted):
    assert recorded.measured("toy", "plain", "error.test") == [0.1, 0.2, 0.6]
    assert recorded.mean("toy", "plain", "error.test") == pytest.approx(0.3)
    assert recorded.values(recorded.runs("toy")[1:], "error.test") == [0.2, 0.6]


def test_runs_are_read_once(counted):
    recorded.runs("toy", "plain")
    recorded.mean("toy", "plain", "error.test")
    assert len(counted) == 1


def test_a_metric_that_is_not_there_is_named(counted):
    with pytest.raises(ResultsError, match=r"no metric 'error.tset'; near it: error.test"):
        recorded.measured("toy", "plain", "error.tset")


def test_validation_chooses_the_run_with_the_least_of_all_values():
    runs = [
        SimpleNamespace(metric={"validation": values}.__getitem__)
        for values in ({"a": 3.0, "b": 2.0}, {"a": 9.0, "b": 1.0}, {"a": 1.5})
    ]
    assert recorded.chosen(runs, "validation") is runs[1]
