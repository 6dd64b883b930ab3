"""Which recorded runs a table or a figure shows, or that it is live: one line to stand below it.

It stands in a cell of its own: what a figure's cell shows beside the figure would get its number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nodebook.errors import ResultsError
from nodebook.evidence import anchors, results
from nodebook.evidence.results import Run
from nodelib.data.find.provenance import Provenance

MOST_NAMED = 4
"""Variants and commits beyond this number are counted, not named."""


@dataclass(frozen=True)
class Source:
    """Recorded runs of one experiment; Jupyter shows them as one small line with a link."""

    experiment: str
    runs: tuple[Run, ...]

    def _repr_markdown_(self) -> str:
        return f"<small>Recorded: {self}.</small>"

    def __str__(self) -> str:
        variants = _several("variant", dict.fromkeys(run.variant for run in self.runs))
        seeds = _seeds(sorted({run.seed for run in self.runs}))
        days = sorted({run.date[:10] for run in self.runs})
        when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        commits = _several("commit", dict.fromkeys(run.commit[:7] for run in self.runs))
        link = f"[{self.experiment}](#{anchors.of_experiment(self.experiment)})"
        return f"{link}, {variants}, {seeds}; {when}, {commits}"

    def __repr__(self) -> str:
        return f"Source({self.experiment}, {len(self.runs)} runs)"


@dataclass(frozen=True)
class Live:
    """What this build computed, and on which data; Jupyter shows it as one small line."""

    data: tuple[Provenance, ...]

    def _repr_markdown_(self) -> str:
        return f"<small>{self}.</small>"

    def __str__(self) -> str:
        sets = ", ".join(f"{d.name} ({d.completeness})" for d in self.data)
        return f"Live: computed when this page was built, on {sets or 'simulated data'}"

    def __repr__(self) -> str:
        return f"Live({len(self.data)} data sets)"


def live(*data: Provenance) -> Live:
    """The line under what the page itself computed, from the provenance of each data set read."""
    return Live(data)


def source(experiment: str, *variants: str) -> Source:
    """The recorded runs of an experiment, of all its variants or of those that are named.

    Raises:
        ResultsError: if nothing is recorded of the experiment or of one of the variants, or a
            file is malformed.
    """
    runs = results.read(experiment)
    known = list(dict.fromkeys(run.variant for run in runs))
    if not known:
        raise ResultsError(f"nothing is recorded of experiment {experiment!r}")
    if unknown := [variant for variant in variants if variant not in known]:
        raise ResultsError(
            f"nothing is recorded of variant {', '.join(unknown)} of experiment {experiment!r}; "
            f"recorded are {', '.join(known)}"
        )
    chosen = variants or known
    return Source(experiment, tuple(run for run in runs if run.variant in chosen))


def _several(noun: str, names: Iterable[str]) -> str:
    listed = list(names)
    if len(listed) == 1:
        return f"{noun} {listed[0]}"
    if len(listed) > MOST_NAMED:
        return f"{len(listed)} {noun}s"
    return f"{noun}s {', '.join(listed)}"


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"
