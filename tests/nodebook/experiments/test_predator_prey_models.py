import pytest
import torch

from nodebook.experiments.ch05_lotka_volterra import predator_prey
from nodebook.experiments.ch05_lotka_volterra.predator_prey import GAP, INTERVALS, SETTINGS
from nodebook.experiments.ch05_lotka_volterra.predator_prey_models import QUESTIONS, Model
from nodelib.errors import ModelError


@pytest.fixture(scope="module")
def seen():
    return predator_prey.training(SETTINGS["clean"], [0, 1])


def some_states(members):
    draws = torch.Generator().manual_seed(0)
    return 1 + 3 * torch.rand(members, 6, 2, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("question", [q for q in QUESTIONS if q != "rates"])
def test_all_networks_have_the_same_number_of_parameters(question, seen):
    model = Model(question, "relu", [0, 1], seen)
    assert model.count == 1082
    assert sum(value.numel() for value in model.weights(0).values()) == 1082


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_model_beside_others_is_the_model_alone(question, seen):
    both = Model(question, "tanh", [0, 1], seen)
    alone = Model(question, "tanh", [1], predator_prey.training(SETTINGS["clean"], [1]))
    starts = some_states(2).float()
    torch.testing.assert_close(both.field(starts)[1:], alone.field(starts[1:]))
    torch.testing.assert_close(
        both.trajectories(starts, 3)[:, 1:], alone.trajectories(starts[1:], 3)
    )
    torch.testing.assert_close(
        both.losses(seen)[1:], alone.losses(predator_prey.training(SETTINGS["clean"], [1]))
    )


@pytest.mark.parametrize("question", QUESTIONS)
def test_weights_travel_to_a_single_model(question, seen):
    both = Model(question, "tanh", [0, 1], seen)
    single = Model(question, "tanh", [9], predator_prey.training(SETTINGS["clean"], [1]))
    single.load(both.weights(1))
    starts = some_states(2).float()
    torch.testing.assert_close(single.field(starts[1:]), both.field(starts)[1:])


def true_rates(seen):
    model = Model("rates", "identity", [0, 1], seen).double()
    model.network.rates.data[:] = torch.tensor([1.5, 1.0, 3.0, 1.0])
    return model


def test_the_true_rates_give_the_true_field_and_next_to_no_loss(seen):
    model = true_rates(seen)
    states = some_states(2)
    torch.testing.assert_close(model.field(states), predator_prey.true_field(states))
    assert model.losses(seen).max() < 1e-5


def test_trajectories_are_those_of_the_field(seen):
    starts = some_states(2)
    walks = true_rates(seen).trajectories(starts, 4, fineness=4)
    torch.testing.assert_close(
        walks, predator_prey.exact(starts, predator_prey.times(4)), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("standardised", [True, False])
def test_a_map_implies_the_mean_velocity_of_its_first_step(standardised, seen):
    model = Model("next", "silu", [0, 1], seen, standardised).double()
    starts = some_states(2)
    walks = model.trajectories(starts, 1)
    torch.testing.assert_close(model.field(starts), (walks[1] - walks[0]) / GAP)


@pytest.mark.parametrize("standardised", [True, False])
def test_a_function_of_time_implies_its_velocity_at_the_start(standardised, seen):
    model = Model("time", "tanh", [0, 1], seen, standardised).double()
    starts, h = some_states(2), 1e-5
    inner = (starts - model.centre) / model.unit
    difference = model.unit * (model._at(h, inner) - model._at(-h, inner)) / (2 * h)
    torch.testing.assert_close(model.field(starts), difference, rtol=1e-6, atol=1e-8)


def test_the_clock_of_a_function_of_time_is_1_at_the_end_of_training(seen):
    model = Model("time", "tanh", [0, 1], seen, False).double()
    starts = some_states(2)
    end = model.network(torch.cat((torch.ones_like(starts[..., :1]), starts), -1))
    torch.testing.assert_close(model.trajectories(starts, INTERVALS)[-1], end)


def test_standardising_is_a_change_of_units_only():
    seen = predator_prey.training(SETTINGS["clean"], [4, 4])
    model = Model("node", "tanh", [4, 4], seen, [True, False]).double()
    states = some_states(1).expand(2, -1, -1)
    inner = (states - model.centre) / model.unit
    assert torch.equal(inner[1], states[1])
    torch.testing.assert_close(model.field(states), model.unit * model.network(inner))


def test_the_loss_of_differences_is_that_of_the_slopes_of_the_observations(seen):
    model = true_rates(seen)
    model.question = "derivative"
    slopes = torch.gradient(seen.states, spacing=GAP, dim=0)[0]
    wrong = (predator_prey.true_field(seen.states) - slopes) / model.spread
    torch.testing.assert_close(model.losses(seen), wrong.square().mean((0, 2, 3)))


def test_the_loss_of_the_next_state_is_one_step_of_the_map(seen):
    model = Model("next", "relu", [0, 1], seen).double()
    pairs = seen.states[:-1].transpose(0, 1).flatten(1, 2)
    wrong = model.trajectories(pairs, 1)[1] - seen.states[1:].transpose(0, 1).flatten(1, 2)
    expected = (wrong / model.spread).square().mean((1, 2))
    torch.testing.assert_close(model.losses(seen), expected)


@pytest.mark.parametrize("question", ["node", "rolled", "next"])
def test_no_prediction_overflows(question, seen):
    model = Model(question, "relu", [0, 1], seen)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(50)
        walks = model.trajectories(some_states(2).float(), 45)
    assert torch.isfinite(walks).all()


def test_an_unknown_question_is_refused(seen):
    with pytest.raises(ModelError, match="no question 'why'"):
        Model("why", "relu", [0, 1], seen)


def test_seeds_must_match_the_trajectories(seen):
    with pytest.raises(ModelError, match="3 seeds need as many sets"):
        Model("node", "relu", [0, 1, 2], seen)
