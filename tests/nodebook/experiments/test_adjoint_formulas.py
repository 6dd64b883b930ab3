import pytest

from nodebook import paths
from nodebook.documents.formulas import FORMULAS
from nodebook.documents.formulas.system import System
from nodebook.evidence import results, verification
from nodebook.experiments.ch02_adjoint import adjoint_formulas
from nodebook.figures import formula_tables


@pytest.fixture(scope="module")
def recorded():
    return results.read("adjoint_formulas", "audit")


def test_all_seeds_are_recorded_and_give_every_formula_the_same_verdict(recorded):
    assert [run.seed for run in recorded] == list(adjoint_formulas.SEEDS)
    for formula in FORMULAS:
        assert len({run.metric(f"{formula.id}.classification") for run in recorded}) == 1


def test_recorded_run_derives_again(recorded):
    got = adjoint_formulas.rederive(recorded[0])
    kept = {name: recorded[0].metrics[name] for name in got}
    assert not verification.compare(kept, got, adjoint_formulas.TOLERANCE)
    left = set(recorded[0].metrics) - set(got)
    assert left
    assert all(name.endswith("relative_error") for name in left)


def test_counts_add_up_to_the_formulas(recorded):
    counts = {k: v for k, v in recorded[0].metrics.items() if k.startswith("count.")}
    assert sum(counts.values()) == len(FORMULAS)
    assert sum(v for k, v in counts.items() if k.startswith("count.003")) == 0


def test_euler_errors_are_recorded_for_the_figure(recorded):
    history = recorded[0].history["euler"]
    assert len(history["n"]) == len(history["a"]) == len(history["theta_printed"])


def test_chapter_names_the_number_of_faulty_formulas(recorded):
    words = {13: "Thirteen", 14: "Fourteen", 15: "Fifteen", 16: "Sixteen", 17: "Seventeen"}
    text = (paths.root() / "notebooks" / "02_adjoint.py").read_text(encoding="utf-8")
    text = " ".join(text.replace("\n# ", "\n").split())
    assert f"{words[len(formula_tables.faulty(recorded[0]))]} of {len(FORMULAS)} do not" in text


def test_verdict_table_shows_live_and_worst_recorded_errors(recorded):
    live = adjoint_formulas.verdicts(System(0))
    table = formula_tables.verdict_table("001", live, recorded)
    own = [formula for formula in FORMULAS if formula.document == "001"]
    assert [row[0] for row in table.rows] == [formula.id[4:] for formula in own]
    row = next(row for row in table.rows if row[0] == "t1-gradient")
    worst = max(run.metric("001-t1-gradient.relative_error") for run in recorded)
    assert row[1] == "✗ wrong"
    assert row[3] == f"{worst:.0e}".replace("-", "−")
    page = table._repr_html_()
    assert page.count("<tr>") == 2 * len(own) + 1
    assert r"\(\frac{da}{dt}" in page
    assert "The factor is the field, not its time derivative." in page
    assert "$" not in page
