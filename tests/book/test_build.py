"""The rendered book as files: complete, traceable, and not built twice."""

import re

import pytest
import yaml
from building import ALONE, CHAPTERS

from nodebook.press import book, pool

pytestmark = pytest.mark.book


def test_every_page_of_the_contents_is_rendered(site, source_of):
    contents = yaml.safe_load(source_of("_toc.yml"))
    chapters = [chapter for part in contents["parts"] for chapter in part["chapters"]]
    behind = [page for chapter in chapters for page in chapter.get("sections", ())]
    for name in [contents["root"], *(page["file"] for page in chapters + behind)]:
        assert (site.html / f"{name}.html").is_file(), name


def test_every_chapter_is_in_the_contents(source_of):
    contents = source_of("_toc.yml")
    for chapter in CHAPTERS:
        assert f"notebooks/{chapter.name}" in contents


def test_every_chapter_ends_with_its_runs_line(site):
    for chapter in CHAPTERS:
        html = (site.html / "notebooks" / f"{chapter.name}.html").read_text()
        (line,) = re.findall(r'<div class="run-line[^>]*>(.*?)</div>', html, re.DOTALL)
        for part in ("Profile quick, seed 0", "data:", "executed", "torch", "commit"):
            assert part in line, part


def test_a_second_build_executes_and_renders_nothing(site):
    begun = []

    class Recorder:
        def begin(self, jobs):
            begun.extend(jobs)

        def end(self, result):
            assert result.reused

    with ALONE:
        pool.run(CHAPTERS, pool.Plan(out=site.executed), Recorder())
        assert begun == []
        assert book.build(CHAPTERS, site) is False


def test_no_page_names_a_path_of_the_machine_that_built_it(site, pages):
    top = str(site.html.parents[1])
    for name in pages:
        assert top not in (site.html / name).read_text(encoding="utf-8"), name
