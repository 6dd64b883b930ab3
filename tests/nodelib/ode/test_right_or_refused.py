"""Uses that once gave a wrong result without a word: each is right now, or refused."""

import copy
import math
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from ode_problems import double
from torch import nn

from nodelib.errors import ChangedFieldError, SolverError
from nodelib.ode.gradients import MODES, integrate, odeint

MODE = pytest.mark.parametrize("mode", MODES)
OWN = pytest.mark.parametrize("mode", ["checkpoint", "adjoint"])
Z0 = double([1.0, 2.0])
TURN = double([[0.0, 1.0], [-1.0, -0.3]])
FLOW = torch.linalg.matrix_exp(TURN)
GRID = {"method": "rk4", "options": {"num_steps": 4}}


class Driven(nn.Module):
    """``dz/dt = -k u z``, where ``u`` is an attribute that its user sets."""

    def __init__(self, k=1.0, u=0.5):
        super().__init__()
        self.k, self.u = nn.Parameter(double(k)), u
        self.register_buffer("scale", double(1.0))

    def forward(self, t, z):
        return -self.k * self.u * self.scale * z


class Layers(nn.Module):
    """Layers as a field, with states (..., 3)."""

    def __init__(self, *layers):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 3), *layers).double()

    def forward(self, t, z):
        return torch.tanh(self.net(z))


def turning(t, z):
    return z @ TURN.T


def end(z0, mode, field=turning, **arguments):
    return odeint(field, z0, [0.0, 1.0], grad=mode, **arguments)[-1]


def batch():
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def set_attribute(field):
    field.u = 2.0


def set_buffer(field):
    field.scale.fill_(2.0)


def set_data(field):
    field.k.data.fill_(3.0)


# --- derivatives of other kinds ---------------------------------------------------------------


@MODE
@pytest.mark.parametrize("transform", [torch.func.jacrev, torch.func.jacfwd])
def test_jacobians_by_torch_func_are_the_flow(mode, transform):
    torch.testing.assert_close(transform(end)(Z0, mode), FLOW, rtol=1e-7, atol=1e-8)


@MODE
def test_forward_mode_derivatives_in_state_time_and_parameters_are_right(mode):
    ahead = torch.func.jvp(lambda z: end(z, mode), (Z0,), (double([1.0, 0.0]),))[1]
    torch.testing.assert_close(ahead, FLOW[:, 0], rtol=1e-7, atol=1e-8)
    times, later = double([0.0, 1.0]), double([0.0, 1.0])
    speed = torch.func.jvp(lambda t: odeint(turning, Z0, t, grad=mode)[-1], (times,), (later,))[1]
    torch.testing.assert_close(speed, TURN @ FLOW @ Z0, rtol=1e-6, atol=1e-7)

    def of_rate(k):
        return end(Z0, mode, lambda t, z: k * z)

    slope = torch.func.jvp(of_rate, (double(0.5),), (double(1.0),))[1]
    torch.testing.assert_close(slope, math.exp(0.5) * Z0, rtol=1e-6, atol=1e-7)


@MODE
def test_the_hessian_by_torch_func_is_that_of_the_square(mode):
    hessian = torch.func.hessian(lambda z: end(z, mode).square().sum())(Z0)
    torch.testing.assert_close(hessian, 2 * FLOW.T @ FLOW, rtol=1e-6, atol=1e-7)


@MODE
def test_vmap_over_a_solve_is_refused_and_over_the_inside_of_a_field_is_not(mode):
    with pytest.raises(SolverError, match=r"torch\.func\.vmap: give the batch an axis"):
        torch.func.vmap(lambda z: end(z, mode))(Z0.expand(3, 2))
    with pytest.raises(SolverError, match=r"torch\.func\.vmap"):
        torch.func.vmap(lambda k: end(Z0, mode, lambda t, z: k * z))(double([1.0, 2.0]))
    mapped = torch.func.vmap(lambda z: TURN @ z)
    found = end(Z0.expand(3, 2), mode, lambda t, z: mapped(z))
    torch.testing.assert_close(found, (FLOW @ Z0).expand(3, 2), rtol=1e-6, atol=1e-7)


