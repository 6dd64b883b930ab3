"""Batches: against the walk over the union of times, and independent of their composition."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from nodelib.models.gru_ode import Events, Stepping, predict, walk
from tests.nodelib.models.gru_ode.batches import KINDS, gradients, random_batch, small_model

CLOSE = {"rtol": 1e-10, "atol": 1e-12}


@pytest.mark.parametrize(("full", "impute"), KINDS)
@pytest.mark.parametrize("solver", ["euler", "midpoint", "rk4"])
def test_a_batch_is_the_walk_where_times_lie_on_the_grid(full, impute, solver):
    events = random_batch(1, grid=0.25)
    model = small_model(Stepping(solver, delta_t=0.25), full=full, impute=impute)
    ours, theirs = model(events), walk(model, events, until=6.0)
    loss = theirs.nll + 0.1 * theirs.kl
    assert_close(ours.h, theirs.h, **CLOSE)
    assert_close(ours.logits, theirs.logits, **CLOSE)
    assert_close(ours.loss(0.1), loss, **CLOSE)
    for a, b in zip(gradients(model, ours.loss(0.1)), gradients(model, loss), strict=True):
        assert_close(a, b, **CLOSE)


def test_off_the_grid_a_batch_and_the_walk_converge_to_one_solution_at_the_order_of_the_solver():
    events = random_batch(2)
    for solver, order in (("euler", 1), ("midpoint", 2)):
        errors = []
        for delta_t in (0.1, 0.025):
            model = small_model(Stepping(solver, delta_t=delta_t))
            other = walk(model, events, until=6.0, exact=True)
            errors.append(float((model(events).h - other.h).detach().abs().max()))
        assert errors[1] < 2 * errors[0] / 4**order
        assert errors[1] > 0
    assert errors[1] < 1e-4


def test_a_sample_that_no_other_interrupts_is_its_own_walk_at_any_times():
    events = random_batch(3, lengths=(9,))
    model = small_model(Stepping("rk4", delta_t=10.0))
    assert_close(model(events).h, walk(model, events, until=6.0, exact=True).h, **CLOSE)


@pytest.mark.parametrize(
    "stepping", [Stepping("rk4", delta_t=0.3), Stepping("euler", steps=2)], ids=str
)
def test_a_sample_has_the_same_numbers_alone_and_in_a_batch(stepping):
    events = random_batch(4, lengths=(6, 0, 1, 3, 12))
    model = small_model(stepping)
    batch = model(events)
    total = [torch.zeros_like(p) for p in model.parameters()]
    for k in range(5):
        alone = model(events.sample(k))
        for name in ("h", "logits", "nll", "kl", "count"):
            assert_close(getattr(alone, name)[0], getattr(batch, name)[k], **CLOSE)
        total = [a + b for a, b in zip(total, gradients(model, alone.loss(0.1)), strict=True)]
    for a, b in zip(total, gradients(model, batch.loss(0.1)), strict=True):
        assert_close(a, b, **CLOSE)


def test_padded_and_unobserved_entries_carry_no_gradient_and_no_value():
    events = random_batch(5)
    model = small_model(Stepping("euler", delta_t=0.5))
    values = events.values.clone().requires_grad_()
    loss = model(replace(events, values=values)).loss(0.1)
    (gradient,) = torch.autograd.grad(loss, values)
    assert not gradient[~events.observed].any()
    assert gradient[events.observed].all()
    other = torch.where(events.observed, events.values, 1e9)
    assert_close(model(replace(events, values=other)).loss(0.1), loss, **CLOSE)


def test_an_overflowing_variance_of_an_unobserved_feature_leaves_gradients_finite():
    events = random_batch(6)
    only_first = torch.tensor([True, False, False])
    events = replace(events, observed=events.observed & only_first)
    model = small_model(Stepping("euler", delta_t=0.5), impute=False)
    with torch.no_grad():
        model.predict[2].bias[4:] = -2000.0
    loss = model(events).loss(0.1)
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in gradients(model, loss))


def test_an_empty_series_only_flows_and_a_batch_of_empty_ones_works():
    events = random_batch(7, lengths=(0, 0))
    model = small_model(Stepping("euler", delta_t=0.5))
    followed = model(events)
    h = model.initial(events)
    for _ in range(12):
        h = h + 0.5 * model.field(h)
    assert_close(followed.h, h, **CLOSE)
    assert not followed.nll.any()
    assert not followed.kl.any()


def test_an_event_at_the_start_jumps_without_flowing():
    times, values = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, 3).double()
    events = Events(
        times, values, values.bool(), torch.tensor([1]), times[0], times[0], torch.ones(1, 2)
    )
    model = small_model(Stepping("euler", steps=1))
    first = model.initial(events)
    mean, logvar = model.predict(first).chunk(2, -1)
    joint = model.jump.joint_weight()
    jumped = model.jump(first, values[0], values[0], mean, logvar, joint)
    assert_close(model(events).h, jumped, **CLOSE)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_checkpointed_blocks_give_the_same_loss_and_gradients(size):
    events = random_batch(8)
    plain = small_model(Stepping("midpoint", delta_t=0.5))
    redone = small_model(Stepping("midpoint", delta_t=0.5), checkpoint=size)
    a, b = plain(events).loss(0.1), redone(events).loss(0.1)
    assert_close(a, b, rtol=0, atol=0)
    for x, y in zip(gradients(plain, a), gradients(redone, b), strict=True):
        assert_close(x, y, **CLOSE)


def test_an_adaptive_solve_agrees_with_many_fixed_steps():
    events = random_batch(9)
    # Without imputation the field is smooth. With it the ReLU that predicts is part of the field,
    # and gradients converge at first order only, whatever the solver.
    fine = small_model(Stepping("rk4", delta_t=0.05), impute=False)
    adaptive = small_model(Stepping("dopri5", adaptive=True, rtol=1e-9, atol=1e-11), impute=False)
    a, b = fine(events), adaptive(events)
    assert_close(a.h, b.h, rtol=1e-6, atol=1e-8)
    for x, y in zip(gradients(fine, a.loss(0.1)), gradients(adaptive, b.loss(0.1)), strict=True):
        assert_close(x, y, rtol=0, atol=1e-6 * float(x.abs().max()))


def test_predictions_at_the_events_are_those_before_the_jumps_unless_asked():
    events = random_batch(10, lengths=(5, 5))
    model = small_model(Stepping("rk4", delta_t=0.3))
    followed = model(events)
    before = predict(model, events, events.times)
    assert_close(torch.cat((before.mean, before.logvar), -1), followed.before, **CLOSE)
    after = predict(model, events, events.times, jumped=True)
    assert_close(after.h, followed.after[:, 1:], **CLOSE)


def test_predictions_of_the_past_do_not_see_the_future():
    events = random_batch(11, lengths=(6,))
    model = small_model(Stepping("rk4", delta_t=0.3))
    cut = replace(
        events,
        times=events.times[:, :3],
        values=events.values[:, :3],
        observed=events.observed[:, :3],
        lengths=torch.tensor([3]),
    )
    at = torch.linspace(0, float(events.times[0, 3]), 7)[None].double()
    assert_close(predict(model, events, at).h, predict(model, cut, at).h, **CLOSE)
