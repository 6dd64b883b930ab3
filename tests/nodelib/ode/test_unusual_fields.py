"""Fields as they are met: normed, lazy, random, hooked; each right, or refused by name."""

import math

import numpy as np
import pytest
import torch
from ode_problems import double
from torch import nn
from torch.nn.utils import parametrizations

from nodelib.errors import ChangedFieldError, SolverError
from nodelib.ode.dependence import modules_of
from nodelib.ode.evaluations import WATCHED
from nodelib.ode.gradients import MODES, odeint

MODE = pytest.mark.parametrize("mode", MODES)
OWN = pytest.mark.parametrize("mode", ["checkpoint", "adjoint"])
Z0 = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
STEPS = 12
GRID = {"method": "rk4", "options": {"num_steps": STEPS}}


class Layer(nn.Module):
    """``tanh`` of one layer, which ``change`` may change; what comes out is ``times`` as much."""

    def __init__(self, change=lambda layer: layer, times=1.0):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.times = change(nn.Linear(3, 3, dtype=torch.float64)), times

    def forward(self, t, z):
        return self.times * torch.tanh(self.layer(z))


def by_hand(field, z):
    """The classical method, written out and backpropagated."""
    dt = 1 / STEPS
    for k in range(STEPS):
        t = double(k * dt)
        k1 = field(t, z)
        k2 = field(t + dt / 2, z + dt / 2 * k1)
        k3 = field(t + dt / 2, z + dt / 2 * k2)
        z = z + dt / 6 * (k1 + 2 * k2 + 2 * k3 + field(t + dt, z + dt * k3))
    return z


def gradients(solve, field, params=None):
    z0 = Z0.clone().requires_grad_()
    inputs = [z0, *(field.parameters() if params is None else params)]
    return torch.autograd.grad(solve(field, z0).square().sum(), inputs)


def agree(mode, field, wrap=lambda field: field, params=None):
    params = list(field.parameters()) if params is None else params

    def ours(field, z0):
        return odeint(wrap(field), z0, [0.0, 1.0], grad=mode, params=params, **GRID)[-1]

    found = gradients(ours, field, params)
    wanted = gradients(lambda field, z: by_hand(wrap(field), z), field, params)
    for mine, right in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-5, atol=1e-6)


def doubled_gradient(layer):
    layer.register_full_backward_hook(lambda module, into, out: tuple(2 * g for g in into))
    return layer


def doubled(layer):
    layer.register_forward_hook(lambda module, inputs, value: 2 * value)
    return layer


@MODE
@pytest.mark.parametrize(
    "change",
    [
        parametrizations.weight_norm,
        parametrizations.orthogonal,
        lambda layer: parametrizations.spectral_norm(layer, n_power_iterations=30),
        doubled,
        doubled_gradient,
        torch.jit.script,
    ],
)
def test_normed_hooked_and_compiled_layers_have_the_gradient_of_backpropagation(mode, change):
    agree(mode, Layer(change))


@MODE
@pytest.mark.parametrize(
    "wrap",
    [
        lambda field: lambda t, z: field(t, z).mean(0).expand(5, 3),
        lambda field: lambda t, z: field(t, z).t().contiguous().t(),
        lambda field: lambda t, z: torch.cat((field(t, z), z))[:5],
        lambda field: (
            lambda t, z: torch.utils.checkpoint.checkpoint(field, t, z, use_reentrant=False)
        ),
        lambda field: (
            lambda t, z: torch.func.functional_call(field, dict(field.named_parameters()), (t, z))
        ),
        lambda field: lambda t, z: field(t, z.detach()),
    ],
)
def test_values_of_any_layout_and_origin_have_the_gradient_of_backpropagation(mode, wrap):
    agree(mode, Layer(), wrap)


def cut_off(field, copied):
    def slope(t, z):
        with torch.enable_grad():
            inside = z.detach().clone() if copied else z.detach()
            energy = torch.cos(field.layer(inside.requires_grad_())).sum()
            return torch.autograd.grad(energy, inside, create_graph=True)[0]

    return slope


@MODE
@pytest.mark.parametrize("copied", [True, False])
def test_a_field_that_cuts_its_state_off_to_differentiate_is_refused(mode, copied):
    with pytest.raises(SolverError, match="differentiate in the state itself"):
        agree(mode, Layer(), lambda field: cut_off(field, copied))


@MODE
def test_a_state_that_is_a_parameter_too_is_not_taken_for_one_cut_off(mode):
    start = Z0.clone().requires_grad_()
    z = odeint(lambda t, z: start - z, start, [0.0, 1.0], grad=mode, params=[start])
    (found,) = torch.autograd.grad(z[-1].sum(), start)
    torch.testing.assert_close(found, torch.ones_like(found), rtol=1e-6, atol=1e-6)


def through_data(z):
    z.data.clamp_(-0.5, 0.5)


def through_numpy(z):
    z.detach().numpy()[:] *= 0.9


@MODE
@pytest.mark.parametrize("write", [through_data, through_numpy])
def test_a_write_that_leaves_no_trace_is_refused_and_the_start_stays(mode, write):
    z0, field = Z0.clone(), Layer()

    def writing(t, z):
        write(z)
        return field(t, z)

    with pytest.raises(SolverError, match="changed its state in place"):
        odeint(writing, z0, [0.0, 1.0], grad=mode, params=field.parameters())
    assert torch.equal(z0, Z0)


