"""Runs made again in a clean clone, and what is said of them."""

import json
import subprocess
from types import SimpleNamespace

import pytest
import torch

from nodebook.errors import ResultsError
from nodebook.evidence import recorded, registry, results
from nodebook.experiments.ch12_lessons import recorded_again


def made(metrics, weight=1.0, cpu="x"):
    """A stand-in for a run."""
    tensors = {} if weight is None else {"w": torch.tensor([weight])}
    return SimpleNamespace(
        metrics=metrics, path="a.json", tensors=lambda: tensors, hardware={"cpu": cpu}
    )


def test_every_chosen_run_is_recorded_and_its_experiment_belongs_to_the_chapter():
    chapters = registry.chapters()
    for chapter, (name, variant, seed) in recorded_again.CHOSEN.items():
        assert results.one(name, variant, seed)
        (package,) = (package for package, names in chapters.items() if name in names)
        assert package.startswith(f"ch{chapter}_")


def test_numbers_are_compared_without_durations():
    old = made({"error": 2.0, "kind": "a", "seconds_per_epoch": 1.0, "of": {"loss": 1.0}})
    new = made({"error": 2.0, "kind": "a", "seconds_per_epoch": 9.0, "of": {"loss": 1.25}})
    assert recorded_again.compare(old, new) == {
        "compared": 3, "equal": 2, "largest": 0.2, "spreads": 0.0, "weights": "equal",
        "processor": "same",
    }  # fmt: skip


def test_a_difference_is_told_in_spreads_over_the_seeds_and_rounding_is_none():
    old, new = made({"a": 1.0, "zero": 0.0, "bits": 1}), made({"a": 1.5, "zero": 1e-15, "bits": 2})
    seeds = [made({"a": a, "zero": 0.0, "bits": 1}) for a in (1.0, 1.5, 2.0)]
    found = recorded_again.compare(old, new, seeds, aside=["bits"])
    assert (found["compared"], found["equal"]) == (2, 0)
    assert (found["largest"], found["spreads"]) == (pytest.approx(1 / 3), pytest.approx(1.0))


def test_other_weights_and_another_processor_are_told():
    found = recorded_again.compare(made({"a": 1}), made({"a": 1}, weight=2.0, cpu="y"))
    assert (found["weights"], found["processor"]) == ("differ", "another")
    assert recorded_again.compare(made({"a": 1}, None), made({"a": 1}, None))["weights"] == "none"


@pytest.mark.parametrize(
    ("new", "said"),
    [({"a": 1}, "do not both have: b"), ({"a": 1, "b": "y"}, "b is 'x', again 'y'")],
)
def test_what_is_missing_or_another_word_is_an_error(new, said):
    with pytest.raises(ResultsError, match=said):
        recorded_again.compare(made({"a": 1, "b": "x"}), made(new))


def test_a_command_that_fails_is_named_with_its_last_line(tmp_path):
    with pytest.raises(ResultsError, match=r"'git nonsense' failed: .*"):
        recorded_again._call("git", "nonsense", inside=tmp_path)
    with pytest.raises(ResultsError, match="no-such-program could not be started"):
        recorded_again._call("no-such-program")


def test_a_run_is_made_again_in_a_clone(monkeypatch, tmp_path):
    """With what git and the command line do replaced: a copy of the file with one other number."""
    original = results.one("training_loop", "listing", 0).path
    called = []

    def run(words, **_):
        called.append(words)
        if "clone" in words:
            folder = recorded_again.Path(words[-1]) / "results" / "training_loop"
            folder.mkdir(parents=True)
            (folder / original.name).write_bytes(b"old")
        else:
            folder = recorded_again.Path(_["cwd"]) / "results" / "training_loop"
            assert not (folder / original.name).exists()
            (folder / original.name).write_bytes(original.read_bytes())
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    found = recorded_again.run("04", 0).metrics
    assert len(called) == 2
    assert found["compared"] == found["equal"] > 0
    assert found["largest"] == 0.0
    assert json.dumps(found)


def test_what_is_recorded_derives_again():
    runs = recorded.runs("recorded_again")
    assert [run.variant for run in runs] == list(recorded_again.VARIANTS)
    for run in runs:
        assert recorded_again.rederive(run)["compared"] == run.metric("compared")
