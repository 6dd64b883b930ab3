"""The pages that are made from the ledger: scorecard, errata, and one for each document."""

from nodebook.evidence import claims, ledger, outlines, scorecard
from nodebook.figures import errata


def render() -> dict[str, str]:
    """The pages' texts by their names in the book, from claims that are judged once for all."""
    book, pairs = ledger.read(), claims.judged()
    pages = {"book/scorecard.md": scorecard.render(pairs), "book/errata.md": errata.render(pairs)}
    for name in book.sources:
        pages[f"{outlines.FOLDER}/{name}.md"] = outlines.page(book, name, pairs)
    return pages
