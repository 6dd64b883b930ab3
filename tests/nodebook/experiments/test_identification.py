"""Learning fields from windows, and how errors are measured."""

import numpy as np
import pytest
import torch

from nodebook.experiments.ch04_identification.identification import (
    LOST,
    Matrices,
    as_array,
    distance_to,
    fit_segments,
    fit_windows,
    lattice,
    noisy,
    predict,
    relative_field_error,
    relative_trajectory_error,
    sample,
    starts_in_box,
)
from nodebook.experiments.ch04_identification.linear_estimates import relative_error
from nodelib.fields import Linear, LinearSpiral
from nodelib.training import Recipe

TIMES = torch.linspace(0, 12, 77, dtype=torch.float64)
START = torch.tensor([0.6, 0.3], dtype=torch.float64)
CLEAN = LinearSpiral().exact(TIMES, START).detach()
TRUE = as_array(LinearSpiral().matrix)
NEAR = torch.tensor([[0.1, -0.8], [0.8, 0.1]], dtype=torch.float64)


def near_truth(seeds):
    field = Matrices(seeds)
    field.matrix.data[:] = NEAR
    return field


def test_sampling_follows_the_exact_solution_from_several_starts():
    starts = torch.stack((START, -2 * START))
    z = sample(LinearSpiral(), starts, TIMES)
    torch.testing.assert_close(z, torch.stack((CLEAN, -2 * CLEAN)), rtol=0, atol=1e-6)


def test_noise_is_that_of_the_seed_and_of_the_asked_size():
    one, two = noisy(CLEAN, 0.1, [4, 5]) - CLEAN
    assert torch.equal(one, (noisy(CLEAN, 0.1, [4]) - CLEAN)[0])
    assert 0.08 < float(one.std()) < 0.12
    assert not torch.equal(one, two)
    assert torch.equal(noisy(CLEAN, 0.0, [1])[0], CLEAN)


def test_windows_lead_a_matrix_to_the_truth():
    field = near_truth([0])
    history = fit_windows(field, TIMES, noisy(CLEAN, 0.0, [0]), [0], Recipe(120, 0.02))
    assert relative_error(as_array(field.matrix[0]), TRUE) < 0.02
    assert history.of().mean() > 10 * history.of()[-10:].mean()


def test_members_are_trained_as_if_alone():
    observed = noisy(CLEAN, 0.01, [0, 1])
    both, alone = near_truth([0, 1]), near_truth([1])
    fit_windows(both, TIMES, observed, [0, 1], Recipe(5, 0.02))
    fit_windows(alone, TIMES, observed[1:], [1], Recipe(5, 0.02))
    torch.testing.assert_close(both.matrix[1], alone.matrix[0])


def test_windows_can_start_from_given_states_instead_of_observations():
    observed = noisy(CLEAN, 0.3, [0])
    fields = [Matrices([0]) for _ in range(2)]
    for field, starts in zip(fields, (None, CLEAN[None]), strict=True):
        field.matrix.data[0] = torch.from_numpy(TRUE)
        fit_windows(field, TIMES, observed, [0], Recipe(1, 1e-9), starts=starts)
    losses = [
        fit_windows(field, TIMES, observed, [0], Recipe(1, 1e-9), starts=starts).of()[0]
        for field, starts in zip(fields, (None, CLEAN[None]), strict=True)
    ]
    assert losses[0] != losses[1]


def test_the_prediction_of_windows_can_be_replaced():
    seen = []

    def still(field, first, t):
        seen.append(t.shape)
        return first.unsqueeze(-2).expand(*t.shape, 2) + 0 * field.matrix.sum()

    fit_windows(near_truth([0]), TIMES, CLEAN[None], [0], Recipe(1, 0.1), advance=still)
    assert len(seen) == 1


def test_shooting_finds_the_matrix_where_noisy_starts_mislead():
    seeds = [0, 1, 2]
    observed = noisy(CLEAN, 0.1, seeds)
    errors = []
    for learn in (True, False):
        field = near_truth(seeds)
        fit_segments(field, TIMES, observed, Recipe(120, 0.03), learn_starts=learn)
        errors.append(np.mean([relative_error(m, TRUE) for m in as_array(field.matrix)]))
    assert errors[0] < 0.8 * errors[1]


def test_a_prediction_follows_the_field():
    z = predict(Linear(TRUE), START, TIMES, steps=2)
    torch.testing.assert_close(z, CLEAN, rtol=0, atol=1e-5)


def test_errors_are_relative_and_bounded():
    assert relative_field_error(1.1 * CLEAN, CLEAN) == pytest.approx(0.1)
    assert relative_field_error(CLEAN * torch.nan, CLEAN) == LOST
    spread = (CLEAN - CLEAN.mean(0)).square().sum(-1).mean().sqrt()
    shifted = CLEAN + torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert relative_trajectory_error(shifted, CLEAN) == pytest.approx(min(5 / float(spread), LOST))
    assert relative_trajectory_error(shifted, CLEAN, unit=100 * CLEAN) == pytest.approx(
        0.05 / float(spread)
    )
    assert relative_trajectory_error(CLEAN * torch.inf, CLEAN) == LOST


def test_starts_fill_their_box_and_belong_to_their_seed():
    starts = starts_in_box(200, 1.5, 3)
    assert starts.shape == (200, 2)
    assert 1.3 < float(starts.abs().max()) <= 1.5
    assert torch.equal(starts[:5], starts_in_box(5, 1.5, 3))


def test_the_lattice_spans_its_rectangle_and_distances_are_to_the_nearest():
    points = lattice((0, 1), (2, 5), 3)
    assert points.tolist()[:4] == [[0, 1], [1, 1], [2, 1], [0, 3]]
    data = torch.tensor([[0.0, 0.0], [2.0, 4.0]], dtype=torch.float64)
    assert distance_to(points[:1], data).tolist() == [1.0]
    assert distance_to(points[-1:], data).tolist() == [1.0]
