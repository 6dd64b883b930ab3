"""Baselines for sporadic series: they look at the past only, and say what they should."""

import pytest
import torch
from torch import nn

from nodelib.data.sporadic import DoubleOU, Sampling
from nodelib.errors import ModelError
from nodelib.models.sporadic import KINDS, GRUCells, LastObservation, SporadicGRU


def batch(members=2, count=5):
    """Series for some networks, (S, B, E, ...), the last events not seen."""
    series = DoubleOU().draw(members * count, Sampling(seen=6, ahead=3), (1,))
    parts = [torch.from_numpy(a) for a in (series.times, series.x, series.mask, series.seen)]
    return [part.reshape(members, count, *part.shape[1:]) for part in parts]


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_predicted_before_it_is_taken_in(kind):
    model = SporadicGRU(kind, 2, 8, [0, 1]).double()
    times, x, mask, seen = batch()
    changed = x.clone()
    changed[:, :, 3] += 1
    before, after = model(times, x, mask, seen), model(times, changed, mask, seen)
    assert torch.equal(before[:, :, :4], after[:, :, :4])
    assert (before[:, :, 4:] - after[:, :, 4:]).abs().amin((2, 3)).min() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_not_measured_or_not_seen_do_not_enter(kind):
    model = SporadicGRU(kind, 2, 8, [0, 1]).double()
    times, x, mask, seen = batch()
    hidden = torch.where(mask & seen[..., None], x, torch.full_like(x, 100.0))
    assert torch.equal(model(times, x, mask, seen), model(times, hidden, mask, seen))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_among_several_is_the_network_of_its_seed_alone(kind):
    several, alone = (SporadicGRU(kind, 2, 8, seeds).double() for seeds in ([3, 4], [4]))
    parts = batch()
    ours = alone(*[part[1:] for part in parts])
    torch.testing.assert_close(several(*parts)[1:], ours, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_length_of_a_gap_is_seen(kind):
    model = SporadicGRU(kind, 2, 8, [0, 1]).double()
    times, x, mask, seen = batch()
    assert (model(times, x, mask, seen) - model(2 * times, x, mask, seen)).abs().max() > 1e-6


def test_the_cells_are_those_of_torch():
    cells, theirs = GRUCells(3, 5, [7]).double(), nn.GRUCell(3, 5).double()
    with torch.no_grad():
        for ours, end in ((cells.from_input, "ih"), (cells.from_state, "hh")):
            getattr(theirs, f"weight_{end}").copy_(ours.layers[0].weight[0].T)
            getattr(theirs, f"bias_{end}").copy_(ours.layers[0].bias[0])
    x, h = torch.randn(1, 4, 3).double(), torch.randn(1, 4, 5).double()
    torch.testing.assert_close(cells(x, h)[0], theirs(x[0], h[0]), rtol=1e-12, atol=1e-12)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ModelError, match="there is no kind 'lstm'; there are gap, decay"):
        SporadicGRU("lstm", 2, 8, [0])


def test_the_last_value_is_carried_with_its_age():
    times = torch.tensor([[1.0, 2.0, 4.0]]).double()
    x = torch.tensor([[[5.0, 0.0], [0.0, 7.0], [6.0, 8.0]]]).double()
    mask = torch.tensor([[[True, False], [False, True], [True, True]]])
    seen = torch.tensor([[True, True, False]])
    last, age = LastObservation().carried(times, x, mask, seen)
    assert last[0].tolist() == [[0, 0], [5, 0], [5, 7]]
    assert age[0].tolist() == [[torch.inf, torch.inf], [1, torch.inf], [3, 2]]


def test_the_growth_of_the_variance_is_found():
    # a random walk of variance 0.5 a unit of time
    draw = torch.Generator().manual_seed(0)
    gaps = 0.1 + torch.rand(400, 9, generator=draw).double()
    steps = (0.5 * gaps).sqrt() * torch.randn(400, 9, generator=draw).double()
    times, x = gaps.cumsum(1), steps.cumsum(1)[..., None]
    mask = torch.ones_like(x, dtype=torch.bool)
    fitted = LastObservation().fit(times, x, mask, mask[..., 0])
    assert 0.35 < float(fitted.growth[0]) < 0.7  # the grid has steps of 1.6 times
    mean, variance = fitted.predict(times, x, mask, mask[..., 0])
    torch.testing.assert_close(mean[:, 1:], x[:, :-1])
    assert (variance[:, 1:] > 0).all()
