"""The exponential Euler method between events."""

import pytest
import torch

from nodelib.errors import ModelError
from nodelib.models.gru_ode import GRUODEBayes, Sizes, Stepping, make_events
from nodelib.models.gru_ode.stepping import relaxation_step


def model(stepping: Stepping, **more) -> GRUODEBayes:
    sizes = Sizes(features=1, hidden=8)
    return GRUODEBayes(sizes, stepping, full=True, seed=0, dtype=torch.float64, **more)


def events(scale: float = 1.0):
    times = torch.tensor([[0.5, 2.0, 4.0]], dtype=torch.float64) * scale
    return make_events(times, torch.ones(1, 3, 1, dtype=torch.float64))


@pytest.mark.parametrize("impute", [False, True])
def test_it_is_of_first_order(impute):
    exact = model(Stepping("rk4", steps=100), impute=impute)(events()).h
    errors = [
        float((model(Stepping("exponential", steps=n), impute=impute)(events()).h - exact)
              .abs().max())
        for n in (16, 32, 64)
    ]  # fmt: skip
    assert errors[0] < 0.01
    assert 1.8 < errors[0] / errors[1] < 2.2
    assert 1.8 < errors[1] / errors[2] < 2.2


def test_a_constant_pull_is_followed_exactly():
    rate, target = torch.tensor([[0.3]]).double(), torch.tensor([[2.0]]).double()
    found = relaxation_step(lambda h: (rate, target), torch.tensor(1.7).double(), target * 0)
    torch.testing.assert_close(found, 2 * (1 - torch.exp(-rate * 1.7)))


def test_no_gap_is_too_long_and_none_moves_nothing():
    far = model(Stepping("exponential", steps=1))(events(1e4))
    assert far.after.abs().max() < 1
    with pytest.raises(ModelError, match="overflows"):
        model(Stepping("euler", steps=1))(events(1e8))
    h = torch.rand(2, 8).double()
    still = model(Stepping("exponential", steps=3)).flow(h, torch.zeros(2, 1), torch.ones(2, 1), 3)
    assert torch.equal(still, h)


def test_it_is_not_adaptive():
    with pytest.raises(ModelError, match="no error estimate"):
        Stepping("exponential", adaptive=True)


def test_longest_steps_are_planned_as_for_the_others():
    fine = model(Stepping("exponential", delta_t=0.01))(events()).h
    exact = model(Stepping("rk4", steps=100))(events()).h
    assert (fine - exact).abs().max() < 1e-3


def test_follow_is_the_walk_without_its_checks():
    walked, one = model(Stepping("exponential", steps=1)), events()
    torch.testing.assert_close(walked(one).h, walked.follow(one).h)
    broken = one.values.clone().fill_(torch.inf)
    bad = type(one)(one.times, broken, one.observed, one.lengths, one.start, one.end, None)
    with pytest.raises(ModelError):
        walked(bad)
    assert not walked.follow(bad).nll.isfinite().any()