@OWN
def test_batched_gradients_are_refused(mode):
    with pytest.raises(SolverError, match=r'Batched gradients .* grad="backprop" only'):
        torch.autograd.functional.jacobian(lambda z: end(z, mode), Z0, vectorize=True)


@MODE
def test_states_made_in_inference_mode_can_be_solved_and_trained_on(mode):
    field = Driven()
    with torch.inference_mode():
        z0, times = torch.ones(2, dtype=torch.float64), double([0.0, 1.0])
        inside = odeint(field, z0, times, grad=mode)
    outside = odeint(field, z0, times, grad=mode)
    assert torch.equal(inside, outside)
    outside[-1].sum().backward()
    assert field.k.grad.item() == pytest.approx(-math.exp(-0.5), rel=1e-6)


@MODE
@pytest.mark.parametrize("inside", [True, False])
def test_under_autocast_the_gradient_is_that_of_the_solve_in_lower_precision(mode, inside):
    def gradient(grad, autocast):
        torch.manual_seed(0)
        line, z0 = nn.Linear(8, 8), torch.linspace(-1, 1, 8)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            z = end(z0, grad, lambda t, z: line(z), params=line.parameters(), **GRID)
            assert z.dtype == torch.float32
            loss = z.square().sum()
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
        return line.weight.grad

    torch.testing.assert_close(gradient(mode, True), gradient(mode, False), rtol=0.05, atol=0.1)


# --- fields that change -----------------------------------------------------------------------


@MODE
@pytest.mark.parametrize("change", [set_attribute, set_buffer, set_data])
def test_a_field_changed_before_the_backward_pass_is_right_or_refused(mode, change):
    field = Driven()
    z = end(Z0, mode, field)
    change(field)
    if mode == "backprop" and change is set_attribute:
        (found,) = torch.autograd.grad(z.sum(), field.k)
        assert found.item() == pytest.approx(-0.5 * 3 * math.exp(-0.5), rel=1e-6)
    elif mode != "backprop":
        with pytest.raises(ChangedFieldError, match="field is not what it was in the solve"):
            torch.autograd.grad(z.sum(), field.k)


@OWN
def test_a_change_that_moves_no_state_is_noticed_by_the_attribute(mode):
    field = Driven(k=0.0)
    z = end(Z0, mode, field)
    field.u = 2.0
    with pytest.raises(ChangedFieldError, match=r"Driven\.u was changed"):
        torch.autograd.grad(z.sum(), field.k)


@OWN
def test_a_number_in_a_closure_that_changes_is_noticed(mode):
    held, rate = {"u": 0.5}, double(1.0).requires_grad_()
    z = end(Z0, mode, lambda t, z: -rate * held["u"] * z, params=[rate])
    held["u"] = 2.0
    with pytest.raises(ChangedFieldError, match="comes out differently"):
        torch.autograd.grad(z.sum(), rate)


@OWN
def test_a_field_that_counts_its_own_calls_is_not_taken_for_a_changed_one(mode):
    class Counting(Driven):
        calls = 0

        def forward(self, t, z):
            self.calls += 1
            return super().forward(t, z)

    field = Counting()
    first, second = end(Z0, mode, field), end(Z0, mode, field)
    (found,) = torch.autograd.grad((first + second).sum(), field.k)
    assert found.item() == pytest.approx(-3 * math.exp(-0.5), rel=1e-6)


@OWN
def test_a_switch_from_training_to_evaluation_in_between_is_refused(mode):
    field = Layers(nn.BatchNorm1d(3))
    z = end(batch(), mode, field, **GRID)
    field.eval()
    with pytest.raises(ChangedFieldError, match="training was changed"):
        z.sum().backward()


# --- fields that draw, and running statistics -------------------------------------------------


