"""Lay out the book for Sphinx: pages, configuration and executed notebooks in one folder.

Files are written only where their content changes, so that Sphinx re-reads only those pages.
"""

import hashlib
import os
import re
from pathlib import Path

import nbformat
import yaml

from nodebook import paths
from nodebook.errors import BuildError
from nodebook.evidence import scorecard, surroundings
from nodebook.press import reuse, runs, status
from nodebook.press.buttons import EXTRA
from nodebook.press.chapters import Chapter
from nodelib import files

LIBRARY = "book/library.md"
GENERATED = {"book/scorecard.md", "book/status.md", "book/runs.md", LIBRARY}
"""Pages made from the ledger, the manifests of this build, the recorded runs, and the library."""


class Stage:
    """The folder that Sphinx reads, and what has been put in it in this build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: set[Path] = set()

    def write(self, name: str, content: bytes) -> None:
        """Put a file in place unless it is there already, byte for byte."""
        target = self.folder / name
        self.written.add(target)
        if target.is_file() and target.read_bytes() == content:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write(target, content)

    def prune(self) -> None:
        """Remove what an earlier build left here; Sphinx's own output folder stays."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if self.folder / "_build" in (path, *path.parents) or path in self.written:
                continue
            if path.is_file():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()

    def digest(self) -> str:
        """Hash of the whole layout."""
        digest = hashlib.sha256()
        for path in sorted(self.written):
            digest.update(f"{path.relative_to(self.folder)}\0{files.sha256(path)}\n".encode())
        return digest.hexdigest()


def stage(folder: Path, executed: Path, chapters: list[Chapter]) -> Stage:
    """Lay out the whole book under ``folder``.

    Raises:
        BuildError: if a chapter has no executed notebook.
    """
    top = paths.root()
    layout = Stage(folder)
    for path in sorted((top / "book").rglob("*")):
        name = path.relative_to(top).as_posix()
        if path.is_file() and name not in GENERATED:
            layout.write(name, path.read_bytes())
    manifests = []
    for chapter in chapters:
        source = executed / f"{chapter.name}.ipynb"
        if not source.is_file():
            raise BuildError(f"{chapter.name} has not been executed: run 'nodelib run' first")
        manifest = reuse.load(executed, chapter.name)
        manifests.append(manifest)
        layout.write(f"notebooks/{chapter.name}.ipynb", page(source, manifest))
        plain = nbformat.writes(chapter.notebook()).encode()
        layout.write(f"{EXTRA}/notebooks/{chapter.name}.ipynb", plain)
        layout.write(f"{EXTRA}/notebooks/{chapter.name}.py", chapter.source.read_bytes())
    layout.write("book/scorecard.md", scorecard.render().encode())
    if (top / LIBRARY).is_file():
        layout.write(LIBRARY, library(top).encode())
    layout.write("book/status.md", status.render(manifests).encode())
    layout.write("book/runs.md", runs.render(repository()).encode())
    layout.write("_toc.yml", (top / "_toc.yml").read_bytes())
    layout.write("_config.yml", configuration(top / "_config.yml").encode())
    layout.prune()
    return layout


def library(top: Path) -> str:
    """The page of the library, which ends in a comment that changes with the code it shows."""
    digest = hashlib.sha256()
    for path in sorted((top / "nodelib").rglob("*.py")):
        digest.update(f"{path.relative_to(top)}\0{files.sha256(path)}\n".encode())
    return (top / LIBRARY).read_text(encoding="utf-8") + f"\n% nodelib {digest.hexdigest()}\n"


def page(executed: Path, manifest: reuse.Manifest) -> bytes:
    """An executed notebook as the book shows it: injected cell hidden, the run's line added."""
    node = nbformat.read(executed, as_version=4)
    for cell in node.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            cell.metadata["tags"] = [*tags, "remove-cell"]
            cell.metadata["jupyter"] = {"source_hidden": True}
        cell.metadata.pop("papermill", None)
    node.metadata.pop("papermill", None)
    line = f":::{{div}} run-line\n{manifest.run_line()}\n:::"
    node.cells.append(nbformat.v4.new_markdown_cell(line, id="run-line"))
    return nbformat.writes(node).encode()


def repository() -> str | None:
    """The address of the public repository, where it can be known.

    GitHub's runners say it in ``GITHUB_REPOSITORY``; a clone knows it from its remote. Without
    either the page gets no edit, Colab or Binder button, rather than one that leads nowhere.
    """
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    remote = surroundings.git("remote", "get-url", "origin") or ""
    found = re.fullmatch(r"(?:https://|git@)(github\.com)[:/](.+?)(?:\.git)?/?", remote.strip())
    return f"https://{found[1]}/{found[2]}" if found else None


def configuration(path: Path) -> str:
    """``_config.yml`` with the repository's buttons where the repository is known."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    if address := repository():
        config["repository"] = {"url": address, "branch": "main", "path_to_book": ""}
        buttons = ("use_repository_button", "use_issues_button", "use_edit_page_button")
        config["html"] |= dict.fromkeys(buttons, True)
        config["launch_buttons"] = {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        }
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
