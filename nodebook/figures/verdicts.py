"""What a page says of the ledger: a tally in one line, and the few claims that it discusses.

The links lead to anchors of the scorecard page, which are there in the rendered book only
(``nodebook.press.scorecard_targets`` makes Sphinx know them).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nodebook.errors import LedgerError
from nodebook.evidence import anchors, claims, ledger
from nodebook.evidence.claims import Row
from nodebook.evidence.markup import markdown_row
from nodelib import trace

COLUMNS = ("Claim", "Verdict", "Theirs", "Ours")
"""The verdict is second, so that it stays in view where a narrow screen makes the table scroll."""


@dataclass(frozen=True)
class Tally:
    """How many claims of a chapter have which verdict; Jupyter shows it as one line."""

    chapter: str
    counts: Mapping[str, int]

    def _repr_markdown_(self) -> str:
        total = sum(self.counts.values())
        listed = ", ".join(
            f"{claims.SYMBOLS[kind]}\N{NO-BREAK SPACE}{kind}\N{NO-BREAK SPACE}{number}"
            for kind, number in self.counts.items()
        )
        claimed = "one claim" if total == 1 else f"{total} claims"
        link = f"[the scorecard](#{anchors.of_chapter(self.chapter)})"
        return (
            f"The verdicts on this chapter's {claimed}: {listed}. Each with its evidence: {link}."
        )

    def __repr__(self) -> str:
        return f"Tally({self.chapter}: {dict(self.counts)})"


@dataclass(frozen=True)
class ChosenClaims:
    """A few claims that a page discusses; Jupyter shows them as a small table."""

    rows: tuple[Row, ...]

    def _repr_markdown_(self) -> str:
        lines = [COLUMNS, ("---",) * len(COLUMNS)]
        for row in self.rows:
            theirs = "<br>".join(filter(None, (row.theirs, row.paper and f"paper: {row.paper}")))
            place = f"[{row.place}](#{anchors.of_claim(row.id)})"
            verdict = f"{row.symbol}\N{NO-BREAK SPACE}{row.verdict}"
            lines.append((f"{row.claim}<br>{place}", verdict, theirs, row.ours))
        return "\n".join(map(markdown_row, lines)) + "\n"

    def __repr__(self) -> str:
        return f"ChosenClaims({', '.join(row.id for row in self.rows)})"


def tally(chapter: str) -> Tally:
    """Count the verdicts on the claims that a chapter ("02") tests.

    Raises:
        LedgerError: if the ledger has no such chapter, or a claim cannot be judged.
    """
    return Tally(chapter, claims.count(result for _, result in claims.judged(chapter)))


def chosen(*ids: str) -> ChosenClaims:
    """The claims with these ids, in this order, with their verdicts.

    Raises:
        LedgerError: naming an id that the ledger does not have; if a claim cannot be judged.
    """
    book = ledger.read()
    by_id = {claim.id: claim for claim in book.claims}
    if unknown := [name for name in ids if name not in by_id]:
        raise LedgerError(f"the ledger has no claim {', '.join(map(repr, unknown))}")
    found = [by_id[name] for name in ids]
    for chapter in sorted({claim.chapters[0] for claim in found}):
        trace.note("claims", chapter, claims.fingerprint(chapter))
    pairs = [(claim, claims.verdict(claim)) for claim in found]
    return ChosenClaims(tuple(claims.row(*pair, book.sources) for pair in pairs))
