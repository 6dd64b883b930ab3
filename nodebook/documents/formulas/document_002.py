"""Document 002, sections 1 to 4: a = dL/dz.

Its Euler recurrences are written for the interval [0, 1], "without loss of generality": they are
evaluated on the system with its time scaled to that interval, and their value is the limit of ever
finer grids, by Richardson extrapolation. Its backpropagation, equations 4 and 5, is evaluated on a
stack of eight Euler blocks, each with parameters of its own.
"""

import functools

import torch
from torch import Tensor

from nodebook.documents.formulas import blocks, document_002_lagrangian
from nodebook.documents.formulas.system import TIGHT, System, loss, loss_gradient, times_matrix
from nodebook.documents.formulas.verdicts import Evaluation, Formula
from nodelib.ode.solvers import solve

GRIDS = (32, 64, 128, 256, 512, 1024)
BLOCKS = 8


@functools.lru_cache(maxsize=4)
def _network(s: System) -> tuple[blocks.Blocks, Tensor]:
    """Eight blocks with parameters of their own, and the loss's gradient in them (8, 2).

    The gradient is by forward-mode differentiation, which goes from the first block to the last.
    """
    thetas = s.theta + 0.3 * s.smooth(2)[:: len(s.t) // BLOCKS][:BLOCKS]

    def network_loss(parameters: Tensor) -> Tensor:
        return loss(blocks.states(s, parameters, s.z0)[-1])

    return blocks.run(s, thetas), torch.func.jacfwd(network_loss)(thetas)


def backprop_last_block(s: System) -> Evaluation:
    """Equation 4: two factors."""
    network, gradient = _network(s)
    return Evaluation(network.loss_gradient @ network.by_theta[-1], gradient[-1])


def backprop_every_block(s: System) -> Evaluation:
    """Equation 5 for every block but the last, its factors in the order printed."""
    network, gradient = _network(s)
    printed = []
    for i in range(BLOCKS - 1):
        product = network.loss_gradient
        for later in range(BLOCKS - 1, i, -1):
            product = product @ network.by_state[later]
        printed.append(product @ network.by_theta[i])
    return Evaluation(torch.stack(printed), gradient[:-1])


def block_times(s: System) -> Evaluation:
    """The loss of z(t_1) for t_1 = T - 1, the start of the block, against that of h(T)."""
    return Evaluation(loss(s.z[0]), s.loss, corrected=loss(s.z[-1]))


def forward_state(s: System) -> Evaluation:
    """The state at the end of the printed interval [t1, t2], against the output of the block."""
    t0, t1 = s.inputs.t0, s.inputs.t1
    z = solve(s.field, s.z0, [t0, t1, t1 + (t1 - t0)], **TIGHT).z
    return Evaluation(z[2], s.z[-1], corrected=z[1])


def z0_from_adjoint(s: System) -> Evaluation:
    """a(t0) from the problem as printed."""
    a = s.solve_back(lambda t, z, y: -y @ s.field.jacobian_z(t, z), s.loss_z)
    return Evaluation(a[0], s.gradients["z0"])


def theta_gradient(s: System) -> Evaluation:
    """Minus the integral from t1 to t0."""
    return Evaluation(s.integral(times_matrix(s.adjoint, s.f_theta)), s.gradients["theta"])


def theta_initial_value_problem(s: System) -> Evaluation:
    """The problem solved together with that for a(t), at t0."""

    def right(t: Tensor, z: Tensor, both: Tensor) -> Tensor:
        a = both[:2]
        return torch.cat((-a @ s.field.jacobian_z(t, z), -a @ s.field.jacobian_theta(t, z)))

    end = torch.cat((s.loss_z, torch.zeros_like(s.theta)))
    return Evaluation(s.solve_back(right, end)[0, 2:], s.gradients["theta"])


def theta_integral(s: System) -> Evaluation:
    """Minus the integral from t1 to t, at every t."""
    printed = -s.integral_from_end(times_matrix(s.adjoint, s.f_theta))
    return Evaluation(printed, s.loss_theta_from)


def theta_at_start(s: System) -> Evaluation:
    """dL/dtheta(t) at t0."""
    return Evaluation(s.loss_theta_from[0], s.gradients["theta"])


@functools.lru_cache(maxsize=16)
def euler_recurrences(s: System, grid: int) -> dict[str, Tensor]:
    """Forward and backward Euler passes with n = ``grid``, to a(0) and dL/dtheta(0).

    "z" is the forward pass, z(1); "a" and "theta" are the recurrences with z(1 - (i-1)/n) in both;
    "theta_printed" has z and time at (i-1)/n, as printed.
    """
    span = s.t[-1] - s.t[0]
    times = s.t[0] + torch.arange(grid + 1, dtype=torch.float64) / grid * span
    points = [s.z0]
    for t in times[:-1]:
        points.append(points[-1] + span / grid * s.field(t, points[-1]))
    z = torch.stack(points)
    step_z = span / grid * s.field.jacobian_z(times, z)
    step_theta = span / grid * s.field.jacobian_theta(times, z)
    a = loss_gradient(z[-1])
    theta = printed = torch.zeros_like(s.theta)
    for i in range(1, grid + 1):
        printed = printed + a @ step_theta[i - 1]
        theta = theta + a @ step_theta[grid - (i - 1)]
        a = a + a @ step_z[grid - (i - 1)]
    return {"z": z[-1], "a": a, "theta": theta, "theta_printed": printed}


def _limit(s: System, name: str) -> Tensor:
    """Richardson extrapolation of a recurrence over grids that double (Romberg's scheme)."""
    row: list[Tensor] = []
    for grid in GRIDS:
        new = [euler_recurrences(s, grid)[name]]
        for k, old in enumerate(row, start=1):
            new.append(new[-1] + (new[-1] - old) / (2**k - 1))
        row = new
    return row[-1]


def euler_forward(s: System) -> Evaluation:
    """h(t + 1) in the limit of fine grids, from the n steps i = 0 ... n - 1."""
    return Evaluation(_limit(s, "z"), s.z[-1])


def euler_a_first(s: System) -> Evaluation:
    """The increment of the first step over its length, against -da/dt at the end."""
    return Evaluation(s.loss_z @ s.f_z[-1], -s.derivative(s.adjoint)[-1])


def euler_theta_first(s: System) -> Evaluation:
    """The increment of the first step over its length, against the derivative at the end."""
    return Evaluation(s.loss_z @ s.f_theta[-1], -s.derivative(s.loss_theta_from)[-1])


def euler_a_step(s: System) -> Evaluation:
    """a(0) in the limit of fine grids."""
    return Evaluation(_limit(s, "a"), s.gradients["z0"])


def euler_theta_step(s: System) -> Evaluation:
    """dL/dtheta(0) in the limit of fine grids."""
    return Evaluation(
        _limit(s, "theta_printed"), s.gradients["theta"], corrected=_limit(s, "theta")
    )


def backward_state(s: System) -> Evaluation:
    """The state at the far end of the printed interval [t1, t2], against z(t0)."""
    t0, t1 = s.inputs.t0, s.inputs.t1
    literal = solve(s.field, s.z[-1], [t1, t1 + (t1 - t0)], **TIGHT).z[-1]
    meant = solve(s.field, s.z[-1], [t1, t0], **TIGHT).z[-1]
    return Evaluation(literal, s.z0, corrected=meant)


_IVP = (
    r"a'(t) = -a(t)^T \frac{\partial f}{\partial z},\quad "
    r"a(t_1) = \frac{\partial\mathcal L}{\partial z}(t_1)"
)
_THETA = (
    r"\frac{d\mathcal L}{d\theta} = -\int_{t_1}^{t_0} a(t)^T \frac{\partial f}{\partial\theta}\,dt"
)

FORMULAS = (
    Formula(
        "002-backprop-eq4",
        "section 1, equation 4",
        r"\nabla_{\theta_{T-1}} \mathcal L = \frac{\partial\mathcal L}{\partial h_T}"
        r"\frac{\partial g_{T-1}(h_{T-1}, \theta_{T-1})}{\partial\theta_{T-1}}",
        "the gradient in the parameters of the last of eight blocks",
        backprop_last_block,
    ),
    Formula(
        "002-backprop-eq5",
        "section 1, equation 5",
        r"\nabla_{\theta_i} \mathcal L = \frac{\partial\mathcal L}{\partial h_T}"
        r"\frac{\partial g_{T-1}}{\partial h_{T-1}}\frac{\partial g_{T-2}}{\partial h_{T-2}}"
        r"\cdots\frac{\partial g_i}{\partial\theta_i}",
        "the gradients in the parameters of the other blocks",
        backprop_every_block,
    ),
    Formula(
        "002-euler-forward-eq8",
        "section 3, equation 8",
        r"h(t + \tfrac{i+1}n) = h(t + \tfrac in) + \tfrac1n f(h(t + \tfrac in), t + \tfrac in, "
        r"\theta),\quad i = \overline{0, n}",
        "h(t + 1), as n grows",
        euler_forward,
        note="The steps that reach h(t + 1) are i = 0 ... n − 1; i = n goes one step further.",
    ),
    Formula(
        "002-block-times",
        "section 4, change of notation",
        r"t_1 = T - 1,\ t_2 = T,\quad \mathcal L(z(t_1)) = \mathcal L(h(T))",
        "the loss of z(t1), with t1 as listed",
        block_times,
        correction=r"t_0 = T - 1,\ t_1 = T,\quad \mathcal L(z(t_1)) = \mathcal L(h(T))",
        note=(
            "Indices only: everywhere else the document calls the ends t0 and t1. The intervals "
            "[t1, t2] of problem (*) and of the second problem (***) are the same slip."
        ),
    ),
    Formula(
        "002-forward-state-ivp",
        "section 4, problem (*)",
        r"z'(t) = f(z, t, \theta),\ t \in [t_1, t_2],\quad z(t_0) = z_0",
        "the state at the end of the interval, the output",
        forward_state,
        correction=r"z'(t) = f(z, t, \theta),\ t \in [t_0, t_1],\quad z(t_0) = z_0",
        note=(
            "Interval only: it does not contain t0. The text goes on with z(t1), which is the "
            "right output."
        ),
    ),
    Formula("002-adjoint-ivp", "section 4, problem (**)", _IVP, "dL/dz(t0)", z0_from_adjoint),
    Formula("002-theta-gradient-eq9", "section 4, equation 9", _THETA, "dL/dθ", theta_gradient),
    Formula(
        "002-theta-ivp",
        "section 4, problem (***)",
        r"\left(\frac{d\mathcal L}{d\theta}\right)'_t = -a^T \frac{\partial f}{\partial\theta},"
        r"\quad \frac{\partial\mathcal L}{\partial\theta}(t_1) = 0",
        "dL/dθ(t0)",
        theta_initial_value_problem,
    ),
    Formula(
        "002-theta-integral",
        "section 4, after (***)",
        r"\frac{d\mathcal L}{d\theta}(t) = "
        r"-\int_{t_1}^{t} a^T\frac{\partial f}{\partial\theta}\,dt",
        "dL/dθ(t) for a change of θ that sets in at t",
        theta_integral,
    ),
    Formula(
        "002-theta-at-t0",
        "section 4, after (***)",
        r"\frac{d\mathcal L}{d\theta} = \frac{d\mathcal L}{d\theta}(t_0)",
        "dL/dθ",
        theta_at_start,
    ),
    Formula(
        "002-euler-a-first",
        "section 4, first Euler step of a",
        r"a(1 - \tfrac1n) = a(1) + \tfrac1n a(1)^T \frac{\partial f(z(1), 1, \theta)}{\partial z}",
        "the increment over its length, as n grows",
        euler_a_first,
    ),
    Formula(
        "002-euler-theta-first",
        "section 4, first Euler step of dL/dθ",
        r"\frac{dL}{d\theta}(1 - \tfrac1n) = \frac{dL}{d\theta}(1) + \tfrac1n a(1)^T "
        r"\frac{\partial f(z(1), 1, \theta)}{\partial\theta}",
        "the increment over its length, as n grows",
        euler_theta_first,
    ),
    Formula(
        "002-euler-a-step",
        "section 4, step i of a",
        r"\begin{aligned}a(1 - \tfrac in) ={}& a(1 - \tfrac{i-1}n) \\ &+ \tfrac1n "
        r"a(1 - \tfrac{i-1}n)^T \frac{\partial f(z(1 - \frac{i-1}n), 1 - \frac{i-1}n, \theta)}"
        r"{\partial z}\end{aligned}",
        "dL/dz(0), as n grows",
        euler_a_step,
    ),
    Formula(
        "002-euler-theta-step",
        "section 4, step i of dL/dθ",
        r"\begin{aligned}\frac{dL}{d\theta}(1 - \tfrac in) ={}& \frac{dL}{d\theta}(1 - "
        r"\tfrac{i-1}n) \\ &+ \tfrac1n a(1 - \tfrac{i-1}n)^T \frac{\partial f(z(\frac{i-1}n), "
        r"\frac{i-1}n, \theta)}{\partial\theta}\end{aligned}",
        "dL/dθ(0), as n grows",
        euler_theta_step,
        correction=(
            r"\begin{aligned}\frac{dL}{d\theta}(1 - \tfrac in) ={}& \frac{dL}{d\theta}(1 - "
            r"\tfrac{i-1}n) \\ &+ \tfrac1n a(1 - \tfrac{i-1}n)^T \frac{\partial f(z(1 - "
            r"\frac{i-1}n), 1 - \frac{i-1}n, \theta)}{\partial\theta}\end{aligned}"
        ),
        note="Indices only: the sentence below it names the right point.",
    ),
    Formula(
        "002-backward-state-ivp",
        "section 4, second problem (***)",
        r"z'(t) = f(z, t, \theta),\ t \in [t_1, t_2],\quad z(t_1) = z_1",
        "z(t0)",
        backward_state,
        correction=r"z'(t) = f(z, t, \theta),\ t \in [t_0, t_1],\quad z(t_1) = z_1",
        note="Interval only: solved over [t1, t2] it leaves the block instead of going back.",
    ),
    *document_002_lagrangian.FORMULAS,
    Formula("002-adjoint-ivp-61", "section 6.1, problem (**)", _IVP, "dL/dz(t0)", z0_from_adjoint),
    Formula(
        "002-theta-gradient-61",
        "section 6.1, last formula",
        r"\frac{dL}{d\theta}(t_1) = \frac{d\mathcal L}{d\theta}(t_1) = "
        r"-\int_{t_1}^{t_0} a(t)^T \frac{\partial f}{\partial\theta}\,dt",
        "dL/dθ",
        theta_gradient,
        note=(
            "Read as the gradient of the loss at h(t1), as dL/dh(t1) is elsewhere in the section. "
            "As a value of the function of (***) it would have to be (t0)."
        ),
    ),
)
