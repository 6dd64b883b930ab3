"""The tables of chapter 06, and what page 06a says in words of the recorded runs."""

import statistics
from types import SimpleNamespace

from nodebook.evidence import recorded
from nodebook.figures import spiral_tables as tables

LONGER = {
    "ode_times": recorded.runs("latent_ode", "longer"),
    "rnn_times": recorded.runs("latent_ode", "longer-recurrent"),
}
SHORT = recorded.runs("latent_ode", "spirals")
CHOSEN = tables.by_chosen_length(SHORT, LONGER)


def level(found, name, n, part):
    return statistics.fmean(recorded.values(found, f"rmse.{name}.{n}.{part}"))


def run(validation, error):
    metrics = {f"validation.m.{n}": {"a": 9.0, "b": validation} for n in tables.COUNTS} | {
        f"rmse.m.{n}.{ground}": error for n in tables.COUNTS for ground in ("familiar", "new")
    }
    return SimpleNamespace(metric=metrics.__getitem__)


def test_the_length_of_the_smaller_validation_error_is_taken_for_each_seed():
    short, long = [run(1.0, 10.0), run(2.0, 20.0)], [run(1.5, 11.0), run(1.5, 21.0)]
    found = tables.by_chosen_length(short, {"m": long})
    assert found["m", "new"] == {n: [10.0, 21.0] for n in tables.COUNTS}


def test_a_row_has_mean_and_deviation_by_number_of_points():
    row = tables.by_count(SHORT, "rmse.rnn.{}.truth", 3)
    assert list(row) == ["30 of 100", "50 of 100", "100 of 100"]
    assert row["30 of 100"].startswith(f"{level(SHORT, 'rnn', 30, 'truth'):.3f}")


def test_with_the_length_that_validation_chooses_the_order_stays():
    better = {
        key: {n: statistics.fmean(x) for n, x in found.items()} for key, found in CHOSEN.items()
    }
    for ground in ("familiar", "new"):
        for n in (30, 50):
            assert better["rnn_times", ground][n] < better["ode_times", ground][n]
    assert better["rnn_times", "familiar"][100] < better["ode_times", "familiar"][100]
    assert better["ode_times", "new"][100] < better["rnn_times", "new"][100]
    pairs = zip(CHOSEN["ode_times", "new"][100], CHOSEN["rnn_times", "new"][100], strict=True)
    assert sum(ours < theirs for ours, theirs in pairs) == 3


def test_near_the_observations_the_encoder_limits_and_on_new_ground_no_state_helps():
    oracle = recorded.runs("latent_oracle", "longer")
    grid = recorded.runs("latent_ode", "grid-encoder")
    for n in tables.COUNTS:
        error = {way: level(oracle, way, n, "near") for way in ("encoder", "observed")}
        assert error["observed"] < 0.5 * error["encoder"]
        assert level(oracle, "told", n, "new") > 0.97 * level(oracle, "encoder", n, "new")
    assert level(grid, "ode_grid", 100, "new") < 0.75 * level(SHORT, "ode_times", 100, "new")
