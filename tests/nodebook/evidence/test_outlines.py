"""The pages by document: every claim in the section that its place names."""

import pytest

from nodebook.errors import LedgerError
from nodebook.evidence import claims, ledger, outlines
from nodebook.evidence.claims import Verdict
from nodebook.evidence.ledger import Claim

OUTLINE = [
    {"title": "1. Eins", "gist": "the start", "places": ["part 1"]},
    {"title": "2. Zwei", "gist": "a table", "places": ["part 2", "table"]},
    {"title": "2.1 Mehr", "gist": "more", "places": ["part 2, more"]},
    {"title": "3. Drei", "gist": "nothing", "places": ["part 3"]},
]
BOOK = ledger.Ledger(
    {"000": {"short": "slides", "title": "Folien", "language": "German"}}, {"02": "Adjoint"}, ()
)


def pair(name, place, **more):
    claim = Claim(name, ("02",), "000", place, f"Says {name}.", "number", 3, **more)
    return claim, Verdict("refuted", "4", "a run")


PAIRS = [
    pair("late", "part 2, more of it"),
    pair("table", "table 1"),
    pair("first", "part 1, “top”", extension=True),
    pair("lost", "margin"),
]


def test_a_claim_stands_where_the_longest_fit_is():
    found, homeless = outlines.sections(OUTLINE, PAIRS)
    held = {section.title: [claim.id for claim, _ in section.pairs] for section in found}
    assert held == {"1. Eins": ["first"], "2. Zwei": ["table"], "2.1 Mehr": ["late"], "3. Drei": []}
    assert [claim.id for claim in homeless] == ["lost"]


def test_the_page_follows_the_outline_with_a_verdict_at_each_statement(monkeypatch):
    monkeypatch.setattr(outlines, "read", lambda book: {"000": OUTLINE})
    page = outlines.page(BOOK, "000", PAIRS)
    assert page.startswith("# Document 000: slides\n")
    assert "4 entries, 4 refuted" in page
    places = [page.index(text) for text in ("## 1. Eins", "Says first.", "## 2. Zwei", "## 2.1")]
    assert places == sorted(places)
    assert "## 3. Drei" not in page
    assert page.index("## Elsewhere") < page.index("Says lost.")
    assert (
        '<a href="../scorecard.html#claim-table"><span aria-hidden="true">✗</span> refuted' in page
    )
    assert page.count("ours-mark") == 1


def test_every_place_of_the_ledger_has_its_section():
    book = ledger.read()
    for name, outline in outlines.read(book).items():
        own = [(c, Verdict("open", "", "-")) for c in book.claims if c.document == name]
        assert own
        assert [claim.id for claim in outlines.sections(outline, own)[1]] == []


def test_a_missing_outline_is_named(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text("")
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    with pytest.raises(LedgerError, match=r"outlines\.yml is missing"):
        outlines.read(BOOK)
    (tmp_path / "book" / "outlines.yml").write_text("'001': []")
    with pytest.raises(LedgerError, match="no outline of 000"):
        outlines.read(BOOK)


def test_sources_of_the_outlines_are_those_of_the_ledger():
    book = ledger.read()
    assert set(outlines.read(book)) == set(book.sources) == {c.document for c in claims.load()}
