import functools
import math

import pytest
import torch
from ode_problems import double, problem
from torch import nn

from nodelib import fields
from nodelib.errors import SolverError
from nodelib.ode.dependence import parameters_of
from nodelib.ode.gradients import odeint

OWN = pytest.mark.parametrize("mode", ["checkpoint", "adjoint"])
RATE = -0.7


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(double(RATE))

    def field(self, t, z):
        return self.rate * z

    def scaled(self, t, z, scale=1.0):
        return scale * self.rate * z

    def forward(self, t, z):
        return self.field(t, z)


def decay_gradient(mode, field, tensor, params=None):
    """Gradient in ``tensor`` of exp(rate) by a solve from 1 over a time of 1."""
    z = odeint(field, double([1.0]), [0.0, 1.0], grad=mode, params=params)
    return float(torch.autograd.grad(z[-1].sum(), tensor)[0])


@OWN
def test_parameters_are_found_in_modules_their_methods_and_partials_of_both(mode):
    model = Model()
    for field in (
        model,
        model.field,
        functools.partial(model),
        functools.partial(model.scaled, scale=1.0),
        functools.partial(functools.partial(model.scaled), scale=1.0),
    ):
        assert [id(p) for p in parameters_of(field, None)] == [id(model.rate)]
        assert decay_gradient(mode, field, model.rate) == pytest.approx(math.exp(RATE))


@OWN
def test_listed_tensors_join_the_parameters_of_a_module_and_count_once(mode):
    model, scale = Model(), double(1.0).requires_grad_()
    field = functools.partial(model.scaled, scale=scale)
    both = parameters_of(field, [scale, model.rate, scale])
    assert [id(p) for p in both] == [id(scale), id(model.rate)]
    found = decay_gradient(mode, field, scale, [scale, model.rate])
    assert found == pytest.approx(RATE * math.exp(RATE))


def test_what_requires_no_gradient_is_left_out():
    field = fields.ForcedVanDerPol().requires_grad_(False)
    assert parameters_of(field, [double(1.0)]) == ()


@OWN
def test_an_empty_list_is_right_for_a_field_that_depends_on_nothing(mode):
    z0 = double([1.0]).requires_grad_()
    for params in ([], (), None):
        z = odeint(lambda t, z: RATE * z, z0, [0.0, 1.0], grad=mode, params=params)
        (gradient,) = torch.autograd.grad(z[-1].sum(), z0)
        assert gradient.item() == pytest.approx(math.exp(RATE))


@OWN
@pytest.mark.parametrize("params", [None, []])
@pytest.mark.parametrize("wants", [True, False])
def test_a_function_of_an_unlisted_tensor_is_refused(mode, params, wants):
    rate, z0 = double(RATE).requires_grad_(), double([1.0]).requires_grad_(wants)
    for field in (lambda t, z: rate * z, lambda t, z: rate.exp() * t + z, lambda t, z: rate[None]):
        with pytest.raises(SolverError, match=r"tensor of shape \(\) .* neither .* params: list"):
            odeint(field, z0, [0.0, 1.0], grad=mode, params=params)


@OWN
def test_a_module_that_uses_an_unlisted_tensor_is_refused(mode):
    model = Model()
    with pytest.raises(SolverError, match=r"tensor of shape \(\)"):
        odeint(lambda t, z: model(t, z), double([1.0]), [0.0, 1.0], grad=mode)
    context = double([0.5]).requires_grad_()
    with pytest.raises(SolverError, match=r"tensor of shape \(1,\)"):
        odeint(functools.partial(model.scaled, scale=context), double([1.0]), [0.0, 1.0], grad=mode)


def test_an_unlisted_tensor_is_no_matter_without_gradients_or_for_backpropagation():
    rate = double(RATE).requires_grad_()
    with torch.no_grad():
        z = odeint(lambda t, z: rate * z, double([1.0]), [0.0, 1.0])
    assert not z.requires_grad
    assert decay_gradient("backprop", lambda t, z: rate * z, rate) == pytest.approx(math.exp(RATE))


@OWN
def test_a_tensor_computed_beforehand_can_be_listed_itself(mode):
    weight = double(math.log(-RATE)).requires_grad_()
    rate = -weight.exp()
    found = decay_gradient(mode, lambda t, z: rate * z, weight, [rate])
    assert found == pytest.approx(RATE * math.exp(RATE))


@OWN
def test_a_tensor_computed_beforehand_can_be_listed_by_what_it_is_computed_from(mode):
    weight = double(math.log(-RATE)).requires_grad_()
    rate = -weight.exp()
    found = decay_gradient(mode, lambda t, z: rate * z, weight, [weight])
    assert found == pytest.approx(RATE * math.exp(RATE))


@OWN
def test_a_tensor_and_what_it_is_computed_from_are_not_counted_twice(mode):
    weight = double(math.log(-RATE)).requires_grad_()
    rate = -weight.exp()
    with pytest.raises(SolverError, match=r"computed from another .* counted twice"):
        odeint(lambda t, z: rate * z, double([1.0]), [0.0, 1.0], grad=mode, params=[rate, weight])
    with pytest.raises(SolverError, match="counted twice"):
        parameters_of(lambda t, z: z, [rate * 2, rate])


@OWN
def test_the_initial_state_can_be_a_parameter_of_the_field_too(mode):
    z0 = double([2.0]).requires_grad_()
    # z' = z - z0 stands still at z0; z' = -z0 moves linearly, so that z(1) = 0.
    for field, wanted in ((lambda t, z: z - z0, 1.0), (lambda t, z: -z0, 0.0)):
        z = odeint(field, z0, [0.0, 1.0], grad=mode, params=[z0])
        (gradient,) = torch.autograd.grad(z[-1].sum(), z0)
        assert gradient.item() == pytest.approx(wanted, abs=1e-7)


@OWN
def test_states_and_parameters_computed_upstream_pass_their_gradient_on(mode):
    weight = double([0.3, -0.2]).requires_grad_()

    def solved(grad):
        z0, rate = weight.cos(), weight.sin()
        return odeint(lambda t, z: rate * z, z0, [0.0, 1.0], grad=grad, params=[rate])[-1]

    found, wanted = (
        torch.autograd.grad(solved(grad).sum(), weight)[0] for grad in (mode, "backprop")
    )
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)


def test_params_must_be_tensors():
    with pytest.raises(SolverError, match="params must hold tensors, not float"):
        odeint(lambda t, z: z, double([1.0]), [0.0, 1.0], params=[1.0])


def test_the_search_costs_no_evaluation_and_happens_once():
    grads = []

    def field(t, z):
        grads.append(torch.is_grad_enabled())
        return -z

    z0 = double([1.0]).requires_grad_()
    odeint(field, z0, [0.0, 1.0], method="euler", options={"num_steps": 4})
    assert grads == [True, False, False, False]


def test_buffers_need_no_listing():
    field, z0, t = problem("quadratic")
    assert "sign" not in dict(field.named_parameters())
    assert len(parameters_of(field, None)) == 2
    assert odeint(field, z0, t).requires_grad
