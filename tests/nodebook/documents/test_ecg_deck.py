"""The deck's two models, rebuilt."""

import pytest
import torch

from nodebook.documents.ecg_deck import baseline, full
from nodelib.models.gru_ode import GRUODEBayes, Sizes, Stepping, pad_events

SIZES = Sizes(features=2, hidden=8, classes=3)


@pytest.fixture
def model():
    stepping = Stepping("euler", steps=1)
    return GRUODEBayes(SIZES, stepping, full=True, impute=True, seed=0, dtype=torch.float64)


@pytest.fixture
def series():
    draw = torch.Generator().manual_seed(1)
    return [
        (
            torch.rand(n, generator=draw, dtype=torch.float64).cumsum(0),
            torch.randn(n, 2, generator=draw, dtype=torch.float64),
        )
        for n in (7, 4, 6)
    ]


def shuffled(series):
    return [(times, values.flip(0)) for times, values in series]


def test_the_baseline_is_a_bag_of_beats_and_the_full_model_is_not(model, series):
    for way, alike in ((baseline(model), True), (full(model), False)):
        one, other = way(pad_events(series)).logits, way(pad_events(shuffled(series))).logits
        assert torch.allclose(one, other, atol=1e-12) == alike


def test_no_observation_reaches_the_trajectory(model, series):
    events, moved = pad_events(series), pad_events([(t, x + 1) for t, x in series])
    one, other = full(model)(events), full(model)(moved)
    assert torch.equal(one.before, other.before)
    assert torch.equal(one.end, other.end)
    assert not torch.allclose(one.logits, other.logits)


def test_the_sum_of_the_jumps_is_added_twice_in_the_full_model_once_in_the_baseline(model, series):
    for way, times in ((full(model), 2), (baseline(model), 1)):
        answer = way(pad_events(series))
        assert torch.allclose(answer.h - answer.end, times * answer.deltas.sum(1))


def test_padding_jumps_nowhere(model, series):
    deltas = full(model)(pad_events(series)).deltas
    assert not deltas[1, 4:].any()
    assert deltas[1, :4].any()


def test_the_listing_s_solve_is_the_same_for_a_sample_alone(model, series):
    events = pad_events(series[:1])
    own, union = full(model)(events), full(model, together=True)(events)
    assert torch.allclose(own.before, union.before)
    assert torch.allclose(own.logits, union.logits)


def test_in_a_batch_the_listing_s_answer_depends_on_the_others(model, series):
    way = full(model, together=True)
    alone, among = way(pad_events(series[1:2])).logits, way(pad_events(series)).logits[1:2]
    assert (alone - among).abs().max() > 1e-4


def test_the_trajectory_takes_one_euler_step_from_time_to_time(model, series):
    times = series[0][0]
    answer = full(model)(pad_events(series[:1]))
    h = model.initial(pad_events(series[:1]))
    for k, gap in enumerate(torch.cat((times[:1], times.diff()))):
        h = h + gap * model.field(h)
        assert torch.allclose(answer.before[:, k], h)


def test_only_the_baseline_detaches_the_state_before_a_jump(model, series):
    events = pad_events(series[:1])
    bias = model.first[0][2].bias
    for way in (baseline(model), full(model)):
        answer = way(events)
        x, observed = events.values, events.observed.double()
        mean, logvar = model.predict(answer.before).chunk(2, -1)
        after = model.jump(
            *(y[0] for y in (answer.before, x, observed, mean, logvar)), model.jump.joint_weight()
        )
        before = answer.before[0].detach() if way.counted == 1 else answer.before[0]
        (expected,) = torch.autograd.grad((after - before).sum(), [bias])
        (found,) = torch.autograd.grad(way(events).deltas.sum(), [bias])
        assert torch.allclose(found, expected)