@pytest.mark.parametrize("method", ["euler", "rk4", "dopri5"])
def test_dropout_on_a_grid_is_drawn_again_as_it_was(method):
    def gradient(mode):
        field = Layers(nn.Dropout(0.5))
        torch.manual_seed(1)
        z = end(batch(), mode, field, method=method, options={"num_steps": 3})
        after = torch.rand(3)
        before = torch.get_rng_state()
        z.square().sum().backward()
        assert torch.equal(before, torch.get_rng_state())
        return field.net[0].weight.grad, after

    for found, wanted in zip(gradient("checkpoint"), gradient("backprop"), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-13)


def test_random_numbers_that_cannot_be_drawn_again_are_refused():
    generator, rate = torch.Generator().manual_seed(0), double(1.0).requires_grad_()

    def field(t, z):
        return rate * z * torch.rand((), generator=generator, dtype=torch.float64)

    z = end(Z0, "checkpoint", field, params=[rate], **GRID)
    with pytest.raises(ChangedFieldError, match="random numbers"):
        z.sum().backward()
    once = {"method": "euler", "options": {"num_steps": 1, "adjoint_num_steps": 100}}
    z = end(batch(), "adjoint", Layers(nn.Dropout(0.5)), **once)
    with pytest.raises(ChangedFieldError, match="random numbers"):
        z.sum().backward()


@MODE
@pytest.mark.parametrize("wrap", [lambda field: field, lambda field: lambda t, z: field(t, z)])
def test_running_statistics_move_once_whoever_holds_the_module(mode, wrap):
    def trained(grad):
        field = Layers(nn.BatchNorm1d(3))
        params = list(field.parameters())
        z = end(batch(), grad, wrap(field), params=params, method="euler", options={"num_steps": 3})
        norm = field.net[1]
        moved = copy.deepcopy(norm.state_dict())
        z.square().sum().backward()
        assert all(torch.equal(moved[name], x) for name, x in norm.state_dict().items())
        return moved, field.net[0].weight.grad

    moved, found = trained(mode)
    assert moved["num_batches_tracked"] == 3
    if mode == "checkpoint":
        torch.testing.assert_close(found, trained("backprop")[1], rtol=1e-10, atol=1e-12)


# --- fields that write in place ---------------------------------------------------------------


@MODE
@pytest.mark.parametrize("method", ["dopri5", "tsit5", "rk4", "heun"])
def test_a_field_that_fills_and_returns_one_buffer_is_solved(mode, method):
    buffer = torch.empty(2, dtype=torch.float64)

    def field(t, z):
        buffer[0], buffer[1] = z[1], -z[0]
        return buffer

    wanted = torch.linalg.matrix_exp(double([[0.0, 1.0], [-1.0, 0.0]])) @ Z0
    options = {"num_steps": 200} if method in ("rk4", "heun") else None
    found = end(Z0, mode, field, method=method, options=options)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    memory = buffer.numpy()

    def of_numpy(t, z):
        memory[0], memory[1] = z[1].item(), -z[0].item()
        return torch.from_numpy(memory)

    found = end(Z0, mode, of_numpy, method=method, options=options)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@MODE
def test_a_buffer_with_a_graph_gives_the_gradient_of_backpropagation(mode):
    rate = double(0.7).requires_grad_()
    held = []

    def field(t, z):
        if not held:
            held.append(torch.empty(2, dtype=torch.float64))
        held[0] = held[0].detach()
        held[0][0], held[0][1] = rate * z[0], -rate * z[1]
        return held[0]

    (found,) = torch.autograd.grad(end(Z0, mode, field, params=[rate]).sum(), rate)
    assert found.item() == pytest.approx(math.exp(0.7) - 2 * math.exp(-0.7), rel=1e-6)


@MODE
@pytest.mark.parametrize("wants", [True, False])
def test_a_field_that_changes_its_state_is_refused_and_the_state_stays(mode, wants):
    z0 = double([-0.5, 1.0]).requires_grad_(wants)
    field = Driven()

    def clamping(t, z):
        z.clamp_(min=0.0)
        return field(t, z)

    with pytest.raises(SolverError, match="changed its state in place"):
        end(z0, mode, clamping, params=[field.k])
    assert z0.tolist() == [-0.5, 1.0]


