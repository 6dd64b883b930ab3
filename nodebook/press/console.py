"""Progress of a run: bars in a terminal, plain lines in a log."""

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nodebook.press.runner import Job, Result


class PlainConsole:
    """One line when a chapter begins and one when it ends."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def begin(self, jobs: list[Job]) -> None:
        """Say which chapters are going to be executed."""
        names = ", ".join(job.chapter.name for job in jobs) or "none, all are up to date"
        self.console.print(f"to execute: {names}", highlight=False)

    def cell(self, chapter: str, done: int, cells: int) -> None:
        """Say that a chapter's first cell starts; later cells are not worth a line each."""
        if done == 0:
            self.console.print(f"{chapter}: started, {cells} cells", highlight=False)

    def end(self, result: Result) -> None:
        """Say how a chapter ended."""
        self.console.print(ending(result), highlight=False)

    def close(self) -> None:
        """Nothing to put away."""


class LiveConsole(PlainConsole):
    """A progress bar a chapter, counting cells."""

    def begin(self, jobs: list[Job]) -> None:
        """Draw an empty bar for each chapter to execute."""
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("cells"),
            TimeElapsedColumn(),
            console=self.console,
        )
        self.tasks = {
            job.chapter.name: self.progress.add_task(job.chapter.name, total=None, start=False)
            for job in jobs
        }
        self.progress.start()

    def cell(self, chapter: str, done: int, cells: int) -> None:
        """Move a chapter's bar; news that arrives after its end is too late to show."""
        if chapter not in self.tasks:
            return
        if done == 0:
            self.progress.start_task(self.tasks[chapter])
        self.progress.update(self.tasks[chapter], completed=done, total=cells)

    def end(self, result: Result) -> None:
        """Replace a chapter's bar by a line."""
        if result.name in self.tasks:
            self.progress.remove_task(self.tasks.pop(result.name))
        self.progress.console.print(ending(result), highlight=False)

    def close(self) -> None:
        """Take the bars off the screen."""
        if hasattr(self, "progress"):
            self.progress.stop()


def for_output(console: Console) -> PlainConsole:
    """The live display in a terminal, plain lines elsewhere."""
    return LiveConsole(console) if console.is_terminal else PlainConsole(console)


def ending(result: Result) -> str:
    """How a chapter ended, in one line."""
    if result.reused:
        return f"{result.name}: [dim]unchanged, reused[/dim]"
    if result.failure:
        where = f"in cell {result.failure.cell}" if result.failure.cell else "before its first cell"
        return f"{result.name}: [bold red]FAILED[/bold red] {where} after {result.seconds:.1f} s"
    return f"{result.name}: [green]done[/green] in {result.seconds:.1f} s"


def failure_report(results: list[Result]) -> str:
    """All failures with their tracebacks, for the end of a run."""
    blocks = []
    for result in results:
        if failure := result.failure:
            where = (
                f"cell {failure.cell}: {failure.first_line}" if failure.cell else "no cell reached"
            )
            blocks.append(
                f"[bold red]{result.name}[/bold red], {escape(where)}\n"
                f"{escape(failure.error)}\n{escape(failure.traceback.strip())}"
            )
    return "\n\n".join(blocks)
