"""Chapter 10: the model of the study, the listings, and what is recorded."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from nodebook.documents import chunk_listing
from nodebook.experiments.ch10_gru_ode import gru_ode_listings, sporadic_study
from nodebook.experiments.ch10_gru_ode.changing_mean import ChangingMean
from nodebook.experiments.ch10_gru_ode.side_by_side import (
    Choices,
    GRUODEBayes,
    divergence,
    nll,
)
from nodelib.data.sporadic import Sampling
from nodelib.errors import ModelError
from nodelib.ode.gradients import odeint

CHANGED = (*sporadic_study.ABLATIONS.values(), *sporadic_study.SOLVERS.values())
EVERY = [{}, *filter(None, CHANGED)]


def test_the_losses_are_those_of_torch():
    p, x = torch.randn(1, 3, 4, 4).double(), torch.randn(1, 3, 4, 2).double()
    chosen = torch.rand(x.shape) < 0.5
    chosen[0, 0, 0, 0] = True
    mean, log_variance = p.chunk(2, -1)
    told = Normal(mean, (log_variance / 2).exp())
    torch.testing.assert_close(nll(p, x, chosen)[0], -told.log_prob(x)[chosen].mean())
    wanted = kl_divergence(told, Normal(x, torch.full_like(x, 0.2)))[chosen].mean()
    torch.testing.assert_close(divergence(p, x, 0.2, chosen)[0], wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("changed", EVERY, ids=str)
def test_every_variant_looks_at_the_past_only_and_has_gradients(changed):
    model = GRUODEBayes(Choices(hidden=5, prep=3, **changed), 2, [0]).double()
    times, x, mask, seen = gru_ode_listings.batch_of(0, 3)
    later = x.clone()
    later[:, :, 3] += 1
    before, after = model(times, x, mask, seen), model(times, later, mask, seen)
    assert torch.equal(before[:, :, :4], after[:, :, :4])
    assert not torch.equal(before[:, :, 4:], after[:, :, 4:])
    gradients = torch.autograd.grad(sporadic_study.losses(model, (times, x, mask, seen)).sum(),
                                    list(model.parameters()))  # fmt: skip
    assert all(g.isfinite().all() and g.abs().max() > 0 for g in gradients)


@pytest.mark.parametrize("changed", [{}, {"full": False}, {"impute": True}], ids=str)
def test_the_flow_converges_to_the_solution_of_its_own_ode(changed):
    model = GRUODEBayes(Choices(hidden=5, solver="rk4", steps=16, **changed), 2, [0]).double()
    h, gap = torch.randn(1, 4, 5).double(), torch.full((1, 4, 1), 1.5).double()
    ends = torch.tensor([0.0, 1.5]).double()
    exact = odeint(lambda t, y: model.slope(y), h, ends, grad="backprop")[-1]
    torch.testing.assert_close(model.flow(h, gap), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"solver": "dopri9"}, "no solver"),
        ({"jump": "none"}, "jump"),
        ({"observed": 0.0}, "observed must be positive"),
    ],
)
def test_bad_choices_are_refused(changed, message):
    with pytest.raises(ModelError, match=message):
        Choices(**changed)


def test_the_vectorised_listing_is_the_loop_without_its_jumps():
    found = gru_ode_listings.vectorised(5)
    assert found["vectorised"]["without_jumps"] < 1e-3
    assert found["vectorised"]["against_loop"] > 0.05
    assert found["vectorised"]["model"] == "another"
    assert found["vectorised"]["solves"] == 1


def test_the_chunk_listing_reads_names_that_it_does_not_bind():
    names = ["chunk_overlap", "chunk_size", "chunks", "start_idx", "times"]
    assert chunk_listing.undefined_names() == names
    assert chunk_listing.what_it_raises({"id": "1"}) == "NameError"
    complete = "def f(a):\n    b = a\n    return [b, len(b)]\n"
    assert chunk_listing.undefined_names(complete) == []


def test_chunks_cover_a_record_and_the_last_is_what_is_left():
    times = np.arange(10.0, 33.0)
    found = chunk_listing.chunks(times, 10, 4)
    assert [len(part) for part in found] == [10, 10, 10, 5]
    assert all(part[0] == 0 for part in found)
    short = chunk_listing.chunks(times[:10], 10, 4)
    assert short[0] is not None
    assert short[0][0] == 10
    with pytest.raises(ValueError, match="would not end"):
        chunk_listing.chunks(times, 4, 4)


def test_steps_of_at_most_delta_t_are_as_many_as_a_gap_needs():
    coarse = GRUODEBayes(Choices(hidden=5, delta_t=0.5), 2, [0]).double()
    h, gap = torch.randn(1, 2, 5).double(), torch.tensor([[[1.5], [0.4]]]).double()
    by_hand = h
    for _ in range(3):
        by_hand = by_hand + 0.5 * coarse.slope(by_hand)
    moved = coarse.flow(h, gap)
    torch.testing.assert_close(moved[:, 0], by_hand[:, 0])
    torch.testing.assert_close(moved[:, 1], (h + 0.4 * coarse.slope(h))[:, 1])


def test_a_mean_that_moves_adds_a_known_curve_which_the_filter_knows():
    process, sampling = ChangingMean(at=1.0), Sampling(seen=20, until=6.0, ahead=4, end=60.0)
    series, still = (p.draw(4000, sampling, (0,)) for p in (process, process.still))
    assert np.array_equal(series.x[series.times < 1.0], still.x[series.times < 1.0])
    late = series.targets & (series.times > 40.0)[..., None]
    moved = (series.x - still.x)[late].reshape(-1)
    assert np.abs(np.abs(moved) - 1).max() < 1e-6
    mean, variance = process.filter(series)
    errors = ((series.x - mean) / np.sqrt(variance))[series.targets]
    assert abs(errors.mean()) < 0.03
    assert abs(errors.var() - 1) < 0.05
    ignorant = process.still.filter(series)[0]
    assert ((series.x - ignorant)[late] ** 2).mean() > 2 * ((series.x - mean)[late] ** 2).mean()


@pytest.mark.parametrize("variant", ["ou", "brusselator", "changing_mean"])
def test_training_validation_and_test_series_are_different_draws(variant):
    data = sporadic_study.sets(variant, 0)
    assert {part: len(s.times) for part, s in data.items()} == sporadic_study.COUNTS
    firsts = [s.times[0].tolist() for s in data.values()]
    assert firsts[0] != firsts[1] != firsts[2] != firsts[0]


def test_a_short_training_learns_and_is_the_same_again(monkeypatch):
    data = [sporadic_study.sets("ou", seed)["train"].take(np.arange(70)) for seed in (0, 1)]
    shown = [sporadic_study.Scale(series).tensors(series) for series in data]
    runs = [sporadic_study.train_all("ode_bayes", shown, (0, 1), 0.01, 12) for _ in range(2)]
    assert np.all(runs[0][1].losses[-1] < np.array(runs[0][1].losses[0]))
    assert runs[0][1].losses == runs[1][1].losses
