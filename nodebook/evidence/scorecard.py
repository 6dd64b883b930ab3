"""The scorecard page and the README's headline rows, both written from the ledger."""

import json
import re
from collections.abc import Iterable, Mapping

import yaml

from nodebook import paths
from nodebook.errors import LedgerError
from nodebook.evidence import anchors, claims, ledger, scorecard_picture, scorecard_table, shown
from nodebook.evidence.ledger import Claim
from nodebook.evidence.markup import markdown_row
from nodebook.evidence.scorecard_table import Pairs
from nodebook.evidence.summaries import is_number

NAMES = {
    claims.FORMULA: "formulas evaluated",
    claims.ARITHMETIC: "the document’s own numbers",
    claims.MEASURED: "recorded runs and counts",
    claims.READING: "reading",
    "": "nothing",
}
HEADLINE = ("Claim", "Document", "Theirs", "Ours", "Verdict")


def render(pairs: Pairs | None = None) -> str:
    """The scorecard page: its frame in ``book/scorecard.md`` with pictures and table filled in.

    ``pairs`` are the claims with their verdicts, where they have been judged already.

    Raises:
        LedgerError: if the frame is missing or does not hold each marker once, or a claim cannot
            be judged (see ``claims.verdict``).
    """
    book, pairs = ledger.read(), claims.judged() if pairs is None else pairs
    read = claims.reader()
    parts = {
        "picture": scorecard_picture.verdicts(book, pairs),
        "totals": totals(pairs),
        "comparison": scorecard_picture.comparison(pairs, lambda c: claims.measured(c, read)),
        "table": "".join(
            f'<span id="{anchors.of_chapter(chapter)}"></span>' for chapter in book.chapters
        )
        + scorecard_table.filters(book, pairs)
        + "\n"
        + scorecard_table.table(book, pairs, chapter_pages(), shown.places(pages())),
    }
    return fill("scorecard", {k: v if k == "totals" else raw(v) for k, v in parts.items()})


def fill(name: str, parts: Mapping[str, str]) -> str:
    """A page's frame with each ``<!-- part -->`` replaced.

    Raises:
        LedgerError: if the frame is missing, or does not hold each of the markers once.
    """
    frame = paths.root() / "book" / f"{name}.md"
    if not frame.is_file():
        raise LedgerError(f"{frame} is missing: restore it from the repository")
    text = frame.read_text(encoding="utf-8")
    for part, content in parts.items():
        marker = f"<!-- {part} -->"
        if text.count(marker) != 1:
            raise LedgerError(f"{frame} must hold the line '{marker}' once")
        text = text.replace(marker, content)
    return text


def raw(text: str) -> str:
    """HTML that MyST passes on as it is."""
    return f"````{{raw}} html\n{text}\n````"


def totals(pairs: Pairs) -> str:
    """How many verdicts rest on what, in words and as a Markdown table."""
    of_documents = [pair for pair in pairs if not pair[0].extension]
    again = len(of_documents) - len({_stated(claim) for claim, _ in of_documents})
    words = (
        f"The ledger holds {len(pairs)} claims. {len(pairs) - len(of_documents)} of them are "
        "stricter or further questions of ours that a statement raises, marked “ours”. "
        f"Of the others, {again} say again what another document, or another line, says and is "
        "judged by the same evidence. Formulas are counted apart: that an identity holds says "
        "less than that a training run comes out as printed."
    )
    kinds = list(claims.count(verdict for _, verdict in pairs))
    lines = [("Judged by", *(f"{claims.SYMBOLS[kind]} {kind}" for kind in kinds), "all")]
    lines.append(("---",) * len(lines[0]))
    for basis, name in NAMES.items():
        own = claims.count(v for c, v in of_documents if claims.basis(c) == basis)
        lines.append((name, *(str(own.get(kind, 0)) for kind in kinds), str(sum(own.values()))))
    own = claims.count(v for c, v in pairs if c.extension)
    lines.append(
        ("questions of ours", *(str(own.get(k, 0)) for k in kinds), str(sum(own.values())))
    )
    return words + "\n\n" + "\n".join(map(markdown_row, lines))


def _stated(claim: Claim) -> str:
    """What makes two claims one statement: evidence, rule and number, or else themselves."""
    if not claim.evidence:
        return claim.id
    number = claim.theirs if is_number(claim.theirs) else None
    return json.dumps([claim.evidence, claim.rule, number], sort_keys=True)


def headline() -> str:
    """The decided claims that the ledger marks as headlines: the Markdown table of README.md."""
    sources = ledger.read().sources
    lines = [HEADLINE, ("---",) * len(HEADLINE)]
    for claim, verdict in claims.judged():
        if claim.headline and verdict.kind != claims.OPEN:
            row = claims.row(claim, verdict, sources)
            lines.append(
                (row.claim, claim.document, row.theirs, row.ours, f"{row.symbol} {row.verdict}")
            )
    return "\n".join(map(markdown_row, lines)) + "\n"


def chapter_pages() -> dict[str, str]:
    """Page of each chapter that the table of contents has: ``{"02": "notebooks/02_adjoint"}``."""
    return {
        match[1]: entry for entry in pages() if (match := re.match(r"notebooks/(\d\d)_", entry))
    }


def pages() -> Iterable[str]:
    """The pages of the table of contents."""
    return _files(yaml.safe_load((paths.root() / "_toc.yml").read_text(encoding="utf-8")))


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
