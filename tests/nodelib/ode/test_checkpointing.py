import weakref

import pytest
import torch
from ode_problems import double, problem

from nodelib.ode import checkpointing
from nodelib.ode.gradients import integrate, odeint
from nodelib.ode.solvers import solve
from nodelib.ode.tableaus import TABLEAUS


def saved(solve):
    """The tensors that the graph of a solve has saved and still keeps, and its result."""
    packed = []

    def pack(tensor):
        kept = tensor.detach()
        packed.append(weakref.ref(kept))
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = solve()
    return [tensor for ref in packed if (tensor := ref()) is not None], result


def saved_bytes(mode, num_steps, outputs=2, method="rk4"):
    """Bytes that the graph of a solve of a batch of 50 states keeps when the solve is done."""
    field, _, _ = problem("forced")
    z0 = torch.ones(50, 2, dtype=torch.float64, requires_grad=True)
    t = torch.linspace(0.0, 1.0, outputs, dtype=torch.float64)
    options = {"num_steps": num_steps}
    kept, z = saved(lambda: odeint(field, z0, t, method=method, options=options, grad=mode))
    assert z.requires_grad
    return sum(tensor.numel() * tensor.element_size() for tensor in kept)


def test_memory_grows_by_one_state_a_step():
    state = 50 * 2 * 8
    few, many = saved_bytes("checkpoint", 10), saved_bytes("checkpoint", 100)
    assert many - few == 90 * state
    assert few == 10 * state + 2 * 8 + 2 * 8  # the states, the times, the parameter
    assert saved_bytes("backprop", 100) - saved_bytes("backprop", 10) > 8 * (many - few)


def test_memory_of_the_adjoint_is_that_of_the_outputs_whatever_the_steps():
    assert saved_bytes("adjoint", 10) == saved_bytes("adjoint", 1000) < saved_bytes("checkpoint", 3)
    assert saved_bytes("adjoint", 10, outputs=5) - saved_bytes("adjoint", 10) == 3 * (800 + 8)


def test_the_states_of_the_forward_pass_can_be_moved_away_and_back():
    field, z0, t = problem("forced")
    plain = odeint(field, z0, t)
    moved = []

    def away(tensor):
        moved.append(tensor.detach().numpy().copy())
        return len(moved) - 1

    with torch.autograd.graph.saved_tensors_hooks(away, lambda i: torch.from_numpy(moved[i])):
        hooked = odeint(field.requires_grad_(False), z0, t)
    wanted, got = (torch.autograd.grad(z.sin().sum(), (z0, t))[:2] for z in (plain, hooked))
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))
    assert len(moved) > 10


@pytest.mark.parametrize("method", TABLEAUS)
def test_every_accepted_step_is_redone_once_and_no_rejected_one(method):
    field, z0, t = problem("lotka_volterra")
    tolerances = {"rtol": 1e-3, "atol": 1e-3, "options": {"first_step": 1.0}}
    solution = integrate(field, z0, t, method=method, **tolerances)
    solution.z.sum().backward()
    (back,) = solution.backward
    tableau = TABLEAUS[method]
    assert (back.accepted, back.rejected) == (solution.stats.accepted, 0)
    inside = 1 if tableau.embedded else 0  # the polynomial of a step needs its last stage, too
    assert back.nfe == back.accepted * (tableau.stages - tableau.fsal) + inside
    assert (solution.stats.rejected > 0) == (tableau.embedded is not None)


def test_the_field_is_asked_again_where_it_was_asked_before_from_the_end():
    asked = []

    def field(t, z):
        asked.append((float(t), float(z.detach())))
        return torch.sin(t) * z

    z0 = double(1.0).requires_grad_()
    z = odeint(field, z0, [0.0, 1.0, 3.0], method="rk4", options={"num_steps": 2})
    forward = asked.copy()
    asked.clear()
    z.sum().backward()
    steps = [forward[i : i + 4] for i in range(0, len(forward), 4)]
    assert asked == [call for step in reversed(steps) for call in step]


def test_gradients_of_time_come_from_the_grid_that_stretches_with_its_interval():
    # One Euler step: z1 = z0 + (t1 - t0) f(t0, z0), so everything is known by hand.
    t = double([0.5, 0.8]).requires_grad_()
    z = odeint(lambda t, z: t * z, double(2.0), t, method="euler")
    (gradient,) = torch.autograd.grad(z[1], t)
    torch.testing.assert_close(gradient, double([-0.5 * 2 + 0.3 * 2, 0.5 * 2]))


def test_the_last_output_that_matters_is_found():
    grad = torch.zeros(4, 2, 3)
    assert checkpointing.last_touched(grad) == 0
    grad[2, 1, 1] = -0.0
    assert checkpointing.last_touched(grad) == 0
    grad[1, 0, 0] = 1.0
    assert checkpointing.last_touched(grad) == 1
    grad[3, 0, 0] = torch.nan
    assert checkpointing.last_touched(grad) == 3


def test_the_state_that_is_stored_is_the_one_the_step_began_with():
    field, z0, t = problem("forced")
    steps = solve(field, z0.detach(), t.detach(), record_steps=True).steps
    kept, _ = saved(lambda: odeint(field, z0, t))
    for state, tensor in zip((step.z for step in steps), kept[2:], strict=True):
        assert torch.equal(state, tensor)


def test_checks_for_finite_values_keep_nothing_for_backpropagation():
    z0 = torch.ones(50, dtype=torch.float64, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x), x)[1], lambda x: x):
        odeint(lambda t, z: -z, z0, [0.0, 1.0], method="euler", grad="backprop")
    assert kept == []
