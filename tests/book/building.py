"""Execute chapters as ``make book`` does, for the tests that look at what comes out."""

from pathlib import Path

from filelock import FileLock
from rich.console import Console

from nodebook import paths
from nodebook.press import book, chapters, pool
from nodebook.press.chapters import Chapter
from nodebook.press.console import PlainConsole, failure_report

CHAPTERS = chapters.all_chapters(Path(__file__).resolve().parents[2] / "notebooks")

paths.build().mkdir(parents=True, exist_ok=True)
ALONE = FileLock(paths.build() / "tests.lock")
"""Held by the one process of those side by side that executes chapters or renders the book."""


def execute(chosen: list[Chapter]) -> book.Site:
    """Execute chapters, reusing what is unchanged; no failure is let pass."""
    site = book.Site.default()
    with ALONE:
        results = pool.run(chosen, pool.Plan(out=site.executed), PlainConsole(Console()))
    failed = [result for result in results if result.failure]
    assert not failed, failure_report(failed)
    return site
