import json
import re

import pytest
from typer.testing import CliRunner

from nodebook import cli
from nodebook.evidence import verification
from nodebook.evidence.verification import Check, Difference


@pytest.fixture
def call():
    """Run the command line in this process; a wide terminal keeps messages on one line."""

    def invoke(*words):
        return CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, list(words))

    return invoke


def said(result) -> str:
    """All that a command printed, white space folded."""
    return re.sub(r"\s+", " ", result.output)


@pytest.fixture
def one_chapter(tmp_path, monkeypatch):
    """A checkout with one chapter, whose last cell is given."""

    def make(code):
        for folder in ("notebooks", "book", "nodelib"):
            (tmp_path / folder).mkdir()
        (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/intro\n")
        (tmp_path / "requirements.lock").write_text("")
        (tmp_path / "notebooks" / "05_x.py").write_text(
            '# %% tags=["parameters"]\nprofile = "quick"\nseed = 0\n\n# %%\n' + code
        )
        monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
        return tmp_path / "out"

    return make


def test_run_prints_plain_lines_where_there_is_no_terminal(call, one_chapter):
    out = one_chapter("print(seed)")
    result = call("run", "--only", "5", "--seed", "3", "--out", str(out))
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "to execute: 05_x"
    assert lines[1].startswith("05_x: started, ")
    assert re.match(r"05_x: done in [\d.]+ s", lines[2])
    assert "\x1b" not in result.output
    assert (out / "05_x.ipynb").is_file()


def test_run_reports_notebook_cell_and_traceback_and_exits_with_one(call, one_chapter):
    out = one_chapter("x = [1]\nx[7]")
    result = call("run", "--out", str(out))
    assert result.exit_code == 1
    for part in (
        "05_x",
        "cell 2: x = [1]",
        "IndexError: list index out of range",
        "1 of 1 chapter",
    ):
        assert part in said(result)
    assert not (out / "05_x.ipynb").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--only", "99"), "no chapter is called '99'"),
        (("run", "--profile", "fast"), "unknown profile 'fast'; there are: quick, full"),
        (("run", "--jobs", "0"), "--jobs must be at least 1"),
        (("run", "--seed", "-1"), "--seed must not be negative"),
        (("verify", "--only", "nonsense"), "nonsense"),
        (("bench", "nonsense"), "there is no benchmark 'nonsense'"),
        (("data", "fetch", "nonsense"), "nonsense"),
    ],
)
def test_bad_input_ends_with_one_message_and_no_traceback(call, words, message):
    result = call(*words)
    assert result.exit_code == 1
    assert said(result).startswith("error:")
    assert message in said(result)
    assert "Traceback" not in result.output


def test_outside_a_checkout_the_message_says_so(call, tmp_path, monkeypatch):
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    result = call("run")
    assert result.exit_code == 1
    assert "is not a checkout of the book" in said(result)


def test_claims_as_json_hold_a_computed_verdict_each(call):
    claims = json.loads(call("claims", "--json").stdout)
    assert len(claims) > 20
    assert all(claim["verdict"]["kind"] for claim in claims)


def test_claims_are_shown_as_a_table_with_counts(call):
    shown = said(call("claims"))
    assert re.search(r"\d+ (reproduced|corrected|refuted|open)", shown)


@pytest.fixture
def checked(monkeypatch):
    """Makes verify find these checks, and these verdicts that change."""

    def found(*checks, others=()):
        monkeypatch.setattr(verification, "plan", lambda only, whole: [object()] * len(checks))
        monkeypatch.setattr(verification, "check_all", lambda tasks, jobs: iter(checks))
        monkeypatch.setattr(verification, "other_verdicts", lambda checks: list(others))

    return found


def test_verify_exits_with_one_on_a_difference_and_names_it(call, checked):
    checked(Check("e", "v", 0, "differs", 1, (), (Difference("loss", 1.0, 2.0),)))
    result = call("verify")
    assert result.exit_code == 1
    assert "e/v-seed0: loss is recorded as 1.0, derived again as 2.0" in said(result)
    assert "1 recorded runs: 1 differs; 1 values compared" in said(result)


def test_verify_passes_over_what_cannot_be_checked_here_but_says_so(call, checked):
    checked(Check("e", "v", 0, "cannot be checked here", reason="needs mitdb: fetch it"))
    result = call("verify")
    assert result.exit_code == 0
    assert "needs mitdb: fetch it" in said(result)
    assert "1 cannot be checked here" in said(result)


def test_verify_exits_with_one_if_a_verdict_would_change(call, checked):
    other = verification.OtherVerdict("c1", "reproduced", "refuted")
    checked(Check("e", "v", 0, "same", 3), others=[other])
    result = call("verify")
    assert result.exit_code == 1
    assert "claim c1: reproduced by the recorded runs, refuted by what" in said(result)
    assert "1 verdicts change" in said(result)


def test_verify_names_what_was_not_derived_again_and_what_the_processor_decides(call, checked):
    aside = (Difference("bits", True, False),)
    checked(Check("e", "v", 0, "same", 3, left=("seconds",), by_processor=aside))
    result = call("verify")
    assert result.exit_code == 0
    assert "seconds, bits (by processor)" in said(result)
    assert "of 1 runs some metrics were not derived again; every verdict the same" in said(result)


def test_no_progress_bar_is_drawn_where_nobody_watches(call, checked):
    checked(Check("e", "v", 0, "same", 3))
    assert "deriving again" not in call("verify").output


def test_data_status_names_every_data_set(call):
    shown = said(call("data", "status"))
    for name in ("mnist", "mitdb", "nsrdb", "chfdb", "nsr2db", "chf2db"):
        assert name in shown


def test_a_full_disk_ends_with_one_message_that_names_the_file(call, monkeypatch):
    from nodelib.data import status

    def full():
        raise OSError(28, "No space left on device", "/somewhere/file")

    monkeypatch.setattr(status, "rows", full)
    done = call("data", "status")
    assert done.exit_code == 1
    assert "/somewhere/file cannot be read or written: No space left on device" in done.output
    assert "Traceback" not in done.output