@MODE
def test_a_field_that_returns_its_state_or_a_view_of_it_is_solved(mode):
    torch.testing.assert_close(end(Z0, mode, lambda t, z: z), math.e * Z0, rtol=1e-6, atol=0)
    swapped = end(Z0, mode, lambda t, z: z.flip(0).view(2))
    wanted = torch.linalg.matrix_exp(double([[0.0, 1.0], [1.0, 0.0]])) @ Z0
    torch.testing.assert_close(swapped, wanted, rtol=1e-6, atol=1e-8)


# --- fields that differentiate ----------------------------------------------------------------


class Hamiltonian(nn.Module):
    """``dq/dt = H_p``, ``dp/dt = -H_q`` for the energy ``(a q^2 + b p^2) / 2``."""

    def __init__(self, way):
        super().__init__()
        self.way, self.ab = way, nn.Parameter(double([2.0, 0.5]))

    def energy(self, z):
        return (self.ab * z.square()).sum() / 2

    def forward(self, t, z):
        if self.way == "func":
            slope = torch.func.grad(self.energy)(z)
        else:
            with torch.enable_grad():
                z = z if z.requires_grad else z.clone().requires_grad_()
                (slope,) = torch.autograd.grad(self.energy(z), z, create_graph=True)
        return torch.stack((slope[1], -slope[0]))


@MODE
@pytest.mark.parametrize("way", ["autograd", "func"])
@pytest.mark.parametrize("wants", [True, False])
def test_a_field_that_differentiates_inside_gets_the_gradient_of_its_flow(mode, way, wants):
    field, z0 = Hamiltonian(way), Z0.clone().requires_grad_(wants)
    (found,) = torch.autograd.grad(end(z0, mode, field)[0], field.ab)

    def exact(ab):
        rates = double([[0.0, 1.0], [0.0, 0.0]]) * ab[1] - double([[0.0, 0.0], [1.0, 0.0]]) * ab[0]
        return (torch.linalg.matrix_exp(rates) @ Z0)[0]

    wanted = torch.autograd.functional.jacobian(exact, double([2.0, 0.5]))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
    field.requires_grad_(False)
    assert torch.equal(end(Z0, mode, field), end(z0, mode, field).detach())


# --- around the call --------------------------------------------------------------------------


@MODE
def test_a_hook_of_a_parameter_sees_the_whole_gradient_once(mode):
    field, seen = Driven(), []
    field.k.register_hook(lambda grad: seen.append(grad.item()) or 2 * grad)
    end(Z0, mode, field).sum().backward()
    assert seen == [pytest.approx(-1.5 * math.exp(-0.5), rel=1e-6)]
    assert field.k.grad.item() == pytest.approx(2 * seen[0])


@MODE
def test_a_backward_pass_in_another_thread_is_the_same(mode):
    field, found = Driven(), []
    z = end(Z0, mode, field)
    worker = threading.Thread(target=lambda: found.append(torch.autograd.grad(z.sum(), field.k)[0]))
    worker.start()
    worker.join()
    assert found[0].item() == pytest.approx(-1.5 * math.exp(-0.5), rel=1e-6)


@MODE
def test_results_and_costs_can_be_copied_and_saved(mode, tmp_path):
    field = Driven()
    solution = integrate(field, Z0, [0.0, 1.0], grad=mode)
    solution.z[-1].sum().backward()
    assert copy.deepcopy(solution.stats) == solution.stats
    torch.save(solution.z.detach(), tmp_path / "z.pt")
    assert torch.equal(torch.load(tmp_path / "z.pt", weights_only=True), solution.z)
    twin = copy.deepcopy(field)
    assert torch.equal(end(Z0, mode, twin), end(Z0, mode, field))


@MODE
@pytest.mark.parametrize("kind", [tuple, np.array, double])
def test_tolerances_by_component_hold_each_component_to_its_own(mode, kind):
    back = {"adjoint_rtol": 1e-6, "adjoint_atol": 1e-9} if mode == "adjoint" else None
    rates = double([-1.0, -30.0])

    def solved(atol):
        return integrate(
            lambda t, z: rates * z, Z0, [0.0, 1.0], rtol=0, atol=atol, grad=mode, options=back
        )

    loose, mixed, tight = solved(1e-2), solved(kind([1e-8, 1e-2])), solved(1e-8)
    assert loose.stats.accepted < mixed.stats.accepted < tight.stats.accepted
    assert torch.equal(solved(kind([1e-8, 1e-8])).z, tight.z)


