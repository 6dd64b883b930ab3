"""The command line ``nodelib``: run, build, data, record, verify, claims, bench."""

import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from nodebook.tether import Terminated, heed_termination
from nodelib.errors import NodelibError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Find, fetch and check the data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

console = Console(soft_wrap=True)
complaints = Console(stderr=True, soft_wrap=True)

Only = Annotated[
    list[str] | None, typer.Option("--only", help="A chapter, by number or name; may be repeated.")
]
Profile = Annotated[str, typer.Option(help="quick (minutes) or full (paper scale, hours).")]
Seed = Annotated[int, typer.Option(help="Seed that every chapter is given.")]
Jobs = Annotated[int, typer.Option(help="Chapters to execute at the same time.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Execute even what has not changed.")]


@contextmanager
def one_message() -> Iterator[None]:
    """End the command with the message of a foreseen error, without a traceback."""
    try:
        yield
    except NodelibError as error:
        complaints.print(f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False)
        raise typer.Exit(1) from error
    except OSError as error:
        # a full disk, a folder that may not be written: wherever it is met
        where = error.filename or "a file"
        reason = error.strerror or str(error)
        complaints.print(
            f"[bold red]error:[/bold red] {escape(f'{where} cannot be read or written: {reason}')}",
            highlight=False,
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stop:
        asked = isinstance(stop, Terminated)
        complaints.print("terminated" if asked else "interrupted", highlight=False)
        raise typer.Exit(143 if asked else 130) from None


@app.callback()
def prepare() -> None:
    """Neural ODEs, reproduced and audited: run chapters, build the book, check numbers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a code page may lack a tick, or Greek
    heed_termination()


@app.command()
def run(
    profile: Profile = "quick",
    only: Only = None,
    seed: Seed = 0,
    jobs: Jobs = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the executed notebooks [_build/executed].")
    ] = None,
    fresh: Fresh = False,
) -> None:
    """Execute the chapters through papermill; what has not changed since is not run again."""
    from nodebook.press import book, lock

    with one_message():
        folder = (out or book.Site.default().executed).resolve()
        with lock.held(folder):
            _execute(profile, only or [], seed, jobs, folder, fresh)


@app.command()
def build(
    release: Annotated[
        bool, typer.Option("--release", help="From scratch, clean commit, real data only.")
    ] = False,
    jobs: Jobs = 1,
) -> None:
    """Execute what changed and render the book into _build/html."""
    from nodebook.press import book, lock

    with one_message(), lock.held(book.Site.default().executed):
        site = book.Site.default()
        chapters = _execute("quick", [], 0, jobs, site.executed, release)
        if release:
            book.check_release(site, chapters)
        with console.status("rendering the book"):
            rendered = book.build(chapters, site, fresh=release)
        news = "rendered" if rendered else "already up to date"
        console.print(f"book: {news}: {site.html / 'index.html'}", highlight=False)


def _execute(profile: str, only: list[str], seed: int, jobs: int, out: Path, fresh: bool) -> list:
    """Run the chosen chapters; raise SystemExit after reporting every failure."""
    from nodebook.press import chapters, pool
    from nodebook.press.console import failure_report, for_output

    chosen = chapters.select(only, chapters.all_chapters())
    plan = pool.Plan(profile, seed, jobs, out, fresh)
    display = for_output(console)
    try:
        results = pool.run(chosen, plan, display)
    finally:
        display.close()
    failed = [result for result in results if result.failure]
    if failed:
        complaints.print(failure_report(failed), highlight=False)
        names = ", ".join(result.name for result in failed)
        complaints.print(
            f"[bold red]error:[/bold red] {len(failed)} of {len(results)} chapters failed: "
            f"{names}; what they printed is in {escape(str(plan.out / 'logs'))}",
            highlight=False,
        )
        raise typer.Exit(1)
    return chosen


@data_app.command("status")
def data_status() -> None:
    """Show where each data set is found, without downloading anything."""
    from nodelib.data import status

    with one_message():
        table = Table("data set", "found in", "state", "files", "size", "note")
        for row in status.rows():
            size = f"{row.size / 2**20:.1f} MiB" if row.size else ""
            files = f"{row.present}/{row.expected}" if row.expected else str(row.present or "")
            table.add_row(row.name, row.found, row.completeness, files, size, escape(row.note))
        console.print(table)


@data_app.command("fetch")
def data_fetch(
    names: Annotated[list[str], typer.Argument(help="Data sets to download into the cache.")],
    signals: Annotated[
        bool, typer.Option("--signals", help="Also the long signals of nsrdb and chfdb.")
    ] = False,
) -> None:
    """Download data sets from their official sources and verify their checksums."""
    from nodelib.data import status

    with one_message():
        for line in status.fetch(names, signals=signals):
            console.print(line, highlight=False)


@data_app.command("check")
def data_check() -> None:
    """Verify every file at hand against its checksum."""
    from nodelib.data import status

    with one_message():
        problems = status.check()
        for problem in problems:
            complaints.print(f"[bold red]bad:[/bold red] {escape(str(problem))}", highlight=False)
        if problems:
            raise typer.Exit(1)
        console.print("every file at hand is what it should be")


@app.command()
def record(
    names: Annotated[list[str], typer.Argument(help="Experiments to run and record.")],
    variant: Annotated[
        list[str] | None, typer.Option("--variant", help="This variant only; may be repeated.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", help="This seed only; may be repeated.")
    ] = None,
) -> None:
    """Run experiments and record them under results/ (all variants and seeds if none is named)."""
    from nodebook.evidence import registry

    with one_message():
        for name in names:
            for path in registry.record(name, variant, seed):
                console.print(str(path), highlight=False)


@app.command()
def verify(
    only: Annotated[str | None, typer.Option("--only", help="One experiment.")] = None,
    jobs: Annotated[int, typer.Option(help="Runs to derive again at the same time.")] = 1,
    whole: Annotated[
        bool, typer.Option("--all", help="Every variant and seed, and nothing in part.")
    ] = False,
) -> None:
    """Derive recorded results again and compare; exit 1 if one or a verdict differs.

    Of every variant, or of a sample of them, the first seed is derived again; of one experiment
    (--only) every variant and seed.
    """
    from nodebook.evidence import verification

    with one_message():
        tasks = verification.plan(only, whole=whole)
        found = verification.check_all(tasks, jobs)
        checks = list(
            track(
                found,
                "deriving again",
                total=len(tasks),
                console=complaints,
                disable=not complaints.is_terminal,
            )
        )
        others = verification.other_verdicts(checks)
        console.print(_table_of(checks))
        for check in checks:
            name = f"{check.experiment}/{check.variant}-seed{check.seed}"
            if check.reason:
                complaints.print(f"{name}: {escape(check.reason)}", highlight=False)
            for d in check.differences:
                complaints.print(
                    f"{name}: {escape(d.metric)} is recorded as {escape(repr(d.recorded))}, "
                    f"derived again as {escape(repr(d.got))}",
                    highlight=False,
                )
        for other in others:
            complaints.print(
                f"claim {other.claim}: {other.recorded} by the recorded runs, "
                f"{other.derived} by what was derived again",
                highlight=False,
            )
        console.print(verification.summary(checks, others), highlight=False)
        if others or any(check.status == verification.DIFFERS for check in checks):
            raise typer.Exit(1)


def _table_of(checks: list) -> Table:
    """A line for each run; what was left out or in part, and what is the processor's, is named."""
    table = Table("experiment", "variant", "seed", "result", "compared", "(part), left, aside")
    for check in checks:
        aside = [f"{d.metric} (by processor)" for d in check.by_processor]
        table.add_row(
            check.experiment,
            check.variant,
            str(check.seed),
            check.status,
            str(check.compared or ""),
            escape(", ".join([*([f"({check.part})"] if check.part else []), *check.left, *aside])),
        )
    return table


@app.command()
def claims(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable, to stdout.")] = False,
) -> None:
    """Show the ledger of claims with its computed verdicts."""
    from nodebook.evidence import claims as ledger

    with one_message():
        if as_json:
            plain = not (sys.stdout.encoding or "").lower().startswith("utf")
            text = json.dumps(ledger.as_json(), indent=1, ensure_ascii=plain)
            sys.stdout.write(text + "\n")
            return
        table = Table("claim", "document", "statement", "theirs", "ours", "verdict")
        pairs = ledger.judged()
        for claim, verdict in pairs:
            table.add_row(
                claim.id,
                claim.document,
                escape(claim.statement),
                escape(claim.theirs_text()),
                escape(verdict.ours),
                verdict.kind,
            )
        console.print(table)
        found = ledger.count(verdict for _, verdict in pairs)
        counts = ", ".join(f"{n} {kind}" for kind, n in found.items())
        console.print(counts, highlight=False)


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="One benchmark; all if left out.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the ratios to this file.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Also keep each benchmark under results/bench.")
    ] = False,
    repeats: Annotated[
        int | None,
        typer.Option(help="How often each side is timed, four times that where it is fine."),
    ] = None,
) -> None:
    """Measure speed as a ratio against a peer, interleaved in this process."""
    from nodebook import paths
    from nodebook.benchmarks import harness

    with one_message():
        measured = []
        for benchmark in [name] if name else harness.names():
            with console.status(f"measuring {benchmark}"):
                often = harness.REPEATS if repeats is None else repeats
                found = harness.run(benchmark, often)
            points = harness.of_points(benchmark)
            console.print(_points_table(found) if points else _ratios_table(found))
            measured += found
            if record:
                harness.write(paths.measurements() / f"{benchmark}.json", found)
        if json_file:
            harness.write(json_file, measured)


def _ratios_table(ratios: Sequence[Any]) -> Table:
    table = Table("contest", "peer", "ours [ms]", "peer [ms]", "ratio (quartiles)", "median within")
    for r in ratios:
        spread = f"{r.ratio:.3f} ({r.low:.3f} to {r.high:.3f})"
        ms = (f"{r.ours_ms:.2f}", f"{r.theirs_ms:.2f}")
        table.add_row(r.name, r.peer, *ms, spread, f"{r.least:.3f} to {r.most:.3f}")
    return table


def _points_table(points: Sequence[Any]) -> Table:
    rows = [asdict(point) for point in points]
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{x:.4g}" if isinstance(x, float) else str(x) for x in row.values()))
    return table


if __name__ == "__main__":
    app()
