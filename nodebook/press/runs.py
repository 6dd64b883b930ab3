"""The page of the recorded runs: for each experiment what is recorded, when, on what, how long."""

import inspect
from collections.abc import Iterable

from nodebook import paths
from nodebook.errors import BuildError
from nodebook.evidence import anchors, registry, results
from nodebook.evidence.markup import markdown_row
from nodebook.evidence.results import Run

MARKER = "<!-- the recorded runs go here -->"
HEAD = ("Variant", "Seeds", "Date", "Commit", "Data", "Computer", "Time (s)")


def render(repository: str | None) -> str:
    """The page's Markdown: its frame in ``book/runs.md`` with a section for each experiment.

    Where the address of the repository is known, each section links to the folder of its runs.

    Raises:
        BuildError: if the frame is missing or has no place for the sections.
    """
    frame = paths.root() / "book" / "runs.md"
    if not frame.is_file() or (text := frame.read_text(encoding="utf-8")).count(MARKER) != 1:
        raise BuildError(f"{frame} must be there and hold the line '{MARKER}' once")
    return text.replace(MARKER, "\n\n".join(_sections(repository)))


def _sections(repository: str | None) -> Iterable[str]:
    for package, names in registry.chapters().items():
        recorded = [name for name in names if results.read(name)]
        if not recorded:
            continue
        yield f"## Chapter {package[2:4]}"
        for name in recorded:
            yield f"({anchors.of_experiment(name)})=\n### `{name}`"
            yield _first_sentence(registry.load(name))
            if repository:
                yield f"[The files]({repository}/tree/main/results/{name})"
            yield _table(results.read(name))


def _first_sentence(module: object) -> str:
    paragraph = (inspect.getdoc(module) or "").split("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`")


def _table(runs: list[Run]) -> str:
    lines = [HEAD, ("---",) * len(HEAD)]
    for variant in dict.fromkeys(run.variant for run in runs):
        own = [run for run in runs if run.variant == variant]
        sets = {f"{d['name']} ({d['completeness']})": None for run in own for d in run.data}
        computers = {f"{r.hardware['cores']} cores, {r.hardware['cpu']}": None for r in own}
        lines.append(
            (
                variant,
                ", ".join(str(run.seed) for run in own),
                ", ".join(sorted({run.date[:10] for run in own})),
                ", ".join(dict.fromkeys(run.commit[:7] for run in own)),
                ", ".join(sets) or "simulated or none",
                "; ".join(computers),
                f"{sum(run.wall_seconds / run.together for run in own):,.0f}",
            )
        )
    return "\n".join(map(markdown_row, lines))
