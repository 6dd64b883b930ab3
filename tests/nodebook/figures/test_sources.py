"""The line that names the recorded runs under a table or a figure."""

import pytest

from nodebook.errors import ResultsError
from nodebook.evidence import anchors, recording, results
from nodebook.figures.sources import live, source
from nodelib.data import toy_ecg


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    """A checkout with runs of one experiment: three seeds of one variant, one of another."""
    (tmp_path / "_toc.yml").touch()
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    for variant, seeds in (("plain", (0, 1, 2)), ("fancy", (0, 3))):
        for seed in seeds:
            outcome = results.Outcome({"error": 0.1})
            recording.record(
                "toy_run", variant, seed, outcome, command="x", wall_seconds=1, cpu_seconds=1
            )


def test_the_line_names_variants_seeds_date_and_commit_with_a_link():
    (run,) = results.read("toy_run", "plain", 0)
    line = source("toy_run", "plain")._repr_markdown_()
    assert line == (
        "<small>Recorded: [toy_run](#runs-toy-run), variant plain, seeds 0 to 2; "
        f"{run.date[:10]}, commit {run.commit[:7]}.</small>"
    )


def test_without_variants_all_are_meant():
    line = str(source("toy_run"))
    assert "variants fancy, plain, seeds 0 to 3" in line
    assert "variant fancy, seeds 0, 3;" in str(source("toy_run", "fancy"))


def test_many_variants_are_counted():
    for k in range(3):
        outcome = results.Outcome({"error": 0.1})
        recording.record("toy_run", f"v{k}", 0, outcome, command="x", wall_seconds=1, cpu_seconds=1)
    assert "5 variants" in str(source("toy_run"))


def test_what_is_not_recorded_is_refused():
    with pytest.raises(ResultsError, match="nothing is recorded of experiment 'toy'"):
        source("toy")
    with pytest.raises(ResultsError, match="variant plan of experiment 'toy_run'; recorded are"):
        source("toy_run", "plan")


def test_its_text_is_short_and_its_anchor_is_that_of_the_page():
    assert repr(source("toy_run")) == "Source(toy_run, 5 runs)"
    assert anchors.of_experiment("toy_run") == "runs-toy-run"


def test_what_is_live_names_its_data():
    provenance = toy_ecg().provenance
    line = live(provenance)._repr_markdown_()
    assert line.startswith("<small>Live: computed when this page was built, on ")
    assert f"{provenance.name} ({provenance.completeness}).</small>" in line
    assert "on simulated data." in live()._repr_markdown_()
    assert repr(live()) == "Live(0 data sets)"
