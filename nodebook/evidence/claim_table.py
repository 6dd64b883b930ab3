"""A table of claims with verdicts, as HTML for notebooks and pages, and as Markdown."""

import html
import re
from dataclasses import dataclass

from nodebook.evidence import anchors

COLUMNS = ("Claim and its place", "Verdict", "Theirs (and the paper's)", "Ours and its evidence")
"""The verdict is second, so that it stays in view where a long formula makes the table scroll."""

CLASS = "claims"
"""Class of a table of claims: ``book/_static/book.css`` lays it out, also on a narrow screen."""

STYLE = "text-align: left; width: 100%"
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

    def columns(self) -> tuple[tuple[str, ...], ...]:
        """Texts of the columns but the verdict, one below the other, the main one first."""
        claim = (self.claim, self.original, self.note, self.place)
        theirs = (self.theirs, f"paper: {self.paper}" if self.paper else "")
        return claim, theirs, (self.ours or "–", self.evidence)


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
        # The book's theme gives output a light ground in dark mode, except for class "dataframe".
        return (
            '<div style="overflow-x: auto">\n'
            f'<table class="dataframe {CLASS}" style="{STYLE}">\n'
            f'<caption style="text-align: left">{to_html(self.caption)}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
        )

    def _repr_markdown_(self) -> str:
        lines = [COLUMNS, ("---",) * len(COLUMNS)]
        for row in self.rows:
            claim, theirs, ours = row.columns()
            lines.append(
                (
                    "<br>".join([f"**{row.id}**: {claim[0]}", *filter(None, claim[1:])]),
                    f"{row.symbol} {row.verdict}",
                    "<br>".join(filter(None, theirs)),
                    "<br>".join(ours),
                )
            )
        return "\n".join(markdown_row(line) for line in lines) + "\n"

    def __str__(self) -> str:
        return self._repr_markdown_()

    def __repr__(self) -> str:
        return f"ClaimTable({len(self.rows)} claims)"


def markdown_row(cells: tuple[str, ...]) -> str:
    """One line of a Markdown table."""
    escaped = (cell.replace("|", r"\|").replace("\n", " ") or "–" for cell in cells)
    return "| " + " | ".join(escaped) + " |"


def _html_row(row: Row) -> str:
    claim, theirs, ours = (tuple(map(to_html, texts)) for texts in row.columns())
    head = _lines(f"<code>{html.escape(row.id)}</code><br>{claim[0]}", *claim[1:])
    verdict = f'<span aria-hidden="true">{row.symbol}</span> {html.escape(row.verdict)}'
    data = "".join(f"<td>{cell}</td>" for cell in (verdict, _lines(*theirs), _lines(*ours)))
    first = f'<th scope="row" style="font-weight: normal">{head}</th>'
    place, style = anchors.of_claim(row.id), "text-align: left; vertical-align: top"
    return f'<tr id="{place}" style="{style}">{first}{data}</tr>'


def _lines(main: str, *small: str) -> str:
    return "".join([main, *(f'<br><span class="second">{text}</span>' for text in small if text)])


def to_html(text: str) -> str:
    """Text that may hold ``$math$`` and `` `code` `` as HTML that MathJax typesets."""
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
