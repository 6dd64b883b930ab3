"""Curves that more than one chapter draws."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from nodebook.figures import curves


@pytest.fixture(autouse=True)
def no_figure_stays():
    yield
    plt.close("all")


def test_losses_are_drawn_by_step_from_one():
    (ax,) = curves.losses({"a": [3.0, 2.0, 1.0]}).axes
    (line,) = ax.lines
    assert line.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]]
    assert ax.get_yscale() == "log"
    assert ax.get_legend() is None


def test_several_losses_are_named():
    (ax,) = curves.losses({"a": [1.0], "b": [2.0]}, log=False).axes
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.get_yscale() == "linear"


def test_a_range_has_its_mean_as_line_and_its_ends_as_band():
    _, ax = plt.subplots()
    curves.ranges(ax, [1, 2], [[1.0, 2.0, 6.0], [4.0, 4.0, 4.0]], color="red")
    assert ax.lines[0].get_ydata().tolist() == [3.0, 4.0]
    band = ax.collections[0].get_paths()[0].vertices
    assert {(1.0, 1.0), (1.0, 6.0)} <= set(map(tuple, np.unique(band, axis=0)))