@OWN
def test_random_numbers_are_refused_where_they_cannot_be_drawn_again(mode):
    field = Layer(lambda layer: nn.Sequential(layer, nn.Dropout(0.5)))
    with pytest.raises(SolverError, match="draws random numbers"):
        odeint(field, Z0, [0.0, 1.0], grad=mode)
    field.eval()
    assert odeint(field, Z0, [0.0, 1.0], grad=mode).requires_grad


@OWN
def test_noise_that_is_drawn_once_and_kept_is_no_reason_to_refuse(mode):
    class Noisy(Layer):
        noise = None

        def forward(self, t, z):
            if self.noise is None:
                self.noise = torch.randn_like(z)
            return super().forward(t, z) + self.noise

    field = Noisy()
    odeint(field, Z0, [0.0, 1.0], grad=mode)[-1].sum().backward()
    assert field.layer.weight.grad.isfinite().all()


@OWN
def test_a_lazy_module_is_refused_until_it_has_a_shape(mode):
    field = Layer(lambda layer: nn.LazyLinear(3, dtype=torch.float64))
    with pytest.raises(SolverError, match="evaluate it once"):
        odeint(field, Z0, [0.0, 1.0], grad=mode)
    field(double(0.0), Z0)
    agree(mode, field)


@MODE
def test_complex_parameters_have_their_gradient_or_are_refused(mode):
    weight = torch.tensor([[0.1 + 0.5j, 0.2, 0.3], [0, 0.1j, 0.2], [0.3, 0.1, 0.2j]])
    weight = weight.to(torch.complex128).requires_grad_()

    def wrap(field):
        return lambda t, z: torch.view_as_real((z + 0j) @ weight).sum(-1)

    if mode == "adjoint":
        with pytest.raises(SolverError, match="view_as_real"):
            agree(mode, None, wrap, [weight])
    else:
        agree(mode, None, wrap, [weight])


@OWN
@pytest.mark.parametrize("equal", [True, False])
def test_parameters_that_were_replaced_are_noticed_also_by_their_equals(mode, equal):
    field = Layer()
    z = odeint(field, Z0, [0.0, 1.0], grad=mode)
    other = {name: x.clone() if equal else x + 1 for name, x in field.state_dict().items()}
    field.load_state_dict(other, assign=True)
    with pytest.raises(ChangedFieldError, match="changed"):
        z.sum().backward()


@MODE
@pytest.mark.filterwarnings("error")
def test_what_a_field_sets_aside_has_a_gradient_or_brings_a_warning(mode):
    class Gathering(Layer):
        sum = 0.0

        def forward(self, t, z):
            value = super().forward(t, z)
            self.sum = self.sum + value.square().mean()
            return value

    if mode != "backprop":
        with pytest.warns(UserWarning, match=r"Gathering\.sum, which has no gradient"):
            odeint(Gathering(), Z0, [0.0, 1.0], grad=mode)
        return
    found, wanted = Gathering(), Gathering()
    odeint(found, Z0, [0.0, 1.0], grad=mode, **GRID)
    by_hand(wanted, Z0)
    for field in (found, wanted):
        field.sum.backward()
    torch.testing.assert_close(found.layer.weight.grad, wanted.layer.weight.grad)


def test_modules_are_found_where_a_function_holds_them():
    class Trainer:
        def __init__(self, net):
            self.nets = [net]
            self.rates = [0.1] * 1000

        def field(self, t, z):
            return self.nets[0](t, z)

    net = Layer()
    trainer, table = Trainer(net), {"net": net}

    def inner(t, z):
        return net(t, z)

    for field in (
        net.forward,
        trainer.field,
        lambda t, z: trainer.nets[0](t, z),
        lambda t, z: table["net"](t, z),
        lambda t, z: inner(t, z),
        lambda t, z, used=(net,): used[0](t, z),
    ):
        assert modules_of(field) == (net,)
    assert modules_of(lambda t, z: torch.sin(z)) == ()


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_field_that_begins_to_refill_what_it_returned_is_right_or_refused(first):
    """It returns new tensors at first, and from some evaluation on the last one, refilled."""
    kept = []

    def field(t, z):
        value = -z.clone()
        if len(kept) < first:
            kept.append(value)
            return value
        return kept[-1].copy_(value)

    def end():
        z0 = torch.ones(2, dtype=torch.float64)
        with torch.no_grad():
            return odeint(field, z0, [0.0, 1.0], method="rk4", options={"num_steps": 8})[-1]

    if first > WATCHED:
        with pytest.raises(SolverError, match="a value that it had returned before"):
            end()
    else:
        torch.testing.assert_close(
            end(), torch.full((2,), math.exp(-1)).double(), rtol=1e-5, atol=0
        )


def test_a_value_kept_and_changed_later_is_refused_without_a_graph_too():
    kept = []

    def field(t, z):
        value = -z
        if len(kept) == 4:
            kept[-1].mul_(2)
        kept.append(value)
        return value

    with torch.no_grad(), pytest.raises(SolverError, match="a value that it had returned before"):
        odeint(field, torch.ones(2), [0.0, 1.0], method="rk4", options={"num_steps": 8})


def test_a_numpy_buffer_may_be_filled_time_and_again():
    buffer = np.zeros(2)

    def field(t, z):
        np.negative(z.detach().numpy(), out=buffer)
        return torch.from_numpy(buffer)

    z0 = torch.ones(2, dtype=torch.float64)
    with torch.no_grad():
        found = odeint(field, z0, [0.0, 1.0], method="rk4", options={"num_steps": 8})[-1]
    torch.testing.assert_close(found, z0 * math.exp(-1), rtol=1e-5, atol=0)
