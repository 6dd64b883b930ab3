"""The chapters' notebooks have the manners of ``manners``; each rule is seen to bite."""

import re

import manners
import pytest
from building import CHAPTERS
from nbformat.v4 import new_code_cell, new_markdown_cell

NOT_YET: set[str] = set()
"""Chapters that still lack them. The list only shrinks: one that has them must leave it."""


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[c.name for c in CHAPTERS])
def test_a_notebook_has_manners(chapter):
    behind = chapter.number[-1].isalpha()
    found = manners.faults(chapter.notebook().cells, behind=behind)
    if chapter.name in NOT_YET:
        assert found, f"{chapter.name} breaks no rule: take it out of NOT_YET"
    else:
        assert found == []


def test_the_list_names_chapters_that_there_are():
    assert {chapter.name for chapter in CHAPTERS} >= NOT_YET


EXERCISE = "```{exercise} Halve it\n:label: a\n\nHow?\n```"
SOLUTION = "```{solution} a\n:class: dropdown\n\nThus.\n```"


def hidden(source, *tags):
    return new_code_cell(source, metadata={"tags": [*tags], "jupyter": {"source_hidden": True}})


def polite():
    """The cells of a small notebook that breaks no rule."""
    return [
        new_markdown_cell("# A title"),
        hidden("import sys", "setup", "hide-cell"),
        new_code_cell("import torch\n\nfrom nodelib import odeint"),
        hidden("seed = 0", "parameters", "remove-cell"),
        new_code_cell("rate = 0.1  # of learning", metadata={"tags": ["knobs"]}),
        hidden('Markdown(f"It is {1:.2f}.")', "remove-input"),
        new_markdown_cell(f"Words.\n\n{EXERCISE}\n\n{SOLUTION}"),
        new_markdown_cell(f"{EXERCISE}\n\n{SOLUTION}"),
    ]


def test_a_polite_notebook_breaks_no_rule():
    assert manners.faults(polite()) == []


LONG = "\n".join(["x = 1"] * 41)
CHOSEN = 'Markdown("It " + ("holds" if x else "fails"))'
EARLIER = 'if x:\n    word = "holds"\nelse:\n    word = "fails"\nMarkdown(word)'
LOOKED_UP = 'Markdown({True: "holds", False: "fails"}[x])'
COMMENT = 'Markdown(f"""all of {x}\n%. The rest is lost.\n""")'


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        (hidden("import math", "remove-cell"), "hidden cell 8 imports"),
        (hidden("def f():\n    from math import pi", "remove-cell"), "hidden cell 8 imports"),
        (new_code_cell(LONG), "cell 8 has 41 lines"),
        (new_code_cell("x = " + "1" * 82), "cell 8 is 86 characters wide"),
        (new_code_cell("x", metadata={"tags": ["hide-input"]}), "is not source_hidden"),
        (hidden("x"), "visible cell 8 is source_hidden"),
        (new_code_cell("def spread(x):\n    return x"), "cell 8 defines spread"),
        (new_code_cell("def arrows(ax, at):\n    ax.quiver(at)"), "cell 8 defines arrows"),
        (new_code_cell("def f(x):\n    plt.plot(x)"), "cell 8 defines f"),
        (hidden(CHOSEN, "remove-input"), "cell 8 chooses text in its line 1"),
        (hidden(EARLIER, "remove-input"), "cell 8 chooses text in its line 1"),
        (hidden(LOOKED_UP, "remove-input"), "cell 8 chooses text in its line 1"),
        (hidden(COMMENT, "remove-input"), "cell 8 begins line 2 as a comment of MyST"),
        (hidden("seed = 1", "parameters", "remove-cell"), "not one cell tagged parameters"),
        (new_code_cell("width = 3", metadata={"tags": ["knobs"]}), "of knobs, has a line without"),
        (new_markdown_cell(EXERCISE), "3 exercises have 2 solutions"),
        (new_markdown_cell(f"{EXERCISE}\n{SOLUTION.replace('dropdown', 'x')}"), "is not folded"),
    ],
)
def test_a_bad_cell_is_named(cell, fault):
    (found,) = manners.faults([*polite(), cell])
    assert fault in found


def test_hidden_code_adds_up():
    cells = [*polite(), *(hidden("x = 1\n\n" * 34, "remove-cell") for _ in range(6))]
    assert "sizes: 207 lines of code are hidden" in manners.faults(cells)
    assert manners.visible_lines(cells) == 3


@pytest.mark.parametrize(
    ("index", "fault"),
    [(0, "no title"), (2, "does not import"), (3, "parameters"), (4, "knobs"), (6, "1 exercises")],
)
def test_a_missing_part_is_named(index, fault):
    cells = polite()
    del cells[index]
    assert re.search(fault, "\n".join(manners.faults(cells)))


def test_a_long_cell_of_imports_is_named():
    cells = polite()
    cells[2].source = "import torch\n" * 26
    assert manners.faults(cells) == ["imports: the cell of imports has more than 25 lines"]


def test_a_page_behind_a_chapter_needs_neither_knobs_nor_exercises():
    cells = [cell for index, cell in enumerate(polite()) if index not in (4, 6, 7)]
    assert manners.faults(cells, behind=True) == []
    assert len(manners.faults(cells)) == 2
