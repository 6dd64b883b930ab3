"""The examples of the page "The library" run as they stand, and its code is that of today."""

import re

import pytest

import nodelib
from nodebook import paths
from nodebook.press import staging
from nodelib import errors

PAGE = (paths.root() / staging.LIBRARY).read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```\{code-block\} python\n(.*?)```", PAGE, re.DOTALL)


def test_there_is_an_example_of_a_solve_a_model_and_a_data_set():
    assert [next(n for n in ("odeint", "ODEBlock", "toy_ecg") if n in e) for e in EXAMPLES] == [
        "odeint",
        "ODEBlock",
        "toy_ecg",
    ]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs_by_itself(number, capsys):
    names = {}
    exec(compile(EXAMPLES[number], staging.LIBRARY, "exec"), names)
    printed = capsys.readouterr().out
    if number == 0:
        assert "torch.Size([101, 2, 2])" in printed
        assert names["pendulum"].friction.grad.abs() > 0
    elif number == 1:
        assert names["right"] > 0.9
    else:
        assert "360" in printed


def test_every_name_that_the_library_exports_is_on_the_page():
    assert ".. automodule:: nodelib.errors" in PAGE
    for name in set(nodelib.__all__) - set(dir(errors)):
        assert re.search(rf":: nodelib(\.\w+)*\.{name}\b", PAGE), name


def test_the_page_changes_with_the_code_it_shows(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "nodelib").mkdir()
    (tmp_path / staging.LIBRARY).write_text("# The library\n")
    module = tmp_path / "nodelib" / "a.py"
    module.write_text("x = 1\n")
    before = staging.library(tmp_path)
    assert before == staging.library(tmp_path)
    module.write_text("x = 2\n")
    assert staging.library(tmp_path) != before
