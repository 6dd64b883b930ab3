"""What is measured of the recorded classifiers of MNIST."""

import math

import numpy as np
import pytest
import torch

from nodebook.experiments.ch07_mnist import (
    adams,
    mnist,
    mnist_adjoint,
    mnist_comparison,
    mnist_memory,
    mnist_mistaken,
    mnist_robustness,
    mnist_small,
    mnist_solvers,
)
from nodelib.models.classifiers import classifier, parameter_count


def test_only_the_images_that_tell_two_networks_apart_count():
    first = np.array([True] * 12 + [False] * 2 + [True] * 50 + [False] * 936)
    second = np.array([False] * 12 + [True] * 2 + [True] * 50 + [False] * 936)
    found = mnist_comparison.compared(("a", "b"), (first, second), (2, 4))
    assert (found["only.a.b"], found["only.b.a"], found["both.a.b"]) == (12, 2, 50)
    assert found["excess.a.b"] == pytest.approx(1.0)
    # 2 sum_{k <= 2} C(14, k) / 2^14
    assert found["p.a.b"] == pytest.approx(2 * (1 + 14 + 91) / 2**14)
    assert found["verdict.a.b"] == "higher"
    assert found["parameters.a.b"] == 0.5


def test_a_few_images_show_no_difference():
    first, second = np.array([True, True, False]), np.array([False, False, True])
    found = mnist_comparison.compared(("a", "b"), (first, second), (1, 1))
    assert found["verdict.a.b"] == "no difference"
    assert mnist_comparison.mcnemar(0, 0) == 1.0
    assert mnist_comparison.mcnemar(0, 6) == pytest.approx(2 / 2**6)


def test_kept_bytes_grow_with_blocks_and_steps_but_not_with_the_continuous_adjoint():
    state = torch.randn(36, 16, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    metrics = mnist_memory.by_depth(state)
    assert metrics["growth.resnet"] == "linear"
    assert metrics["growth.backprop"] == "linear"
    assert metrics["growth.adjoint"] == "constant"
    assert metrics["adjoint.32"] < metrics["checkpoint.32"] < metrics["backprop.32"]
    assert metrics["operations_growth.resnet"] == "linear"
    assert metrics["operations_growth.backprop"] == "linear"
    assert metrics["operations.backprop.32"] > 3 * metrics["operations.resnet.32"]
    # beside the kernels, a checkpoint is one state for each step
    assert metrics["checkpoint.32"] - metrics["checkpoint.16"] == 16 * state.nbytes


def test_the_operations_of_a_layer_are_counted_in_both_passes():
    layer = torch.nn.Linear(5, 3, bias=False)
    forward = 2 * 7 * 5 * 3
    assert mnist_memory.operations(layer, torch.ones(7, 5)) == 3 * forward


def test_the_resnet_of_torchs_layers_has_the_same_parameters_and_keeps_less():
    ours, theirs = classifier("resnet", seed=0), mnist_memory.torch_resnet()
    assert parameter_count(ours) == parameter_count(theirs)
    images = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(0))
    assert theirs(images).shape == (2, 10)
    assert mnist_memory.kept(theirs, images) < mnist_memory.kept(ours, images)


def test_noise_has_its_deviation_and_is_the_same_again():
    images = torch.full((20, 28, 28), 0.5)
    noisy = mnist_robustness.noisy(images, 0.3, 1)
    assert float((noisy - images).std()) == pytest.approx(0.3, rel=0.02)
    assert torch.equal(noisy, mnist_robustness.noisy(images, 0.3, 1))


def test_a_shift_moves_every_image_whole_along_one_of_eight_directions():
    images = torch.zeros(200, 28, 28)
    images[:, 14, 14] = 1
    moved = mnist_robustness.shifted(images, 3, 0)
    places = {tuple(place) for place in (moved.nonzero()[:, 1:] - 14).tolist()}
    assert places == {(3 * a, 3 * b) for a, b in mnist_robustness.DIRECTIONS}
    assert torch.equal(moved.sum((1, 2)), torch.ones(200))


