"""Runs that are ended from outside: nothing goes on, and the next run is whole."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from nodebook import tether
from nodebook.errors import ExecutionError
from nodebook.press import lock

NODELIB = Path(sys.executable).with_name("nodelib")
PATIENCE = 180.0  # to start on a busy machine; nothing is measured by it
SLEEPER = """
# %%
import os, pathlib, time
pathlib.Path(os.environ["STARTED"]).write_text(str(os.getpid()))
if not os.environ.get("BRIEF"):
    time.sleep(600)
"""


class Run:
    """``nodelib run`` on a checkout, in a session of its own, up to its sleeping cell."""

    def __init__(self, checkout, *options, **more):
        self.started = checkout.root / "started"
        self.started.unlink(missing_ok=True)
        environment = os.environ | {"STARTED": str(self.started), "OMP_NUM_THREADS": "1"} | more
        self.process = subprocess.Popen(
            [NODELIB, "run", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell that runs the tests in the background has it ignored, which is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def asleep(self):
        """The command, its workers and its kernels, once the cell is reached."""
        until(self.started.is_file)
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [psutil.Process(self.process.pid), *below]

    def end(self):
        """Exit status and what it printed on the error stream."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


def until(condition):
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def left_of(processes, seconds):
    """Those that are still there some seconds later."""
    _, alive = psutil.wait_procs(processes[1:], timeout=seconds)
    return [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def sleeper(checkout):
    checkout.add("05_sleeper", SLEEPER)
    return checkout


def chosen(processes, who):
    """The process to hit: the command, the worker that runs the notebook, or its kernel."""
    lines = {p.pid: " ".join(p.cmdline()) for p in processes[1:]}
    kernel = next(p for p in processes[1:] if "nodebook.press.launch" in lines[p.pid])
    return {"command": processes[0], "worker": kernel.parent(), "kernel": kernel}[who]


@pytest.mark.parametrize(
    ("who", "number"),
    [
        ("command", signal.SIGKILL),
        ("command", signal.SIGTERM),
        ("command", signal.SIGINT),
        ("worker", signal.SIGKILL),
        ("kernel", signal.SIGKILL),
    ],
)
def test_nothing_is_left_of_a_run_that_is_ended(sleeper, who, number):
    run = Run(sleeper)
    processes = run.asleep()
    assert len(processes) >= 3
    if who == "worker":
        sleeper.add("05_sleeper", "# %%\n1\n")  # it is tried once more, alone
    chosen(processes, who).send_signal(number)
    code, errors = run.end()
    # a killed command leaves its children five seconds to notice; any other end leaves nothing
    assert left_of(processes, 8.0 if number == signal.SIGKILL else 1.0) == []
    if number == signal.SIGTERM:
        assert (code, errors.strip()) == (143, "terminated")
    elif number == signal.SIGINT:
        assert (code, errors.strip()) == (130, "interrupted")
    elif who == "kernel":
        assert code == 1
        assert "the kernel died" in errors
    elif who == "worker":
        assert code == 0
    if who == "command":
        assert not (sleeper.out / "05_sleeper.ipynb").exists()
        again = Run(sleeper, BRIEF="1")
        assert again.end()[0] == 0
        assert (sleeper.out / "05_sleeper.ipynb").is_file()


def test_a_second_run_in_the_same_folder_says_who_holds_it(sleeper):
    run = Run(sleeper)
    processes = run.asleep()
    code, errors = Run(sleeper, BRIEF="1").end()
    assert code == 1
    assert f"in use by process {run.process.pid}, since 2" in errors
    processes[0].send_signal(signal.SIGTERM)
    run.end()


def test_a_lock_is_let_go_and_its_note_removed(tmp_path):
    for _ in range(2):
        with lock.held(tmp_path):
            assert (tmp_path / ".holder").is_file()
        assert not (tmp_path / ".holder").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ExecutionError, match=r"file/out cannot be written \(Not a directory\)"),
        lock.held(tmp_path / "file" / "out"),
    ):
        pass


def test_the_processes_below_this_one_are_ended_and_how_can_still_be_asked():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tether.end_children()
    assert child.wait(1) == -signal.SIGKILL
    assert not psutil.pid_exists(child.pid)


@pytest.mark.timeout(120)
def test_a_pool_with_more_jobs_than_it_can_hold_ends_with_its_processes():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        jobs = [pool.submit(time.sleep, 600) for _ in range(30)]
        tether.end_children()
    assert all(isinstance(job.exception(), BrokenProcessPool) for job in jobs)
