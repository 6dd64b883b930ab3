import pytest

from nodebook import paths
from nodebook.documents.formulas.conventions import CONVENTIONS
from nodebook.documents.formulas.system import System
from nodebook.documents.formulas.verdicts import relative_error
from nodebook.figures import formula_tables

# Rows whose printed gradients are not right; all of them are on the page of errata.
WRONG_IN_THETA = {"000, slide", "002, appendix"}
WRONG_IN_Z0 = {"001, later slides"}


@pytest.fixture(scope="module")
def solved():
    return System(0)


@pytest.mark.parametrize("row", CONVENTIONS, ids=lambda row: row.where)
def test_every_row_is_followed_in_its_own_convention(row, solved):
    if row.follow is None:
        assert row.where == "003"
        return
    got = row.follow(solved)
    sign = -1 if "= -" in row.adjoint or "as printed" in row.adjoint else 1
    assert relative_error(sign * got.end, solved.loss_z) < 1e-9
    assert relative_error(sign * got.start, solved.gradients["z0"]) < 1e-9
    for value, text, exact, wrong in (
        (got.theta, row.theta, "theta", WRONG_IN_THETA),
        (got.z0, row.z0, "z0", WRONG_IN_Z0),
    ):
        assert (value is None) == (text == "–")
        if value is not None:
            error = relative_error(value, solved.gradients[exact])
            assert error > 0.1 if row.where in wrong else error < 1e-9


def test_page_of_notation_holds_the_table():
    page = paths.root() / "book" / "notation.md"
    assert formula_tables.rosetta_markdown() in page.read_text(encoding="utf-8"), (
        "book/notation.md is not up to date: write formula_tables.rosetta_markdown() into it"
    )


def test_numbers_have_a_row_for_every_printed_adjoint(solved):
    table = formula_tables.rosetta_numbers(solved)
    assert len(table.rows) == len(CONVENTIONS) - 1
    assert all(len(row) == len(table.columns) for row in table.rows)
