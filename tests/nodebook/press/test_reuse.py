import json

import pytest

from nodebook.press import chapters, reuse
from nodebook.press.pool import Plan, run
from nodebook.press.runner import Job, Result


@pytest.fixture
def finished(checkout):
    """A job that looks as if it had been executed, having read one traced input."""
    checkout.add("05_x", "# %%\n1\n")
    (chapter,) = chapters.all_chapters()
    job = Job(chapter, {"profile": "quick", "seed": 0}, checkout.out)
    job.trace.parent.mkdir(parents=True)
    noted = {"kind": "results", "name": "e", "fingerprint": reuse.fingerprint("results", "e")}
    job.trace.write_text(json.dumps(noted) + "\n")
    job.target.write_text("{}")
    reuse.save(job, Result("05_x", 1.25))
    return job


def test_an_execution_is_reused_while_nothing_changed(finished):
    assert reuse.stale(finished) is None


def test_it_is_not_reused_when_the_source_changes(finished, checkout):
    checkout.add("05_x", "# %%\n2\n")
    assert "source" in reuse.stale(finished)


@pytest.mark.parametrize("name", ["nodelib/thing.py", "requirements.lock"])
def test_it_is_not_reused_when_library_or_lock_change(finished, checkout, name):
    (checkout.root / name).write_text("x = 2\n")
    assert "library, lock" in reuse.stale(finished)


def test_it_is_not_reused_with_other_parameters(finished):
    other = Job(finished.chapter, {"profile": "quick", "seed": 1}, finished.out)
    assert "parameters" in reuse.stale(other)


def test_it_is_not_reused_when_a_recorded_result_that_it_read_changes(finished, checkout):
    (checkout.root / "results" / "e").mkdir()
    (checkout.root / "results" / "e" / "v-seed0.json").write_text("{}")
    assert reuse.stale(finished) == "results e changed"


def test_it_is_not_reused_when_its_notebook_or_manifest_is_gone_or_damaged(finished):
    manifest = reuse.manifest_path(finished.out, "05_x")
    manifest.write_text("{")
    assert reuse.stale(finished) == "its manifest is damaged"
    manifest.unlink()
    assert reuse.stale(finished) == "not executed yet"


def test_the_run_line_names_profile_seed_data_duration_versions_and_commit(finished):
    line = reuse.load(finished.out, "05_x").run_line()
    for part in ("Profile quick", "seed 0", "data: none", "in 1.2 s", "torch 2.", "commit "):
        assert part in line


def test_the_run_line_names_each_data_set_once_with_its_source(finished):
    note = {"kind": "data", "name": "mitdb", "fingerprint": "1", "completeness": "synthetic"}
    manifest = reuse.load(finished.out, "05_x")
    manifest.read[:] = [{**note, "source": "generated"}]
    assert "data: mitdb (synthetic, generated)" in manifest.run_line()


class Silent:
    """A console that keeps what it is told."""

    def __init__(self):
        self.due, self.ended = None, []

    def begin(self, jobs):
        self.due = [job.chapter.name for job in jobs]

    def cell(self, *event):
        pass

    def end(self, result):
        self.ended.append((result.name, result.reused, result.failure is not None))


def test_all_chapters_run_although_one_fails_and_only_the_failed_one_runs_again(checkout):
    checkout.add("01_good", "# %%\n1\n")
    checkout.add("02_bad", "# %%\n1 / 0\n")
    checkout.add("03_good", "# %%\n3\n")
    plan, found = Plan(jobs=2, out=checkout.out), chapters.all_chapters()
    first = Silent()
    results = run(found, plan, first)
    assert [(r.name, r.failure is None) for r in results] == [
        ("01_good", True),
        ("02_bad", False),
        ("03_good", True),
    ]
    second = Silent()
    again = run(found, plan, second)
    assert second.due == ["02_bad"]
    assert [r.reused for r in again] == [True, False, True]
