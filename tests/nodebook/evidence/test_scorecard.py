"""The scorecard page and the README's rows."""

import re

import pytest
import yaml

from nodebook import paths
from nodebook.errors import LedgerError
from nodebook.evidence import claims, ledger, scorecard

FRAME = f"# Scorecard\n\nWords.\n\n{scorecard.MARKER}\n"
LEDGER = {
    "documents": {
        "000": {"short": "slides", "title": "Some slides", "language": "English"},
        "001": {"short": "paper", "title": "A paper", "language": "English"},
    },
    "chapters": {"02": "Adjoint", "08": "Data", "09": "Empty"},
    "claims": [
        {
            "id": "sum",
            "chapters": ["02"],
            "document": "000",
            "place": "slide 1",
            "statement": "The sum is six.",
            "kind": "number",
            "theirs": 6,
            "headline": True,
            "rule": {"sums_to": {"terms": [1, 2, 3]}},
        },
        {
            "id": "later",
            "chapters": ["08"],
            "document": "001",
            "place": "page 1",
            "statement": "Later.",
            "kind": "qualitative",
            "theirs": "later",
            "headline": True,
            "status": "open",
        },
    ],
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n- chapters:\n  - file: notebooks/02_adjoint\n"
    )
    (tmp_path / "book" / "scorecard.md").write_text(FRAME)
    (tmp_path / "book" / "claims.yml").write_text(yaml.safe_dump(LEDGER))
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    return tmp_path


def test_the_page_holds_counts_and_every_claim_under_its_chapter(checkout):
    page = scorecard.render()
    assert page.startswith(
        "# Scorecard\n\nWords.\n\nThe ledger holds 2 claims: 1 reproduced, 1 open."
    )
    assert "| 000: Some slides | 1 | 0 | 1 |" in page
    assert "| 001: A paper | 0 | 1 | 1 |" in page
    first, second = page.index("## Chapter 02: Adjoint"), page.index("## Chapter 08: Data")
    assert first < page.index("**sum**") < second < page.index("**later**")
    assert page.count(":::{table}\n:class: claims\n\n| Claim and its place |") == 2
    assert "## Chapter 09" not in page
    assert scorecard.MARKER not in page


def test_only_chapters_that_have_a_page_are_linked(checkout):
    page = scorecard.render()
    assert "{doc}`/notebooks/02_adjoint`" in page
    assert page.count("{doc}") == 1


def test_the_headline_holds_the_marked_claims_that_are_decided(checkout):
    lines = scorecard.headline().splitlines()
    assert lines[2:] == ["| The sum is six. | 000 | 6 | 6 | ✓ reproduced |"]


@pytest.mark.parametrize("text", ["# Scorecard\n", FRAME + scorecard.MARKER])
def test_a_frame_without_one_place_for_the_tables_is_refused(checkout, text):
    (checkout / "book" / "scorecard.md").write_text(text)
    with pytest.raises(LedgerError, match=r"scorecard\.md must hold"):
        scorecard.render()


def test_a_missing_frame_is_named(checkout):
    (checkout / "book" / "scorecard.md").unlink()
    with pytest.raises(LedgerError, match=r"scorecard\.md is missing"):
        scorecard.render()


def test_every_line_of_the_books_tables_has_all_its_columns():
    page = scorecard.render()
    tables = [line for line in page.splitlines() if line.startswith("|")]
    rows = [line for line in tables if re.match(r"\| \[?\*\*", line)]
    assert len(rows) == sum(len(claim.chapters) for claim in ledger.read().claims)
    for line in rows:
        assert line.replace(r"\|", "").count("|") == 5, line


def test_the_verdicts_are_explained_on_the_page():
    frame = (paths.root() / "book" / "scorecard.md").read_text(encoding="utf-8")
    for kind, symbol in claims.SYMBOLS.items():
        assert f"| {symbol} {kind} |" in frame
