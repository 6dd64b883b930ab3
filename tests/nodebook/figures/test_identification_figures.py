"""The figures of system identification show what they are given."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from nodebook.figures import identification

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_starts_that_turn_the_wrong_way_have_marks_of_their_own():
    above, below = identification.starts([1.0, -1.0, 2.0], [0.1, 2.0, 0.2], np.ones((3, 4))).axes
    marks = {line.get_label(): list(line.get_xdata()) for line in above.lines[:2]}
    assert marks == {"starts turning the right way": [1.0, 2.0], "the wrong way": [-1.0]}
    assert [line.get_linestyle() for line in below.lines[:3]] == ["-", "-", "--"]


def test_a_sweep_draws_the_medians():
    values = {"windows": [[1.0, 2.0, 9.0], [3.0, 4.0, 5.0]]}
    (ax,) = identification.sweeps({"a": ([1, 2], values), "b": ([1, 2], values)}).axes[:1]
    assert list(ax.lines[0].get_ydata()) == [2.0, 4.0]


def test_there_is_a_picture_for_each_moment():
    frames = {name: (lambda t, z: z, torch.zeros(3, 2)) for name in ("a", "b")}
    pictures = identification.pictures(frames, torch.ones(3, 2), ([-1, -1], [1, 1]))
    assert [picture[:4] for picture in pictures] == [b"\x89PNG"] * 2
