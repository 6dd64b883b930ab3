"""Work spread over processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from nodebook.errors import ResultsError
from nodebook.evidence import processes


def where(item):
    return item, os.getpid(), torch.get_num_threads()


def end(item):
    os._exit(3)


def rest(item):
    time.sleep(item)
    return os.getpid()


def fail(item):
    raise ResultsError(f"{item} is damaged")


def test_one_process_works_here():
    assert list(processes.in_order(where, [1, 2])) == [
        (k, os.getpid(), torch.get_num_threads()) for k in (1, 2)
    ]


def test_several_share_the_work_and_the_cores_and_keep_the_order():
    found = list(processes.in_order(where, range(6), jobs=2))
    assert [item for item, _, _ in found] == list(range(6))
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert {threads for _, _, threads in found} == {max(1, (os.cpu_count() or 1) // 2)}


@pytest.mark.parametrize("jobs", [0, -1])
def test_a_number_of_jobs_below_one_is_refused(jobs):
    with pytest.raises(ResultsError, match=f"--jobs is {jobs}: it must be 1 or more"):
        list(processes.in_order(where, [1], jobs))


def test_a_process_that_ends_early_gives_one_message():
    with pytest.raises(ResultsError, match="a process ended before its work was done"):
        list(processes.in_order(end, [1, 2], jobs=2))


def test_an_error_in_a_process_comes_back_with_its_message():
    with pytest.raises(ResultsError, match="7 is damaged"):
        list(processes.in_order(fail, [7, 8], jobs=2))


def test_the_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "starts.py"
    script.write_text(
        "import os, sys, time\n"
        "from nodebook.evidence import processes\n"
        "def sleep(folder):\n"
        "    open(os.path.join(folder, str(os.getpid())), 'w').close()\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    list(processes.in_order(sleep, sys.argv[1:] * 2, jobs=2))\n"
    )
    pids = tmp_path / "pids"
    pids.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, str(script), str(pids)], env=environment)
    try:
        assert soon(lambda: len(list(pids.iterdir())) == 2, 120)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert soon(lambda: not any(alive(int(path.name)) for path in pids.iterdir()), 10)


def soon(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


@pytest.mark.timeout(120)
def test_nothing_goes_on_when_nobody_asks_any_more():
    found = processes.in_order(rest, [0, 600, 600, 600], jobs=2)
    worker = next(found)
    found.close()
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE
