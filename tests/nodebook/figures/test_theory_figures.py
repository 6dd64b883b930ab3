"""The figures of chapters 01 to 03 draw what they are given, and read on a phone."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from nodebook.evidence import recorded
from nodebook.figures import adjoint, depth, flows, gradients, recurrence, residual

WIDEST = 5.0
"""Inches at which 9 pt text is 9 pixels high on a phone of 390."""


@pytest.fixture(autouse=True)
def no_figure_stays():
    yield
    for number in plt.get_fignums():
        assert plt.figure(number).get_size_inches()[0] <= WIDEST
    plt.close("all")


def labels(figure):
    """The legend texts of all axes."""
    return [text for ax in figure.axes for text in ax.get_legend_handles_labels()[1]]


def test_paths_show_one_chain_for_each_number_of_blocks_and_the_solution():
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    turn = lambda t, z: torch.stack((-z[..., 1], z[..., 0]), -1)  # noqa: E731
    figure = residual.paths(turn, start, 1.0, (2, 5))
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [3, 6, 201]
    end = figure.axes[0].lines[-1].get_xydata()[-1]
    assert end == pytest.approx([np.cos(1), np.sin(1)], abs=1e-8)


def test_trials_tell_accepted_from_rejected():
    tried = [(0.0, 0.5, 3.0), (0.0, 0.2, 0.5), (0.2, 0.8, 1.0)]
    figure = residual.trials([0.0, 1.0], torch.tensor([0.0, 1.0]), tried)
    good, bad = figure.axes[1].lines
    assert good.get_ydata().tolist() == [0.2, 0.8]
    assert bad.get_ydata().tolist() == [0.5]


def test_a_solve_without_rejections_has_no_crosses():
    figure = residual.trials([0.0, 1.0], torch.tensor([0.0, 1.0]), [(0.0, 1.0, 0.1)])
    assert len(figure.axes[1].lines) == 1


def test_evaluations_that_were_not_enough_are_said_to_be_over_the_most_tried():
    runs = recorded.runs("depth_limit")
    page = residual.evaluations(runs, (1e-2, 1e-6)).data
    assert "over 1,000" in page
    assert ">100<" in page or ">200<" in page


def test_gradients_by_depth_show_five_kinds_of_network():
    deep = recorded.runs("depth_training")
    stripped = recorded.runs("first_gradients", "unnormalised")
    figure = depth.gradients(deep, stripped, (4, 64))
    assert labels(figure) == ["bare", "plain", "residual", "plain, no N", "residual, no N"]
    (bare, *_), *_ = (container.lines for container in figure.axes[0].containers)
    assert bare.get_ydata()[1] < 1e-20 < bare.get_ydata()[0]


def test_a_solver_that_refuses_is_quoted_and_others_answer_with_their_cost():
    (run,) = recorded.runs("uniqueness")
    page = flows.answers(run, ("nodelib-dopri5",), {"lipschitz": 1.0, "osgood_nudged": 1e-11}).data
    assert "refuses: step underflow" in page
    assert "0 (34,046)" in page


def test_losses_of_the_map_from_x_to_minus_x_say_who_can():
    page = flows.losses(recorded.runs("crossing")).data
    assert page.count("5 of 5") == 5
    assert "at most 4e-06" in page


def test_a_recurrent_network_is_listed_by_how_it_was_trained():
    runs = recorded.runs("recurrent_sampling")
    page = recurrence.errors(runs, {"regular": ("rnn",), "irregular": ("ode",)}).data
    assert "RNN, trained every 0.2" in page
    assert "ODE, trained irregular" in page


Z = [3.0, 2.0, 1.0]


def test_a_backward_step_marks_what_is_in_memory_and_what_is_computed():
    back = [1.0, 0.5, 0.0]
    figure = gradients.backward_step(back, {"z": Z, "a": Z}, [3.0, 2.5, 2.0], 1)
    by_label = {line.get_label(): line for line in figure.axes[0].lines}
    assert by_label["in memory"].get_ydata() == [3.0]
    assert by_label["computed"].get_ydata() == [2.0]
    assert len(by_label["forward points"].get_ydata()) == 3


def test_memory_has_a_line_for_each_way_in_both_panels():
    (run,) = recorded.runs("gradient_memory")
    figure = gradients.memory(run, (10, 1000), (1, 128))
    for ax in figure.axes:
        assert len(ax.lines) == len(gradients.WAYS)
    adjoint_line = figure.axes[0].lines[2].get_ydata()
    assert adjoint_line[0] == adjoint_line[1] == run.metric("kept.adjoint.10")


def test_libraries_that_were_not_measured_leave_a_dash():
    runs = {"network": recorded.runs("gradient_libraries", "network")}
    names = {"adjoint": "ours", "nobody": "nobody"}
    page = gradients.libraries(runs, names).data
    assert page.count("–") == 2


PIECES = torch.tensor([[1.0, 0.0], [4.0, 0.0]])


def test_the_pieces_of_a_functional_gradient_are_divided_by_their_lengths():
    t = torch.tensor([0.0, 3.0])
    figure = adjoint.functional((0.0, 1.0, 3.0), PIECES, t, torch.zeros(2, 2))
    assert figure.axes[0].patches[0].get_data().values.tolist() == [1.0, 2.0]


def test_three_ways_show_relative_errors():
    table = adjoint.three_ways("c", ("a",), (torch.ones(1), torch.ones(1), torch.full((1,), 2.0)))
    assert table.rows == (("a", "1.000000000000", "0e+00", "5e−01"),)


def test_a_matrix_shows_its_diagonal_apart_from_its_blocks():
    matrix = torch.eye(4)
    matrix[2, 0] = 5.0
    exact = torch.tensor([0.0, 1.0]), torch.zeros(2, 2)
    figure = adjoint.transposed(matrix, exact, {2: (torch.tensor([0.5, 1.0]), torch.zeros(2, 2))})
    shown = figure.axes[0].images[0].get_array()
    assert shown[0, 0] == 2
    assert shown[2, 0] == 1
    assert shown[0, 2] == 0


def test_live_errors_are_drawn_in_the_order_of_depth():
    provenance = type("P", (), {"completeness": "complete", "name": "x"})()
    errors = {("plain", 12): 3.0, ("plain", 2): 1.0}
    (line,) = depth.live(errors, provenance).axes[0].lines
    assert all(a < b for a, b in pairwise(line.get_xdata()))
    assert line.get_ydata().tolist() == [1.0, 3.0]
