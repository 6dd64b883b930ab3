"""The experiments of chapter 06, with hardly any training: what they measure and what they keep."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nodebook.evidence import results
from nodebook.evidence.verification import compare
from nodebook.experiments.ch06_latent import (
    latent_budgets,
    latent_listing,
    latent_ode,
    latent_oracle,
    sampling_rate,
    signals,
    spiral_models,
    spiral_scores,
    vae_digits,
)
from nodelib import data
from nodelib.data import spirals
from nodelib.errors import ModelError
from nodelib.models.latent.ode import LatentODE, Sizes
from nodelib.models.networks import member_weights
from nodelib.training import Recipe


def recorded(variant, seed, outcome):
    return SimpleNamespace(
        variant=variant, seed=seed, metrics=outcome.metrics, tensors=lambda: outcome.tensors
    )


@pytest.fixture(scope="module")
def hurried():
    """Two models of two seeds after two steps, and the metrics as they derive again."""
    with pytest.MonkeyPatch.context() as patch:
        plan = spiral_models.Plan(
            ("ode_times", "rnn_times"), rates=(0.003, 0.01), steps=2, counts=(30, 100)
        )
        patch.setitem(spiral_models.PLANS, "spirals", plan)
        outcomes = latent_ode.run_together("spirals", (0, 3))
        again = latent_ode.rederive(recorded("spirals", 3, outcomes[3]))
        yield {seed: outcome.metrics for seed, outcome in outcomes.items()}, again


def test_what_is_recorded_of_the_spirals_follows_from_the_weights(hurried):
    metrics, again = hurried
    kept = {name: value for name, value in metrics[3].items() if name in again}
    assert compare(kept, again, {"*": 1e-4}) == []
    assert set(metrics[3]) == {*again, "validation", "chosen"}
    assert metrics[0]["rmse"] != metrics[3]["rmse"]


def test_the_setting_with_the_least_validation_error_is_kept(hurried):
    metrics = hurried[0][0]
    for name in ("ode_times", "rnn_times"):
        for n in ("30", "100"):
            scores = metrics["validation"][name][n]
            chosen = metrics["chosen"][name][n]
            assert min(scores, key=scores.get) == f"{chosen['rate']:g}-{chosen['stride']}"
    assert set(metrics["validation"]["rnn_times"]["30"]) == {
        f"{rate:g}-{stride}" for rate in (0.003, 0.01) for stride in ("one", "mean")
    }


def test_a_resumable_training_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setattr(spiral_models.paths, "build", lambda: tmp_path)
    plan = spiral_models.Plan(("ode_times",), steps=3, counts=(30,), batch=4, resumable=True)
    monkeypatch.setitem(spiral_models.PLANS, "spirals", plan)
    train = [spiral_models.sets(0, plan.shift, (30,))["train"][30]]
    _, whole = spiral_models.train_all("spirals", "ode_times", train, [(0, 30)], 0.01)
    assert [file.name for file in (tmp_path / "training").iterdir()] == [
        "latent_ode-spirals-ode_times-0.01.safetensors"
    ]
    _, again = spiral_models.train_all("spirals", "ode_times", train, [(0, 30)], 0.01)
    assert again.losses == whole.losses
    assert again.seconds == pytest.approx(whole.seconds)
    monkeypatch.setitem(spiral_models.PLANS, "spirals", dataclasses.replace(plan, steps=4))
    with pytest.raises(ModelError, match="recipe"):
        spiral_models.train_all("spirals", "ode_times", train, [(0, 30)], 0.01)


def test_a_larger_model_is_trained_recorded_and_measured_as_such(monkeypatch):
    sizes = dataclasses.replace(spiral_models.PAPER, encoder=7, field=(5,))
    plan = spiral_models.Plan(("ode_times",), steps=1, counts=(30,), sizes=sizes)
    monkeypatch.setitem(spiral_models.PLANS, "spirals", plan)
    (outcome,) = latent_ode.run_together("spirals", (1,)).values()
    assert outcome.parameters == spiral_models.build("ode_times", [0], sizes).count
    again = latent_ode.rederive(recorded("spirals", 1, outcome))
    assert again["rmse"]["ode_times"] == outcome.metrics["rmse"]["ode_times"]


def test_a_warm_encoder_begins_as_it_was_recorded_and_the_rest_anew():
    members = [(1, 100), (0, 30)]
    model, cold = (spiral_models.build("ode_times", [1, 0]) for _ in range(2))
    spiral_models.warm(model, "longer", "ode_times", members)
    for k, (seed, n) in enumerate(members):
        kept = results.one("latent_ode", "longer", seed).tensors()
        for key, value in member_weights(model, k).items():
            as_recorded = torch.equal(value, kept[f"ode_times/{n}/{key}"])
            as_drawn = torch.equal(value, member_weights(cold, k)[key])
            from_encoder = key.split(".")[0] in ("encoder", "posterior")
            assert (as_recorded, as_drawn) == (from_encoder, not from_encoder)


def test_a_plan_with_warm_encoders_begins_with_them(monkeypatch):
    plan = spiral_models.Plan(("ode_times",), steps=1, counts=(30,), batch=4, encoders_of="longer")
    monkeypatch.setitem(spiral_models.PLANS, "spirals", plan)
    train = [spiral_models.sets(0, plan.shift, (30,))["train"][30]]
    after, _ = spiral_models.train_all("spirals", "ode_times", train, [(0, 30)], 1e-6)
    kept = results.one("latent_ode", "longer", 0).tensors()["ode_times/30/encoder.turn"]
    assert torch.allclose(member_weights(after, 0)["encoder.turn"], kept, atol=1e-5)


def test_spirals_that_begin_later_are_for_training_alone():
    usual, later = (spiral_models.sets(2, spirals.SHIFT, (30,), last) for last in (700, 800))
    for part in ("validation", "test"):
        assert np.array_equal(usual[part][30].noisy, later[part][30].noisy)
    assert usual["train"][30].start.max() <= 700 < later["train"][30].start.max() <= 800
    ends = later["train"][30].start + spirals.POINTS
    assert ends.max() >= usual["test"][30].start.max() + 2 * spirals.POINTS - 5


def test_the_long_budget_is_the_same_for_every_model():
    long = {k: v for k, v in spiral_models.PLANS.items() if k.startswith("long-")}
    names = set(spiral_models.LABELS) - {"ode_grid"}
    assert {plan.models for plan in long.values()} == {(name,) for name in names}
    assert len({dataclasses.replace(plan, models=()) for plan in long.values()}) == 1


def test_a_state_that_is_found_anew_fits_what_it_was_given_better_than_the_encoders(monkeypatch):
    monkeypatch.setattr(latent_oracle, "STEPS", 40)
    tensors = results.one("latent_ode", "longer", 0).tensors()
    model = spiral_models.recorded_model(tensors, "ode_times", 30)
    test = spiral_models.sets(0, spirals.SHIFT, (30,))["test"][30]
    test = test.take(np.concatenate([np.flatnonzero(test.start >= 600)[:5], np.arange(10)]))
    start = torch.as_tensor(spiral_scores.states(model, test))[None]
    before = latent_oracle.errors(model, test, start)
    found = latent_oracle.fitted(model, test, start)
    after = {way: latent_oracle.errors(model, test, state) for way, state in found.items()}
    assert after["told"]["near"] < 0.5 * before["near"]
    assert after["told"]["near"] < after["observed"]["near"] < before["near"]
    assert after["ahead"]["new"] < 0.9 * before["new"]
    assert after["ahead"]["near"] > before["near"]


def test_the_simple_guesses_have_the_error_that_they_should(hurried):
    rmse = hurried[0][0]["rmse"]
    test = spiral_models.sets(0, spirals.SHIFT)["test"][100]
    error = test.noisy[:, 99:100] - test.truth[:, 100:]
    assert rmse["hold"]["100"]["truth"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert rmse["family"]["100"]["truth"] < 0.05


def test_no_test_spiral_is_trained_on_and_none_is_seen_past_its_hundredth_point():
    data_of = spiral_models.sets(1, spirals.SHIFT)
    starts = {part: data_of[part][30].truth[:, 0] for part in spirals.SPLITS}
    every = np.concatenate(list(starts.values()))
    assert len(np.unique(spirals.split(1000, 1)["test"])) == 200
    assert len(every) == 1000
    assert not any(s.observed[:, spirals.POINTS :].any() for s in data_of["test"].values())


def test_the_direction_is_read_from_states_that_hold_it_and_not_from_others(monkeypatch):
    parts = spiral_models.sets(0, 0.0, (30,))
    train, test = parts["train"][30], parts["test"][30]
    rng = np.random.default_rng(0)
    monkeypatch.setattr(
        spiral_scores, "states", lambda model, shown: rng.normal(size=(len(shown.start), 4))
    )
    assert spiral_scores.direction_read(None, train, test) < 0.65
    monkeypatch.setattr(
        spiral_scores,
        "states",
        lambda model, shown: rng.normal(size=(len(shown.start), 4)) + 9 * shown.clockwise[:, None],
    )
    assert spiral_scores.direction_read(None, train, test) == 1


@pytest.mark.parametrize("variant", sampling_rate.VARIANTS)
def test_what_is_recorded_of_the_sampling_rate_follows_from_the_weights(variant, monkeypatch):
    whole = signals.signal
    monkeypatch.setattr(sampling_rate, "signal", lambda *a: dataclasses.replace(whole(*a), steps=2))
    outcome = sampling_rate.run_together(variant, (0,))[0]
    again = sampling_rate.rederive(recorded(variant, 0, outcome))
    assert compare({"x": outcome.metrics["between"]}, {"x": again["between"]}, {"*": 1e-4}) == []
    assert set(again) == set(outcome.metrics)


def test_windows_of_the_ecg_begin_on_the_coarsest_grid_and_stay_in_their_part():
    signal = signals.ecg_signal()
    wave = data.toy_ecg().record.signals[:, 0]
    known = wave[: 180 * 360]
    wave = (wave - known.mean()) / known.std()
    np.testing.assert_allclose(signal.given["train"][5, :, 0], wave[80 : 80 + 512])
    np.testing.assert_allclose(signal.given["test"][0, :, 0], wave[240 * 360 : 240 * 360 + 512])
    assert len(signal.given["train"]) == (180 * 360 - 512) // 16 + 1


def test_only_every_kth_point_is_shown():
    signal = signals.spiral_signal(0)
    shown = signal.series("test", 5)
    assert shown.observed[0, 0].nonzero()[:, 0].tolist() == list(range(0, 100, 5))
    assert sampling_rate.held_back(signal, 5).tolist() == [n for n in range(95) if n % 5]


def test_plain_interpolation_goes_through_the_samples_and_smoothing_does_not():
    signal = signals.spiral_signal(0)
    small = {part: x[:3] for part, x in signal.given.items()}
    signal = dataclasses.replace(signal, given=small, truth=small)
    told = sampling_rate.by_hand(signal, 5)
    places = np.arange(0, 100, 5)
    for way in ("spline", "linear"):
        np.testing.assert_allclose(told[way][:, places], small["test"][:, places])
    rest = np.abs(told["smooth"][:, places] - small["test"][:, places]).mean()
    assert 0.1 * signal.noise < rest < 2 * signal.noise
    assert (told["hold"] == small["test"][:, 95:96]).all()


def test_an_encoder_of_a_regular_grid_takes_no_times():
    with pytest.raises(ModelError, match="takes no times"):
        LatentODE(Sizes(places=10), times=True, nodes=torch.arange(3.0), seeds=[0])


def test_the_listing_is_compared_and_a_wrong_one_would_be_found(monkeypatch):
    right = latent_listing.run("listing", 0).metrics
    assert right["loss"]["classification"] == right["draw"]["classification"] == "holds"
    assert (right["reads_backwards"], right["encoder_sees_times"]) == ("yes", "no")
    monkeypatch.setattr(
        latent_listing, "listed_divergence", lambda mean, log_variance: mean**2 + log_variance
    )
    wrong = latent_listing.run("listing", 0).metrics
    assert wrong["loss"]["classification"] == wrong["divergence"]["classification"] == "wrong"


def test_an_autoencoder_learns_and_its_metrics_follow_from_its_weights(offline):
    digits = data.mnist()
    model, history = vae_digits.fit(digits.train_images, [0, 1], Recipe(60, 3e-3), batch=32)
    assert history.of(1)[-10:].mean() < 0.6 * history.of(1)[:5].mean()
    weights = {name: value[1].half() for name, value in model.named_parameters()}
    few = dataclasses.replace(
        digits, test_images=digits.test_images[:50], test_labels=digits.test_labels[:50]
    )
    found = vae_digits.measure(vae_digits.alone(weights), few, 1)
    assert found == vae_digits.measure(vae_digits.alone(weights), few, 1)
    assert found["elbo"] == pytest.approx(found["reconstruction"] - found["divergence"], rel=1e-5)
    assert found["gain"] == pytest.approx(found["elbo"] - found["independent"], rel=1e-5)
    assert found["importance"] > found["elbo_same"]


def test_binary_images_are_drawn_once_and_have_the_means_of_the_grey_ones():
    images = np.full((400, 28, 28), 64, np.uint8)
    assert torch.equal(vae_digits.binary(images), vae_digits.binary(images))
    assert float(vae_digits.binary(images).mean()) == pytest.approx(64 / 255, abs=0.01)


def test_the_budgets_have_the_errors_of_their_runs_and_the_quotients(monkeypatch):
    """Recorded runs whose test errors and validation errors are known."""
    sizes = {
        "spirals": (1, 3.0),
        "longer": (5, 2.0),
        "larger-batch": (7, 2.2),
        "long-ode_times": (10, 2.5),
        "longer-recurrent": (20, 4.0),
        "larger-batch-recurrent": (30, 3.5),
        "long-rnn_times": (40, 5.0),
    }

    def one(experiment, variant, seed):
        size, validation = sizes[variant]

        def metric(name):
            kind, model, n = name.split(".")[:3]
            if kind == "validation":
                return {"0.003-any": 9.0, "0.01-any": validation}
            return size * (int(n) + (3 if model == "rnn_times" else 0))

        return SimpleNamespace(variant=variant, metric=metric)

    monkeypatch.setattr(latent_budgets.results, "one", one)
    metrics = latent_budgets.run("with-times", 4).metrics
    assert metrics["rmse"]["short"]["rnn"]["30"] == dict.fromkeys(latent_budgets.GROUNDS, 33)
    assert metrics["rmse"]["long"]["ode"]["100"]["new"] == 1000
    assert metrics["ratio"]["short"]["50"]["familiar"] == pytest.approx(50 / 53)
    assert metrics["ratio"]["long"]["50"]["truth"] == pytest.approx(500 / (40 * 53))
    assert metrics["chosen"]["ode"] == dict.fromkeys(("30", "50", "100"), "longer")
    assert metrics["chosen"]["rnn"] == dict.fromkeys(("30", "50", "100"), "spirals")
    assert metrics["ratio"]["chosen"]["50"]["truth"] == pytest.approx(250 / 53)
