"""What a page says of the ledger: the tally of a chapter, and a few claims."""

import pytest
import yaml

from nodebook.errors import LedgerError
from nodebook.evidence import anchors, scorecard
from nodebook.figures.verdicts import chosen, tally


def claim(name, **more):
    about = {"id": name, "chapters": ["02"], "document": "000", "place": "slide 1"}
    about |= {"statement": f"The {name} is six.", "kind": "number", "theirs": 6}
    return about | (more or {"rule": {"sums_to": {"terms": [1, 2, 3]}}})


LEDGER = {
    "documents": {"000": {"short": "slides", "title": "Some slides", "language": "English"}},
    "chapters": {"02": "Adjoint", "08": "Data"},
    "claims": [
        claim("sum"),
        claim("total"),
        claim("other", rule={"sums_to": {"terms": [1, 2]}}, paper=7),
        claim("bar", statement="$|x|$ is small.", status="opinion", reason="a word"),
        claim("later") | {"chapters": ["08"]},
    ],
}


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    """A checkout with a ledger of five claims."""
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/intro\n")
    (tmp_path / "book" / "claims.yml").write_text(yaml.safe_dump(LEDGER))
    parts = ("picture", "totals", "comparison", "table")
    frame = "\n".join(f"<!-- {part} -->" for part in parts)
    (tmp_path / "book" / "scorecard.md").write_text(frame)
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))


def test_a_tally_counts_a_chapter_by_verdict_and_links_to_its_place():
    line = tally("02")._repr_markdown_()
    assert "chapter's 4 claims: ✓\u00a0reproduced\u00a02, ✎\u00a0corrected\u00a01," in line
    assert "\n" not in line
    assert f"(#{anchors.of_chapter('02')})" in line
    assert scorecard.render().count(f'id="{anchors.of_chapter("02")}"') == 1


def test_one_claim_is_one_claim():
    assert "this chapter's one claim:" in tally("08")._repr_markdown_()


def test_chosen_claims_stand_in_the_order_asked_for_with_their_verdicts():
    table = chosen("other", "sum")._repr_markdown_()
    head, _, other, total = table.splitlines()
    assert head == "| Claim | Verdict | Theirs | Ours |"
    assert "6<br>paper: 7" in other
    assert "| ✎\u00a0corrected |" in other
    assert total.endswith("| ✓\u00a0reproduced | 6 | 6 |")


def test_each_chosen_claim_links_to_its_row_of_the_scorecard():
    place = anchors.of_claim("later")
    assert f"[000 (slides), slide 1](#{place})" in chosen("later")._repr_markdown_()
    assert scorecard.render().count(f'id="{place}"') == 1


def test_a_bar_in_a_formula_does_not_end_its_cell():
    assert r"$\|x\|$ is small.<br>" in chosen("bar")._repr_markdown_()


def test_text_representations_are_short():
    assert repr(chosen("other", "sum")) == "ChosenClaims(other, sum)"
    assert repr(tally("08")) == "Tally(08: {'reproduced': 1})"


def test_an_unknown_claim_is_named():
    with pytest.raises(LedgerError, match="no claim 'summ'"):
        chosen("sum", "summ")
