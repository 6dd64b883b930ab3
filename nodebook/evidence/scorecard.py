"""The scorecard page and the README's headline rows, both written from the ledger."""

import re
from collections.abc import Iterable

import yaml

from nodebook import paths
from nodebook.errors import LedgerError
from nodebook.evidence import claims, ledger
from nodebook.evidence.claim_table import CLASS, ClaimTable, markdown_row
from nodebook.evidence.ledger import Claim

MARKER = "<!-- the scorecard goes here -->"
HEADLINE = ("Claim", "Document", "Theirs", "Ours", "Verdict")


def render() -> str:
    """The scorecard page: its frame in ``book/scorecard.md`` with counts and tables filled in.

    Raises:
        LedgerError: if the frame is missing or has no place for the tables, or a claim cannot be
            judged (see ``claims.verdict``).
    """
    frame = paths.root() / "book" / "scorecard.md"
    if not frame.is_file():
        raise LedgerError(f"{frame} is missing: restore it from the repository")
    text = frame.read_text(encoding="utf-8")
    if text.count(MARKER) != 1:
        raise LedgerError(f"{frame} must hold the line '{MARKER}' once")
    return text.replace(MARKER, "\n\n".join(_sections()).strip())


def headline() -> str:
    """The decided claims that the ledger marks as headlines: the Markdown table of README.md."""
    documents = ledger.read().documents
    lines = [HEADLINE, ("---",) * len(HEADLINE)]
    for claim, verdict in claims.judged():
        if claim.headline and verdict.kind != claims.OPEN:
            row = claims.row(claim, verdict, documents)
            lines.append(
                (row.claim, claim.document, row.theirs, row.ours, f"{row.symbol} {row.verdict}")
            )
    return "\n".join(map(markdown_row, lines)) + "\n"


def anchor(chapter: str) -> str:
    """The place on the scorecard page of the claims that a chapter ("02") tests."""
    return f"scorecard-{chapter}"


def claim_anchor(name: str) -> str:
    """The place on the scorecard page of one claim."""
    return f"claim-{name}"


def chapter_pages() -> dict[str, str]:
    """Page of each chapter that the table of contents has: ``{"02": "notebooks/02_adjoint"}``."""
    contents = (paths.root() / "_toc.yml").read_text(encoding="utf-8")
    return {
        match[1]: entry
        for entry in _files(yaml.safe_load(contents))
        if (match := re.match(r"notebooks/(\d\d)_", entry))
    }


def _sections() -> Iterable[str]:
    book, pairs, pages = ledger.read(), claims.judged(), chapter_pages()
    counts = claims.count(verdict for _, verdict in pairs)
    listed = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    yield f"The ledger holds {len(pairs)} claims: {listed}."
    yield _count_table(pairs)
    seen: set[str] = set()
    for chapter, title in book.chapters.items():
        rows = tuple(
            claims.row(claim, verdict, book.documents)
            for claim, verdict in pairs
            if chapter in claim.chapters
        )
        if rows:
            yield f"({anchor(chapter)})=\n## Chapter {chapter}: {title}"
            if chapter in pages:
                yield f"Tested in {{doc}}`/{pages[chapter]}`."
            anchors = {r.id: claim_anchor(r.id) for r in rows if r.id not in seen}
            seen |= anchors.keys()
            table = ClaimTable("", rows, anchors)._repr_markdown_().strip()
            yield f":::{{table}}\n:class: {CLASS}\n\n{table}\n:::"


def _count_table(pairs: list[tuple[Claim, claims.Verdict]]) -> str:
    kinds = [kind for kind in claims.KINDS if any(verdict.kind == kind for _, verdict in pairs)]
    lines = [("Document", *(f"{claims.SYMBOLS[kind]} {kind}" for kind in kinds), "all")]
    lines.append(("---",) * len(lines[0]))
    for name, document in ledger.read().documents.items():
        counts = claims.count(verdict for claim, verdict in pairs if claim.document == name)
        numbers = [counts.get(kind, 0) for kind in kinds]
        cells = [f"{name}: {document['title']}", *map(str, numbers), str(sum(numbers))]
        lines.append(tuple(cells))
    return "\n".join(map(markdown_row, lines))


def _files(node: object) -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "file":
                yield value
            else:
                yield from _files(value)
    elif isinstance(node, list):
        for entry in node:
            yield from _files(entry)
