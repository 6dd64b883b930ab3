"""Work spread over processes that end with the one that started them."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from nodebook import tether
from nodebook.errors import ResultsError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int = 1
) -> Iterator[Result]:
    """``work`` of each item, in the items' order; with ``jobs`` above one in as many processes.

    Those share the processor's cores as threads: each has at least one. Alone, the work is done
    here, with the threads that torch has.

    Raises:
        ResultsError: if ``jobs`` is less than one, or a process ends before its work is done.
    """
    if jobs < 1:
        raise ResultsError(f"--jobs is {jobs}: it must be 1 or more")
    if jobs == 1 or len(items) < 2:
        yield from map(work, items)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    pool = ProcessPoolExecutor(
        min(jobs, len(items)),
        mp_context=multiprocessing.get_context("spawn"),  # torch's threads do not survive a fork
        initializer=_prepare,
        initargs=(threads,),
    )
    try:
        yield from pool.map(work, items)
    except BrokenProcessPool as error:
        raise ResultsError(
            "a process ended before its work was done (perhaps for want of memory): "
            "try again with a smaller --jobs"
        ) from error
    except (KeyboardInterrupt, GeneratorExit):
        # Ctrl-C, a request to end, or nobody asks any more: nothing may go on.
        tether.end_children()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _prepare(threads: int) -> None:
    torch.set_num_threads(threads)
    tether.tie(multiprocessing.parent_process().pid)
