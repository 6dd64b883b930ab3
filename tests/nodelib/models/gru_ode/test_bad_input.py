"""What cannot be followed is refused with one message that names the sample and the row."""

from dataclasses import replace

import pytest
import torch

from nodelib.errors import ModelError
from nodelib.models.gru_ode import (
    Sizes,
    Stepping,
    make_events,
    merge_simultaneous,
    pad_events,
    predict,
)
from tests.nodelib.models.gru_ode.batches import random_batch, small_model

NAN, INF = float("nan"), float("inf")


def batch(row: list[float], dtype=torch.float64, **more):
    """Sample 0 is good, sample 1 has these times."""
    times = torch.tensor([[float(k) for k in range(1, len(row) + 1)], row], dtype=dtype)
    return make_events(times, torch.ones(2, len(row), 2), **more)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1, 3, 2], "row 1 \\+ 1 of sample 1 is earlier than row 1: sort"),
        ([1, 2, 2], "rows 1 and 1 \\+ 1 of sample 1 have the same time"),
        ([-1, 2, 3], "time in row 0 of sample 1 lies before the start"),
        ([1, NAN, 3], "time in row 1 of sample 1 is not finite"),
        ([1, 2, INF], "time in row 2 of sample 1 is not finite"),
    ],
)
def test_times_that_make_no_sense_are_refused(times, message):
    with pytest.raises(ModelError, match=message):
        batch(times)


def test_unix_times_in_float32_are_refused_and_in_float64_work_from_their_start():
    unix = [1.7e9, 1.7e9 + 1, 1.7e9 + 2]
    with pytest.raises(ModelError, match=r"sample 1 is lost in rounding.*float64"):
        batch(unix, torch.float32)
    with pytest.raises(ModelError, match="sample 1 is lost in rounding"):
        batch([1.7e9, 1.7e9 + 1e3, 1.7e9 + 2e3], torch.float32)
    start = torch.tensor([0, 1.7e9], dtype=torch.float64)
    model = small_model(Stepping("euler", delta_t=0.5))
    events = batch(unix, start=start, covariates=torch.zeros(2, 2))
    events = replace(
        events, values=torch.ones(2, 3, 3), observed=torch.ones(2, 3, 3, dtype=torch.bool)
    )
    followed = model(events)
    assert followed.h.isfinite().all()
    with pytest.raises(ModelError, match=r"before row 0 of sample 1 takes 34.* count times from"):
        model(replace(events, start=torch.zeros(2, dtype=torch.float64)))


def test_an_observed_value_that_is_not_finite_is_refused():
    x = torch.ones(2, 3, 2)
    x[1, 2, 0] = NAN
    times = torch.arange(1.0, 4).expand(2, 3)
    with pytest.raises(ModelError, match="feature 0 in row 2 of sample 1 is not finite"):
        make_events(times, x, torch.ones(2, 3, 2))
    assert not make_events(times, x).observed[1, 2, 0]
    x[0, 1, 1] = INF
    with pytest.raises(ModelError, match="feature 1 in row 1 of sample 0"):
        make_events(times, x)


def test_shapes_that_do_not_fit_are_refused():
    times, x = torch.arange(1.0, 4).expand(2, 3), torch.ones(2, 3, 2)
    with pytest.raises(ModelError, match="mask has shape \\(2, 3\\), the values \\(2, 3, 2\\)"):
        make_events(times, x, torch.ones(2, 3))
    with pytest.raises(ModelError, match="entries other than 0 and 1"):
        make_events(times, x, torch.full((2, 3, 2), 0.5))
    with pytest.raises(ModelError, match="give \\(B, L\\) and \\(B, L, F\\)"):
        make_events(times[0], x)
    with pytest.raises(ModelError, match="lengths must be 2 numbers from 0 to 3"):
        make_events(times, x, lengths=torch.tensor([1, 4]))
    with pytest.raises(ModelError, match="sample 1 has times \\(2,\\), values \\(3, 2\\)"):
        pad_events([(times[0], x[0]), (times[0, :2], x[0])])
    with pytest.raises(ModelError, match="no series"):
        pad_events([])
    with pytest.raises(ModelError, match="int64"):
        make_events(torch.arange(3).expand(2, 3), x)
    with pytest.raises(ModelError, match="2 features, the model 3"):
        small_model(Stepping(steps=1))(make_events(times, x))


def test_an_end_before_the_last_event_is_refused():
    with pytest.raises(ModelError, match="end of sample 1 lies before its last event"):
        batch([1, 2, 9], end=5.0)


@pytest.mark.parametrize(
    "settings",
    [
        {"delta_t": 0.0},
        {"delta_t": -1.0},
        {"delta_t": NAN},
        {"steps": 0},
        {},
        {"steps": 1, "delta_t": 0.1},
        {"solver": "rk4", "adaptive": True},
        {"solver": "dopri5", "adaptive": True, "steps": 3},
    ],
)
def test_steps_that_make_no_sense_are_refused(settings):
    with pytest.raises(ModelError):
        Stepping(**settings)


def test_a_long_gap_that_overflows_is_named():
    events = random_batch(0, lengths=(3, 4))
    events = replace(events, times=events.times.clone())
    events.times[1, 2:] += 1e300
    model = small_model(Stepping("rk4", steps=1))
    with pytest.raises(ModelError, match="sample 1 overflows in the gap of 1e\\+300 before row 2"):
        model(replace(events, end=events.times[:, -1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_single_event_at_a_unix_time_is_refused_and_works_from_its_start(dtype):
    model = small_model(Stepping("euler", steps=1))
    times, values = torch.full((1, 1), 1.7e9, dtype=dtype), torch.ones(1, 1, 3)
    known = {"covariates": torch.zeros(1, 2)}
    with pytest.raises(ModelError, match=r"overflows in the gap of 1\.7e\+09 before row 0"):
        model(make_events(times, values, **known))
    assert model(make_events(times, values, start=1.7e9, **known)).h.abs().max() < 1


def test_times_to_predict_at_before_the_start_or_not_finite_are_refused():
    model, events = small_model(Stepping(steps=1)), random_batch(0)
    for wrong in (-1.0, NAN):
        with pytest.raises(ModelError, match="time 1 to predict at, of sample 0"):
            predict(model, events, torch.tensor([1.0, wrong]))


def test_simultaneous_rows_are_joined_unless_they_contradict():
    times = torch.tensor([1.0, 2.0, 2.0])
    values = torch.tensor([[1.0, NAN], [5.0, NAN], [NAN, 7.0]])
    t, x, mask = merge_simultaneous(times, values, ~values.isnan())
    assert t.tolist() == [1.0, 2.0]
    assert x.tolist() == [[1.0, 0.0], [5.0, 7.0]]
    assert mask.tolist() == [[True, False], [True, True]]
    with pytest.raises(ModelError, match="feature 0 was observed 2 times at time 2"):
        merge_simultaneous(times, torch.ones(3, 2), torch.tensor([[1, 1], [1, 0], [1, 1]]))


def test_sizes_below_one_are_refused():
    with pytest.raises(ModelError, match="hidden must be at least 1, not 0"):
        Sizes(3, 0)
