"""The figure and the tables of chapter 12."""

import pytest

from nodebook.evidence import claims, recorded, registry
from nodebook.figures import lessons


def test_the_decision_figure_asks_every_question_and_gives_every_answer():
    (ax,) = lessons.decision().axes
    said = " ".join(text.get_text().replace("\n", " ") for text in ax.texts)
    for fork in lessons.FORKS:
        assert fork.question.replace("\n", " ") in said
        assert fork.answer.replace("\n", " ") in said
    assert "(chapters 07, 09, 11)" in said
    assert "(chapter 06)" in said


def test_every_answer_has_numbers_with_an_ode_and_without():
    table = lessons.behind()
    assert len(table) == 7
    assert table.map(lambda text: any(letter.isdigit() for letter in text)).all(axis=None)


def test_the_hours_are_those_of_the_recorded_runs():
    table = lessons.hours()
    runs = recorded.runs("mnist")
    assert list(table.index)[:11] == [f"{number:02d}" for number in range(1, 12)]
    longest = max(run.cpu_seconds for run in runs) / 3600
    assert table.loc["07", "longest run, hours"] == f"{longest:.1f}"
    assert table.loc["07", "runs"] > len(runs)
    together = [
        run for name in registry.chapters()["ch05_lotka_volterra"] for run in recorded.runs(name)
    ]
    assert max(run.together for run in together) == 10
    total = sum(run.cpu_seconds / run.together for run in together) / 3600
    assert table.loc["05", "processor hours"] == f"{total:.1f}"


def test_only_what_waits_for_a_verdict_is_called_undecided():
    table = lessons.undecided()
    judged = claims.judged()
    assert set(table["verdict"]) <= {"not decided", "open"}
    waiting = [c for c, result in judged if result.kind in ("not decided", "open")]
    assert list(table.index) == [claim.statement for claim in waiting]
    assert lessons.untestable() == claims.count(v for _, v in judged)["not testable here"]


def test_chapters_in_the_figure_are_chapters_of_the_book():
    named = {c for f in (*lessons.FORKS, lessons.OTHERWISE) for c in f.chapters.split(", ")}
    assert named <= {number for claim in claims.load() for number in claim.chapters}


@pytest.mark.parametrize("fork", lessons.FORKS, ids=lambda fork: fork.chapters)
def test_a_question_is_a_question(fork):
    assert fork.question.endswith("?")
