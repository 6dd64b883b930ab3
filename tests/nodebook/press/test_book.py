import pytest

from nodebook.errors import BuildError
from nodebook.press import book


@pytest.fixture
def folder(tmp_path):
    """A staged book of one page."""
    top = tmp_path / "book"
    top.mkdir()
    (top / "_config.yml").write_text("title: A book\nonly_build_toc_files: true\n")
    (top / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (top / "intro.md").write_text("# Intro\n\nFine.\n")
    return top


def test_a_warning_fails_the_build_is_told_and_still_fails_when_nothing_changed(folder):
    (folder / "intro.md").write_text("# Intro\n\nSee {doc}`nowhere`.\n")
    for _ in range(2):
        with pytest.raises(BuildError, match=r"(?s)nothing was published.*nowhere"):
            book.render(folder)
    assert "nowhere" in (folder / "_build" / "sphinx.log").read_text()


def test_a_sound_book_renders_and_is_published_in_one_step(folder, tmp_path):
    book.render(folder)
    html = tmp_path / "html"
    html.mkdir()
    (html / "stale.html").write_text("old")
    book.publish(folder / "_build" / "html", html, "digest")
    assert (html / "intro.html").is_file()
    assert (html / ".stage").read_text() == "digest"
    assert not (html / "stale.html").exists()
    assert not html.with_name("html.old").exists()
    assert not html.with_name("html.new").exists()
