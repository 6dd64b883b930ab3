"""Compiled solves: what they give, what they refuse, and when they are compiled again."""

import math
import shutil

import pytest
import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from nodelib.errors import ChangedFieldError, SolverError
from nodelib.ode import compilation, compiled, dense, tableaus
from nodelib.ode.compilation import Stopwatch
from nodelib.ode.gradients import integrate, odeint
from nodelib.ode.steps import combine, runge_kutta_step

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None, reason="no C++ compiler g++: nothing can be compiled"
)

TIMES = torch.linspace(0.0, 6.0, 9, dtype=torch.float64)
TIGHT = {"rtol": 1e-6, "atol": 1e-8}


class Network(nn.Module):
    """A small field that depends on the time and on a number."""

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.inner = nn.Linear(3, 8, dtype=dtype)
        self.outer = nn.Linear(8, 2, dtype=dtype)
        self.scale = 3.0

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field."""
        clock = t.expand(*z.shape[:-1], 1)
        return self.scale * self.outer(torch.tanh(self.inner(torch.cat((z, clock), -1))))

    def halved(self, t: Tensor, z: Tensor) -> Tensor:
        """Half of it."""
        return self(t, z) / 2


class Pair(nn.Module):
    """An oscillator whose place and velocity are two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.stiffness = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def forward(self, t: Tensor, z: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The field."""
        return z[1], -self.stiffness * z[0]


def start(seed: int = 0, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, generator=generator, dtype=torch.float64)


def differentiated(f, z0, t, leaves, *, outputs=slice(None), **settings):
    """A solve, and the gradients in its start, its times and the leaves."""
    z0, t = z0.clone().requires_grad_(), t.clone().requires_grad_()
    solution = integrate(f, z0, t, **settings)
    z = solution.z[outputs]
    weights = torch.linspace(0.5, 1.0, z.numel(), dtype=z.dtype).reshape(z.shape)
    return solution, torch.autograd.grad((weights * z.square()).sum(), (z0, t, *leaves))


def both(f, z0, t, leaves, **settings):
    """The same compiled and not; the second on the steps of the first."""
    options = dict(settings.pop("options", {}))
    on_grid = {"num_steps", "step_size"} & set(options)
    plain = options if on_grid else {**options, "land": False}
    return (
        differentiated(f, z0, t, leaves, compile=True, options=options, **settings),
        differentiated(f, z0, t, leaves, options=plain, **settings),
    )


def assert_alike(one, other):
    (solution, grads), (wanted, expected) = one, other
    assert solution.stats.accepted == wanted.stats.accepted
    assert solution.stats.rejected == wanted.stats.rejected
    torch.testing.assert_close(solution.z, wanted.z, rtol=1e-12, atol=1e-13)
    for found, right in zip(grads, expected, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-10, atol=1e-12)


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Loops that record few steps, so that a solve takes several."""
    monkeypatch.setattr(compiled, "MOST", 8)


@pytest.fixture(scope="module")
def network():
    return Network()


def test_an_adaptive_solve_and_its_gradients_are_those_of_the_uncompiled_one(network):
    pair = both(network, start(), TIMES, list(network.parameters()), **TIGHT)
    assert_alike(*pair)
    (solution, _), _ = pair
    assert solution.stats.compiling > 0
    assert solution.backward[0].compiling > 0
    assert solution.stats.nfe == pair[1][0].stats.nfe
    assert solution.stats.accepted > 8


@pytest.mark.parametrize(
    ("times", "tolerances"),
    [(0.5 * TIMES + 1.0, TIGHT), (TIMES[:5], {"rtol": 1e-4, "atol": 1e-4}), (TIMES.flip(0), TIGHT)],
    ids=["other times", "fewer times, other tolerances", "backwards"],
)
def test_other_contents_times_and_tolerances_are_not_compiled_again(network, times, tolerances):
    leaves = list(network.parameters())
    differentiated(network, start(), TIMES, leaves, compile=True, **TIGHT)
    other = Network(seed=1)
    with torch.no_grad():
        for mine, new in zip(leaves, other.parameters(), strict=True):
            mine.copy_(new)
    pair = both(network, start(seed=1), times, leaves, **tolerances)
    assert_alike(*pair)
    assert pair[0][0].stats.compiling == 0
    assert pair[0][0].backward[0].compiling == 0


def test_outputs_that_no_loss_looks_at_cost_nothing_backwards(network):
    leaves, first = list(network.parameters()), slice(0, 3)
    pair = [
        differentiated(network, start(), TIMES, leaves, outputs=first, **TIGHT, **way)
        for way in ({"compile": True}, {"options": {"land": False}})
    ]
    assert_alike(*pair)
    assert pair[0][0].backward[0].accepted == pair[1][0].backward[0].accepted
    assert pair[0][0].backward[0].accepted < pair[0][0].stats.accepted


@pytest.mark.parametrize(
    ("method", "options"),
    [("midpoint", {"step_size": 0.17}), ("bosh3", {"num_steps": 4})],
)
def test_fixed_grids(network, method, options):
    leaves = list(network.parameters())
    assert_alike(*both(network, start(), TIMES, leaves, method=method, options=options))


def test_another_adaptive_method_in_single_precision():
    f = Network(dtype=torch.float32)
    leaves, z0 = list(f.parameters()), start().float()
    (found, grads), (wanted, expected) = both(
        f, z0, TIMES[:4], leaves, method="bosh3", rtol=1e-3, atol=1e-4
    )
    assert found.stats.accepted == wanted.stats.accepted
    torch.testing.assert_close(found.z, wanted.z, rtol=1e-5, atol=1e-5)
    for one, other in zip(grads, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_a_method_and_a_frozen_parameter():
    f = Network()
    f.inner.bias.requires_grad_(False)
    leaves = [p for p in f.parameters() if p.requires_grad]
    grid = {"method": "euler", "options": {"num_steps": 3}}
    assert_alike(*both(f.halved, start(), TIMES[:3], leaves, **grid))


def test_a_state_that_is_a_tuple():
    f = Pair()
    z0 = (torch.ones(2, 1, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64))
    found = []
    for way in ({"compile": True}, {"options": {"land": False}}):
        place, velocity = odeint(f, z0, TIMES, method="bosh3", rtol=1e-4, atol=1e-5, **way)
        (slope,) = torch.autograd.grad((place + velocity.square()).sum(), f.parameters())
        found.append((place, slope))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_a_function_without_parameters_and_without_gradient():
    z0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    settings = {"method": "bosh3", "rtol": 1e-8, "atol": 1e-8}
    with torch.no_grad():
        z = odeint(rotation, z0, [0.0, math.pi / 2, math.pi], compile=True, **settings)
    wanted = torch.tensor([[1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(z, wanted, rtol=0, atol=1e-6)


def rotation(t: Tensor, z: Tensor) -> Tensor:
    """A rotation in the plane."""
    return torch.stack((z[1], -z[0]))


def test_one_time_is_the_state(network):
    z0 = start().requires_grad_()
    z = odeint(network, z0, TIMES[:1], compile=True)
    assert torch.equal(z[0], z0)
    assert torch.autograd.grad(z.sum(), z0)[0].eq(1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grad": "adjoint"}, 'compile=True is for grad="checkpoint"'),
        ({"options": {"land": True}}, "without land=True"),
        ({"params": [torch.ones(2, requires_grad=True)]}, "parameters of that module"),
        ({"options": {"max_steps": 3}}, "max_steps = 3 used up at t = "),
        ({"rtol": -1.0}, "rtol must be finite"),
        ({"options": {"first_step": -1.0}}, "first_step must be a positive number"),
    ],
)
def test_what_is_refused(network, settings, message):
    with pytest.raises(SolverError, match=message):
        odeint(network, start().requires_grad_(), TIMES, compile=True, **TIGHT | settings)


def test_autocast_is_refused(network):
    with torch.autocast("cpu"), pytest.raises(SolverError, match="autocast"):
        odeint(network, start(), TIMES, compile=True)


def test_a_field_that_draws_is_refused():
    mask = nn.Dropout(0.5)
    with pytest.raises(SolverError, match="draws random numbers"):
        odeint(lambda t, z: mask(z), start().requires_grad_(), TIMES, compile=True)


def test_a_field_that_no_compiler_takes_is_refused():
    def branching(t, z):
        return -z if float(z.sum()) > 0 else z

    with pytest.raises(SolverError, match="cannot be compiled as one piece"):
        odeint(branching, start(), TIMES[:2], compile=True)


@pytest.mark.parametrize(
    ("method", "options"), [("bosh3", {}), ("euler", {"num_steps": 40})], ids=["adaptive", "grid"]
)
def test_a_state_that_runs_away_is_told(method, options):
    def squared(t, z):
        return 4 * z * z.abs()

    words = "overflowed|Step underflow|NaN or Inf|used up"
    with pytest.raises(SolverError, match=words):
        odeint(squared, 1 + start().abs(), TIMES[:2], compile=True, method=method, options=options)


def test_a_field_that_has_changed_is_refused(network):
    z0 = start().requires_grad_()
    z = odeint(network, z0, TIMES, compile=True, **TIGHT)
    network.scale = 2.0
    try:
        with pytest.raises(ChangedFieldError, match=r"Network\.scale was changed"):
            z.sum().backward()
    finally:
        network.scale = 3.0


def test_a_closure_that_has_changed_is_refused():
    rate = [1.0]

    def decay(t, z):
        return -rate[0] * z

    z0 = start().requires_grad_()
    z = odeint(decay, z0, TIMES[:2], compile=True, method="euler", options={"num_steps": 3})
    rate[0] = 2.0
    with pytest.raises(ChangedFieldError, match="ends elsewhere"):
        z.sum().backward()


def test_without_a_compiler_there_is_a_warning_and_the_same_solve(monkeypatch):
    f = Network(seed=5)
    f.scale = 1.2345  # compiled nowhere else, so that no cache has it
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(Stopwatch, "no_compiler", False)
    absent = inductor.patch({"cpp.cxx": (None, "no-such-compiler")})
    with absent, pytest.warns(UserWarning, match=r"finds no C\+\+ compiler") as caught:
        found = [
            odeint(f, start().requires_grad_(), TIMES, compile=True, **TIGHT) for _ in range(2)
        ]
    assert len(caught) == 1
    assert Stopwatch.no_compiler
    for z in found:
        assert torch.equal(z, odeint(f, start(), TIMES, **TIGHT))


def test_a_pytorch_that_is_too_old_is_told(network, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    monkeypatch.setattr(Stopwatch, "no_compiler", False)
    with pytest.warns(
        UserWarning, match=r"PyTorch 2\.9\.1\+cpu compiles no such loops \(2\.13 does"
    ):
        z = odeint(network, start(), TIMES, compile=True, **TIGHT)
    assert torch.equal(z, odeint(network, start(), TIMES, **TIGHT))


def test_a_state_elsewhere_than_on_a_processor_is_refused(network):
    elsewhere = torch.empty(3, 2, device="meta")
    with pytest.raises(SolverError, match="states on a processor, and this one is on meta"):
        compiled.solve_compiled(network, elsewhere, TIMES, (), {"method": "dopri5"})


def test_what_passed_once_is_tried_again_when_it_has_changed():
    f, outer = Network(seed=2), nn.Parameter(torch.ones((), dtype=torch.float64))
    f.factor = outer.detach()
    f.forward = lambda t, z: f.factor * Network.forward(f, t, z)
    z0 = start().requires_grad_()
    odeint(f, z0, TIMES, compile=True, **TIGHT)
    object.__setattr__(f, "factor", outer)
    for _ in range(2):
        with pytest.raises(SolverError, match="depends on a tensor of shape"):
            odeint(f, z0, TIMES, compile=True, **TIGHT)


def test_a_slope_that_is_no_number_is_told_also_of_a_field_that_is_trusted():
    def root(t, z):
        return torch.sqrt(z)

    settings = {"compile": True, "method": "bosh3", **TIGHT}
    odeint(root, start().abs(), TIMES[:2], **settings)
    with pytest.raises(SolverError, match="the field returned NaN or Inf"):
        odeint(root, -start().abs(), TIMES[:2], **settings)


class Clipped(torch.autograd.Function):
    """A bound whose gradient goes on as if there were none."""

    @staticmethod
    def forward(ctx, z):
        """The bound."""
        return z.clamp(-0.5, 0.5)

    @staticmethod
    def backward(ctx, grad):
        """As if there were none."""
        return grad


class Counting(nn.Module):
    """A field that counts its evaluations in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field."""
        self.count.add_(1)
        return -z * torch.cos(self.count)


def test_a_field_with_a_gradient_of_its_own_is_refused():
    z0 = start().requires_grad_()
    with pytest.raises(SolverError, match="ClippedBackward"):
        odeint(lambda t, z: Clipped.apply(z), z0, TIMES[:2], compile=True)


@pytest.mark.parametrize("grad", [True, False])
def test_a_field_that_changes_what_it_reads_is_refused_and_put_back(grad):
    f = Counting()
    with torch.set_grad_enabled(grad), pytest.raises(SolverError, match=r"changes Counting\.count"):
        odeint(f, start().requires_grad_(grad), TIMES[:2], compile=True)
    assert f.count == 0
    seen = torch.zeros((), dtype=torch.float64)
    with pytest.raises(SolverError, match="changes a tensor when it is evaluated"):
        odeint(lambda t, z: -z * seen.add_(1), start(), TIMES[:2], compile=True)


def test_what_is_set_for_the_compiler_is_set_back_also_after_an_error():
    from torch._dynamo import config

    def broken(x):
        print(x.sum().item())
        return (x,)

    before = config.skip_nnmodule_hook_guards
    assert before
    with pytest.raises(torch._dynamo.exc.TorchDynamoException):
        compilation.called(broken, torch.ones(2))
    assert config.skip_nnmodule_hook_guards == before


def test_hooks_are_noticed():
    f, z0 = Network(seed=4), start()
    plain = odeint(f, z0, TIMES, compile=True, **TIGHT)
    hook = f.inner.register_forward_hook(lambda module, given, value: 2 * value)
    found = odeint(f, z0, TIMES, compile=True, **TIGHT)
    torch.testing.assert_close(found, odeint(f, z0, TIMES, **TIGHT), rtol=1e-4, atol=1e-4)
    hook.remove()
    torch.testing.assert_close(odeint(f, z0, TIMES, compile=True, **TIGHT), plain)


def test_a_step_whose_length_is_no_number_is_told():
    z0, settings = torch.full((2,), 1e15), {"rtol": 0.0, "atol": 1e-9, "method": "bosh3"}
    with pytest.raises(SolverError, match="The length of the step at t = 0 is nan"):
        odeint(lambda t, z: -z, z0, [0.0, 1.0], compile=True, **settings)


def test_a_state_without_numbers():
    z0 = torch.zeros(0, 2, dtype=torch.float64, requires_grad=True)
    z = odeint(lambda t, z: -z, z0, TIMES, compile=True, method="bosh3", **TIGHT)
    assert z.shape == (len(TIMES), 0, 2)
    assert torch.autograd.grad(z.sum(), z0)[0].shape == (0, 2)


def test_the_way_back_under_autocast_is_the_way_back():
    f, z0 = Network(dtype=torch.float32), start().float().requires_grad_()
    found = []
    for enabled in (False, True):
        z = odeint(f, z0, TIMES, compile=True, method="bosh3", rtol=1e-3, atol=1e-4)
        with torch.autocast("cpu", enabled=enabled):
            found.append(torch.autograd.grad(z.square().sum(), z0)[0])
    assert torch.equal(*found)


def test_a_first_step_that_is_given_and_many_outputs(network):
    leaves, times = list(network.parameters()), torch.linspace(0.0, 6.0, 150, dtype=torch.float64)
    assert_alike(*both(network, start(), times, leaves, options={"first_step": 0.01}, **TIGHT))


@pytest.mark.parametrize("name", ["dopri5", "tsit5", "bosh3"])
def test_the_polynomial_of_a_step_from_its_ends_and_sums(name):
    tableau, z = tableaus.find(name), start()[0]
    after, stages = runge_kutta_step(lambda t, z: torch.sin(t * z), tableau, 0.3, 0.4, z)
    shares = torch.tensor([0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
    sums = [combine(weights, stages, 1.0) for weights in dense.bumps(tableau)]
    parts = torch.stack([z, stages[0], *sums, after, stages[-1]])
    lengths = torch.full((4,), 0.4, dtype=torch.float64)
    found = dense.weights_between(shares, lengths, len(parts)) @ parts
    wanted = dense.inside(tableau, shares, 0.4, z, stages)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-13)
    assert len(sums) == {"dopri5": 2, "tsit5": 1, "bosh3": 0}[name]
