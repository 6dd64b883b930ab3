"""Each chapter runs through papermill, and its notebook is the pair of its source."""

import importlib.util
import json
import subprocess
import sys

import jupytext
import nbformat
import pytest
from building import CHAPTERS, execute

from nodebook.press import chapters, reuse
from nodebook.press.runner import Job
from nodebook.press.runner import execute as run_job

by_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=[c.name for c in CHAPTERS])


@pytest.mark.notebook
@by_chapter
def test_a_chapter_executes_through_papermill(chapter):
    site = execute([chapter])
    manifest = reuse.load(site.executed, chapter.name)
    assert manifest.parameters == {"profile": "quick", "seed": 0}
    node = nbformat.read(site.executed / f"{chapter.name}.ipynb", as_version=4)
    outputs = [o for cell in node.cells for o in cell.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error"]
    complaints = "".join(o.text for o in outputs if o.get("name") == "stderr")
    assert complaints == ""


@pytest.mark.notebook
@by_chapter
def test_a_chapter_runs_without_data_and_without_network(chapter, tmp_path, monkeypatch):
    monkeypatch.delenv("NODELIB_DATA", raising=False)
    monkeypatch.setenv("NODELIB_OFFLINE", "1")
    monkeypatch.setenv("NODELIB_CACHE", str(tmp_path / "cache"))
    job = Job(chapter, {"profile": "quick", "seed": 0}, tmp_path / "out")
    result = run_job(job, lambda *event: None)
    assert result.failure is None, result.failure
    sets = [note for note in reuse.save(job, result).read if note["kind"] == "data"]
    assert all(note["completeness"] != "complete" for note in sets)


@by_chapter
def test_the_notebook_is_the_pair_of_its_source(chapter):
    pair = chapter.source.with_suffix(".ipynb")
    node = jupytext.read(pair)
    assert jupytext.writes(node, "py:percent") == chapter.source.read_text(encoding="utf-8")


@by_chapter
def test_the_committed_pair_holds_no_outputs(chapter):
    cells = json.loads(chapter.source.with_suffix(".ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@by_chapter
def test_a_chapter_takes_profile_and_seed(chapter, tmp_path):
    path = tmp_path / f"{chapter.name}.ipynb"
    nbformat.write(chapter.notebook(), path)
    chapters.check_parameters(path, {"profile": "quick", "seed": 0})


@by_chapter
def test_every_figure_has_name_caption_and_alternative_text(chapter):
    executed = execute([chapter]).executed / f"{chapter.name}.ipynb"
    for number, cell in enumerate(nbformat.read(executed, as_version=4).cells):
        data = [o.get("data", {}) for o in cell.get("outputs", [])]
        if any(kind.startswith("image/") for d in data for kind in d):
            about = cell.metadata.get("mystnb", {})
            assert about.get("figure", {}).get("name"), (number, "name")
            assert about.get("figure", {}).get("caption"), (number, "caption")
            assert len(about.get("image", {}).get("alt", "")) > 30, (number, "alt")
            tags = set(cell.metadata.get("tags", []))
            assert tags & {"hide-input", "remove-input"}, (number, "hide-input or remove-input")


def setup_cell(chapter):
    """The source of a chapter's first code cell."""
    return next(c.source for c in chapter.notebook().cells if c.cell_type == "code")


@pytest.mark.parametrize("inside_a_clone", [True, False])
@pytest.mark.parametrize("cell", sorted({setup_cell(chapter) for chapter in CHAPTERS}))
def test_the_first_cell_installs_the_library_where_it_is_missing(
    cell, inside_a_clone, tmp_path, monkeypatch
):
    clone = tmp_path / "clone"
    (clone / "notebooks").mkdir(parents=True)
    if inside_a_clone:
        (clone / "nodelib").mkdir()
    monkeypatch.chdir(clone / "notebooks")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    ran = []
    monkeypatch.setattr(subprocess, "run", lambda words, check: ran.append(words))
    exec(compile(cell, "setup", "exec"), {})
    home = clone if inside_a_clone else clone / "notebooks" / "neural-ode-book"
    assert [words[:2] for words in ran[:-1]] == ([] if inside_a_clone else [["git", "clone"]])
    assert ran[-1][-2:] == ["--editable", str(home)]
    assert sys.path[0] == str(home)
