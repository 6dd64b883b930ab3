"""The figures and tables of chapter 07."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from nodebook.evidence import results
from nodebook.experiments.ch07_mnist import mnist_adjoint, mnist_memory, mnist_solvers
from nodebook.figures import digit_controls, digit_tables, digits, plotting, text

ON_A_PHONE = 342
"""Width of a figure, in pixels, on a screen that is 390 wide."""


@pytest.fixture(autouse=True)
def style():
    plotting.use_style()
    yield
    plt.close("all")


def settings():
    found = {"dopri5": [f"tolerance.{x}" for x in mnist_solvers.TOLERANCES]}
    return found | {m: [f"{m}.{n}" for n in steps] for m, steps in mnist_solvers.GRIDS.items()}


FIGURES = {
    "solvers": lambda: digits.solvers(settings(), "tolerance.1e-2", mnist_adjoint.TESTED),
    "backward": lambda: digits.backward_evaluations(
        mnist_adjoint.TOLERANCES, mnist_adjoint.VARIANTS
    ),
    "memory": lambda: digits.memory(mnist_memory.DEPTHS),
    "answers": lambda: digits.answers(np.zeros((10, 28, 28)), range(10), np.full((10, 10), 0.1)),
    "costs": lambda: digit_controls.costs(mnist_solvers.TOLERANCES[:-1], 8),
    "confusion": lambda: digit_controls.confusion(
        results.one("mnist_mistaken", "mistakes").metric("confusion")
    ),
    "trainings": lambda: digit_controls.trainings(("mlp", "resnet")),
}


@pytest.mark.parametrize("name", FIGURES)
def test_lettering_is_nine_pixels_on_a_phone(name):
    figure = FIGURES[name]()
    figure.canvas.draw()
    sizes = [
        text.get_fontsize() * ON_A_PHONE / (72 * figure.get_figwidth())
        for text in figure.findobj(plt.Text)
        if text.get_text() and text.get_visible()
    ]
    assert sizes
    assert min(sizes) > 8.9


def test_a_row_stands_with_no_seed_with_one_and_with_several():
    assert text.spread_of_few([], 2) == "\N{EN DASH}"
    assert text.spread_of_few([0.416], 2) == "0.42"
    assert text.spread_of_few([1.0, 2.0, 3.0], 1) == "2.0\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}1.0"


def test_both_backpropagated_networks_stand_beside_the_papers_rk_net():
    table = digit_tables.errors()
    theirs = table["theirs (%)"]
    assert theirs[digits.NAMES["rk-net"]] == theirs[digits.NAMES["ode-net"]] == "0.47"
    assert theirs[digits.NAMES["ode-net-adjoint"]] == "0.42"
    assert list(table["seeds"])[:4] == ["3"] * 4


def test_wilsons_interval_of_forty_mistakes_in_ten_thousand():
    assert digit_tables.interval(40) == "0.29 to 0.54"
