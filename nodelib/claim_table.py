"""A table of claims with verdicts, as HTML for notebooks and pages, and as Markdown."""

import html
import re
from dataclasses import dataclass

COLUMNS = ("Claim", "Document and place", "Theirs", "Paper", "Ours", "Verdict", "Evidence")
INLINE = re.compile(r"\$(?P<math>[^$]+)\$|`(?P<code>[^`]+)`")


@dataclass(frozen=True)
class Row:
    """One claim as shown: texts that may hold ``$math$`` and `` `code` ``."""

    id: str
    claim: str
    original: str
    note: str
    place: str
    theirs: str
    paper: str
    ours: str
    verdict: str
    symbol: str
    evidence: str

    def cells(self) -> tuple[str, ...]:
        """The texts of the columns but the first, the verdict with its symbol."""
        verdict = f"{self.symbol} {self.verdict}"
        return (self.place, self.theirs, self.paper, self.ours, verdict, self.evidence)


@dataclass(frozen=True)
class ClaimTable:
    """Claims with verdicts; Jupyter shows it as an HTML table.

    The verdict is said by a word and a symbol, never by colour alone, and the table takes its
    colours from the page, so that it reads in light and dark mode.
    """

    caption: str
    rows: tuple[Row, ...]

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
        body = "\n".join(_html_row(row) for row in self.rows)
        return (
            '<div class="claims" style="overflow-x: auto">\n<table class="table">\n'
            f"<caption>{_to_html(self.caption)}</caption>\n"
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
        )

    def _repr_markdown_(self) -> str:
        lines = [COLUMNS, ("---",) * len(COLUMNS)]
        for row in self.rows:
            first = [f"**{row.id}**: {row.claim}"]
            first += [f"(*{row.original}*)"] if row.original else []
            first += [f"Note: {row.note}"] if row.note else []
            lines.append((" ".join(first), *row.cells()))
        return "\n".join(markdown_row(line) for line in lines) + "\n"

    def __str__(self) -> str:
        return self._repr_markdown_()


def markdown_row(cells: tuple[str, ...]) -> str:
    """One line of a Markdown table."""
    escaped = (cell.replace("|", r"\|").replace("\n", " ") or "–" for cell in cells)
    return "| " + " | ".join(escaped) + " |"


def _html_row(row: Row) -> str:
    first = f"<code>{html.escape(row.id)}</code><br>{_to_html(row.claim)}"
    if row.original:
        first += f"<br><em>{_to_html(row.original)}</em>"
    if row.note:
        first += f"<br><small>{_to_html(row.note)}</small>"
    place, theirs, paper, ours, _, evidence = (_to_html(cell) or "–" for cell in row.cells())
    verdict = f'<span aria-hidden="true">{row.symbol}</span> {html.escape(row.verdict)}'
    cells = (place, theirs, paper, ours, verdict, evidence)
    data = "".join(f"<td>{cell}</td>" for cell in cells)
    head = f'<th scope="row" style="font-weight: normal">{first}</th>'
    return f'<tr id="claim-{row.id}">{head}{data}</tr>'


def _to_html(text: str) -> str:
    parts, end = [], 0
    for match in INLINE.finditer(text):
        parts.append(html.escape(text[end : match.start()]))
        if match["math"]:
            parts.append(
                f'<span class="math notranslate">\\({html.escape(match["math"])}\\)</span>'
            )
        else:
            parts.append(f"<code>{html.escape(match['code'])}</code>")
        end = match.end()
    return "".join([*parts, html.escape(text[end:])])
