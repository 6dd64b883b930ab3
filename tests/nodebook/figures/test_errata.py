"""The page of errata: one row for each thing that does not hold and could be put right."""

import html
import re

import pytest

from nodebook.documents.formulas import FORMULAS
from nodebook.evidence import claims, results
from nodebook.figures import errata, formula_tables


@pytest.fixture(scope="module")
def pairs():
    return claims.judged("02") + claims.judged("08")


@pytest.fixture(scope="module")
def page(pairs):
    return errata.render(pairs)


def test_every_faulty_formula_has_its_row_with_both_numbers(page):
    run = results.one("adjoint_formulas", "audit", 0)
    wrong = formula_tables.faulty(run)
    assert len(wrong) == 16
    for formula in wrong:
        (row,) = re.findall(rf'<tr id="erratum-{formula.id}">.*', page)
        assert html.escape(formula.statement) in row
        assert html.escape(formula.correction) in row
        assert f"printed {run.metric(f'{formula.id}.printed')[0]:.5g}" in row
        assert f"right {run.metric(f'{formula.id}.reference')[0]:.5g}" in row
    for formula in FORMULAS:
        assert formula in wrong or f'"erratum-{formula.id}"' not in page


def test_one_formula_has_one_error_here_and_on_the_scorecard(page, pairs):
    (verdict,) = (v for c, v in pairs if c.id == "001-t1-gradient")
    (row,) = re.findall(r'<tr id="erratum-001-t1-gradient">.*', page)
    largest = re.search(r"relative error ([\d.]+)", verdict.ours)[1]
    assert f"Relative error {largest}," in row


def test_errata_are_not_of_formulas_alone(page):
    for name in ("001-label-s", "001-class-4", "004-summary-backward", "002-one-label"):
        (row,) = re.findall(rf'<tr id="erratum-{name}">.*', page)
        assert f'href="scorecard.html#claim-{name}"' in row
        assert row.count("<td") == len(errata.COLUMNS)
    assert "paced beat" in page


def test_what_holds_and_what_is_our_own_question_is_no_erratum(page, pairs):
    for claim, verdict in pairs:
        if claim.extension or verdict.kind in ("reproduced", "confirmed by reading"):
            assert f'"erratum-{claim.id}"' not in page


def test_a_document_is_counted_and_cited(page, pairs):
    for number in ("000", "001", "002", "003", "004"):
        own = [c for c, _ in errata.entries(pairs) if c.document == number]
        noun = "entry" if len(own) == 1 else "entries"
        assert f"\n{len(own)} {noun} {{cite}}`doc{number}`." in page
