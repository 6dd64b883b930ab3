"""Run several chapters, each in a process of its own, and collect every failure."""

import multiprocessing
import os
import queue
import signal
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nodebook import tether
from nodebook.errors import ExecutionError
from nodebook.press import reuse
from nodebook.press.chapters import PROFILES, Chapter
from nodebook.press.console import PlainConsole
from nodebook.press.runner import Failure, Job, Result, execute


@dataclass(frozen=True)
class Plan:
    """How to run the chapters."""

    profile: str = "quick"
    seed: int = 0
    jobs: int = 1
    out: Path = Path("_build/executed")
    fresh: bool = False
    """Execute even what could be reused."""
    timeout: int = 3600

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ExecutionError(
                f"unknown profile {self.profile!r}; there are: {', '.join(PROFILES)}"
            )
        if self.jobs < 1:
            raise ExecutionError(f"--jobs must be at least 1, not {self.jobs}")
        if self.seed < 0:
            raise ExecutionError(f"--seed must not be negative, it is {self.seed}")

    def job(self, chapter: Chapter) -> Job:
        """The job of one chapter."""
        parameters = {"profile": self.profile, "seed": self.seed}
        return Job(chapter, parameters, self.out, self.timeout)


def run(chapters: list[Chapter], plan: Plan, console: PlainConsole) -> list[Result]:
    """Execute the chapters that need it; a failure of one does not stop the others."""
    jobs = [plan.job(chapter) for chapter in chapters]
    due = [job for job in jobs if plan.fresh or reuse.stale(job)]
    console.begin(due)
    kept = [Result(job.chapter.name, 0.0, reused=True) for job in jobs if job not in due]
    for result in kept:
        console.end(result)
    results = {r.name: r for r in kept + _execute_all(due, plan.jobs, console)}
    return [results[job.chapter.name] for job in jobs]


def _execute_all(due: list[Job], workers: int, console: PlainConsole) -> list[Result]:
    """Run the jobs and write their manifests, whatever becomes of single workers.

    A worker that dies takes the pool with it. The jobs that had begun then run alone, one after
    the other, so that only the one that kills its worker is lost; the rest go on as before.
    """
    results: list[Result] = []
    suspects: list[Job] = []
    with _threads_for(workers):
        while due:
            done, begun, due = _round(due, workers, console)
            results += done
            suspects += begun
        for job in suspects:
            done, *_ = _round([job], 1, console, last=True)
            results += done
    return results


def _round(
    due: list[Job], workers: int, console: PlainConsole, last: bool = False
) -> tuple[list[Result], list[Job], list[Job]]:
    """Run jobs in one pool: results, and if it broke the jobs that had begun and that had not.

    With ``last`` a death is a result too.
    """
    results: list[Result] = []
    begun: set[str] = set()
    lost: list[Job] = []
    context = multiprocessing.get_context("spawn")
    events = context.Queue()
    with ProcessPoolExecutor(
        min(workers, len(due)), mp_context=context, initializer=_begin, initargs=(events,)
    ) as pool:
        try:
            pending = {pool.submit(_work, job): job for job in due}
            while pending:
                with suppress(queue.Empty):
                    name, *position = events.get(timeout=0.2)
                    begun.add(name)
                    console.cell(name, *position)
                for future in [f for f in pending if f.done()]:
                    job = pending.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool) and not last:
                        lost.append(job)
                        continue
                    result = _result(future, job)
                    console.end(result)
                    results.append(result)
        except BaseException:
            # Ctrl-C, or a request to end: nothing may go on, and nobody waits for it.
            tether.end_children()
            raise
    suspects = [job for job in lost if job.chapter.name in begun]
    if not suspects:  # it died before it could say at which job
        return results, lost, []
    return results, suspects, [job for job in lost if job not in suspects]


def _result(future: Future, job: Job) -> Result:
    """What a worker returned, recorded; or why it could not."""
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        message = "the process that runs notebooks died (out of memory?)"
        return Result(job.chapter.name, 0.0, Failure(None, "", message, str(error)))
    if error is not None:
        text = "".join(traceback.format_exception(error))
        return Result(job.chapter.name, 0.0, Failure(None, "", f"unexpected: {error!r}", text))
    result = future.result()
    if result.failure is None:
        try:
            reuse.save(job, result)
        except OSError as problem:
            message = f"{problem.filename or job.out} cannot be written ({problem.strerror})"
            result.failure = Failure(None, "", message, "")
    return result


def _begin(events: "multiprocessing.Queue[tuple[str, int, int]]") -> None:
    """Prepare a worker: it ends with the command, and leaves Ctrl-C to it."""
    global _EVENTS
    _EVENTS = events
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tether.tie(multiprocessing.parent_process().pid)


def _work(job: Job) -> Result:
    return execute(job, lambda *event: _EVENTS.put(event))


@contextmanager
def _threads_for(workers: int) -> Iterator[None]:
    """Share the cores between parallel kernels; a single one keeps the library's own default."""
    if workers == 1 or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]
