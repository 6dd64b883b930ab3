"""The page of the recorded runs."""

import pytest

from nodebook import paths
from nodebook.errors import BuildError
from nodebook.evidence import anchors, registry, results
from nodebook.press import runs


@pytest.fixture(scope="module")
def page():
    return runs.render("https://example.org/book")


def test_every_experiment_with_runs_has_its_place_and_its_files(page):
    names = [name for name in registry.names() if results.read(name)]
    assert len(names) > 30
    for name in names:
        assert page.count(f"({anchors.of_experiment(name)})=\n### `{name}`\n") == 1
        assert f"https://example.org/book/tree/main/results/{name})" in page


def test_a_row_says_variant_seeds_date_commit_data_computer_and_time(page):
    found = results.read("mnist", "mlp") or results.read("mnist")[:1]
    run = found[0]
    section = page.split("### `mnist`")[1].split("###")[0]
    (row,) = [line for line in section.splitlines() if line.startswith(f"| {run.variant} |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    own = results.read("mnist", run.variant)
    assert cells[1] == ", ".join(str(r.seed) for r in own)
    assert run.date[:10] in cells[2]
    assert run.commit[:7] in cells[3]
    assert cells[4] == "mnist (complete)"
    assert run.hardware["cpu"] in cells[5]
    assert cells[6] == f"{sum(r.wall_seconds / r.together for r in own):,.0f}"


def test_without_a_repository_there_is_no_link_to_files():
    assert "/tree/main/" not in runs.render(None)


def test_a_frame_without_its_marker_is_refused(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "book" / "runs.md").write_text("# Runs\n")
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    with pytest.raises(BuildError, match=runs.MARKER):
        runs.render(None)
    assert not (paths.root() / "results").exists()
