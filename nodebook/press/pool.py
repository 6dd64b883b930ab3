"""Run several chapters, each in a process of its own, and collect every failure."""

import multiprocessing
import os
import queue
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

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
    """Run the jobs in a pool, passing on their progress, and write their manifests."""
    if not due:
        return []
    results = []
    context = multiprocessing.get_context("spawn")
    with (
        _threads_for(workers),
        context.Manager() as manager,
        ProcessPoolExecutor(min(workers, len(due)), mp_context=context) as pool,
    ):
        events = manager.Queue()
        pending = {pool.submit(_work, job, events): job for job in due}
        while pending:
            with suppress(queue.Empty):
                console.cell(*events.get(timeout=0.2))
            for future in [f for f in pending if f.done()]:
                job = pending.pop(future)
                result = _result(future, job)
                if result.failure is None:
                    reuse.save(job, result)
                console.end(result)
                results.append(result)
    return results


def _result(future: Future, job: Job) -> Result:
    """What a worker returned, or the news that it died."""
    try:
        return future.result()
    except BrokenProcessPool as error:
        message = "the process that runs notebooks died (out of memory?)"
        return Result(job.chapter.name, 0.0, Failure(None, "", message, str(error)))


def _work(job: Job, events: "queue.Queue[tuple[str, int, int]]") -> Result:
    return execute(job, lambda *event: events.put(event))


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
