"""Render the staged book with Jupyter Book and publish it only if everything went well."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nodebook import paths
from nodebook.errors import BuildError
from nodebook.press import reuse
from nodebook.press.chapters import Chapter
from nodebook.press.staging import stage

SHOWN_LINES = 60


@dataclass(frozen=True)
class Site:
    """Where a build reads and writes."""

    executed: Path
    folder: Path
    html: Path

    @classmethod
    def default(cls) -> "Site":
        """The build under ``_build`` of the checkout."""
        top = paths.build()
        return cls(top / "executed", top / "book", top / "html")


def build(chapters: list[Chapter], site: Site, *, fresh: bool = False) -> bool:
    """Stage, render with warnings as errors, and publish; False if the book was up to date.

    ``site.html`` is replaced in one step at the very end, so a reader never meets a half-built or
    a failed book there.

    Raises:
        BuildError: if a chapter is missing or Sphinx warns; the message carries its last lines.
    """
    if fresh:
        shutil.rmtree(site.folder, ignore_errors=True)
    layout = stage(site.folder, site.executed, chapters)
    digest = layout.digest()
    stamp = site.html / ".stage"
    if not fresh and stamp.is_file() and stamp.read_text() == digest:
        return False
    render(site.folder)
    publish(site.folder / "_build" / "html", site.html, digest)
    return True


def render(folder: Path) -> None:
    """Run Jupyter Book over the staged folder; its whole output goes to ``sphinx.log`` there."""
    call = (
        f"import sys; from nodebook import tether; tether.tie({os.getpid()}); "
        "from jupyter_book.cli.main import main; sys.exit(main())"
    )
    options = ["build", str(folder), "-W", "-n", "--keep-going"]
    command = [sys.executable, "-c", call, *options]
    done = subprocess.run(
        command,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    output = done.stdout + done.stderr
    log = folder / "_build" / "sphinx.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output, encoding="utf-8")
    if done.returncode:
        # Pages that warned are cached as read: without this the next build would pass over them.
        shutil.rmtree(folder / "_build" / ".doctrees", ignore_errors=True)
        last = "\n".join(output.strip().splitlines()[-SHOWN_LINES:])
        raise BuildError(f"Jupyter Book failed or warned; nothing was published.\n{last}")


def publish(rendered: Path, html: Path, digest: str) -> None:
    """Swap the rendered book into place; where that fails, what was there stays.

    Raises:
        OSError: if it cannot be written.
    """
    fresh, old = html.with_name(html.name + ".new"), html.with_name(html.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    _put_back(old, html)
    try:
        shutil.copytree(rendered, fresh)
        (fresh / ".nojekyll").touch()
        (fresh / ".stage").write_text(digest)
        if html.exists():
            html.rename(old)
        fresh.rename(html)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        _put_back(old, html)


def _put_back(old: Path, html: Path) -> None:
    """``old`` in the place of ``html`` if that is missing, and gone otherwise."""
    if old.exists() and not html.exists():
        old.rename(html)
    shutil.rmtree(old, ignore_errors=True)


def check_release(site: Site, chapters: list[Chapter]) -> None:
    """Refuse to release a book that its readers could not trace back.

    Raises:
        BuildError: naming the uncommitted state, or the chapters that used stand-in data.
    """
    if not reuse.commit().isalnum():
        raise BuildError(f"a release is built from a clean commit; this is {reuse.commit()}")
    for chapter in chapters:
        used = [n for n in reuse.load(site.executed, chapter.name).read if n["kind"] == "data"]
        if standins := [n["name"] for n in used if _is_standin(n)]:
            raise BuildError(
                f"a release shows the real data; {chapter.name} used a stand-in for "
                f"{', '.join(standins)}: fetch it with 'nodelib data fetch {' '.join(standins)}'"
            )


def _is_standin(noted: dict[str, str]) -> bool:
    """Whether a noted data set was generated, or is the sample that an installed package ships."""
    return noted["completeness"] == "synthetic" or noted["source"].endswith("package")
