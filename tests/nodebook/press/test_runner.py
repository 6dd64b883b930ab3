import nbformat
import pytest

from nodebook.press import chapters
from nodebook.press.runner import Job, execute
from nodelib import trace


def run(checkout, code, parameters=None, timeout=60):
    """Execute one chapter made of ``code``; the job, its result and the cells it reported."""
    checkout.add("05_x", code)
    (chapter,) = chapters.all_chapters()
    job = Job(chapter, parameters or {"profile": "quick", "seed": 0}, checkout.out, timeout)
    seen = []
    return job, execute(job, lambda *event: seen.append(event)), seen


def test_a_chapter_runs_with_its_parameters_and_reports_its_cells(checkout):
    job, result, seen = run(
        checkout, '# %%\nprint("seed is", seed)\n', {"profile": "quick", "seed": 7}
    )
    assert result.failure is None
    cells = nbformat.read(job.target, as_version=4).cells
    assert cells[-1].outputs[0].text == "seed is 7\n"
    assert [index for _, index, _ in seen] == list(range(len(cells)))
    assert "seed is 7" in job.log.read_text()
    assert not job.scratch.exists()


def test_what_a_chapter_reads_is_traced(checkout):
    code = '# %%\nfrom nodelib import trace\ntrace.note("results", "x", "abc")\n'
    job, _, _ = run(checkout, code)
    assert trace.read(job.trace) == [{"kind": "results", "name": "x", "fingerprint": "abc"}]


def test_a_failing_cell_is_named_with_its_traceback_and_nothing_is_left_to_publish(checkout):
    job, result, _ = run(checkout, '# %%\n1\n\n# %%\nboom = {}\nboom["key"]\n\n# %%\n2\n')
    assert result.failure.cell == 4
    assert result.failure.first_line == "boom = {}"
    assert result.failure.error == "KeyError: 'key'"
    assert 'boom["key"]' in result.failure.traceback
    assert not job.target.exists()
    assert job.scratch.exists()


def test_an_older_execution_does_not_survive_a_failure(checkout):
    job, _, _ = run(checkout, "# %%\n1\n")
    assert job.target.exists()
    run(checkout, "# %%\n1 / 0\n")
    assert not job.target.exists()


def test_a_cell_that_takes_too_long_is_named(checkout):
    _, result, _ = run(checkout, "# %%\nimport time\ntime.sleep(30)\n", timeout=2)
    assert (result.failure.cell, result.failure.first_line) == (3, "import time")
    assert "longer than 2 s" in result.failure.error


def test_a_kernel_that_dies_is_named(checkout):
    _, result, _ = run(checkout, "# %%\nimport os\nos.kill(os.getpid(), 9)\n")
    assert (result.failure.cell, result.failure.first_line) == (3, "import os")
    assert "kernel died" in result.failure.error


def test_an_unknown_parameter_fails_before_any_cell_runs(checkout):
    _, result, seen = run(checkout, "", {"profile": "quick", "sede": 0})
    assert result.failure.cell is None
    assert "unknown parameter sede" in result.failure.error
    assert seen == []


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import sys; sys.exit('no')"])
def test_leaving_with_an_error_code_is_a_failure(checkout, code):
    _, result, _ = run(checkout, f"# %%\n{code}\n")
    assert result.failure.cell == 3
