"""Windows of trajectories: how they are drawn, padded, cut and solved."""

import pytest
import torch
from torch import nn

from nodelib.errors import SolverError
from nodelib.fields import ForcedVanDerPol, LinearSpiral
from nodelib.ode.solvers import solve
from nodelib.seeds import generator
from nodelib.training.windows import (
    DECK,
    Span,
    Windows,
    consecutive,
    draw,
    draw_one,
    mean_square,
    pad,
    solve_intervals,
)

TIMES = torch.linspace(0, 31.45, 200, dtype=torch.float64)
DATA = torch.stack((TIMES.cos(), TIMES.sin()), -1)


def test_a_window_lies_in_the_data_and_is_no_longer_than_asked():
    for k in range(300):
        t = TIMES[draw_one(TIMES, DECK, generator(0, k))]
        assert (t.diff() > 0).all()
        assert t[-1] - t[0] < 5.0
        # a window of length 1 holds at least the points of one less two spacings
        assert t[-1] - t[0] > 1.0 - 2 * float(TIMES[1])


def test_more_points_than_allowed_are_thinned_at_random_and_stay_in_order():
    index = draw_one(TIMES, Span(4.9, 5.0, 7), generator(0))
    assert len(index) == 7
    assert (index.diff() > 0).all()
    assert len(index.diff().unique()) > 1


def test_a_window_with_fewer_than_two_points_is_drawn_again():
    sparse = torch.arange(0.0, 20.0, 2.0, dtype=torch.float64)
    for k in range(100):
        assert len(draw_one(sparse, Span(1.0, 5.0), generator(0, k))) >= 2


def test_windows_longer_than_the_data_are_refused():
    with pytest.raises(SolverError, match="shorten the windows"):
        draw_one(TIMES[:10], DECK, generator(0))


def test_the_same_seed_and_step_draw_the_same_windows_beside_any_others():
    data = DATA.expand(3, -1, -1)
    one = draw(TIMES, data[:1], [7], 4, count=2)
    three = draw(TIMES, data, [1, 7, 7], 4, count=2)
    n = one.t.shape[-1]
    assert torch.equal(three.t[1, :, :n], one.t[0])
    assert torch.equal(three.index[1], three.index[2])
    assert not torch.equal(draw(TIMES, data[:1], [7], 5, count=2).t, one.t)


def test_drawn_values_are_the_observations_at_the_drawn_times():
    several = torch.stack([DATA, DATA + 10])[None]
    drawn = draw(TIMES, several, [0], 1, count=8)
    expected = torch.stack((drawn.t.cos(), drawn.t.sin()), -1)
    offsets = (drawn.z - expected).round()
    assert set(offsets.flatten().tolist()) == {0.0, 10.0}
    assert (offsets == offsets[..., :1, :1]).all(), "a window mixes trajectories"


def test_a_member_sees_no_observation_beyond_its_own():
    data = DATA.expand(2, -1, -1)
    for step in range(50):
        drawn = draw(TIMES, data, [0, 0], step, seen=[60, 200])
        assert drawn.index[0].max() < 60
    with pytest.raises(SolverError, match="S = 2"):
        draw(TIMES, DATA, [0, 1], 0)


def test_padding_repeats_the_last_entry_and_says_so():
    index, real = pad([torch.tensor([3, 4, 5]), torch.tensor([7, 9])])
    assert index.tolist() == [[3, 4, 5], [7, 9, 9]]
    assert real.tolist() == [[True, True, True], [True, True, False]]


def test_consecutive_windows_hold_every_interval_once():
    cut = consecutive(TIMES[:24], DATA[None, :24], 1.0)
    pairs = [
        (int(a), int(b))
        for index, real in zip(cut.index[0], cut.real[0], strict=True)
        for a, b in zip(index[real], index[real][1:], strict=False)
    ]
    assert pairs == [(k, k + 1) for k in range(23)]
    assert (cut.t[0].amax(1) - cut.t[0, :, 0]).max() <= 1.0


def test_each_window_is_solved_as_if_alone_at_its_own_times():
    field = ForcedVanDerPol().requires_grad_(False)
    t = torch.tensor([[0.0, 0.3, 0.9], [0.5, 0.6, 2.0]], dtype=torch.float64)
    z0 = torch.tensor([[1.0, 0.2], [-0.4, 0.7]], dtype=torch.float64)

    def broadcasting(time, z):
        return field(time.squeeze(-1), z)

    found = solve_intervals(broadcasting, z0, t, steps=3)
    for k in range(2):
        alone = solve(field, z0[k], t[k], method="rk4", num_steps=3).z
        torch.testing.assert_close(found[k], alone, rtol=0, atol=1e-14)


def test_the_state_stands_still_over_repeated_times():
    t = torch.tensor([0.0, 0.5, 0.5, 0.5], dtype=torch.float64)
    z = solve_intervals(LinearSpiral(), torch.ones(2, dtype=torch.float64), t)
    assert torch.equal(z[1], z[3])
    assert not torch.equal(z[0], z[1])


def test_interval_steps_are_of_fourth_order():
    z0, t = torch.ones(2, dtype=torch.float64), torch.tensor([0.0, 2.0], dtype=torch.float64)
    field = LinearSpiral()
    exact = field.exact(t, z0)[-1]
    errors = [(solve_intervals(field, z0, t, steps=n)[-1] - exact).norm() for n in (4, 8)]
    assert 14 < errors[0] / errors[1] < 18


def test_times_that_decrease_and_no_steps_are_refused():
    t = torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64)
    with pytest.raises(SolverError, match="sort them"):
        solve_intervals(LinearSpiral(), torch.ones(2, dtype=torch.float64), t)
    with pytest.raises(SolverError, match="at least 1"):
        solve_intervals(LinearSpiral(), torch.ones(2, dtype=torch.float64), t[:2], steps=0)


def test_the_loss_leaves_padding_out_and_keeps_members_apart():
    z = torch.zeros(2, 1, 3, 2, dtype=torch.float64)
    real = torch.tensor([[[True, True, True]], [[True, True, False]]])
    windows = Windows(torch.zeros(2, 1, 3), torch.zeros(2, 1, 3), z, real)
    predicted = nn.Parameter(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64))
    losses = mean_square(predicted[None, None, :, None].expand(2, 1, 3, 2), windows)
    torch.testing.assert_close(losses.detach(), torch.tensor([5 / 3, 0.5], dtype=torch.float64))
