"""The recurrence, the latent ODE and the recurrent baseline, alone and side by side."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from nodelib.errors import ModelError
from nodelib.models.latent.cells import Recurrent, gaps, gaps_ahead, packed
from nodelib.models.latent.ode import LatentODE, Sizes, covering, hermite
from nodelib.models.latent.recurrent import Forecaster
from nodelib.models.networks import load_weights, member_weights
from nodelib.ode.gradients import odeint
from nodelib.training import Recipe
from nodelib.training.series import Series, fit, rms

T = torch.arange(10, dtype=torch.float64) / 5
NODES = torch.arange(0, 25, 2, dtype=torch.float64) / 5


def draw(seed=0, members=2, n=3):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(members, n, len(T), 2, generator=g, dtype=torch.float64)
    observed = torch.rand(members, n, len(T), generator=g) < 0.6
    observed[:, :, 4] = True
    return x, observed


def latent(times, seeds=(0, 1)):
    return LatentODE(Sizes(), times=times, nodes=NODES, seeds=seeds).double()


def test_the_recurrence_is_that_of_torch():
    ours = Recurrent(3, 5, seeds=[7]).double()
    theirs = torch.nn.RNN(3, 5, batch_first=True).double()
    weights = {
        "weight_ih_l0": ours.enter.weight[0].T,
        "weight_hh_l0": ours.turn[0].T,
        "bias_ih_l0": ours.enter.bias[0],
        "bias_hh_l0": torch.zeros(5, dtype=torch.float64),
    }
    theirs.load_state_dict({key: value.detach() for key, value in weights.items()})
    x = torch.randn(1, 4, 6, 3, dtype=torch.float64)
    everywhere = torch.ones(1, 4, 6, dtype=torch.bool)
    found = ours(x, everywhere)[:, 0].transpose(0, 1)
    torch.testing.assert_close(found, theirs(x[0])[0])


@pytest.mark.parametrize("ends", [(10, 10), (8, 5), (5, 8)])
def test_the_recurrence_written_by_hand_has_the_gradient_of_the_written_out_one(ends):
    x, observed = draw()
    for network, end in enumerate(ends):
        observed[network, :, end:] = False
    x.requires_grad_()
    cell = Recurrent(2, 5, seeds=[0, 1]).double()
    h = torch.zeros(2, 3, 5, dtype=torch.float64)
    states = []
    for k in range(len(T)):
        h = torch.where(observed[:, :, k, None], cell.step(x[:, :, k], h), h)
        states.append(h)
    slow, fast = torch.stack(states), cell(x, observed)
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(cell.last(x, observed), slow[-1])
    weight = torch.randn_like(slow)
    wanted = [x, *cell.parameters()]
    for ours, written_out in (
        ((fast * weight).sum(), (slow * weight).sum()),
        ((cell.last(x, observed) * weight[0]).sum(), (slow[-1] * weight[0]).sum()),
    ):
        found = torch.autograd.grad(ours, wanted)
        expected = torch.autograd.grad(written_out, wanted, retain_graph=True)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)


def test_packed_sequences_have_what_is_observed_in_its_order_and_zeros_behind():
    x, observed = draw()
    observed[0, 0, :] = torch.arange(10) < 4
    observed[1, 1, :] = True
    values, used = packed(x, observed)
    assert values.shape == (2, 3, 10, 2)
    for network, row in np.ndindex(2, 3):
        seen = x[network, row][observed[network, row]]
        assert used[network, row].tolist() == [k < len(seen) for k in range(10)]
        torch.testing.assert_close(values[network, row, : len(seen)], seen, rtol=0, atol=0)
        assert not values[network, row, len(seen) :].any()
    assert packed(x[:1, :1], observed[:1, :1])[0].shape == (1, 1, 4, 2)


def test_gaps_are_those_between_observed_times():
    observed = torch.zeros(1, 1, 10, dtype=torch.bool)
    observed[0, 0, [2, 3, 7]] = True
    before = gaps(T, observed)[0, 0, [2, 3, 7]]
    after = gaps_ahead(T, observed, 2.0)[0, 0, [2, 3, 7]]
    torch.testing.assert_close(before, torch.tensor([0.4, 0.2, 0.8], dtype=torch.float64))
    torch.testing.assert_close(after, torch.tensor([0.2, 0.8, 0.6], dtype=torch.float64))


def test_the_piecewise_cubic_is_exact_for_cubics_and_at_the_nodes():
    values, slopes = hermite(NODES, T)
    cubic = values @ (NODES**3 - NODES) + slopes @ (3 * NODES**2 - 1)
    torch.testing.assert_close(cubic, T**3 - T)
    values, slopes = hermite(NODES, NODES)
    torch.testing.assert_close(values, torch.eye(len(NODES), dtype=torch.float64))
    assert slopes.abs().max() < 1e-14


def test_nodes_that_end_too_early_are_refused_and_no_more_are_solved_than_needed():
    assert covering(NODES, T) == 6
    assert covering(NODES, NODES) == len(NODES)
    with pytest.raises(ModelError, match="leave the solver's nodes"):
        covering(NODES, T + 4)


def test_the_trajectory_is_the_solution_of_the_field():
    model = latent(False)
    z0 = torch.randn(2, 3, 4, dtype=torch.float64)
    fine = odeint(model.field, z0, T, method="rk4", options={"num_steps": 20})
    torch.testing.assert_close(model.trajectory(z0, T), fine, rtol=0, atol=1e-5)


@pytest.mark.parametrize("times", [False, True])
def test_the_bound_is_that_of_torch_distributions(times):
    x, observed = draw()
    model, noise = latent(times), torch.randn(2, 3, 4, dtype=torch.float64)
    likelihood, divergence = model.bound(T, x, observed, noise, 0.3)
    mean, log_variance = model.encode(T, x, observed)
    posterior = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(posterior, Normal(torch.zeros_like(mean), 1.0)).sum(-1)
    torch.testing.assert_close(divergence, expected)
    told = model.decode(model.trajectory(mean + posterior.stddev * noise, T))
    each = Normal(told, 0.3).log_prob(x).sum(-1)
    torch.testing.assert_close(likelihood, (each * observed).sum(-1))


@pytest.mark.parametrize("model", [latent(True), Forecaster(times=True, seeds=[0, 1]).double()])
def test_values_that_are_not_observed_change_nothing(model):
    x, observed = draw()
    other = torch.where(observed.unsqueeze(-1), x, 99.0)

    def answer(values):
        if isinstance(model, LatentODE):
            return model.predict(T, values, observed, T + 1)
        return model.forecast(T, values, observed, T + 2.5, 0.3)

    torch.testing.assert_close(answer(x), answer(other))


def test_only_the_encoder_with_times_knows_when_the_observations_were():
    x, observed = draw()
    observed[:] = True
    later = 2 * T**2
    for times in (False, True):
        model = latent(times)
        same = torch.equal(model.encode(T, x, observed)[0], model.encode(later, x, observed)[0])
        assert same is not times


def test_the_encoder_ends_with_the_first_observation():
    x, observed = draw()
    model = latent(False)
    weights = member_weights(model.encoder, 0)
    h = torch.zeros(1, 25, dtype=torch.float64)
    for k in reversed(range(len(T))):
        if observed[0, 0, k]:
            entered = x[0, 0, k] @ weights["enter.weight"] + weights["enter.bias"]
            h = torch.tanh(entered + h @ weights["turn"])
    expected = h @ model.posterior.weight[0] + model.posterior.bias[0]
    found = torch.cat(model.encode(T, x, observed), -1)[0, 0]
    torch.testing.assert_close(found, expected[0])


@pytest.mark.parametrize("times", [False, True])
def test_models_side_by_side_are_those_alone(times):
    x, observed = draw()
    for build, answer in (
        (lambda seeds: latent(times, seeds), lambda m, *a: m.predict(T, *a, T)),
        (
            lambda seeds: Forecaster(times=times, seeds=seeds).double(),
            lambda m, *a: m.forecast(T, *a, T + 2, 0.2),
        ),
    ):
        both = build([4, 9])
        single = build([9])
        second = answer(both, x, observed)[1:]
        torch.testing.assert_close(second, answer(single, x[1:], observed[1:]))
        again = load_weights(build([0]), {k: v[None] for k, v in member_weights(both, 1).items()})
        torch.testing.assert_close(second, answer(again, x[1:], observed[1:]))
        assert both.count == sum(p.numel() for p in single.parameters())


@pytest.mark.parametrize("times", [False, True])
def test_the_forecasters_likelihood_is_of_each_observation_given_those_before(times):
    x, observed = draw()
    observed[1, 2, :2] = False
    model = Forecaster(times=times, seeds=[0, 1]).double()
    found = model.log_likelihood(T, x, observed, 0.3)[1, 2]
    places = observed[1, 2].nonzero()[:, 0]
    h = torch.zeros(2, 1, 25, dtype=torch.float64)
    total = 0.0
    for here, following in pairwise(places):
        entry = x[1, 2, here]
        if times:
            entry = torch.cat([entry, (T[following] - T[here])[None]])
        h = model.cell.step(entry.expand(2, 1, -1), h)
        told = model.readout(h)[1, 0]
        total += Normal(told, 0.3).log_prob(x[1, 2, following]).sum()
    torch.testing.assert_close(found, total)


def test_a_network_that_counts_time_forecasts_the_right_times():
    """Weights made by hand: the output is the sum of the gaps read, so that it tells time."""
    model = Forecaster(observed=1, hidden=1, times=True, seeds=[0]).double()
    small = 1e-4
    with torch.no_grad():
        model.cell.enter.weight.copy_(torch.tensor([[[0.0], [small]]]))
        model.cell.enter.bias.zero_()
        model.cell.turn.fill_(1.0)
        model.readout.weight.fill_(1 / small)
        model.readout.bias.zero_()
    observed = torch.zeros(1, 1, 10, dtype=torch.bool)
    observed[0, 0, [1, 4]] = True
    at = T + 2.1
    for stride in (0.1, 0.35):
        told = model.forecast(T, torch.zeros(1, 1, 10, 1).double(), observed, at, stride)
        torch.testing.assert_close(told[0, 0, :, 0], at - T[1], rtol=1e-5, atol=1e-5)


def test_without_times_a_step_is_as_long_as_it_is_said_to_be():
    """Weights made by hand: the output counts steps."""
    model = Forecaster(observed=1, hidden=1, times=False, seeds=[0]).double()
    small = 1e-4
    with torch.no_grad():
        model.cell.enter.weight.zero_()
        model.cell.enter.bias.fill_(small)
        model.cell.turn.fill_(1.0)
        model.readout.weight.fill_(1 / small)
        model.readout.bias.zero_()
    observed = torch.zeros(1, 1, 10, dtype=torch.bool)
    observed[0, 0, [1, 4, 8]] = True
    x = torch.full((1, 1, 10, 1), 2.0, dtype=torch.float64)
    at = T + 1.65
    told = model.forecast(T, x, observed, at, 0.25)
    # two observations before the last, which is at T[8] and worth 2, then a step of 1 in 0.25
    torch.testing.assert_close(told[0, 0, :, 0], 2 + (at - T[8]) / 0.25, rtol=1e-5, atol=1e-5)


def test_training_improves_the_bound_and_depends_on_the_own_seed_only():
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * math.pi, (40, 1))
    t = np.arange(10) / 5
    x = np.stack([np.cos(t + phase), np.sin(t + phase)], -1)
    seen = rng.random((40, 10)) < 0.7
    seen[:, 0] = True
    settings = {"scale": 0.1, "batch": 8}
    ends = {}
    for seeds in ([1, 2], [2]):
        series = Series.of(t, [x] * len(seeds), [seen] * len(seeds))
        model = LatentODE(Sizes(), times=True, nodes=NODES.float(), seeds=seeds)
        history = fit(model, series, Recipe(60, 0.01), seeds=seeds, **settings)
        losses = history.of(len(seeds) - 1)
        assert losses[-10:].mean() < losses[:10].mean() / 2
        ends[len(seeds)] = losses
    np.testing.assert_allclose(ends[1], ends[2], rtol=1e-3)


def test_an_annealed_training_begins_without_the_divergence_and_ends_with_it():
    rng = np.random.default_rng(0)
    t, x = np.arange(10) / 5, rng.standard_normal((6, 10, 2))
    series = Series.of(t, [x], [np.ones((6, 10), bool)])
    recipe = Recipe(5, 1e-12)

    def losses(**more):
        model = LatentODE(Sizes(), times=True, nodes=NODES.float(), seeds=[3])
        return fit(model, series, recipe, seeds=[3], scale=0.1, batch=4, **more).of()

    plain, rising, never = losses(), losses(annealed=4), losses(annealed=10**9)
    missing = (plain - rising) / (plain - never)
    np.testing.assert_allclose(missing, [1.0, 0.75, 0.5, 0.25, 0.0], atol=1e-3)
    assert (plain > never).all()


def test_series_that_do_not_fit_are_refused():
    x, seen = np.zeros((3, 5, 2)), np.ones((3, 5), bool)
    with pytest.raises(ModelError, match="do not fit"):
        Series.of(np.arange(4), [x], [seen])
    seen[1] = False
    with pytest.raises(ModelError, match="no observation"):
        Series.of(np.arange(5), [x], [seen])


def test_root_mean_square_is_of_all_entries():
    assert rms(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)) == 2.5
