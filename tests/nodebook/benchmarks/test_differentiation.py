"""The comparison of ways to differentiate: what they give, keep and count."""

import pytest
import torch

from nodebook.benchmarks import gradient_problems
from nodebook.benchmarks.differentiation import (
    MODES,
    WAYS,
    differentiate,
    kept_by,
    kept_bytes,
    relative_error,
    solve_by,
)
from nodebook.benchmarks.gradient_problems import Problem

every_way = pytest.mark.parametrize("way", WAYS)


@pytest.mark.parametrize("seed", [0, 1, 4])
@every_way
def test_every_way_gives_the_closed_form_gradients_of_the_linear_problem(way, seed):
    problem = gradient_problems.linear(seed)
    exact = gradient_problems.linear_gradients(problem)
    found = differentiate(way, *problem.parts, times=True, rtol=1e-9, atol=1e-9)
    for name in exact:
        assert relative_error(getattr(found, name), exact[name]) < 1e-6, name


def test_closed_form_gradients_agree_with_differences_of_the_matrix_exponential():
    problem = gradient_problems.linear(3)
    span = problem.t[1] - problem.t[0]

    def loss(matrix, z0):
        end = torch.linalg.matrix_exp(span * matrix) @ z0
        return (end - 1).square().sum() / 2

    matrix = problem.field.matrix.detach().requires_grad_()
    z0 = problem.z0.clone().requires_grad_()
    wanted = torch.autograd.grad(loss(matrix, z0), (z0, matrix))
    exact = gradient_problems.linear_gradients(problem)
    assert torch.allclose(exact["z0"], wanted[0], rtol=1e-12)
    assert torch.allclose(exact["theta"], wanted[1].reshape(-1), rtol=1e-12)


@every_way
def test_every_way_takes_the_same_fixed_grid(way):
    problem = gradient_problems.network(1, batch=2)
    t = torch.tensor([0.0, 0.5, 2.0]).double()
    settings = {"method": "rk4_38", "num_steps": 6}
    found = differentiate(way, problem.field, problem.z0, t, problem.loss, **settings)
    wanted = solve_by("backprop", problem.field, problem.z0, t, **settings)
    assert found.nfe_forward == 2 * 6 * 4
    assert torch.allclose(found.z, wanted, rtol=1e-12, atol=1e-13)


def test_evaluations_of_both_passes_are_counted_apart():
    problem = gradient_problems.network(0, batch=2)
    settings = {"method": "rk4", "num_steps": 5}
    counts = {}
    for way in MODES:
        found = differentiate(way, *problem.parts, **settings)
        counts[way] = (found.nfe_forward, found.nfe_backward)
    # on a fixed grid the adjoint asks the field once more, whether it is still the same
    assert counts == {"backprop": (20, 0), "checkpoint": (20, 20), "adjoint": (20, 21)}


def test_vector_holds_the_initial_state_and_then_the_parameters_in_float64():
    problem = gradient_problems.linear(0).to(torch.float32)
    found = differentiate("checkpoint", *problem.parts)
    assert found.z0.dtype == torch.float32
    assert found.vector().dtype == torch.float64
    assert torch.equal(found.vector()[:2], found.z0.double())
    assert found.t is None


def test_kept_bytes_counts_a_storage_once_and_leaves_out_the_parameters():
    x = torch.randn(100, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(100, dtype=torch.float64, requires_grad=True)
    result = (x * x * weight).sum()  # keeps x twice, x * x, and weight
    assert kept_bytes(result) == 3 * 800
    assert kept_bytes(result, without=[weight]) == 2 * 800


def test_kept_bytes_agrees_with_the_hooks_on_what_is_saved():
    problem = gradient_problems.network(0, batch=3)
    held = {}

    def pack(tensor):
        held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    z0 = problem.z0.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        z = solve_by("backprop", problem.field, z0, problem.t, method="midpoint", num_steps=4)
    outside = {p.untyped_storage().data_ptr() for p in problem.field.parameters()}
    by_hooks = sum(x.untyped_storage().nbytes() for at, x in held.items() if at not in outside)
    walked = kept_bytes(z, without=list(problem.field.parameters()))
    assert walked == pytest.approx(by_hooks, rel=0.01)  # hooks miss numbers made into tensors


def test_adjoint_keeps_two_states_whatever_the_steps():
    problem = gradient_problems.network(0, batch=4)
    kept = [
        kept_by(way, *problem.parts[:3], method="rk4_38", num_steps=n)
        for way in ("adjoint", "torchdiffeq-adjoint")
        for n in (3, 30)
    ]
    assert kept == [2 * problem.z0.nbytes + 16] * 4


def test_checkpoint_keeps_one_state_more_for_every_step():
    problem = gradient_problems.network(0, batch=4)
    few, more = (
        kept_by("checkpoint", *problem.parts[:3], method="rk4_38", num_steps=n) for n in (3, 30)
    )
    assert more - few == 27 * problem.z0.nbytes


def test_rejected_steps_keep_nothing():
    problem = gradient_problems.nonlinear(0)
    t = torch.tensor([0.3, 3.0]).double()
    z = solve_by("backprop", problem.field, problem.z0.requires_grad_(), t, rtol=1e-4, atol=1e-4)
    kept = kept_bytes(z)
    del z
    assert kept < 100_000


def test_torchdiffeq_norm_is_handed_on():
    problem = gradient_problems.network(2, batch=2)
    seen = []

    def norm(states):
        seen.append(len(states))
        return max(x.abs().max() for x in states)

    differentiate("torchdiffeq-adjoint", *problem.parts, adjoint_norm=norm)
    assert set(seen) == {3 + len(list(problem.field.parameters()))}


def test_a_problem_in_another_precision_leaves_the_first_as_it_was():
    problem = gradient_problems.linear(0)
    single = problem.to(torch.float32)
    assert isinstance(single, Problem)
    assert single.field.matrix.dtype == torch.float32
    assert problem.field.matrix.dtype == torch.float64


def test_problems_are_the_same_for_the_same_seed_only():
    for draw in (gradient_problems.linear, gradient_problems.nonlinear, gradient_problems.network):
        assert torch.equal(draw(3).z0, draw(3).z0)
        assert not torch.equal(draw(3).z0, draw(4).z0)
