# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,jupyter,-all
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The adjoint method from a Lagrangian
#
# A neural ODE is trained by gradients of a loss that looks at a trajectory. The adjoint method gets
# them from one extra vector that is solved backwards. This chapter writes it by hand, trains with
# it, derives it, and checks it to eleven digits.

# %% jupyter={"source_hidden": true} tags=["setup", "hide-cell"]
# Where the library is missing, as on Colab, this installs it from the repository.
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("nodelib") is None:
    home = Path("..").resolve()
    if not (home / "nodelib").is_dir():
        home = Path("neural-ode-book").resolve()
        address = "https://github.com/neural-ode-book/neural-ode-book"
        clone = ["git", "clone", "--quiet", "--depth=1", address, str(home)]
        subprocess.run(clone, check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--editable", str(home)], check=True)
    sys.path.insert(0, str(home))

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from nodebook.documents.formulas.system import (
    Inputs,
    System,
    complex_step_gradients,
    loss,
)
from nodebook.evidence import registry
from nodebook.figures import adjoint as drawn
from nodebook.figures import plotting
from nodebook.figures.verdicts import tally
from nodelib import odeint

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The state (upper panel) and the adjoint (lower) of the system of this page. The adjoint starts at the gradient of the loss at the end time and runs to the left; its value at the start is the gradient in the initial state.", "name": "fig-02-trajectory"}, "image": {"alt": "Two panels over time from 0.3 to 2. Above: z1 falls from 1.2 to minus 0.9 and z2 from minus 0.5 to minus 3, with dots at the start. Below: both components of the adjoint rise from about minus 8 and minus 7 to minus 2 and 1, with dots at the end time, where they start."}} tags=["remove-input"]
plotting.use_style()
system = System(0)
drawn.state_and_adjoint(system.t.flip(0), system.z.flip(0), system.adjoint.flip(0))
plt.show()

# %% [markdown]
# What the page finds:
#
# 1. **Forty lines are enough**, for one state of two numbers and parameters called `theta`. An ODE for
#    six numbers, solved backwards, gives the gradients in the parameters, the initial state and both
#    times. For any module and batch it is one line: `odeint(f, z0, t, grad="adjoint")`.
# 2. **They are right**: to eleven digits against finite differences and the complex step.
# 3. **What is printed is not always right.** Four documents print formulas about the adjoint.
#    Sixteen of 69 do not hold as they stand, most by a sign, an index or a limit.
#
# Behind it stand {doc}`02a_routes` (how each document gets there, and backpropagation as a
# transposed solve), {doc}`02b_audit` (every formula evaluated) and {doc}`02c_hamiltonian` (running
# losses, losses at many times, moving times, parameters in time). The documents are introduced in
# {doc}`../book/documents`.
# %% [markdown]
# ## The problem
#
# A state $z(t) \in \mathbb R^d$ starts at $z_0$ and follows a field $f$ with parameters
# $\theta \in \mathbb R^p$:
#
# $$
# \begin{aligned}
# \dot z(t) &= f(t, z(t), \theta), \\
# z(t_0) &= z_0 .
# \end{aligned}
# $$ (eq-02-ivp)
#
# A loss $L: \mathbb R^d \to \mathbb R$ looks at the state at time $t_1$. Through
# {eq}`eq-02-ivp` the number $L(z(t_1))$ depends on four inputs: $\theta$, $z_0$, $t_0$ and $t_1$.
# We want its derivative with respect to each.
#
# The direct way is to ask how the whole trajectory moves. The sensitivity
# $S(t) = \mathrm dz(t) / \mathrm d\theta$ is a $d \times p$ matrix, and differentiating
# {eq}`eq-02-ivp` gives
#
# $$
# \begin{aligned}
# \dot S &= f_z S + f_\theta, \\
# S(t_0) &= 0, \\
# \frac{\mathrm dL}{\mathrm d\theta} &= S(t_1)^{\mathsf T} \nabla L .
# \end{aligned}
# $$ (eq-02-forward)
#
# Here $f_z$ and $f_\theta$ are the Jacobian matrices of $f$, taken along the trajectory, and
# $\nabla L$ is the gradient of the loss at $z(t_1)$. **Every gradient in this book is a column**:
# $\nabla L$, $\mathrm dL/\mathrm d\theta$, $\mathrm dL/\mathrm dz_0$. The documents often write the
# same numbers as a row.
#
# This is correct, and hopeless for a network: with $d = 64$ and $p = 10^5$ the matrix has six
# million entries at every step. We need one number per parameter, not the motion of every state
# under every parameter. The adjoint method gets those numbers from a single extra vector of size
# $d$.

# %% [markdown]
# ## Build it
#
# The knobs: **change one and run again**. The system is van der Pol's oscillator with two kinds of
# forcing. A check can pass for the wrong reason: if the field does not depend on time, a formula
# with a wrong $f_t$ passes; if $t_1 - t_0 = 1$, a lost factor passes. So this one is nonlinear,
# depends on time, and has an interval of no special length:
#
# $$
# \begin{aligned}
# \dot z_1 ={}& z_2 + \theta_1 z_1 \sin t, \\
# \dot z_2 ={}& \theta_2 (1 - z_1^2)\, z_2 - z_1 \\
# &+ \theta_1 \cos 2t, \\
# L(z) ={}& \tfrac12 (z_1 - 1)^2 + z_1 \sin z_2 .
# \end{aligned}
# $$ (eq-02-system)

# %% tags=["parameters"]
profile = "quick"  # "full" first records this chapter's runs again (minutes)
seed = 0  # nothing is drawn on this page; 02a to 02c draw their systems from it

# %% tags=["knobs"]
theta = (0.6, 0.8)  # the two parameters
z0 = (1.2, -0.5)  # the initial state
t0, t1 = 0.3, 2.0  # start and end
rtol, atol = 1e-12, 1e-13  # tolerances of the check, forwards and backwards
guess = (0.2, 1.2)  # the parameters before the short training
rate, updates, coarse = 0.02, 60, 1e-5  # of the training; both its tolerances

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
registry.renew(profile, "adjoint_formulas", "adjoint_extensions")


# %%
class Field(nn.Module):
    """The right side of the system, with theta as parameter."""

    def __init__(self, theta, dtype=torch.float64):
        super().__init__()
        self.theta = nn.Parameter(torch.as_tensor(theta, dtype=dtype))

    def forward(self, t, z):
        (a, b), (z1, z2) = self.theta, z
        dz1 = z2 + a * z1 * torch.sin(t)
        dz2 = b * (1 - z1**2) * z2 - z1 + a * torch.cos(2 * t)
        return torch.stack((dz1, dz2))


# %% [markdown]
# The loss is `loss(z)`, the third line of {eq}`eq-02-system`, of the state at $t_1$. The adjoint
# method solves **one system** of six numbers from $t_1$ back to $t_0$: the state $z$, the adjoint
# $\lambda = \mathrm dL/\mathrm dz(t)$ and the part $g$ of the parameter gradient that has been
# collected so far. (The next section derives it.)
#
# $$
# \begin{aligned}
# \frac{\mathrm d}{\mathrm dt} \begin{pmatrix} z \\ \lambda \\ g \end{pmatrix}
# &= \begin{pmatrix} f \\ - f_z^{\mathsf T} \lambda \\ - f_\theta^{\mathsf T} \lambda
# \end{pmatrix}, \\
# \begin{pmatrix} z \\ \lambda \\ g \end{pmatrix} (t_1)
# &= \begin{pmatrix} z(t_1) \\ \nabla L \\ 0 \end{pmatrix} .
# \end{aligned}
# $$ (eq-02-augmented)
#
# The products $f_z^{\mathsf T} \lambda$ and $f_\theta^{\mathsf T} \lambda$ are vector-Jacobian
# products: one call of automatic differentiation gives both, and no Jacobian matrix is ever formed.


# %%
def augmented(field):
    """The right side for the six numbers (z, lambda, g)."""

    def right_side(t, y):
        with torch.enable_grad():
            z = y[:2].detach().requires_grad_()
            f = field(t, z)
            by_z, by_theta = torch.autograd.grad(f, (z, field.theta), y[2:4])
        return torch.cat((f.detach(), -by_z, -by_theta))

    return right_side


def adjoint_gradients(field, z0, t0, t1, loss=loss, **tolerances):
    """The loss, and its gradients in theta, z0, t0 and t1."""
    with torch.no_grad():
        end = odeint(field, z0, [t0, t1], **tolerances)[-1]
    at_end = end.clone().requires_grad_()
    value = loss(at_end)
    (lambda1,) = torch.autograd.grad(value, at_end)
    start = torch.cat((end, lambda1, torch.zeros_like(field.theta)))
    with torch.no_grad():
        back = odeint(augmented(field), start, [t1, t0], **tolerances)[-1]
        z_back, lambda0, g = back.split(2)
        first, last = (torch.tensor(t, dtype=z0.dtype) for t in (t0, t1))
        return value.item(), {
            "theta": g,
            "z0": lambda0,
            "t0": -lambda0 @ field(first, z_back),
            "t1": lambda1 @ field(last, end),
        }


# %% [markdown]
# Against automatic differentiation through the same solve, `loss.backward()`:

# %%
tight = {"rtol": rtol, "atol": atol}
field = Field(theta)
start = torch.tensor(z0, dtype=torch.float64, requires_grad=True)
times = torch.tensor([t0, t1], dtype=torch.float64, requires_grad=True)
loss(odeint(field, start, times, grad="backprop", **tight)[-1]).backward()
by_autograd = torch.cat((field.theta.grad, start.grad, times.grad))
_, gradients = adjoint_gradients(field, start.detach(), t0, t1, **tight)
by_adjoint = torch.cat([value.reshape(-1) for value in gradients.values()])
names = ("theta1", "theta2", "z0, first", "z0, second", "t0", "t1")
for name, ours, theirs in zip(names, by_adjoint, by_autograd, strict=True):
    apart = abs(ours / theirs - 1)
    print(f"{name:10s}  {ours: .12f}  relative difference {apart:.0e}")

# %% [markdown]
# It is a gradient, so it can train: from wrong parameters, by the squared distance to where the right
# ones lead. No `backward()` is called; the optimiser is handed what the backward solve found.

# %%
with torch.no_grad():
    target = odeint(field, start, [t0, t1], **tight)[-1]
miss = partial(nn.functional.mse_loss, target=target)
learner, loose = Field(guess), {"rtol": coarse, "atol": coarse}
optimiser = torch.optim.Adam(learner.parameters(), lr=rate)
away = []
for step in range(updates):
    away.append((learner.theta - field.theta).norm().item())
    value, found = adjoint_gradients(learner, start.detach(), t0, t1, miss, **loose)
    learner.theta.grad = found["theta"]
    optimiser.step()
    if step % 20 == 0 or step == updates - 1:
        print(f"step {step:2d}: loss {value:.0e}, theta off by {away[-1]:.3f}")

# %% [markdown]
# ## The Lagrangian
#
# The recipe above is not obvious. Here is where it comes from.
#
# **Take the equation in as a constraint.** Let $\lambda(t) \in \mathbb R^d$ be a function of time
# and $\mu \in \mathbb R^d$ a vector, both for us to choose. Put
#
# $$
# \begin{aligned}
# \Lambda ={}& L(z(t_1)) \\
# &+ \int_{t_0}^{t_1} \lambda^{\mathsf T} ( f - \dot z ) \, \mathrm dt \\
# &+ \mu^{\mathsf T} \bigl( z_0 - z(t_0) \bigr) .
# \end{aligned}
# $$ (eq-02-lagrangian)
#
# Along a solution both brackets vanish. So $\Lambda = L$ there, **whatever** $\lambda$ and $\mu$
# are, and the two have the same derivatives as the inputs move and the solution moves with them.
#
# **Vary everything.** Let the inputs change by $\delta\theta$, $\delta z_0$, $\delta t_0$,
# $\delta t_1$, and let the trajectory change by $\delta z(t)$. At a moving end the state changes
# for two reasons, because the trajectory changes and because it is read at another time:
#
# $$
# \begin{aligned}
# \delta \bigl[ z(t_1) \bigr] &= \delta z(t_1) + f(t_1)\, \delta t_1, \\
# \delta \bigl[ z(t_0) \bigr] &= \delta z(t_0) + f(t_0)\, \delta t_0,
# \end{aligned}
# $$ (eq-02-moving-ends)
#
# where $f(t)$ is short for $f(t, z(t), \theta)$. The integrand of {eq}`eq-02-lagrangian` is zero
# along a solution, so moving the limits of the integral adds nothing. To first order
#
# $$
# \begin{aligned}
# \delta\Lambda ={}& \nabla L^{\mathsf T} \bigl( \delta z(t_1) + f(t_1)\,\delta t_1 \bigr) \\
# &+ \int_{t_0}^{t_1} \lambda^{\mathsf T} ( f_z\, \delta z + f_\theta\, \delta\theta \\
# &\qquad\qquad - \delta\dot z )\, \mathrm dt \\
# &+ \mu^{\mathsf T} \bigl( \delta z_0 - \delta z(t_0) \\
# &\qquad\quad - f(t_0)\,\delta t_0 \bigr) .
# \end{aligned}
# $$ (eq-02-variation)
#
# **Integrate by parts**, to be rid of the derivative of the variation:
#
# $$
# \begin{aligned}
# - \int_{t_0}^{t_1} \lambda^{\mathsf T} &\delta\dot z \, \mathrm dt
# = \int_{t_0}^{t_1} \dot\lambda^{\mathsf T} \delta z \, \mathrm dt \\
# &+ \lambda(t_0)^{\mathsf T} \delta z(t_0) \\
# &- \lambda(t_1)^{\mathsf T} \delta z(t_1) .
# \end{aligned}
# $$ (eq-02-parts)
#
# **Collect** by what is varied:
#
# $$
# \begin{aligned}
# \delta\Lambda ={}& \bigl( \nabla L - \lambda(t_1) \bigr)^{\mathsf T} \delta z(t_1) \\
# &+ \bigl( \lambda(t_0) - \mu \bigr)^{\mathsf T} \delta z(t_0) \\
# &+ \int_{t_0}^{t_1} \bigl( \dot\lambda^{\mathsf T} + \lambda^{\mathsf T} f_z \bigr) \delta z \,
# \mathrm dt \\
# &+ \int_{t_0}^{t_1} \lambda^{\mathsf T} f_\theta \, \mathrm dt \; \delta\theta \\
# &+ \mu^{\mathsf T} \delta z_0 - \mu^{\mathsf T} f(t_0)\, \delta t_0 \\
# &+ \nabla L^{\mathsf T} f(t_1)\, \delta t_1 .
# \end{aligned}
# $$ (eq-02-collected)
#
# **Choose $\lambda$ and $\mu$.** The first two lines hold all that we do not want to know: how the
# trajectory moves. They vanish, whatever $\delta z$ is, if
#
# $$
# \begin{aligned}
# \dot\lambda &= - f_z^{\mathsf T} \lambda, \\
# \lambda(t_1) &= \nabla L(z(t_1)), \\
# \mu &= \lambda(t_0) .
# \end{aligned}
# $$ (eq-02-adjoint)
#
# This is a linear equation with a condition at the *end*, so it is solved backwards from $t_1$.
# What remains are the gradients.

# %% [markdown]
# ## The result
#
# :::{prf:theorem} Adjoint gradients
# :label: thm-02-adjoint
#
# Let the solution of {eq}`eq-02-ivp` exist on $[t_0, t_1]$. Let $f$, $f_z$ and $f_\theta$ be
# continuous in $(t, z, \theta)$ together, on an open set around the points $(t, z(t), \theta)$ of
# the trajectory, and let $L$ be continuously differentiable around $z(t_1)$. Let $\lambda$ solve
# {eq}`eq-02-adjoint`. Then
#
# $$
# \begin{aligned}
# \frac{\mathrm dL}{\mathrm d\theta} &= \int_{t_0}^{t_1} f_\theta^{\mathsf T} \lambda\,\mathrm dt, \\
# \frac{\mathrm dL}{\mathrm dz_0} &= \lambda(t_0), \\
# \frac{\mathrm dL}{\mathrm dt_0} &= - \lambda(t_0)^{\mathsf T} f(t_0), \\
# \frac{\mathrm dL}{\mathrm dt_1} &= \lambda(t_1)^{\mathsf T} f(t_1) .
# \end{aligned}
# $$ (eq-02-gradients)
#
# Moreover $\lambda(t) = \mathrm dL / \mathrm dz(t)$: the derivative of the loss with respect to the
# state at any time between.
# :::
#
# The Lagrangian tells us where the formulas come from. Once one has them, a proof needs no
# Lagrangian and no choice, only the product rule.
#
# :::{prf:proof}
# Under these conditions the solution is continuously differentiable in $\theta$, $z_0$ and $t_0$
# {cite}`hairer1993solving`, section I.14. Let $v(t)$ be its derivative in some direction
# $(\delta\theta, \delta z_0, \delta t_0)$ at fixed time $t$. It solves the linear equation
#
# $$
# \begin{aligned}
# \dot v &= f_z v + f_\theta\, \delta\theta, \\
# v(t_0) &= \delta z_0 - f(t_0)\, \delta t_0 .
# \end{aligned}
# $$ (eq-02-linearised)
#
# The initial value follows from $z(t_0) = z_0$, differentiated with {eq}`eq-02-moving-ends`. By the
# product rule, {eq}`eq-02-adjoint` and {eq}`eq-02-linearised`,
#
# $$
# \begin{aligned}
# \frac{\mathrm d}{\mathrm dt} & \bigl( \lambda^{\mathsf T} v \bigr)
# = - \lambda^{\mathsf T} f_z v \\
# & + \lambda^{\mathsf T} ( f_z v + f_\theta\, \delta\theta ) \\
# &= \lambda^{\mathsf T} f_\theta\, \delta\theta .
# \end{aligned}
# $$ (eq-02-product)
#
# Integrate from $t_0$ to $t_1$ and use $\lambda(t_1) = \nabla L$:
#
# $$
# \begin{aligned}
# \nabla & L^{\mathsf T} v(t_1) \\
# ={}& \lambda(t_0)^{\mathsf T} \bigl( \delta z_0 - f(t_0)\,\delta t_0 \bigr) \\
# &+ \int_{t_0}^{t_1} \lambda^{\mathsf T} f_\theta \,\mathrm dt\; \delta\theta .
# \end{aligned}
# $$ (eq-02-proved)
#
# The left side is the change of the loss at fixed $t_1$. The coefficients of $\delta\theta$,
# $\delta z_0$ and $\delta t_0$ on the right are three of the claimed gradients. The fourth is the
# chain rule, $\mathrm dL / \mathrm dt_1 = \nabla L^{\mathsf T} f(t_1)$. For the last
# statement, start the same argument at $(t, z(t))$ instead of $(t_0, z_0)$: $\lambda$ is the same
# function, because {eq}`eq-02-adjoint` does not mention $t_0$.
# :::
#
# Two remarks keep one out of trouble.
#
# - The gradient in $t_0$ holds $z_0$ fixed. Starting later from the same point is a different
#   trajectory, and the loss changes by $-\lambda(t_0)^{\mathsf T} f(t_0)$.
# - If $f$ has a continuous derivative $f_t$, then along a solution $\frac{\mathrm d}{\mathrm dt}
#   (\lambda^{\mathsf T} f) = \lambda^{\mathsf T} f_t$. Integrated, this gives a second form,
#
# $$
# \begin{aligned}
# \frac{\mathrm dL}{\mathrm dt_0} ={}& - \lambda(t_1)^{\mathsf T} f(t_1) \\
# &+ \int_{t_0}^{t_1} \lambda^{\mathsf T} f_t \,\mathrm dt ,
# \end{aligned}
# $$ (eq-02-t0-integral)
#
# the one that Chen et al. use. Anyone who quotes it must not lose its first term.

# %% [markdown]
# ## One system, solved backwards
#
# The integral for $\theta$ needs $z(t)$ and $\lambda(t)$ at all times. The trick of Chen et al. is to
# store neither. With $g(t)$ for the part of the integral between $t$ and $t_1$, the three
# solve {eq}`eq-02-augmented` together, and at $t_0$ one reads off $\lambda(t_0) = \mathrm
# dL/\mathrm dz_0$ and $g(t_0) = \mathrm dL/\mathrm d\theta$.
#
# **Where constant memory comes from, and what it assumes.** The forward solve keeps only its end
# point, so memory does not grow with the number of steps. The state is found again by solving
# {eq}`eq-02-ivp` backwards. That rests on three things.
#
# 1. *Existence and uniqueness.* If $f$ is Lipschitz in $z$, exactly one solution passes through
#    $(t_1, z(t_1))$, so the exact backward solution is the forward one.
# 2. *Stability in both directions.* A numerical solution carries errors. A contracting field
#    forgets them forwards and amplifies them backwards. The reconstructed state can be far from
#    the true one, and then the gradient belongs to another trajectory. Seong warns of this
#    and name the cure, checkpointing.
# 3. *Small steps.* {eq}`eq-02-augmented` is the derivative of the exact solution. The program
#    computes an approximate one, whose own derivative differs. The two agree to the order of the
#    solver only.
#
# {doc}`03_gradient_checks` measures the second, {doc}`03a_by_hand` the third. Here we check the theorem
# itself.

# %% [markdown]
# ## The check
#
# **Finite differences** ask the same question without any theory: change one input a little, solve
# again, divide. The error of a central difference falls with the square of the step $h$, until
# rounding takes over; Richardson's extrapolation takes steps $h, h/2, \dots$ and eliminates the
# error's even powers one after the other.


# %%
def loss_of(inputs):
    """The loss as a plain function of all six inputs."""
    field = Field(inputs[:2])
    with torch.no_grad():
        return loss(odeint(field, inputs[2:4], inputs[4:6], **tight)[-1]).item()


inputs = torch.cat((field.theta.detach(), start.detach(), times.detach()))


def central(index, h):
    step = torch.zeros_like(inputs)
    step[index] = h
    return (loss_of(inputs + step) - loss_of(inputs - step)) / (2 * h)


def richardson(index, h=2e-2, levels=4):
    """Central differences at h, h/2, ...; even powers of h eliminated."""
    row = []
    for level in range(levels):
        new = [central(index, h / 2**level)]
        for k, old in enumerate(row, start=1):
            new.append(new[-1] + (new[-1] - old) / (4**k - 1))
        row = new
    return row[-1]


found = [richardson(index) for index in range(6)]
by_differences = torch.tensor(found, dtype=torch.float64)

# %% [markdown]
# A third opinion shares only the definition {eq}`eq-02-system` with the first two. The **complex
# step** $\operatorname{Im} L(x + \mathrm i h) / h$ has no subtraction, so $h$ may be $10^{-30}$. It
# is run through another library's solver (SciPy's DOP853) and a second copy of field and loss.

# %%
weights = 0.0, 1.0  # the state at t0 does not count in the loss, that at t1 does
exact = complex_step_gradients(Inputs(theta, z0, t0, t1), (t0, t1), weights)
by_complex_step = torch.cat((exact["theta"], exact["z0"], exact["times"]))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
ways = by_adjoint, by_differences, by_complex_step
drawn.three_ways("The gradient in each input, and relative errors", names, ways)

# %% [markdown]
# The theorem agrees with finite differences as well as those can be computed, and with the complex
# step to the tolerance of the solver. {numref}`fig-02-errors` shows both limits. Above, a plain
# central difference has an error like a V: too large a step and the curvature shows, too
# small a step and rounding does. A gradient check with one arbitrary step can lose eight digits.
# Below, the error of the adjoint follows the tolerance of the solver, in both precisions: the largest of
# the six is 3 to 150 times the tolerance. In single precision it ends near 5e-6, not at the rounding
# unit of 6e-8.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Above: error of a central difference against its step, for two inputs. Below: largest relative error of the six adjoint gradients against the tolerance (relative = absolute), in both precisions. The reference is the complex step.", "name": "fig-02-errors"}, "image": {"alt": "Two log-log panels. Above: V-shaped curves that fall with slope two to a minimum near a step of ten to the minus five and rise again for smaller steps. Below: in float64 the error falls with the tolerance to about ten to the minus nine; the float32 curve lies on it and ends at tolerance ten to the minus seven, with an error of about five times ten to the minus six."}} tags=["remove-input"]
steps, tolerances = np.logspace(-9, -1, 9), np.logspace(-3, -10, 8)
vee = {}
for index in (0, 5):
    true = by_complex_step[index]
    vee[names[index]] = [abs(central(index, h) / true - 1) for h in steps]
follows = {"float64": [], "float32": []}
for name, errors in follows.items():
    dtype = getattr(torch, name)
    for tolerance in tolerances[: 8 if name == "float64" else 5]:
        loose = {"rtol": tolerance, "atol": tolerance}
        at = torch.tensor(z0, dtype=dtype)
        _, flat = adjoint_gradients(Field(theta, dtype), at, t0, t1, **loose)
        flat = torch.cat([value.reshape(-1) for value in flat.values()]).double()
        errors.append((flat / by_complex_step - 1).abs().max())
drawn.errors(steps, vee, tolerances, follows)
plt.show()

# %% [markdown]
# ## What the documents say
#
# Zurlo and Facci change the sign of the adjoint between two slides and lose the boundary terms of
# two gradients; Silveira de Oliveira exchanges the limits of one integral; the Russian review slips in indices and
# two signs; every formula of Bu's note holds. {doc}`02b_audit` has each, with numbers, and
# {doc}`../book/errata` the corrected forms.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("02")

# %% [markdown]
# Sixteen of the corrections are among the 69 printed formulas; the seventeenth (Bu's summary) and the
# seven that are refuted by reading are statements in words and labels.

# %% [markdown]
# ## Exercises
#
# ````{exercise} A longer way back
# :label: ex-02-longer
#
# How does the error of the adjoint grow with the length of the interval? Solve to $t_1$ = 2, 4, 8 with
# `rtol = atol = 1e-6`, and compare with a gradient that never solves backwards, `grad="checkpoint"`,
# at 1e-6 and at 1e-10.
# ````
#
# ````{solution-start} ex-02-longer
# :class: dropdown
# ````


# %%
def checkpointed(end, tolerance):
    begin = start.detach().clone().requires_grad_()
    loose = {"rtol": tolerance, "atol": tolerance}
    z = odeint(field, begin, [t0, end], grad="checkpoint", **loose)
    return torch.autograd.grad(loss(z[-1]), begin)[0]


grown, kept = {}, {}
loose = {"rtol": 1e-6, "atol": 1e-6}
for end in (2.0, 4.0, 8.0):
    right = checkpointed(end, 1e-10)
    _, by = adjoint_gradients(field, start.detach(), t0, end, **loose)
    grown[end] = ((by["z0"] - right).norm() / right.norm()).item()
    kept[end] = ((checkpointed(end, 1e-6) - right).norm() / right.norm()).item()
    print(f"t1 = {end:g}: adjoint off {grown[end]:.0e}, checkpoint {kept[end]:.0e}")

# %% [markdown]
# The oscillator contracts towards its cycle, so the state that is solved backwards loses its way: the
# error of the adjoint grows some 2,000 times, that of checkpoint at most seven times. A longer
# interval needs a tighter tolerance for the same digits. {doc}`03_gradient_checks` shows where that
# ends.
#
# ````{solution-end}
# ````
#
# ````{exercise} Keep a term, lose a term
# :label: ex-02-term
#
# Check {eq}`eq-02-t0-integral` numerically: is the gradient in $t_0$ the integral of
# $\lambda^{\mathsf T} f_t$ alone? By how much is it off without its first term?
# ````
#
# ````{solution-start} ex-02-term
# :class: dropdown
# ````

# %%
system = System(0)  # the system of this page, solved, with its derivatives
integral = system.integral((system.adjoint * system.f_t).sum(1)).item()
boundary = -(system.adjoint[-1] @ system.f[-1]).item()
print(
    f"dL/dt0 {exact['times'][0]:.6f}; integral {integral:.6f}; with the first term "
    f"{boundary + integral:.6f}"
)

# %% [markdown]
# Without its first term it is another number altogether. That is the slip that Zurlo and Facci print.
#
# ````{solution-end}
# ````
#
# :::{exercise}
# :label: ex-02-linear
#
# Let $f = \theta z$ with numbers $\theta$ and $z$, and $L(z) = z$. Compute all four gradients by
# {prf:ref}`thm-02-adjoint` and check them against the closed form of $z(t_1)$. Why would this
# system be a poor test of the formulas in this chapter?
# :::
#
# :::{solution} ex-02-linear
# :class: dropdown
#
# $z(t_1) = z_0 e^{\theta T}$ with $T = t_1 - t_0$. The adjoint is
# $\lambda(t) = e^{\theta (t_1 - t)}$, so
# $\mathrm dL/\mathrm d\theta = \int e^{\theta(t_1 - t)} z_0 e^{\theta (t - t_0)}\,\mathrm dt
# = T z_0 e^{\theta T}$, $\mathrm dL/\mathrm dz_0 = e^{\theta T}$, and the time gradients are
# $\mp\theta z_0 e^{\theta T}$. All agree. But $f_z = \theta$ is the same at every state and time,
# so a formula that takes it at the wrong point passes. And $\lambda f$ is constant along the
# solution, so one that takes it at the wrong end passes too.
# :::
#
# ## Read next
#
# {doc}`03_gradient_checks` takes these gradients apart on a computer: what they cost, and how well
# the state is found again backwards. The method comes from optimal control:
# {cite}`pontryagin1962mathematical` has the theory, with controls and constraints. Chen et al. brought
# it to neural networks, and appendix B of {cite}`chen2018neural` derives it without a Lagrangian; chapter 5
# of {cite}`kidger2021neural` compares the ways to differentiate a solve.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
if (theta, z0, t0, t1) == ((0.6, 0.8), (1.2, -0.5), 0.3, 2.0):
    if (rtol, atol) == (1e-12, 1e-13):
        torch.testing.assert_close(by_adjoint, by_autograd, rtol=1e-9, atol=1e-9)
        digits = {"rtol": 1e-11, "atol": 1e-11}
        torch.testing.assert_close(by_adjoint, by_differences, **digits)
        torch.testing.assert_close(by_adjoint, by_complex_step, **digits)
    if (guess, rate, updates, coarse) == ((0.2, 1.2), 0.02, 60, 1e-5):
        assert away[-1] < 0.02 * away[0]
    for errors in follows.values():
        over = [error / x for error, x in zip(errors, tolerances, strict=False)]
        assert min(over) > 3
        assert max(over) < 150
    assert 1e-6 < follows["float32"][-1] < 2e-5
    assert 1e3 < grown[8.0] / grown[2.0] < 4e3
    assert max(kept.values()) < 7 * kept[2.0]
    assert abs(boundary + integral - exact["times"][0]) < 1e-9
    assert abs(integral - exact["times"][0]) > 0.1
