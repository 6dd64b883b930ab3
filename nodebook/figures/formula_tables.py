"""Verdicts on formulas as tables for a page, and the page of errata."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from nodebook.documents.formulas import FORMULAS
from nodebook.documents.formulas.conventions import CONVENTIONS
from nodebook.documents.formulas.system import System
from nodebook.documents.formulas.verdicts import Formula, Verdict, relative_error
from nodebook.evidence import ledger, results

SYMBOLS = {"holds": "✓", "holds up to sign": "±", "misses a term": "◐", "wrong": "✗"}


@dataclass(frozen=True)
class Table:
    """Rows of texts that may hold ``$math$`` and line breaks; Jupyter shows an HTML table.

    With ``last_below``, the last cell of every row stands below the others, over the whole width.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    last_below: bool = False

    def _repr_html_(self) -> str:
        columns = self.columns[:-1] if self.last_below else self.columns
        head = "".join(f'<th scope="col">{_to_html(column)}</th>' for column in columns)
        body = "\n".join(self._row_html(row) for row in self.rows)
        return (
            '<div style="overflow-x: auto">\n<table class="table dataframe">\n'
            f"<caption>{_to_html(self.caption)}</caption>\n"
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
        )

    def _row_html(self, row: tuple[str, ...]) -> str:
        if not self.last_below:
            return "<tr>" + "".join(f"<td>{_to_html(cell)}</td>" for cell in row) + "</tr>"
        *cells, below = map(_to_html, row)
        no_line = ' style="border-bottom: none"'
        return (
            "<tr>"
            + "".join(f"<td{no_line}>{cell}</td>" for cell in cells)
            + f'</tr>\n<tr><td colspan="{len(cells)}" style="text-align: left">{below}</td></tr>'
        )

    def __str__(self) -> str:
        return "\n".join(" | ".join(row) for row in (self.columns, *self.rows))


def verdict_table(
    document: str, live: Mapping[str, Verdict], recorded: Sequence[results.Run]
) -> Table:
    """All formulas of a document: errors just computed, the worst recorded, and the verdict.

    The formula as printed stands below each, with its note.
    """
    name = ledger.read().documents[document]["short"]
    rows = []
    for formula in (formula for formula in FORMULAS if formula.document == document):
        verdict = live[formula.id]
        worst = max(run.metric(f"{formula.id}.relative_error") for run in recorded)
        rows.append(
            (
                formula.id[4:],
                f"{SYMBOLS[verdict.classification]} {verdict.classification}",
                scientific(verdict.relative_error),
                scientific(worst),
                f"${formula.statement}$\n{formula.note}".strip(),
            )
        )
    columns = ("Formula", "Verdict", "Error", "Worst recorded", "As printed")
    caption = f"Document {document}, {name}: relative errors; below each, the formula as printed"
    return Table(caption, columns, tuple(rows), last_below=True)


def scientific(value: float) -> str:
    """An error to one digit, with a minus sign at which no line breaks."""
    return f"{value:.0e}".replace("-", "−")


ROSETTA = (
    "Document",
    "Adjoint",
    "Added to the loss",
    "End value",
    "Gradient in θ, as printed",
    "Gradient in z(t₀), as printed",
)


def _rosetta_rows() -> tuple[tuple[str, ...], ...]:
    return tuple((c.where, c.adjoint, c.constraint, c.end, c.theta, c.z0) for c in CONVENTIONS)


def rosetta() -> Table:
    """Letters, signs and limits of all documents beside ours."""
    return Table("Letters, signs and limits", ROSETTA, _rosetta_rows())