def test_every_setting_is_compared_with_the_least_tolerance(monkeypatch):
    network = classifier("ode-net", seed=0)

    class Digits:
        test_images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
        test_labels = np.zeros(6, np.uint8)
        train_images, train_labels = test_images, test_labels

    chosen = ("tolerance.1e-6", "tolerance.1e-2", "euler.1", "rk4.4")
    tried = {name: mnist_solvers.settings("ode-net")[name] for name in chosen}
    metrics, milliseconds = mnist_solvers.evaluated(network, Digits, tried)
    assert metrics["change.tolerance.1e-6"] == 0
    assert metrics["other.tolerance.1e-6"] == 0
    assert metrics["change.rk4.4"] < metrics["change.euler.1"]
    assert metrics["nfe.euler.1"] == 1
    assert metrics["nfe.rk4.4"] == 16
    assert metrics["nfe.tolerance.1e-6"] > metrics["nfe.tolerance.1e-2"]
    assert set(milliseconds) == set(chosen)
    found = mnist_solvers.adjoint_evaluations(network, Digits, ["1e-2"])
    assert found["nfe_ratio.1e-2"] == found["backward_nfe.1e-2"] / found["forward_nfe.1e-2"]


def test_what_is_looked_at_again_was_measured():
    for kind in mnist_solvers.VARIANTS:
        assert set(mnist_solvers.QUICK) <= set(mnist_solvers.settings(kind))
    assert list(mnist_solvers.settings("rk-net")) == list(mnist_solvers.FEW)
    for disturbance, amounts in mnist_robustness.QUICK.items():
        assert set(amounts) <= set(mnist_robustness.AMOUNTS[disturbance])


def test_the_ode_net_by_the_adjoint_begins_as_the_one_that_is_backpropagated():
    ours, theirs = (mnist.untrained(variant, 1) for variant in ("ode-net", mnist.BY_ADJOINT))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
    images = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ours(images), theirs(images))
    theirs(images).sum().backward()
    assert theirs.body.backward[-1].nfe > 0
    assert mnist.PLANS[mnist.BY_ADJOINT] == mnist.PLANS["ode-net"]


def test_vode_solves_an_oscillator_to_its_tolerance_in_ever_more_evaluations():
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = {x: adams.adams(lambda _, z: z @ turn, start, 0.0, 1.0, x) for x in (1e-3, 1e-9)}
    exact = torch.tensor([[math.cos(1), math.sin(1)]], dtype=torch.float64)
    assert float((found[1e-9][0] - exact).abs().max()) < 1e-7
    assert found[1e-3][1] < found[1e-9][1]


def test_the_gradients_of_all_three_ways_come_close_to_the_exact_one():
    rng = np.random.default_rng(0)

    class Digits:
        train_images = rng.integers(0, 256, (4, 28, 28), dtype=np.uint8)
        train_labels = np.array([3, 1, 4, 1], np.uint8)

    network = mnist.untrained("ode-net", 0)
    metrics = mnist_adjoint.derivatives(network, Digits, ["1e-1", "1e-4"])
    for way in ("backprop", "dopri5", "adams"):
        assert metrics[f"gradient_error.{way}.1e-4"] < 0.1
        assert metrics[f"gradient_error.{way}.1e-4"] < metrics[f"gradient_error.{way}.1e-1"]
    for solver in ("dopri5", "adams"):
        assert metrics[f"forward_nfe.{solver}.1e-4"] > metrics[f"forward_nfe.{solver}.1e-1"]
        assert metrics[f"backward_nfe.{solver}.1e-4"] > 0


def test_the_hardest_digit_is_the_one_that_most_networks_mistake():
    mistakes = [[[7, 4, 9], [3, 1, 7]], [[7, 4, 9]], [[7, 4, 6], [5, 2, 8]]]
    metrics, hardest = mnist_mistaken.counted(mistakes)
    assert hardest[0] == {"number": 7, "label": 4, "given": 9, "votes": 3}
    assert [digit["number"] for digit in hardest] == [7, 3, 5]
    assert (metrics["networks"], metrics["mistaken"], metrics["by_all"]) == (3, 3, 1)
    assert metrics["mean"] == pytest.approx(5 / 3)
    assert metrics["confusion"][4][9] == 2


def test_the_two_small_networks_differ_in_the_gradient_alone():
    images = torch.rand(4, 28, 28, generator=torch.Generator().manual_seed(0))
    scores, gradients = [], []
    for variant in mnist_small.VARIANTS:
        network = mnist_small.untrained(variant, 0)
        scores.append(network(images))
        loss = scores[-1].square().sum()
        gradients.append(
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, [*network.parameters()])])
        )
    assert torch.equal(*scores)
    apart = float((gradients[0] - gradients[1]).norm() / gradients[0].norm())
    assert 1e-5 < apart < 0.5
