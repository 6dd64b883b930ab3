import nbformat
import pytest

from nodebook.errors import ExecutionError
from nodebook.press import chapters


def test_chapters_come_in_reading_order_and_helpers_are_left_out(checkout):
    for name in ("08_b", "02b_d", "02a_c", "02_a"):
        checkout.add(name, "")
    checkout.add("draft", "")
    found = chapters.all_chapters()
    assert [c.name for c in found] == ["02_a", "02a_c", "02b_d", "08_b"]
    assert [c.number for c in found] == ["02", "02a", "02b", "08"]


def test_a_page_behind_a_chapter_is_selected_by_its_own_number_only(checkout):
    for name in ("02_a", "02a_c"):
        checkout.add(name, "")
    assert [c.name for c in chapters.select(["02a"], chapters.all_chapters())] == ["02a_c"]
    assert [c.name for c in chapters.select(["2"], chapters.all_chapters())] == ["02_a"]


@pytest.mark.parametrize("only", ["2", "02", "02_a"])
def test_a_chapter_is_selected_by_number_or_name(checkout, only):
    checkout.add("02_a", "")
    checkout.add("08_b", "")
    assert [c.name for c in chapters.select([only], chapters.all_chapters())] == ["02_a"]


def test_an_unknown_chapter_is_refused_with_the_known_ones(checkout):
    checkout.add("02_a", "")
    with pytest.raises(ExecutionError, match="no chapter is called '99'; there are: 02_a"):
        chapters.select(["99"], chapters.all_chapters())


def test_cell_ids_are_the_same_at_every_reading(checkout):
    checkout.add("02_a", "# %%\n1\n")
    (chapter,) = chapters.all_chapters()
    first, second = chapter.notebook(), chapter.notebook()
    assert [c["id"] for c in first.cells] == [c["id"] for c in second.cells]
    nbformat.validate(first)


def test_a_parameter_that_the_notebook_does_not_take_is_refused(checkout, tmp_path):
    checkout.add("02_a", "")
    (chapter,) = chapters.all_chapters()
    path = tmp_path / "02_a.ipynb"
    nbformat.write(chapter.notebook(), path)
    chapters.check_parameters(path, {"seed": 1})
    with pytest.raises(ExecutionError, match=r"unknown parameter sede; .* profile, seed"):
        chapters.check_parameters(path, {"sede": 1})
