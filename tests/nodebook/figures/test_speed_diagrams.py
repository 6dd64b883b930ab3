"""Figures and tables of benchmarks of many points."""

import math

import matplotlib.pyplot as plt
import pytest

from nodebook.figures import diagrams
from nodebook.figures.speed import Speed


def point(way, tolerance, error, ratio, work="w"):
    return {"work": work, "way": way, "tolerance": tolerance, "error": error, "ratio": ratio}


POINTS = [
    point("backprop", 1e-2, 1e-1, 1.0),
    point("backprop", 1e-4, 1e-3, 4.0),
    point("torchdiffeq odeint", 1e-2, 1e-2, 4.0),
    point("torchdiffeq odeint", 1e-4, 1e-4, 16.0),
    point("diffrax", 1e-4, 1e-1, 0.1, work="other"),
    point("compiled", 1e-4, 1e-1, 0.2, work="other"),
]
PRECISION = Speed("precision", {"points": POINTS, "ratios": []})


@pytest.mark.parametrize(
    ("error", "wanted"), [(1e-2, 2.0), (1e-3, 4.0), (0.5, 1.0), (1e-4, math.inf)]
)
def test_the_time_to_an_error_is_read_from_the_line(error, wanted):
    assert diagrams.time_to(POINTS[:2], error) == pytest.approx(wanted)


def test_ways_are_compared_at_one_error():
    table = diagrams.at_equal_error(PRECISION, {"w": ("first", 1e-2), "other": ("second", 1e-3)})
    assert table.loc["backprop / torchdiffeq odeint"].tolist() == ["0.5", ""]
    assert table.loc["compiled / diffrax"].tolist() == ["", "\N{EN DASH}"]
    assert (
        diagrams.range_of(table, "backprop / torchdiffeq odeint")
        == "0.5\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}0.5"
    )
    assert list(table.columns) == ["first, 1e-02", "second, 1e-03"]


def test_a_panel_has_a_line_for_each_way_from_large_errors_to_small_ones():
    figure = diagrams.precision(PRECISION, {"w": "first", "other": "second"})
    first, second = figure.axes
    assert len(first.lines) == len(second.lines) == 2
    assert first.xaxis_inverted()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "backprop",
        "compiled",
        "torchdiffeq odeint",
        "diffrax",
    ]
    plt.close(figure)


def growing(way, quantity, power):
    sizes = (1, 10, 100, 1000)
    return [
        {"quantity": quantity, "way": way, "size": size, "milliseconds": 3.0 * size**power}
        for size in sizes
    ]


def test_exponents_are_slopes_of_logarithms():
    points = [
        *growing("backprop", "states", 1.0),
        *growing("diffrax", "states", 0.5),
        *growing("backprop", "outputs", 0.0),
    ]
    table = diagrams.exponents(Speed("growth", {"points": points, "ratios": []}))
    assert table.loc["backprop"].tolist() == ["1.00", "0.00"]
    assert table.loc["diffrax"].tolist() == ["0.50", ""]
    figure = diagrams.growth(Speed("growth", {"points": points, "ratios": []}))
    assert [ax.get_xlabel() for ax in figure.axes] == ["states", "outputs"]
    plt.close(figure)


SPENT = {"way": "backprop", "milliseconds": 20.0, "profiled": 40.0, "computing": 12, "memory": 4}


def test_pythons_share_lies_between_that_without_and_that_with_the_profiler():
    assert diagrams.python_share(SPENT) == (pytest.approx(0.2), pytest.approx(0.6))
    assert diagrams.python_share(SPENT | {"computing": 30})[0] == 0.0
    assert diagrams.part(SPENT, "python") == pytest.approx(0.4)
    assert diagrams.part(SPENT, "computing") == pytest.approx(0.45)


def test_a_bar_is_as_long_as_its_time():
    figure = diagrams.shares(Speed("shares", {"points": [SPENT], "ratios": []}))
    assert sum(bar.get_width() for bar in figure.axes[0].patches) == pytest.approx(20.0)
    plt.close(figure)


def test_lines_of_devices_are_told_apart():
    points = [
        {"field": "2-50-2", "device": device, "way": "backprop", "states": n, "milliseconds": ms}
        for device, times in {"processor": (9.0, 90.0), "some GPU": (20.0, 21.0)}.items()
        for n, ms in zip((64, 4096), times, strict=True)
    ]
    found = diagrams.by_device(points, "2-50-2")
    assert found["processor", "backprop"] == {64: 9.0, 4096: 90.0}
    figure = diagrams.devices(Speed("devices", {"points": points, "ratios": []}))
    (ax,) = figure.axes
    hollow = {tuple(drawn.get_ydata()): drawn.get_markerfacecolor() for drawn in ax.lines}
    assert hollow[9.0, 90.0] == "none"
    assert hollow[20.0, 21.0] != "none"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "backprop, processor",
        "backprop, some GPU",
    ]
    plt.close(figure)
