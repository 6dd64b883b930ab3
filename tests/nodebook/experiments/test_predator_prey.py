import pytest
import torch

from nodebook.experiments.ch05_lotka_volterra import predator_prey
from nodebook.experiments.ch05_lotka_volterra.predator_prey import INTERVALS, SETTINGS, Setting
from nodelib.errors import ModelError


def test_a_seed_draws_the_same_trajectories_alone_and_beside_others():
    together = predator_prey.training(SETTINGS["several"], [3, 7])
    alone = predator_prey.training(SETTINGS["several"], [7])
    assert torch.equal(together.states[:, 1:], alone.states)
    assert not torch.equal(together.states[:, 0], together.states[:, 1])


def test_the_start_is_known_and_the_rest_has_the_noise_of_the_setting():
    seen = predator_prey.training(SETTINGS["several"], range(40))
    noise = seen.states - seen.clean
    assert torch.equal(seen.states[0], seen.clean[0])
    assert noise[1:].std().item() == pytest.approx(0.1, rel=0.05)
    clean = predator_prey.training(SETTINGS["clean"], [0])
    assert torch.equal(clean.states, clean.clean)


def test_no_trajectory_is_in_two_sets():
    setting = SETTINGS["several"]
    starts = torch.cat(
        [
            predator_prey.training(setting, range(10)).clean[0].reshape(-1, 2),
            predator_prey.validation(setting, range(10)).clean[0].reshape(-1, 2),
            predator_prey.test_truth()[0],
        ]
    )
    assert len(starts) == 10 * 8 + 10 * 4 + 16
    assert torch.pdist(starts).min() > 1e-6


def test_starts_lie_in_their_box():
    starts = predator_prey.training(SETTINGS["several"], range(20)).clean[0]
    assert (starts[..., 0] >= 1).all()
    assert (starts[..., 0] <= 6).all()
    assert (starts[..., 1] >= 0.5).all()
    assert (starts[..., 1] <= 4).all()


def test_windows_are_the_successive_pieces_of_every_trajectory():
    states = torch.arange(5.0).reshape(5, 1, 1, 1).expand(5, 2, 3, 2)
    starts, following = predator_prey.windows(states, 2)
    assert starts.shape == (2, 9, 2)
    assert following.shape == (2, 2, 9, 2)
    assert starts[0, :, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert torch.equal(following[1], starts + 2)


def test_a_whole_window_starts_at_the_known_start_only():
    seen = predator_prey.training(SETTINGS["several"], [0])
    starts, following = predator_prey.windows(seen.states, INTERVALS)
    assert torch.equal(starts, seen.states[0])
    assert torch.equal(following, seen.states[1:])


def test_exact_trajectories_keep_the_conserved_quantity():
    walks = predator_prey.test_truth().unsqueeze(1)
    assert predator_prey.drift(walks).item() < 1e-7


def test_drift_is_the_departure_in_units_of_the_height_above_the_equilibrium():
    start = torch.tensor([1.0, 1.0], dtype=torch.float64)
    centre = torch.tensor([3.0, 1.5], dtype=torch.float64)
    walk = torch.stack((start, centre)).reshape(2, 1, 1, 2)
    assert predator_prey.drift(walk).item() == pytest.approx(0.5)


def test_drift_is_finite_where_a_population_is_not_positive():
    walk = torch.tensor([[1.0, 1.0], [-3.0, 1e9]], dtype=torch.float64).reshape(2, 1, 1, 2)
    assert torch.isfinite(predator_prey.drift(walk)).all()


def test_field_error_is_relative_and_local():
    states = predator_prey.grid((5, 4))
    true = predator_prey.true_field(states)
    where = states[:, 0] < 3
    found = torch.stack((1.1 * true, torch.where(where[:, None], true, 7 * true)))
    errors = predator_prey.field_error(found, true, where.expand(2, -1))
    assert errors.tolist() == pytest.approx([0.1, 0.0])


def test_trajectory_error_is_in_standard_deviations_and_bounded():
    truth = predator_prey.test_truth()[:, None]
    off = truth + predator_prey.test_spread()
    assert predator_prey.trajectory_error(off, truth).item() == pytest.approx(1.0)
    assert predator_prey.trajectory_error(truth + 1e12, truth).item() < 25


def test_the_region_of_the_data_holds_their_trajectories_and_not_the_far_corner():
    seen = predator_prey.training(SETTINGS["one"], [0])
    orbit = seen.clean[::3, 0, 0]
    states = torch.cat((orbit, torch.tensor([[8.5, 6.0], [3.0, 1.5]], dtype=torch.float64)))
    near = predator_prey.near_data(states, seen)[0]
    assert near.tolist() == [True] * len(orbit) + [False, False]


@pytest.mark.parametrize("wrong", [{"trajectories": 0}, {"noise": -1.0}, {"window": 16}])
def test_a_setting_that_cannot_be_is_refused(wrong):
    with pytest.raises(ModelError, match="at least one trajectory"):
        Setting(**wrong)
