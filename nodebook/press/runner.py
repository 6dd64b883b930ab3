"""Execute one notebook through papermill and say exactly where it failed."""

import logging
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import papermill as pm
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers
from papermill.utils import remove_args

from nodebook import paths
from nodebook.press import kernel
from nodebook.press.chapters import Chapter, check_parameters
from nodelib.data.find import places
from nodelib.errors import NodelibError

Report = Callable[[str, int, int], None]
"""Called as ``report(chapter, cells_done, cells)`` when a cell starts."""


@dataclass(frozen=True)
class Job:
    """What to execute: a chapter with its parameters, and where the files go."""

    chapter: Chapter
    parameters: dict[str, object]
    out: Path
    timeout: int = 3600
    """Seconds that one cell may take."""

    @property
    def target(self) -> Path:
        """The executed notebook."""
        return self.out / f"{self.chapter.name}.ipynb"

    @property
    def scratch(self) -> Path:
        """The notebook while it runs, and what is left of one that failed."""
        return self.out / "failed" / f"{self.chapter.name}.ipynb"

    @property
    def log(self) -> Path:
        """Everything the notebook printed."""
        return self.out / "logs" / f"{self.chapter.name}.log"

    @property
    def trace(self) -> Path:
        """The notes on what the notebook read."""
        return self.out / "logs" / f"{self.chapter.name}.trace"


@dataclass
class Failure:
    """Where and why a notebook stopped."""

    cell: int | None
    """Number of the code or text cell in the source, from 1; None if no cell was reached."""
    first_line: str
    error: str
    traceback: str


@dataclass
class Result:
    """What became of a job."""

    name: str
    seconds: float
    failure: Failure | None = None
    reused: bool = False
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))


class _ReportingEngine(NBClientEngine):
    """papermill's engine, telling the runner which cell it is at."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        cell_started = kwargs["cell_started"]
        begin = nb_man.cell_start

        def cell_start(cell, cell_index=None, **options):
            cell_started(cell_index, len(nb_man.nb.cells))
            return begin(cell, cell_index, **options)

        nb_man.cell_start = cell_start
        super().execute_managed_notebook(
            nb_man, kernel_name, **remove_args(["cell_started"], **kwargs)
        )


papermill_engines.register("nodelib", _ReportingEngine)


def execute(job: Job, report: Report) -> Result:
    """Run a job; a notebook that fails is a result, not an exception.

    The executed notebook appears under ``job.target`` only if every cell ran; an older one there
    is removed first, so that what is there is never from another run.
    """
    result = Result(job.chapter.name, 0.0)
    began = time.perf_counter()
    try:
        for folder in (job.out, job.scratch.parent, job.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        for stale in (job.target, job.trace):
            stale.unlink(missing_ok=True)
        with _logging_to(job.log), kernel.environment(job.out / "logs" / "kernel"):
            _execute(job, report, result)
        if result.failure is None:
            job.scratch.replace(job.target)
    except OSError as error:
        message = f"{error.filename or job.out} cannot be written or read ({error.strerror})"
        result.failure = Failure(None, "", message, "")
    result.seconds = time.perf_counter() - began
    return result


def _execute(job: Job, report: Report, result: Result) -> None:
    """Run the notebook, and note in ``result`` where and why it failed if it did."""
    position = [None]

    def cell_started(index: int, cells: int) -> None:
        position[0] = index
        report(job.chapter.name, index, cells)

    try:
        nbformat.write(job.chapter.notebook(), job.scratch)
        check_parameters(job.scratch, job.parameters)
        os.environ["NODELIB_TRACE"] = str(job.trace)
        os.environ["NODELIB_ROOT"] = str(paths.root())
        places.anchor()
        pm.execute_notebook(
            str(job.scratch),
            str(job.scratch),
            job.parameters,
            engine_name="nodelib",
            kernel_name="python3",
            kernel_manager_class=kernel.OwnKernelManager,
            cwd=str(job.scratch.parent),
            progress_bar=False,
            log_output=True,
            execution_timeout=job.timeout,
            autosave_cell_every=0,
            extra_arguments=["--log-level=CRITICAL"],
            cell_started=cell_started,
        )
    except PapermillExecutionError as error:
        result.failure = _failure(
            job, error.cell_index, f"{error.ename}: {error.evalue}", str(error)
        )
    except CellTimeoutError as error:
        message = f"the cell took longer than {job.timeout} s"
        result.failure = _failure(job, position[0], message, str(error))
    except DeadKernelError as error:
        message = "the kernel died (out of memory, or a crash in native code)"
        result.failure = _failure(job, position[0], message, str(error))
    except NodelibError as error:
        result.failure = _failure(job, position[0], str(error), "")
    except nbformat.ValidationError as error:
        result.failure = _failure(job, position[0], str(error), traceback.format_exc())


def _failure(job: Job, index: int | None, message: str, text: str) -> Failure:
    """Name the cell by its number in the source, where papermill's own cell is not counted."""
    if index is None:
        return Failure(None, "", message, text)
    ran = remove_error_markers(nbformat.read(job.scratch, as_version=4)).cells
    tags = [cell.metadata.get("tags", []) for cell in ran[:index]]
    source = index - sum("injected-parameters" in tag for tag in tags)
    cells = job.chapter.notebook().cells
    lines = cells[source].source.splitlines() if source < len(cells) else []
    return Failure(source + 1, lines[0] if lines else "", message, text)


class _logging_to:
    """Send papermill's log, which carries the notebook's output, to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logger = logging.getLogger("papermill")

    def __enter__(self) -> None:
        self.handler = logging.FileHandler(self.path, mode="w", encoding="utf-8")
        self.handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self.before = (self.logger.level, self.logger.propagate)
        self.logger.addHandler(self.handler)
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self.handler)
        self.logger.level, self.logger.propagate = self.before
        self.handler.close()