@MODE
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rtol": -1.0}, "rtol must be finite and at least 0"),
        ({"rtol": None}, "rtol must hold real numbers, not NoneType"),
        ({"atol": 0.0}, "atol must be finite and positive"),
        ({"atol": "small"}, "atol must hold real numbers, not str"),
        ({"t": None}, "times t must hold real numbers, not NoneType"),
        ({"t": torch.tensor([0j, 1 + 2j])}, r"real numbers, not torch\.complex64"),
        ({"t": [0, 1j]}, "real numbers, not list"),
        ({"t": [[0.0], [1.0, 2.0]]}, "must hold real numbers"),
        ({"t": 1.0}, r"shape \(n,\)"),
        ({"t": []}, r"shape \(n,\)"),
        ({"t": torch.empty(2, device="meta")}, "device meta"),
        ({"t": torch.tensor([1.0, 1.0 + 1e-9])}, r"t\[0\] and t\[1\] are both 1 in torch.float32"),
        ({"z0": torch.ones(2, device="meta")}, "device meta, without values"),
        ({"z0": torch.ones(2, dtype=torch.complex64)}, "view_as_real"),
        ({"z0": torch.ones(2, dtype=torch.int64)}, r"float32 or float64 tensor, not torch\.int64"),
        ({"z0": torch.ones(2, dtype=torch.bfloat16)}, "float32 or float64"),
        ({"z0": torch.eye(2).to_sparse()}, "layout torch.sparse_coo"),
        ({"z0": np.ones(2)}, "not ndarray"),
        ({"z0": ()}, "empty tuple"),
        ({"f": 3}, r"function f\(t, z\), not int"),
        ({"options": {"first_step": torch.ones(2)}}, "first_step must be a positive number"),
    ],
)
def test_what_cannot_be_solved_is_refused_with_its_name(mode, arguments, message):
    call = {"f": turning, "z0": Z0, "t": [0.0, 1.0], "grad": mode} | arguments
    if mode == "adjoint" and "rtol" in arguments | {"atol": 0}:
        message = message.replace("rtol", "(adjoint_)?rtol")
    with pytest.raises(SolverError, match=message):
        odeint(**call)


def test_tolerances_by_component_are_refused_where_they_do_not_fit():
    with pytest.raises(SolverError, match=r"atol has shape \(3,\), which does not broadcast"):
        end(Z0, "checkpoint", atol=[1e-6] * 3)
    with pytest.raises(SolverError, match="adjoint_atol must be one number"):
        end(Z0.clone().requires_grad_(), "adjoint", atol=[1e-6] * 2)


@MODE
def test_times_of_any_kind_of_number_are_taken(mode):
    wanted = odeint(turning, Z0, double([0.0, 1.0, 2.0]), grad=mode)
    series = pd.Series([0.0, 1.0, 2.0], index=[5, 6, 7])
    for times in (range(3), [0, 1, 2], np.arange(3), torch.arange(3), series, torch.arange(3.0)):
        assert torch.equal(odeint(turning, Z0, times, grad=mode), wanted)


@MODE
@pytest.mark.parametrize("layout", [lambda x: x.mT, lambda x: x[:1].expand(4, 3), lambda x: x[::2]])
def test_the_layout_of_the_state_in_memory_does_not_matter(mode, layout):
    values = layout(torch.linspace(0, 1, 12, dtype=torch.float64).view(4, 3))
    laid, plain = values.requires_grad_(), values.detach().contiguous().requires_grad_()
    ends = [end(x, mode, lambda t, z: torch.sin(z)) for x in (laid, plain)]
    assert torch.equal(*ends)
    found = [torch.autograd.grad(z.square().sum(), x)[0] for z, x in zip(ends, (laid, plain))]  # noqa: B905
    assert torch.equal(*found)
