"""Processes that end with their parent, and the end of all processes below this one.

A process that is killed outright (``kill -9``, a machine short of memory) can tell nobody. So each
child watches its parent: a worker the command, a kernel its worker, the renderer the command.
"""

import ctypes
import os
import signal
import sys
import threading
import time

import psutil

EVERY_SECONDS = 1.0
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def tie(parent: int) -> None:
    """End this process with its parent, whose number ``parent`` the parent itself has told.

    Asking the system for it would not do: a parent that died while this process was being loaded
    has been replaced by then. On Linux the kernel sees to the end, also while one call into native
    code keeps every other Python thread waiting; elsewhere a thread looks about once a second.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(EVERY_SECONDS)
        # not a signal: whoever handles those may be busy
        os._exit(1)

    threading.Thread(target=watch, name="tether", daemon=True).start()


def end_children(patience: float = 5.0) -> None:
    """Kill every process below this one, and wait until they have ended.

    All but multiprocessing's resource tracker, which ends with this process by itself. Who started
    a process is left to ask the system how it ended: a pool that finds nothing to ask takes it for
    alive, and waits for ever.
    """
    below = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "multiprocessing.resource_tracker" not in " ".join(process.cmdline()):
                process.kill()
                below.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    stop = time.monotonic() + patience
    while time.monotonic() < stop and not all(map(_has_ended, below)):
        time.sleep(0.02)


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM); cleaned up after like Ctrl-C."""


def heed_termination() -> None:
    """Turn SIGTERM into :class:`Terminated`, so that what is running is ended in order."""

    def ask(number: int, frame: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, ask)
