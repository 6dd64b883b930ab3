"""One build at a time in one folder."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nodebook.errors import ExecutionError


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process; the system lets it go when the process ends, however.

    Raises:
        ExecutionError: if another process holds it, whose number and start it names; or if the
            folder cannot be written.
    """
    holder = folder / ".holder"
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        holder.write_text(json.dumps({"process": os.getpid(), "since": now}), encoding="utf-8")
    except Timeout:
        raise ExecutionError(
            f"{folder} is in use by {_who(holder)}: wait until that is done, or end it"
        ) from None
    except OSError as error:
        raise ExecutionError(
            f"{folder} cannot be written ({error.strerror}): "
            "free space, mend its permissions, or name another folder"
        ) from error
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        noted = json.loads(holder.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "another process"
    return f"process {noted['process']}, since {noted['since']}"
