"""Runs on readers' machines: their settings change no page, and one bad thing loses no other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from nodebook.press import chapters, pool, reuse
from nodebook.press.console import PlainConsole
from nodebook.press.runner import Job, execute

NODELIB = Path(sys.executable).with_name("nodelib")


class Silent(PlainConsole):
    def __init__(self):
        pass

    def begin(self, jobs):
        pass

    def cell(self, chapter, done, cells):
        pass

    def end(self, result):
        pass


def run(checkout, code):
    """Execute one chapter; its result and the cells of the executed notebook."""
    checkout.add("05_x", code)
    (chapter,) = chapters.all_chapters()
    job = Job(chapter, {"profile": "quick", "seed": 0}, checkout.out, 60)
    result = execute(job, lambda *event: None)
    assert result.failure is None, result.failure
    return nbformat.read(job.target, as_version=4).cells


def printed(cells):
    return "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))


FIGURE = "# %%\nimport matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1)); plt.plot([0, 1]);\n"


def test_a_backend_in_the_environment_loses_no_figure(checkout, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    outputs = run(checkout, FIGURE)[-1].outputs
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert os.environ["MPLBACKEND"] == "agg"


def test_the_kernel_is_this_python_whatever_kernelspecs_there_are(checkout, monkeypatch, tmp_path):
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    other = {"argv": ["/nowhere/python", "{connection_file}"], "display_name": "x"}
    (spec / "kernel.json").write_text(json.dumps(other | {"language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    cells = run(checkout, "# %%\nimport sys\nprint(sys.executable)\n")
    assert printed(cells).strip() == sys.executable


def test_the_users_own_settings_do_not_reach_a_page(checkout, monkeypatch, tmp_path):
    start = tmp_path / "ipython" / "profile_default" / "startup"
    start.mkdir(parents=True)
    (start / "00.py").write_text("print('from a profile')\n")
    (tmp_path / "startup.py").write_text("print('from PYTHONSTARTUP')\n")
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\n")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "startup.py"))
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlibrc"))
    code = "# %%\nimport matplotlib\nprint(matplotlib.rcParams['lines.linewidth'])\n"
    assert printed(run(checkout, code)).strip() == "1.5"


def test_a_path_with_spaces_and_letters_and_windows_line_ends_are_fine(tmp_path, monkeypatch):
    from conftest import Checkout

    top = tmp_path / "a b ü"
    for folder in ("notebooks", "book", "nodelib", "results"):
        (top / folder).mkdir(parents=True)
    (top / "_toc.yml").write_text("format: jb-book\nroot: book/intro\n")
    (top / "requirements.lock").write_text("numpy==2\n")
    monkeypatch.setenv("NODELIB_ROOT", str(top))
    checkout = Checkout(top)
    checkout.add("05_x", "# %%\nprint('it', 'ran')\n")
    source = top / "notebooks" / "05_x.py"
    source.write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))
    (chapter,) = chapters.all_chapters()
    job = Job(chapter, {"profile": "quick", "seed": 0}, checkout.out, 60)
    assert execute(job, lambda *event: None).failure is None
    assert printed(nbformat.read(job.target, as_version=4).cells) == "it ran\n"


def test_a_chapter_with_a_bad_header_does_not_lose_the_others(checkout):
    checkout.add("02_good", "# %%\n1\n")
    header = "# ---\n# jupyter:\n# ---\n"
    (checkout.root / "notebooks" / "01_bad.py").write_text(header + "\n# %%\n1\n")
    plan = pool.Plan(out=checkout.out)
    bad, good = pool.run(chapters.all_chapters(), plan, Silent())
    assert "01_bad.py: cannot be read as a notebook" in bad.failure.error
    assert bad.failure.traceback == ""
    assert good.failure is None
    assert (checkout.out / "02_good.json").is_file()


def test_a_chapter_that_kills_its_worker_does_not_lose_the_others(checkout):
    killer = "# %%\nimport os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"
    checkout.add("01_killer", killer)
    checkout.add("02_good", "# %%\n1\n")
    bad, good = pool.run(chapters.all_chapters(), pool.Plan(out=checkout.out), Silent())
    assert "the process that runs notebooks died" in bad.failure.error
    assert good.failure is None


def test_a_full_disk_is_a_failure_of_the_chapter_with_its_reason(checkout, monkeypatch):
    checkout.add("05_x", "# %%\n1\n")
    (chapter,) = chapters.all_chapters()

    def full(*_):
        raise OSError(28, "No space left on device", "05_x.ipynb")

    monkeypatch.setattr(nbformat, "write", full)
    job = Job(chapter, {"profile": "quick", "seed": 0}, checkout.out, 60)
    failure = execute(job, lambda *event: None).failure
    assert failure.error == "05_x.ipynb cannot be written or read (No space left on device)"
    assert not job.target.exists()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_output_that_is_not_utf_8_is_no_reason_to_stop(encoding, options):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    done = subprocess.run([NODELIB, "claims", *options], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    if options:
        assert len(json.loads(text)) > 3


def test_without_git_the_commit_is_unknown_and_the_run_goes_on(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    checkout.add("05_x", "# %%\n1\n")
    (result,) = pool.run(chapters.all_chapters(), pool.Plan(out=checkout.out), Silent())
    assert result.failure is None
    manifest = json.loads((checkout.out / "05_x.json").read_text())
    assert manifest["commit"].startswith("unknown")


def test_the_commit_of_a_checkout_of_somebody_else_is_known(checkout, monkeypatch):
    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(checkout.root), *arguments], check=True, capture_output=True
        )

    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    git("init", "-q")
    git(*who, "commit", "-q", "--allow-empty", "-m", "first")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(subprocess.CalledProcessError, match="128"):
        git("status")
    assert reuse.commit().endswith(" with uncommitted changes")


@pytest.mark.parametrize("home", ["/proc", None])
def test_a_home_that_is_read_only_or_missing_is_not_needed(checkout, monkeypatch, home):
    if home:
        monkeypatch.setenv("HOME", home)
    else:
        monkeypatch.delenv("HOME")
    assert "image/png" in str(run(checkout, FIGURE)[-1].outputs)