def rosetta_markdown() -> str:
    """The same as a Markdown table, for the page of notation."""
    rows = (ROSETTA, ("---",) * len(ROSETTA), *_rosetta_rows())
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def rosetta_numbers(system: System) -> Table:
    """What every row of the table gives on a system: its adjoint, and its gradients' errors."""

    def judged(value: Tensor | None, exact: Tensor) -> tuple[str, str]:
        if value is None:
            return "–", "–"
        return _vector(value), scientific(relative_error(value, exact))

    rows = []
    for convention in CONVENTIONS:
        if convention.follow is None:
            continue
        followed = convention.follow(system)
        rows.append(
            (
                convention.where,
                _vector(followed.end),
                _vector(followed.start),
                *judged(followed.theta, system.gradients["theta"]),
                *judged(followed.z0, system.gradients["z0"]),
            )
        )
    columns = (
        "Document",
        "Adjoint at t₁",
        "at t₀",
        "θ gradient",
        "Error",
        "z(t₀) gradient",
        "Error",
    )
    return Table("The same table in numbers, each row as printed", columns, tuple(rows))


def _vector(value: Tensor) -> str:
    return ", ".join(f"{entry:.4f}".replace("-", "−") for entry in value.tolist())


def faulty(run: results.Run) -> list[Formula]:
    """The formulas that did not hold as printed in a recorded run."""
    return [f for f in FORMULAS if run.metric(f"{f.id}.classification") != "holds"]


def errata() -> str:
    """The page of errata in MyST Markdown, with the numbers of the recorded run of seed 0.

    Raises:
        ResultsError: if that run is not recorded.
    """
    run = results.one("adjoint_formulas", "audit", 0)
    documents = ledger.read().documents
    parts = [_HEAD]
    for number, document in documents.items():
        entries = [formula for formula in faulty(run) if formula.document == number]
        parts.append(f"## Document {number}: {document['title']}")
        checked = [formula for formula in FORMULAS if formula.document == number]
        if not checked:
            parts.append("It prints no formula about the adjoint.")
            continue
        verb = "does" if len(entries) == 1 else "do"
        sentence = f"{len(entries)} of its {len(checked)} formulas {verb} not hold as printed"
        if not entries:
            sentence = f"All of its {len(checked)} formulas hold"
        parts.append(f"{sentence} {{cite}}`doc{number}`.")
        parts.extend(_erratum(formula, run) for formula in entries)
    return "\n\n".join(parts) + "\n"


def _erratum(formula: Formula, run: results.Run) -> str:
    def value(name: str) -> str:
        return ", ".join(f"{x:.6g}" for x in run.metric(f"{formula.id}.{name}"))

    place = formula.place[0].upper() + formula.place[1:]
    lines = [
        f"### {formula.id}",
        f"{place}. Verdict: **{run.metric(f'{formula.id}.classification')}**.",
        "As printed:",
        f"$$\n{formula.statement}\n$$",
        "Corrected:",
        f"$$\n{formula.correction}\n$$",
        "| Value of | As printed | Correct | Relative error | Corrected formula |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| {formula.quantity} | {value('printed')} | {value('reference')} "
        f"| {run.metric(f'{formula.id}.relative_error'):.2g} "
        f"| {run.metric(f'{formula.id}.corrected_relative_error'):.0e} |",
    ]
    return "\n\n".join([*lines, formula.note] if formula.note else lines)


def _to_html(text: str) -> str:
    pieces = text.split("$")
    return "".join(
        f'<span class="math notranslate">\\({html.escape(piece)}\\)</span>'
        if index % 2
        else html.escape(piece).replace("\n", "<br>")
        for index, piece in enumerate(pieces)
    )


_HEAD = """\
# Errata

This page lists the formulas about the adjoint that do not hold as the five documents print them.
Each is given with its place, as printed and corrected, and with both numbers.

Every formula was read under its own document's definitions and evaluated on one nonlinear,
time-dependent system with two parameters; {doc}`../notebooks/02b_audit` shows how, and shows the
formulas that hold.
A verdict follows from a rule.
"Holds up to sign" means that turning the sign makes it right, "misses a term" that adding one term
does, and "wrong" that neither does.
The numbers are those of the recorded run of seed 0; the last column is the relative error of the
corrected formula.
A function of time is shown by its value at the start.

Most of these are slips of the pen: an index, a sign, a boundary term left out on one slide that
stands on another.
A reader who implements one of them gets a wrong gradient all the same, with few exceptions: a term
that vanishes later, or a number of an end that the next line puts right. The notes name them."""
