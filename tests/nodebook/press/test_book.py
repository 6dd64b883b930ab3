import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
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


@pytest.mark.parametrize("at", ["copytree", "rename"])
def test_a_book_that_cannot_be_published_leaves_the_one_before(tmp_path, monkeypatch, at):
    rendered, html = tmp_path / "rendered", tmp_path / "html"
    for folder, text in ((rendered, "new"), (html, "old")):
        folder.mkdir()
        (folder / "intro.html").write_text(text)
    copy, rename = shutil.copytree, Path.rename

    def half(source, target):
        copy(source, target)
        raise OSError(28, "No space left on device")

    def refused(path, target):
        if path.name == "html.new":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    if at == "copytree":
        monkeypatch.setattr(shutil, "copytree", half)
    else:
        monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="No space"):
        book.publish(rendered, html, "digest")
    assert (html / "intro.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["html", "rendered"]


def test_a_book_that_was_moved_aside_when_the_process_was_killed_comes_back(tmp_path, monkeypatch):
    old = tmp_path / "html.old"
    old.mkdir()
    (old / "intro.html").write_text("old")
    with pytest.raises(OSError, match="nowhere"):
        book.publish(tmp_path / "nowhere", tmp_path / "html", "digest")
    assert (tmp_path / "html" / "intro.html").read_text() == "old"
    assert not old.exists()


SLOW = """\
import os, time
from pathlib import Path


def setup(app):
    Path(__file__).with_name("renderer").write_text(str(os.getpid()))
    time.sleep(600)
"""


def test_a_build_killed_while_it_renders_leaves_no_process(folder):
    (folder / "slow.py").write_text(SLOW)
    with (folder / "_config.yml").open("a") as stream:
        stream.write("sphinx:\n  local_extensions:\n    slow: .\n")
    code = "import sys, pathlib; from nodebook.press import book; "
    code += "book.render(pathlib.Path(sys.argv[1]))"
    command = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    note = folder / "renderer"
    deadline = time.monotonic() + 300
    while not (note.is_file() and note.read_text()):
        assert command.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    renderer = psutil.Process(int(note.read_text()))
    os.kill(command.pid, signal.SIGKILL)
    command.wait()
    psutil.wait_procs([renderer], timeout=5)
    assert not renderer.is_running() or renderer.status() == psutil.STATUS_ZOMBIE


def test_what_jupyter_book_says_is_read_whatever_the_locale(folder, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (folder / "intro.md").write_text("# Intro\n\nSee {doc}`nirgendwö`.\n", encoding="utf-8")
    with pytest.raises(BuildError, match="nirgendwö"):
        book.render(folder)
