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

# %% tags=["setup", "remove-cell"]
# Where the library is missing, as on Colab, this installs it from the book's repository.
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("nodelib") is None:
    home = Path("..").resolve()
    if not (home / "nodelib").is_dir():
        home = Path("neural-ode-book").resolve()
        address = "https://github.com/neural-ode-book/neural-ode-book"
        subprocess.run(["git", "clone", "--quiet", "--depth=1", address, str(home)], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--editable", str(home)]
    subprocess.run(install, check=True)
    sys.path.insert(0, str(home))

# %% tags=["parameters", "remove-cell"]
profile = "quick"
seed = 0

# %% [markdown]
# # The adjoint method from a Lagrangian
#
# A neural ODE is trained by gradients of a loss that looks at a trajectory. This chapter derives
# those gradients, once and cleanly: with respect to the parameters, the initial state, and every
# time at which something starts, ends, is observed or switches.
#
# Then it does what derivations rarely do.
#
# - It runs every result on a small system and compares it with derivatives found another way
#   (finite differences, complex step, automatic differentiation), to nine digits or more.
# - It follows **the route of each document** that derives the method, in that document's own
#   letters and signs, and sees where it arrives.
# - It takes **every formula about the adjoint that the documents print**, evaluates it as
#   printed on the same system, and says by rule whether it holds. Sixteen of 69 do not.
#
# The method is that of Pontryagin and his students {cite}`pontryagin1962mathematical`; Chen et al.
# brought it to neural networks {cite}`chen2018neural`. The documents tested here are the decks of
# UnB {cite}`doc000` and of Zurlo and Facci {cite}`doc001`, the Russian review {cite}`doc002` and
# the note by Bu {cite}`doc004`. The CIDA deck {cite}`doc003` prints no formula about the adjoint.

# %% tags=["remove-cell"]
import inspect

import matplotlib.pyplot as plt
import numpy as np
import torch

from nodebook.documents.formulas import FORMULAS, blocks, hamiltonian
from nodebook.documents.formulas.system import Inputs, System, complex_step_gradients, loss
from nodebook.documents.formulas.verdicts import relative_error
from nodebook.evidence import claims, registry, results
from nodebook.experiments.ch02_adjoint import adjoint_extensions, adjoint_formulas
from nodebook.figures import plotting
from nodebook.figures.formula_tables import Table, faulty, rosetta, rosetta_numbers, verdict_table
from nodelib.fields import ForcedVanDerPol
from nodelib.ode.solvers import solve

plotting.use_style()
if profile == "full":
    for name in ("adjoint_formulas", "adjoint_extensions"):
        registry.record(name)

# %% [markdown]
# ## The problem
#
# A state $z(t) \in \mathbb R^d$ starts at $z_0$ and follows a field $f$ with parameters
# $\theta \in \mathbb R^p$:
#
# $$
# \dot z(t) = f(t, z(t), \theta), \qquad z(t_0) = z_0 .
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
# \dot S &= f_z S + f_\theta, \qquad S(t_0) = 0, \\
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
# ## The Lagrangian
#
# **Take the equation in as a constraint.** Let $\lambda(t) \in \mathbb R^d$ be a function of time
# and $\mu \in \mathbb R^d$ a vector, both for us to choose. Put
#
# $$
# \begin{aligned}
# \Lambda = L(z(t_1)) &+ \int_{t_0}^{t_1} \lambda^{\mathsf T} \bigl( f(t, z, \theta) - \dot z \bigr)
# \, \mathrm dt \\
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
# &+ \int_{t_0}^{t_1} \lambda^{\mathsf T} \bigl( f_z\, \delta z + f_\theta\, \delta\theta -
# \delta\dot z \bigr)\, \mathrm dt \\
# &+ \mu^{\mathsf T} \bigl( \delta z_0 - \delta z(t_0) - f(t_0)\,\delta t_0 \bigr) .
# \end{aligned}
# $$ (eq-02-variation)
#
# **Integrate by parts**, to be rid of the derivative of the variation:
#
# $$
# \begin{aligned}
# - \int_{t_0}^{t_1} \lambda^{\mathsf T} \delta\dot z \, \mathrm dt
# ={}& \int_{t_0}^{t_1} \dot\lambda^{\mathsf T} \delta z \, \mathrm dt \\
# &+ \lambda(t_0)^{\mathsf T} \delta z(t_0) - \lambda(t_1)^{\mathsf T} \delta z(t_1) .
# \end{aligned}
# $$ (eq-02-parts)
#
# **Collect** by what is varied:
#
# $$
# \begin{aligned}
# \delta\Lambda ={}& \bigl( \nabla L - \lambda(t_1) \bigr)^{\mathsf T} \delta z(t_1)
# + \bigl( \lambda(t_0) - \mu \bigr)^{\mathsf T} \delta z(t_0) \\
# &+ \int_{t_0}^{t_1} \bigl( \dot\lambda^{\mathsf T} + \lambda^{\mathsf T} f_z \bigr) \delta z \,
# \mathrm dt \\
# &+ \int_{t_0}^{t_1} \lambda^{\mathsf T} f_\theta \, \mathrm dt \; \delta\theta
# + \mu^{\mathsf T} \delta z_0 \\
# &- \mu^{\mathsf T} f(t_0)\, \delta t_0
# + \nabla L^{\mathsf T} f(t_1)\, \delta t_1 .
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
# \frac{\mathrm d}{\mathrm dt} \bigl( \lambda^{\mathsf T} v \bigr)
# &= - \lambda^{\mathsf T} f_z v + \lambda^{\mathsf T} \bigl( f_z v + f_\theta\, \delta\theta \bigr) \\
# &= \lambda^{\mathsf T} f_\theta\, \delta\theta .
# \end{aligned}
# $$ (eq-02-product)
#
# Integrate from $t_0$ to $t_1$ and use $\lambda(t_1) = \nabla L$:
#
# $$
# \begin{aligned}
# \nabla L^{\mathsf T} v(t_1) ={}& \lambda(t_0)^{\mathsf T} \bigl( \delta z_0 - f(t_0)\,\delta t_0
# \bigr) \\
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
# \frac{\mathrm dL}{\mathrm dt_0} = - \lambda(t_1)^{\mathsf T} f(t_1)
# + \int_{t_0}^{t_1} \lambda^{\mathsf T} f_t \,\mathrm dt ,
# $$ (eq-02-t0-integral)
#
# the one that Chen et al. use. Whoever quotes it must not lose its first term.

# %% [markdown]
# ## One system, solved backwards
#
# The integral in {eq}`eq-02-gradients` needs $z(t)$ and $\lambda(t)$ at all times. The trick of
# Chen et al. is to store neither. Let $g(t)$ be the part of the integral between $t$ and $t_1$.
# Then $z$, $\lambda$ and $g$ solve one **augmented system** together, from $t_1$ back to $t_0$:
#
# $$
# \frac{\mathrm d}{\mathrm dt} \begin{pmatrix} z \\ \lambda \\ g \end{pmatrix}
# = \begin{pmatrix} f \\ - f_z^{\mathsf T} \lambda \\ - f_\theta^{\mathsf T} \lambda
# \end{pmatrix}, \quad
# \begin{pmatrix} z \\ \lambda \\ g \end{pmatrix} (t_1)
# = \begin{pmatrix} z(t_1) \\ \nabla L \\ 0 \end{pmatrix} .
# $$ (eq-02-augmented)
#
# At $t_0$ one reads off $\lambda(t_0) = \mathrm dL/\mathrm dz_0$ and
# $g(t_0) = \mathrm dL/\mathrm d\theta$. The products $f_z^{\mathsf T} \lambda$ and
# $f_\theta^{\mathsf T} \lambda$ are vector-Jacobian products: one call of reverse-mode automatic
# differentiation gives both, and no Jacobian matrix is ever formed.
#
# **Where constant memory comes from, and what it assumes.** The forward solve keeps only its end
# point, so memory does not grow with the number of steps. The state is found again by solving
# {eq}`eq-02-ivp` backwards. That rests on three things.
#
# 1. *Existence and uniqueness.* If $f$ is Lipschitz in $z$, exactly one solution passes through
#    $(t_1, z(t_1))$, so the exact backward solution is the forward one.
# 2. *Stability in both directions.* A numerical solution carries errors. A contracting field
#    forgets them forwards and amplifies them backwards. The reconstructed state can be far from
#    the true one, and then the gradient belongs to another trajectory. Document 003 warns of this
#    and names the cure, checkpointing.
# 3. *Small steps.* {eq}`eq-02-augmented` is the derivative of the exact solution. The program
#    computes an approximate one, whose own derivative differs. The two agree to the order of the
#    solver only.
#
# Chapter 03 measures the last two. Here we check the theorem itself.

# %% [markdown]
# ## The check
#
# A test can pass for the wrong reason. If the field does not depend on time, a formula with a wrong
# $f_t$ passes; if $t_1 - t_0 = 1$, a lost factor passes. So the system is nonlinear,
# time-dependent, with two parameters and an interval of no special length. It is van der Pol's oscillator
# with two kinds of forcing:
#
# $$
# \begin{aligned}
# \dot z_1 &= z_2 + \theta_1 z_1 \sin t, \\
# \dot z_2 &= \theta_2 (1 - z_1^2)\, z_2 - z_1 + \theta_1 \cos 2t, \\
# L(z) &= \tfrac12 (z_1 - 1)^2 + z_1 \sin z_2 .
# \end{aligned}
# $$ (eq-02-system)

# %%
theta = torch.tensor([0.6, 0.8], dtype=torch.float64)
z0 = torch.tensor([1.2, -0.5], dtype=torch.float64)
t0, t1 = 0.3, 2.0

# %% [markdown]
# The augmented system {eq}`eq-02-augmented`, written out. The state is one vector of six numbers:
# $z$, $\lambda$ and $g$. Automatic differentiation gives the two products.


# %%
def augmented(field):
    def right_side(t, y):
        with torch.enable_grad():
            z = y[:2].detach().requires_grad_()
            f = field(t, z)
            products = torch.autograd.grad(f, (z, field.theta), y[2:4])
        return torch.cat((f.detach(), -products[0], -products[1]))

    return right_side


def adjoint_gradients(theta, z0, t0, t1, rtol, atol, times=None):
    """Gradients of L(z(t1)) by the theorem, and the backward solution."""
    field = ForcedVanDerPol(theta, dtype=z0.dtype)
    tolerances = {"rtol": rtol, "atol": atol}
    with torch.no_grad():
        end = solve(field, z0, [t0, t1], **tolerances).z[-1]
    at_end = end.clone().requires_grad_()
    (lambda1,) = torch.autograd.grad(loss(at_end), at_end)

    start = torch.cat((end, lambda1, torch.zeros_like(theta)))
    back = solve(augmented(field), start, times or [t1, t0], **tolerances)
    z_back, lambda0, g = back.z[-1].split(2)
    with torch.no_grad():
        gradients = {
            "theta": g,
            "z0": lambda0,
            "t0": -lambda0 @ field(torch.tensor(t0, dtype=z0.dtype), z_back),
            "t1": lambda1 @ field(torch.tensor(t1, dtype=z0.dtype), end),
        }
    return gradients, back


times = np.linspace(t1, t0, 60).tolist()
tight = {"rtol": 1e-12, "atol": 1e-13}
gradients, back = adjoint_gradients(theta, z0, t0, t1, **tight, times=times)
{name: value.tolist() for name, value in gradients.items()}

# %% mystnb={"figure": {"caption": "The state (left) and the adjoint (right), both from the backward solve. The adjoint starts at the gradient of the loss at the end time and runs to the left; its value at the start is the gradient in the initial state.", "name": "fig-02-trajectory"}, "image": {"alt": "Two panels over time from 0.3 to 2. Left: z1 falls from 1.2 to minus 0.9 and z2 from minus 0.5 to minus 3, with dots at the start. Right: both components of the adjoint rise from about minus 8 and minus 7 to minus 2 and 1, with dots at the end time, where they start."}} tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2)
for ax, columns, letter in ((left, back.z[:, :2], "z"), (right, back.z[:, 2:4], r"\lambda")):
    for index, style in enumerate(("-", "--")):
        ax.plot(times, columns[:, index], style, label=rf"${letter}_{index + 1}(t)$")
    ax.set_xlabel("time $t$ (no unit)")
    ax.legend()
left.plot([t0, t0], z0, "o", color=plotting.BLACK, ms=4)
right.plot([t1, t1], back.z[0, 2:4], "o", color=plotting.BLACK, ms=4)
left.set_ylabel("state")
right.set_ylabel("adjoint = d(loss)/d(state)")
plt.show()

# %% [markdown]
# **Finite differences** ask the same question without any theory: change one input a little, solve
# again, and divide. The central difference has an error that falls with the square of the step $h$,
# until rounding takes over.


# %%
def loss_of(inputs):
    """The loss as a plain function of all six inputs: theta, z0, t0, t1."""
    field = ForcedVanDerPol(inputs[:2])
    with torch.no_grad():
        end = solve(field, inputs[2:4], inputs[4:6], **tight).z[-1]
    return loss(end).item()


inputs = torch.cat((theta, z0, torch.tensor([t0, t1], dtype=torch.float64)))
names = ["theta1", "theta2", "z0, first", "z0, second", "t0", "t1"]


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


by_adjoint = torch.cat([value.reshape(-1) for value in gradients.values()])
found = [richardson(index) for index in range(6)]
by_differences = torch.tensor(found, dtype=torch.float64)

# %% [markdown]
# A third opinion shares only the definition {eq}`eq-02-system` with the first two. The **complex
# step** $\operatorname{Im} L(x + \mathrm i h) / h$ has no subtraction, so $h$ may be $10^{-30}$. It
# is run through another library's solver (SciPy's DOP853) and a second copy of field and loss.

# %%
same_inputs = Inputs(tuple(theta.tolist()), tuple(z0.tolist()), t0, t1)
exact = complex_step_gradients(same_inputs, (t0, t1), (0.0, 1.0))
by_complex_step = torch.cat((exact["theta"], exact["z0"], exact["times"]))


# %% tags=["hide-input"]
def three_ways(caption, names, *ways):
    """A table of gradients by the adjoint, by differences and by the complex step."""
    rows = []
    for name, *values in zip(names, *ways, strict=True):
        ours, differences, complex_step = (value.item() for value in values)
        errors = (abs(ours / other - 1) for other in (differences, complex_step))
        shown = (f"{value:.12f}".replace("-", "−") for value in (ours, differences, complex_step))
        small = [f"{error:.0e}".replace("-", "−") for error in errors]
        rows.append((name, *shown, " / ".join(small)))
    columns = ("Input", "Adjoint", "Differences", "Complex step", "Errors")
    return Table(caption, columns, tuple(rows))


three_ways(
    "The gradient in each input, three ways; relative errors to differences / complex step",
    names,
    by_adjoint,
    by_differences,
    by_complex_step,
)

# %% tags=["remove-cell"]
# The text says how many digits agree.
torch.testing.assert_close(by_adjoint, by_differences, rtol=1e-11, atol=1e-11)
torch.testing.assert_close(by_adjoint, by_complex_step, rtol=1e-11, atol=1e-11)

# %% [markdown]
# The theorem agrees with finite differences as well as finite differences can be computed, and with
# the complex step to the tolerance of the solver.
#
# {numref}`fig-02-errors` shows both limits. On the left, the error of a plain central difference
# has the shape of a V: too large a step and the curvature shows, too small a step and rounding
# does. A gradient check with one arbitrary step can lose eight digits. On the right,
# the error of the adjoint follows the tolerance of the solver, in both precisions. The curve of
# single precision ends at a tolerance of $10^{-7}$, its own rounding unit.

# %% mystnb={"figure": {"caption": "Left: error of a central difference against its step, for two inputs. Right: largest relative error of the six adjoint gradients against the solver's tolerance, in both precisions. The reference is the complex step.", "name": "fig-02-errors"}, "image": {"alt": "Two log-log panels. Left: V-shaped curves that fall with slope two to a minimum near a step of ten to the minus five and rise again for smaller steps. Right: in float64 the error falls with the tolerance to about ten to the minus nine; the float32 curve lies on it and ends at tolerance ten to the minus seven, with an error of four times ten to the minus six."}} tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2)
steps = np.logspace(-9, -1, 13)
for index, marker in ((0, "o"), (5, "^")):
    errors = [abs(central(index, h) / by_complex_step[index].item() - 1) for h in steps]
    left.loglog(steps, errors, marker + "-", ms=3, label=names[index])
left.set(xlabel="step $h$", ylabel="relative error of the difference")
left.legend()

tolerances = np.logspace(-3, -10, 8)
for dtype, marker in ((torch.float64, "o"), (torch.float32, "s")):
    errors = []
    for tolerance in tolerances:
        if dtype == torch.float32 and tolerance < 1e-7:
            continue
        found, _ = adjoint_gradients(
            theta.to(dtype), z0.to(dtype), t0, t1, rtol=tolerance, atol=tolerance
        )
        flat = torch.cat([gradient.reshape(-1) for gradient in found.values()])
        errors.append((flat.double() / by_complex_step - 1).abs().max().item())
    name = str(dtype).removeprefix("torch.")
    right.loglog(tolerances[: len(errors)], errors, marker + "-", ms=3, label=name)
right.set(xlabel="tolerance (relative = absolute)", ylabel="largest relative error")
right.invert_xaxis()
right.legend()
plt.show()

# %% [markdown]
# ## Route by route
#
# The documents reach the same gradients by different roads. Each is followed here in its own
# letters; only the arguments of $f$ are left out. All agree on one equation,
# $\dot a = - f_z^{\mathsf T} a$, which is linear and so holds for both signs of $a$. They differ in
# what they add to the loss, in the end value, and in the direction of the integrals.
#
# ### Document 000: vary a functional
#
# The deck treats the state, the multiplier and the parameters as three independent arguments of
#
# $$
# \mathcal L[\vec z, \vec\lambda, \theta] = L(\vec z(\tau))
# + \int_0^\tau \vec\lambda^{\mathsf T} \bigl( f - \dot{\vec z} \bigr)\,\mathrm dt ,
# $$
#
# and takes its first variation in each. In $\vec\lambda$ it gives back the equation
# $\dot{\vec z} = f$. In $\vec z$, after integration by parts, it leaves
# $\bigl(\partial L/\partial \vec z(\tau) - \vec\lambda^{\mathsf T}(\tau)\bigr)\,\delta\vec z(\tau)$
# and an integral. The start is fixed, so $\delta\vec z(0) = 0$ and no multiplier $\mu$ is needed.
# Choosing $\vec\lambda$ removes both, and the variation in $\theta$ is the gradient.
#
# *Where it arrives.* At {eq}`eq-02-gradients`, without a slip. Only the earlier slide that
# announces the result has the limits exchanged. It does not say what $\vec\lambda$ is; under the
# plus sign of the proof its sign is wrong.
#
# ### Document 002: the constraint as $h' - f$
#
# The appendix adds the constraint with the other sign, keeps a multiplier $\beta$ for the start,
# and writes the end state as an integral, $h(t_1) = h(t_0) + \int f$. So the gradient of the loss
# moves under the integral:
#
# $$
# \begin{aligned}
# \frac{\mathrm dL}{\mathrm d\theta} ={}& \int_{t_0}^{t_1}
# \Bigl( \tfrac{\mathrm dL}{\mathrm dh}(t_1) - \lambda^{\mathsf T} \Bigr) f_\theta \,\mathrm dt
# + \lambda^{\mathsf T}(t_1)\, h_\theta(t_1) \\
# &+ \int_{t_0}^{t_1} \Bigl( \tfrac{\mathrm dL}{\mathrm dh}(t_1) f_h - \lambda'^{\mathsf T}
# - \lambda^{\mathsf T} f_h \Bigr) h_\theta \,\mathrm dt .
# \end{aligned}
# $$ (eq-02-route-002)
#
# The choice $\lambda'^{\mathsf T} = \bigl( \frac{\mathrm dL}{\mathrm dh}(t_1) - \lambda^{\mathsf T}
# \bigr) f_h$ with $\lambda(t_1) = 0$ removes what multiplies $h_\theta$. With
# $a^{\mathsf T} = \frac{\mathrm dL}{\mathrm dh}(t_1) - \lambda^{\mathsf T}$ one has
# $a' = -\lambda'$, so $a'^{\mathsf T} = -a^{\mathsf T} f_h$, and $a(t_1)$ is the gradient of the
# loss. This multiplier is not the adjoint: it is the gradient at the end *less* the adjoint.
#
# *Where it arrives.* At the same place, with two slips. The last term of {eq}`eq-02-route-002` is
# printed with a minus, which is harmless because $\lambda(t_1) = 0$. The substitution is printed as
# $-a^{\mathsf T} = \dots$, which turns the sign of the adjoint and of the gradient.
#
# ### Document 001: one augmented state
#
# State, parameters and time are put into one vector, with the field $(f, 0, 1)$. Its Jacobian has
# one row of blocks that is not zero, $(f_z, f_\theta, f_t)$. The adjoint of the whole vector is
# $(a, a_\theta, a_t)$, and the adjoint equation says
#
# $$
# \begin{aligned}
# \dot a &= - f_z^{\mathsf T} a, \\
# \dot a_\theta &= - f_\theta^{\mathsf T} a, \\
# \dot a_t &= - f_t^{\mathsf T} a .
# \end{aligned}
# $$ (eq-02-route-001)
#
# The theorem about $z_0$ now serves for all, which is the beauty of this road: parameters and
# start time are initial values too. The loss does not look at them, so both adjoints end at zero.
# But a later start also shortens the run, which changes the loss by $-a(t_1)^{\mathsf T} f(t_1)$;
# this is put in as the end value of $a_t$. With $a_\theta(t_1) = 0$ and
# $a_t(t_1) = - a(t_1)^{\mathsf T} f(t_1)$ the values at $t_0$ are $\mathrm dL/\mathrm d\theta$ and
# {eq}`eq-02-t0-integral`.
#
# *Where it slips.* The first slide has $a = +\mathrm dL/\mathrm dz$, the second
# $a = -\partial\mathcal L/\partial z$, and the third defines $a_\theta$ and $a_t$ with a plus.
# Three of its four solutions are the integrals of {eq}`eq-02-route-001` alone: the value at the
# end, with which each must be added up, is missing wherever it is not zero. The fourth, in $t_1$,
# has $\partial f/\partial t$ where $f$ belongs.
#
# ### Document 004, section 2: the same Lagrangian as ours
#
# The note subtracts $\int \lambda (\dot z - f)$, which is adding $\int \lambda (f - \dot z)$. It
# integrates by parts *before* it differentiates in $\theta$, and leaves out $\mu$ because the start
# is given.
#
# *Where it arrives.* At {eq}`eq-02-gradients`, without a slip.

# %% [markdown]
# ### Rosetta: one row for each
#
# The same table stands in {doc}`../book/notation`. A dash means: not printed. Gradients are rows in
# most documents and columns in ours; the numbers are the same.

# %% tags=["hide-input"]
rosetta()

# %% [markdown]
# Now in numbers, on the system {eq}`eq-02-system`. Each row starts from the end value of *its*
# adjoint (where none is printed, from its definition; the slide of 000 borrows that of its proof),
# solves the equation of its adjoint back, and evaluates its integral, if it has one, with the limits
# as printed. The
# errors are relative, against the complex step.

# %%
system = System(seed)
rosetta_numbers(system)

# %% [markdown]
# ## Document 004, section 1: a trick for linear systems
#
# This route is announced and not walked. To find $u^{\mathsf T} B$ where $A B = C$, the note says,
# do not solve for the matrix $B$. Solve $A^{\mathsf T} v = u$ for one vector; then
# $u^{\mathsf T} B = v^{\mathsf T} C$. It does not say what $A$, $B$ and $C$ are for a neural ODE.
# Here is one answer.
#
# Divide the interval into $n$ steps of length $h$, and in this section let $t_k = t_0 + kh$ be
# the grid: $t_n$ is the end time, and $f_\theta(t_k)$ is short for $f_\theta(t_k, z_k, \theta)$.
# Take $n$ Euler steps $z_{k+1} = z_k + h f(t_k, z_k, \theta)$. The sensitivities
# $B_k = \mathrm dz_k/\mathrm d\theta$ obey
#
# $$
# \begin{aligned}
# B_{k+1} - J_k B_k &= h f_\theta(t_k, z_k, \theta), \qquad B_0 = 0, \\
# J_k &= I + h f_z(t_k, z_k, \theta) .
# \end{aligned}
# $$ (eq-02-recursion)
#
# All of them together are **one linear system** $A B = C$, with $A$ block-bidiagonal:
#
# $$
# \begin{pmatrix} I \\ -J_1 & I \\ & \ddots & \ddots \\ & & -J_{n-1} & I \end{pmatrix}
# \begin{pmatrix} B_1 \\ B_2 \\ \vdots \\ B_n \end{pmatrix}
# = h \begin{pmatrix} f_\theta(t_0) \\ f_\theta(t_1) \\ \vdots \\ f_\theta(t_{n-1}) \end{pmatrix} .
# $$ (eq-02-blocks)
#
# The gradient is $(\mathrm dL/\mathrm d\theta)^{\mathsf T} = \nabla L^{\mathsf T} B_n =
# u^{\mathsf T} B$ with $u = (0, \dots, 0, \nabla L)$.
#
# :::{prf:theorem} Backpropagation is the transposed solve
# :label: thm-02-blocks
#
# The solution of $A^{\mathsf T} v = u$ is found by going back from the last block:
#
# $$
# \begin{aligned}
# v_n &= \nabla L(z_n), \\
# v_k &= J_k^{\mathsf T} v_{k+1}, \quad k = n-1, \dots, 1,
# \end{aligned}
# $$ (eq-02-backsubstitution)
#
# and the gradient of the loss of the $n$ Euler steps is
#
# $$
# \frac{\mathrm dL}{\mathrm d\theta} = C^{\mathsf T} v
# = h \sum_{k=0}^{n-1} f_\theta(t_k, z_k, \theta)^{\mathsf T} v_{k+1} .
# $$ (eq-02-discrete)
# :::
#
# :::{prf:proof}
# Transposing {eq}`eq-02-blocks` puts $-J_k^{\mathsf T}$ *above* the diagonal. Row $k$ of
# $A^{\mathsf T} v = u$ reads $v_k - J_k^{\mathsf T} v_{k+1} = 0$ for $k < n$ and $v_n = \nabla L$
# for the last: {eq}`eq-02-backsubstitution`. $A$ is triangular with ones on its diagonal, so $B$
# exists, and $u^{\mathsf T} B = v^{\mathsf T} A B = v^{\mathsf T} C$.
# :::
#
# Equation {eq}`eq-02-backsubstitution` is backpropagation through a residual network, the product
# of Jacobians in equation 5 of document 002. And
# $(v_k - v_{k+1})/h = f_z^{\mathsf T} v_{k+1}$ is a difference quotient of the adjoint equation: as
# $h$ goes to zero, $v$ becomes $\lambda$ and the sum becomes the integral. **The adjoint method is
# backpropagation in the limit of infinitely many layers.**

# %%
rows = []
for count in (8, 32, 128, 512):
    passed = blocks.run(system, system.theta.expand(count, 2))
    by_hand = blocks.backpropagate(passed)[1].sum(0)
    leaf = system.theta.clone().requires_grad_()
    end = blocks.states(system, leaf.expand(count, 2), system.z0)[-1]
    (autograd,) = torch.autograd.grad(loss(end), leaf)
    ways = [by_hand]
    if count <= 128:
        A, C, u = blocks.linear_system(passed)
        ways += [u @ torch.linalg.solve(A, C), torch.linalg.solve(A.T, u) @ C]
    errors = [relative_error(way, autograd) for way in ways]
    errors.append(relative_error(by_hand, system.gradients["theta"]))
    rows.append((count, errors))

# %% tags=["hide-input"]
Table(
    "Error of dL/dθ: three ways against automatic differentiation; and against the ODE's gradient",
    ("Steps", "Going back", "Solve for B", "Solve for v", "To the ODE"),
    tuple(
        (
            str(count),
            f"{errors[0]:.0e}".replace("-", "−"),
            *([f"{e:.0e}".replace("-", "−") for e in errors[1:-1]] or ["–", "–"]),
            f"{errors[-1]:.4f}",
        )
        for count, errors in rows
    ),
)

# %% [markdown]
# The three agree to the last digit with automatic differentiation, and differ from the gradient of
# the ODE by $O(h)$: the steps are another function than the solution. Solving for $B$ takes one
# right side per parameter, here two and for a network $10^5$; solving for $v$ takes one.

# %% mystnb={"figure": {"caption": "Left: where the matrix of eight Euler steps is not zero. The forward solve fills it from the top; the transposed solve goes back from the bottom. Right: the solution of the transposed system, dots, and the adjoint of the ODE, lines.", "name": "fig-02-blocks"}, "image": {"alt": "Left: a 16 by 16 matrix with a diagonal of ones and one row of two by two blocks below it. Right: dots of the discrete adjoint at 8 and at 32 steps follow the two curves of the continuous adjoint; those for 32 steps are closer."}} tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2)
A, *_ = blocks.linear_system(blocks.run(system, system.theta.expand(8, 2)))
shown = torch.where(torch.eye(len(A)) > 0, 2.0, (A != 0).double())
colours = plt.matplotlib.colors.ListedColormap(["white", plotting.SKY, plotting.BLUE])
left.imshow(shown, cmap=colours, interpolation="none")
left.set_xticks(np.arange(0.5, 16, 2), range(1, 9))
left.set_yticks(np.arange(0.5, 16, 2), range(1, 9))
left.set(xlabel="block of the unknown", ylabel="step $k$")
left.spines[["top", "right"]].set_visible(True)
for index, (colour, style) in enumerate(((plotting.BLUE, "-"), (plotting.VERMILION, "--"))):
    right.plot(
        system.t,
        system.adjoint[:, index],
        style,
        color=colour,
        label=rf"$\lambda_{index + 1}(t)$",
    )
    for count, marker in ((8, "s"), (32, ".")):
        v = blocks.backpropagate(blocks.run(system, system.theta.expand(count, 2)))[0]
        at = system.t[0] + (system.t[-1] - system.t[0]) * torch.arange(1, count + 1) / count
        right.plot(at, v[:, index], marker, color=colour, ms=4, alpha=0.7)
right.plot([], [], "s", color="grey", ms=4, label="$v_k$, $n = 8$")
right.plot([], [], ".", color="grey", ms=4, label="$v_k$, $n = 32$")
right.set(xlabel="time $t$ (no unit)", ylabel="adjoint")
right.legend()
plt.show()

# %% [markdown]
# ## A running loss: the Hamiltonian
#
# A loss may also look at the whole trajectory. With a **running loss** $\ell$,
#
# $$
# J = L(z(t_1)) + \int_{t_0}^{t_1} \ell(t, z, \theta)\,\mathrm dt .
# $$ (eq-02-running)
#
# Penalties on the path are of this kind (a small field, few evaluations), and so are the costs of
# control. One function holds all that the Lagrangian needs to know, the **Hamiltonian**
#
# $$
# H(t, z, \lambda, \theta) = \ell(t, z, \theta) + \lambda^{\mathsf T} f(t, z, \theta) .
# $$ (eq-02-hamiltonian)
#
# The Lagrangian is now
# $L(z(t_1)) + \int (H - \lambda^{\mathsf T} \dot z)\,\mathrm dt + \mu^{\mathsf T}(z_0 - z(t_0))$,
# and at fixed times the variation goes as before, with $H_z$ in the place of $f_z^{\mathsf T}\lambda$ and $H_\theta$ in that of $f_\theta^{\mathsf T}\lambda$. (When an end moves, the
# integrand is now $\ell$, not zero; {prf:ref}`thm-02-jumps` has that.) State and
# adjoint obey Hamilton's **canonical equations**
#
# $$
# \begin{aligned}
# \dot z &= \frac{\partial H}{\partial\lambda}, & z(t_0) &= z_0, \\
# \dot\lambda &= - \frac{\partial H}{\partial z}, & \lambda(t_1) &= \nabla L(z(t_1)), \\
# \frac{\mathrm dJ}{\mathrm d\theta} &= \int_{t_0}^{t_1} \frac{\partial H}{\partial\theta}\,\mathrm dt .
# \end{aligned}
# $$ (eq-02-canonical)
#
# This is the form of Pontryagin and his students {cite}`pontryagin1962mathematical`. In their
# problem $\theta$ is a control that may change at every moment, and along an optimal path $H$ is
# extremal in it at every moment. A neural ODE asks for less: its parameters are constants, so only
# the integral of $H_\theta$ must vanish.

# %% [markdown]
# ### One theorem for the rest of the chapter
#
# Three more things happen in practice. The loss looks at the state at several times. The
# parameters change from one interval to the next. And the times themselves may be inputs. One
# theorem covers them all.
#
# Let $t_0 < t_1 < \dots < t_N$. Between $t_k$ and $t_{k+1}$ the parameters are $\theta_k$, and
#
# $$
# J = \sum_{k=0}^{N} L_k(z(t_k))
# + \sum_{k=0}^{N-1} \int_{t_k}^{t_{k+1}} \ell(t, z, \theta_k)\,\mathrm dt .
# $$ (eq-02-general-loss)
#
# Write $t_k^-$ and $t_k^+$ for the limits at $t_k$ from the left and from the right. $H(t_k^\pm)$
# is taken with the adjoint and the parameters of that side; before $t_0$ and after $t_N$ there is
# nothing, and $H = 0$ there.
#
# :::{prf:theorem} Adjoint with running loss, observations and switches
# :label: thm-02-jumps
#
# Let the conditions of {prf:ref}`thm-02-adjoint` hold on every interval, for $f$ and for $\ell$,
# and let every $L_k$ be continuously differentiable. Let $\lambda$ be zero after $t_N$, obey
# $\dot\lambda = - H_z$ on every interval, and **jump at every observation**,
#
# $$
# \lambda(t_k^-) = \lambda(t_k^+) + \nabla L_k(z(t_k)) .
# $$ (eq-02-jump)
#
# Then
#
# $$
# \begin{aligned}
# \frac{\mathrm dJ}{\mathrm dz_0} &= \lambda(t_0^-), \\
# \frac{\mathrm dJ}{\mathrm d\theta_k} &= \int_{t_k}^{t_{k+1}} \frac{\partial H}{\partial\theta}
# \,\mathrm dt, \\
# \frac{\mathrm dJ}{\mathrm dt_k} &= H(t_k^-) - H(t_k^+) .
# \end{aligned}
# $$ (eq-02-general-gradients)
# :::
#
# The last line is worth reading twice. **The gradient in any time is the jump of the Hamiltonian
# there**, whatever it is that makes it jump.
#
# :::{prf:proof}
# Let $v(t)$ be the derivative of the trajectory at fixed $t$, in a direction
# $(\delta z_0, \delta\theta_k, \delta t_k)$. On interval $k$ it obeys
# $\dot v = f_z v + f_\theta\,\delta\theta_k$. The state is continuous at $t_k$, so what it changes
# by there is the same from both sides:
#
# $$
# v(t_k^-) + f(t_k^-)\,\delta t_k = v(t_k^+) + f(t_k^+)\,\delta t_k =: \delta_k,
# \qquad \delta_0 = \delta z_0 .
# $$ (eq-02-proof-join)
#
# At $t_0$ only the right of the two sides exists, at $t_N$ only the left; outside, $\ell$ counts as zero.
# The loss changes by
#
# $$
# \begin{aligned}
# \delta J ={}& \sum_k \nabla L_k^{\mathsf T} \delta_k
# + \sum_k \bigl( \ell(t_k^-) - \ell(t_k^+) \bigr)\,\delta t_k \\
# &+ \sum_k \int_{t_k}^{t_{k+1}} \bigl( \ell_z^{\mathsf T} v + \ell_\theta^{\mathsf T}
# \delta\theta_k \bigr)\,\mathrm dt .
# \end{aligned}
# $$ (eq-02-proof-loss)
#
# By the product rule $\frac{\mathrm d}{\mathrm dt}(\lambda^{\mathsf T} v) = - \ell_z^{\mathsf T} v +
# \lambda^{\mathsf T} f_\theta\,\delta\theta_k$. Integrated over interval $k$,
#
# $$
# \begin{aligned}
# \int_{t_k}^{t_{k+1}} \ell_z^{\mathsf T} v \,\mathrm dt
# ={}& \bigl( \lambda^{\mathsf T} v \bigr)(t_k^+) - \bigl( \lambda^{\mathsf T} v \bigr)(t_{k+1}^-) \\
# &+ \int_{t_k}^{t_{k+1}} \lambda^{\mathsf T} f_\theta \,\mathrm dt\;\delta\theta_k .
# \end{aligned}
# $$ (eq-02-proof-parts)
#
# Put this into {eq}`eq-02-proof-loss`. The integrals are those of $H_\theta^{\mathsf T}
# \delta\theta_k$, which is the second claim. At a time $t_k$ there remain
#
# $$
# \begin{aligned}
# \nabla L_k^{\mathsf T} \delta_k &+ \lambda(t_k^+)^{\mathsf T} v(t_k^+)
# - \lambda(t_k^-)^{\mathsf T} v(t_k^-) \\
# &+ \bigl( \ell(t_k^-) - \ell(t_k^+) \bigr)\,\delta t_k ,
# \end{aligned}
# $$
#
# without the third term at $t_0$; at $t_N$ the second is zero, as $\lambda$ is after it. Insert
# $v(t_k^\pm) = \delta_k - f(t_k^\pm)\,\delta t_k$. The coefficient of $\delta_k$ is
# $\nabla L_k + \lambda(t_k^+) - \lambda(t_k^-) = 0$ for $k \ge 1$, and $\lambda(t_0^-)$ for $k = 0$,
# where $\delta_0 = \delta z_0$: the first claim. What is left,
# $\lambda(t_k^-)^{\mathsf T} f(t_k^-) + \ell(t_k^-)$ less the same from the right, is
# $H(t_k^-) - H(t_k^+)$ times $\delta t_k$: the third.
# :::
#
# With $N = 1$, one loss at the end and $\ell = 0$ this is {prf:ref}`thm-02-adjoint` again.

# %% [markdown]
# ### Run it
#
# On a computer the Hamiltonian is a gift: the right side of the canonical equations is the gradient
# of *one number*. This is the function that the checks below solve with.

# %% tags=["hide-input"]
print(inspect.getsource(hamiltonian.canonical))

# %% [markdown]
# The running loss is $\ell = \theta_2 z_1^2 \cos t + \theta_1 z_1 z_2$: it depends on time, state
# and parameters. First without observations on the way.

# %%
inputs_of_system = system.inputs
problem = adjoint_extensions.running_problem(inputs_of_system)
solution = hamiltonian.adjoint(problem)


def flat(gradients):
    """theta, z0 and the times in one vector."""
    parts = (gradients["thetas"].sum(0), gradients["z0"], gradients["times"])
    return torch.cat(parts)


ways = (
    solution.gradients,
    hamiltonian.differences(problem),
    hamiltonian.complex_step(problem),
)

# %% tags=["hide-input"]
three_ways(
    "With a running loss; relative errors to differences / complex step",
    names,
    *map(flat, ways),
)

# %% [markdown]
# ## Losses at many times
#
# A time series is observed at many times, and each observation adds a term to the loss. By
# {eq}`eq-02-jump` nothing new has to be solved. Going back, the adjoint is **kicked** by
# $\nabla L_k$ as it passes $t_k$, and runs on. A program therefore stops its backward solve at every
# observation and starts it again; in the listing of document 001 the kick is the line
# `adj_z += dLdz_i`.
#
# {numref}`fig-02-jumps` has losses at four times, the first of them the start, and a running loss
# that goes on after the last.

# %%
problem = adjoint_extensions.observed_problem(inputs_of_system)
solution = hamiltonian.adjoint(problem, points=40)
for t, weight in zip(problem.times, problem.weights, strict=True):
    print(f"t = {t:.3f}   weight of the loss {weight:4.1f}")

# %% mystnb={"figure": {"caption": "Left: the state, with dots where the loss looks at it. Right: the adjoint, to be read from right to left. It starts at zero, is driven by the running loss, and jumps by the gradient of the loss at every observation. The dots at the start are the gradient in the initial state.", "name": "fig-02-jumps"}, "image": {"alt": "Left: two curves of the state with dots at four observation times. Right: the two components of the adjoint on four intervals, zero at time 2, with vertical jumps at three times on the way and at the start."}} tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2)
for index, colour in enumerate((plotting.BLUE, plotting.VERMILION)):
    style = "-" if index == 0 else "--"
    values = [piece[:, index] for piece in solution.adjoint]
    for k, t in enumerate(solution.t):
        name = {"z": rf"$z_{index + 1}(t)$", "a": rf"$\lambda_{index + 1}(t)$"} if k == 0 else {}
        left.plot(t, solution.z[k][:, index], style, color=colour, label=name.get("z"))
        right.plot(t, values[k], style, color=colour, label=name.get("a"))
        if problem.weights[k]:
            left.plot(t[0], solution.z[k][0, index], "o", color=colour, ms=5)
            before = solution.gradients["z0"] if k == 0 else solution.adjoint[k - 1][-1]
            right.plot([t[0], t[0]], [before[index], values[k][0]], ":", color=colour)
    right.plot(problem.times[0], solution.gradients["z0"][index], "o", color=colour, ms=5)
for ax, label in ((left, "state"), (right, "adjoint")):
    ax.set(xlabel="time $t$ (no unit)", ylabel=label, xticks=np.round(problem.times, 2))
    ax.tick_params(axis="x", labelsize=8)
    ax.legend()
plt.show()

# %% [markdown]
# ## When a time moves
#
# The third line of {eq}`eq-02-general-gradients` answers four different questions. They are easily
# confused, and document 001's listing confuses two of them.
#
# - **The start moves**, $z_0$ held: $\mathrm dJ/\mathrm dt_0 = - H(t_0^+)$. A loss on $z(t_0) = z_0$
#   itself adds nothing, since $z_0$ is given.
# - **An observation moves.** Field and running loss are continuous there, only $\lambda$ jumps:
#   $\mathrm dJ/\mathrm dt_k = \nabla L_k^{\mathsf T} f(t_k)$. The trajectory stays what it is; it is
#   read at another point. The rest of the adjoint does not enter.
# - **The end of integration moves.** $\mathrm dJ/\mathrm dt_N = H(t_N^-)$. If nothing is observed
#   there this is $\ell(t_N)$, and without a running loss it is zero: integrating on, past the last
#   observation, changes nothing. If the last observation sits at the end, both move together and
#   the two terms add.
# - **A switch moves**, the time at which $\theta_{k-1}$ gives way to $\theta_k$. Now $\lambda$ is
#   continuous and the field jumps: $\mathrm dJ/\mathrm dt_k = \lambda^{\mathsf T} \bigl( f(t_k^-) -
#   f(t_k^+) \bigr) + \ell(t_k^-) - \ell(t_k^+)$.
#
# The listing returns $-\lambda(t_k^-)^{\mathsf T} f(t_k)$ for an observation on the way. That is
# the answer to the *first* question, for a trajectory that starts just before $t_k$ and is still
# observed at $t_k$: the kick is in it. One that starts at $t_k$ itself has $\lambda(t_k^+)$.

# %%
switched = adjoint_extensions.switched_problem(inputs_of_system, seed)
rows = []
for title, posed in (("observed", problem), ("switched", switched)):
    found = hamiltonian.adjoint(posed).gradients["times"].tolist()
    exact = hamiltonian.complex_step(posed)["times"].tolist()
    moves = ("start", title, title, title, "end")
    for k, pair in enumerate(zip(found, exact, strict=True)):
        rows.append((title, f"t{k}, {moves[k]}", *pair))

# %% tags=["hide-input"]
Table(
    "Gradients in all times of two problems: with observations, and with switched parameters",
    ("Problem", "What moves", "Jump of H", "Complex step", "Difference"),
    tuple(
        (
            problem_name,
            moves,
            f"{ours:.10f}".replace("-", "−"),
            f"{other:.10f}".replace("-", "−"),
            f"{abs(ours - other):.0e}".replace("-", "−"),
        )
        for problem_name, moves, ours, other in rows
    ),
)

# %% [markdown]
# ## Parameters in time
#
# Document 001 writes $\theta_t$ beside the ODE and $\theta$ in the loss; document 002 says that all
# layers of the continuum share their weights. The theorem tells what lies between.
#
# **Shared parameters** are one $\theta$ on all intervals. Changing it changes every $\theta_k$, so
# the gradients of the pieces are *added*, $\mathrm dJ/\mathrm d\theta = \sum_k \mathrm
# dJ/\mathrm d\theta_k$, which is the one integral from $t_0$ to $t_N$.
#
# **Piecewise constant parameters** keep the pieces apart. That is a residual network, one block per
# interval.
#
# **Parameters that are functions of time** are the limit of ever shorter pieces.
#
# :::{prf:theorem} Functional gradient
# :label: thm-02-functional
#
# Let the conditions of {prf:ref}`thm-02-jumps` hold with a piecewise continuous $\theta(t)$ in
# the place of the $\theta_k$. In the direction of a piecewise continuous $\delta\theta(t)$, the
# loss {eq}`eq-02-general-loss` changes, to first order, by
#
# $$
# \begin{aligned}
# \delta J &= \int_{t_0}^{t_N} G(t)^{\mathsf T} \delta\theta(t)\,\mathrm dt, \\
# G &= \frac{\partial H}{\partial\theta} = \ell_\theta + f_\theta^{\mathsf T} \lambda .
# \end{aligned}
# $$ (eq-02-functional)
# :::
#
# :::{prf:proof}
# Count the points where $\theta$ or $\delta\theta$ jumps among the $t_k$, with $L_k = 0$. In the
# proof of {prf:ref}`thm-02-jumps`, put $\delta\theta(t)$ in the place of $\delta\theta_k$. It
# stays inside the integral, and with $\delta z_0 = 0$ and $\delta t_k = 0$ nothing else is left.
# :::
#
# So the gradient of a piece is an average of $G$ *times the length of the piece*. In a residual
# network with blocks of length $h$ every block's gradient shrinks with $h$; what converges is the
# gradient divided by $h$. {numref}`fig-02-functional` shows it.

# %%
places = tuple(np.linspace(0, 1, 9).tolist())
weights = (0.0,) * 8 + (1.0,)
pieces = hamiltonian.Problem.shared(inputs_of_system, places, weights)
piecewise = hamiltonian.adjoint(pieces, points=12)
running = adjoint_extensions.running_problem(inputs_of_system)
whole = hamiltonian.complex_step(running)["thetas"][0]
along = hamiltonian.functional_derivative(running, adjoint_extensions.wave)
integral = adjoint_extensions.functional_by_adjoint(running)
{
    "sum of the pieces, less the shared gradient": (
        (piecewise.gradients["thetas"].sum(0) - whole).abs().max().item()
    ),
    "integral of G times a wave": integral,
    "derivative along the wave, complex step": along,
}

# %% mystnb={"figure": {"caption": "The functional gradient in both parameters, lines, and the gradients of eight pieces divided by their length, steps.", "name": "fig-02-functional"}, "image": {"alt": "Two panels over time from 0.3 to 2, one per parameter. A smooth curve, and a staircase of eight levels that are its averages on equal intervals."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2)
widths = np.diff(pieces.times)
for index, ax in enumerate(axes):
    levels = piecewise.gradients["thetas"][:, index].numpy() / widths
    ax.stairs(levels, pieces.times, baseline=None, color=plotting.VERMILION, label="piece / length")
    t = torch.cat(piecewise.t)
    ax.plot(t, torch.cat(piecewise.by_theta)[:, index], color=plotting.BLUE, label="$G(t)$")
    ax.set(xlabel="time $t$ (no unit)", ylabel=rf"gradient in $\theta_{index + 1}$ per unit time")
    ax.legend()
plt.show()

# %% [markdown]
# The recorded runs repeat all these checks on two more systems. The largest relative error in any
# gradient, against the complex step or against finite differences:

# %% tags=["hide-input"]
rows = []
for variant, title in (
    ("running", "running loss"),
    ("observations", "observations and running loss"),
    ("parameters", "switched, shared and functional parameters"),
    ("blocks", "transposed system, against automatic differentiation"),
):
    runs = results.read("adjoint_extensions", variant)
    worst = max(v for run in runs for name, v in run.metrics.items() if name.endswith("error"))
    rows.append((title, str(len(runs)), f"{worst:.0e}".replace("-", "−")))
Table("Recorded checks", ("Check", "Systems", "Largest error"), tuple(rows))

# %% [markdown]
# ## The audit
#
# Four of the five documents print formulas about this method, and they do not agree. Letters
# differ, the sign of the adjoint differs, integrals run in both directions. A reader cannot tell a
# convention from a mistake by looking. So we evaluate.
#
# Each formula is read under the definitions of its own document. If a slide defines
# $a = -\partial L / \partial z$, then that is what $a$ is in the formulas that follow. Where a
# formula is an identity for any multiplier, the multiplier and the variations are arbitrary smooth
# functions. The other side of each formula comes from forward sensitivities {eq}`eq-02-forward`,
# from automatic differentiation, or from the complex step, never from an adjoint. The code is in
# `nodebook.documents.formulas`, one short function per formula.
#
# The verdict is a rule. With relative errors below $10^{-7}$, a formula
#
# - **holds** if the two sides agree as printed;
# - **holds up to sign** if they agree once the sign is turned;
# - **misses a term** if adding one term makes them agree; which term to try is our proposal, and
#   the numbers decide;
# - is **wrong** otherwise.
#
# Definitions are not judged: a letter may mean what its author says. Formulas that only approximate,
# such as Euler's steps, are judged by their limit on ever finer grids. Backpropagation through
# blocks is evaluated on a network of eight blocks, each with parameters of its own, against
# forward-mode differentiation.
#
# The following cell evaluates all formulas, now, on the system above. The recorded runs do the same
# on this system and on two with other parameters, states and times, so that a verdict does not
# hang on one lucky case; the tables show the worst of them too.

# %%
verdicts = adjoint_formulas.verdicts(system)
recorded = results.read("adjoint_formulas", "audit")
print(len(verdicts), "formulas evaluated; recorded runs:")
for run in recorded:
    print(run.provenance_line())

# %% tags=["hide-input"]
verdict_table("000", verdicts, recorded)

# %% [markdown]
# The proof in document 000 is right from end to end. The slide before it prints the integral with
# its limits exchanged and no minus sign. The slide does not define $\vec\lambda$, and with
# $\vec\lambda = -\partial L/\partial\vec z$ its formula would hold. We read it with the end value
# of the proof, the only one that the document prints. Then the document contradicts itself: with
# the slide's formula, gradient descent would climb.

# %% tags=["hide-input"]
verdict_table("001", verdicts, recorded)

# %% [markdown]
# Document 001 changes the sign of $a$ between its first and second slide. Under the new sign its
# gradient in $\theta$ is right. The gradients in $z(t_0)$ and $t_0$ lack their boundary terms,
# which are exactly what a backward solve starts from; compare {eq}`eq-02-t0-integral`. The
# gradient in $t_1$ has $\partial f / \partial t$ where $f$ belongs. The augmented adjoint mixes
# both signs: it takes $a_\theta$ and $a_t$ with a plus and keeps $a$ with a minus.
#
# Its listing, the class `ODEAdjoint`, returns correct gradients in the initial state and the
# parameters, for losses at any times. Its time gradients are another matter. The last has the wrong
# sign, those between count the rest of the trajectory, and the first subtracts a product with
# `f_i`, which is left over from the loop and belongs to another time. Even the right index would
# not help: $z(t_0)$ is given, and does not move with $t_0$. Where only the last state enters the loss,
# the product is zero and the result is right, which may be why nobody noticed.

# %% tags=["hide-input"]
verdict_table("002", verdicts, recorded)

# %% [markdown]
# Document 002 is the most detailed, and its main formulas hold, backpropagation included. What
# fails are indices and signs on the way. Three of its six entries are one slip: the ends of the
# block are numbered 1 and 2 in one list and two problems, 0 and 1 everywhere else. Read literally,
# the interval of problem (\*) does not contain its own start.
#
# Two signs in its appendix are wrong, though the result printed after them is right: that of the
# last term of the rewritten derivative, which vanishes once $\lambda(t_1) = 0$ is chosen, and that
# of the substitution, which as printed would give the adjoint the opposite end value to the one on
# the next line.
#
# Its Euler recurrences are approximations, so they are judged by their limit on ever finer grids.
# {numref}`fig-02-euler` shows what the misprinted index costs: the error does not fall at all.

# %% mystnb={"figure": {"caption": "Error of the Euler recurrences of document 002 against the number of steps. With the point meant, the error halves as the number of steps doubles; with the index as printed in the recurrence for the parameters, it stays.", "name": "fig-02-euler"}, "image": {"alt": "Log-log plot against the number of steps from 32 to 1024. Two falling lines of slope minus one for the adjoint and for the parameter gradient with the corrected index, and a flat line near an error of one for the index as printed."}} tags=["hide-input"]
history = next(run for run in recorded if run.seed == 0).history["euler"]
figure, ax = plt.subplots(figsize=(5.2, 3.4))
labels = {
    "a": ("o-", "$a(0)$, as printed"),
    "theta": ("s-", r"$dL/d\theta$, with $1 - (i-1)/n$"),
    "theta_printed": ("^--", r"$dL/d\theta$, as printed, $(i-1)/n$"),
}
for name, (style, label) in labels.items():
    ax.loglog(history["n"], history[name], style, ms=4, label=label)
ax.set(xlabel="number of Euler steps $n$", ylabel="largest relative error")
ax.set_xticks(history["n"], [str(n) for n in history["n"]])
ax.minorticks_off()
ax.legend()
plt.show()

# %% tags=["hide-input"]
verdict_table("004", verdicts, recorded)

# %% [markdown]
# Every formula of document 004 holds, the limits of its equation 4 included: the integral from
# $t_1$ to $t_0$ with a minus sign is the one from $t_0$ to $t_1$ with a plus.
#
# All that does not hold, in one table. It counts formulas, not blunders. One formula stands on two
# slides, three are lines of one listing, four are slips of an index or an interval, and five are a
# sign. The other two are the time gradients of document 001. {doc}`../book/errata` prints each with its corrected form and both numbers.

# %% tags=["hide-input"]
rows = tuple(
    (
        formula.document,
        formula.id[4:],
        verdicts[formula.id].classification,
        f"${formula.correction}$",
    )
    for formula in faulty(recorded[0])
)
Table(
    f"{len(rows)} of {len(FORMULAS)} formulas do not hold as printed; corrected below each",
    ("Document", "Formula", "Verdict", "Corrected"),
    rows,
    last_below=True,
)

# %% [markdown]
# ## Verdicts
#
# The claims of the documents that this chapter tests. Verdicts are computed from the recorded runs.

# %% tags=["hide-input"]
claims.table("02")

# %% [markdown]
# ## Exercises
#
# :::{exercise}
# :label: ex-02-conserved
#
# Show that along a solution of the canonical equations $\frac{\mathrm d}{\mathrm dt} H$ equals the
# partial derivative $H_t$. What follows for $\mathrm dJ/\mathrm dt_0$ and $\mathrm
# dJ/\mathrm dt_1$ when neither $f$ nor $\ell$ depends on time? Derive {eq}`eq-02-t0-integral`.
# :::
#
# :::{solution} ex-02-conserved
# :class: dropdown
#
# $\frac{\mathrm d}{\mathrm dt} H = H_t + H_z^{\mathsf T} \dot z + H_\lambda^{\mathsf T} \dot\lambda
# = H_t - \dot\lambda^{\mathsf T} \dot z + \dot z^{\mathsf T} \dot\lambda = H_t$. Without dependence
# on time $H$ is constant, so $\mathrm dJ/\mathrm dt_0 = -H(t_0) = -H(t_1) = -\mathrm
# dJ/\mathrm dt_1$: only the length of the interval counts. With $\ell = 0$ and
# $H_t = \lambda^{\mathsf T} f_t$, integrate from $t_0$ to $t_1$: $-H(t_0) = -\lambda(t_1)^{\mathsf T}
# f(t_1) + \int \lambda^{\mathsf T} f_t\,\mathrm dt$.
# :::
#
# :::{exercise}
# :label: ex-02-state
#
# A running loss can be had from {prf:ref}`thm-02-adjoint` alone. Take $c$ with $\dot c = \ell$,
# $c(t_0) = 0$ as one more state, and the loss $L(z(t_1)) + c(t_1)$. What is the adjoint of $c$, and
# how do the canonical equations come out?
# :::
#
# :::{solution} ex-02-state
# :class: dropdown
#
# Nothing depends on $c$ but the loss, so its adjoint is constant and equal to 1. The adjoint
# equation of $z$ gets the term $-\ell_z \cdot 1$, which makes it
# $\dot\lambda = -f_z^{\mathsf T}\lambda - \ell_z = -H_z$. The integral for $\theta$ gets
# $\ell_\theta$, and $\lambda^{\mathsf T} f$ becomes $\lambda^{\mathsf T} f + \ell = H$.
# :::
#
# :::{exercise}
# :label: ex-02-listing
#
# Which line of the listing in document 001 makes the adjoint jump? Its line
# `adj_t[i_t] = adj_t[i_t] - dLdt_i` serves two purposes at once. Separate them, so that the
# gradients in all times come out right, that in the first also when the loss looks at $z(t_0)$.
# :::
#
# :::{solution} ex-02-listing
# :class: dropdown
#
# The jump is `adj_z += dLdz_i`. The listing carries $a_t$ of {eq}`eq-02-route-001` back in
# `adj_t`, and for that `- dLdt_i` is right: at every observation $a_t$ jumps by
# $-\nabla L_i^{\mathsf T} f_i$. But the same entry is returned. Keep the carried value in a variable
# of its own, `a_t = a_t - dLdt_i`, solve back with it, and return `dLdt_i` alone in
# `adj_t[i_t]`.
# What has been carried to $t_0$ is the gradient in the first time and goes into `adj_t[0]`; the
# lines that compute and subtract `dLdt_0` go.
# :::
#
# :::{exercise}
# :label: ex-02-substitution
#
# Carry the substitution of document 002 through with the sign as printed,
# $-a^{\mathsf T} = \frac{\mathrm dL}{\mathrm dh}(t_1) - \lambda^{\mathsf T}$. Which of the three
# statements that follow it in the document still hold: the equation, the end value, the gradient?
# :::
#
# :::{solution} ex-02-substitution
# :class: dropdown
#
# $a' = \lambda'$, and (\*\*\*\*) says $\lambda'^{\mathsf T} = -a^{\mathsf T} f_h$: the equation
# holds, since it is linear. The end value is $a(t_1) = -\frac{\mathrm dL}{\mathrm dh}(t_1)$, not
# what is printed. What is left of the gradient is $\int (-a^{\mathsf T}) f_\theta$ from $t_0$ to
# $t_1$, that is $+\int_{t_1}^{t_0} a^{\mathsf T} f_\theta$, not what is printed either.
# :::
#
# :::{exercise}
# :label: ex-02-implicit
#
# Write {eq}`eq-02-blocks` for implicit Euler, $z_{k+1} = z_k + h f(t_{k+1}, z_{k+1}, \theta)$. What
# does the transposed solve look like, and what does each of its steps cost?
# :::
#
# :::{solution} ex-02-implicit
# :class: dropdown
#
# Differentiate: $(I - h f_z(t_{k+1}))\,B_{k+1} - B_k = h f_\theta(t_{k+1})$. The diagonal blocks of
# $A$ are $M_k = I - h f_z(t_k)$, those below are $-I$. The transposed system is
# $M_n^{\mathsf T} v_n = \nabla L$ and $M_k^{\mathsf T} v_k = v_{k+1}$. Every step back solves a
# linear system with the transposed matrix of the forward step.
# :::
#
# :::{exercise}
# :label: ex-02-switch
#
# The parameters may switch once, from $\theta_0$ to $\theta_1$, at a time $s$ of our choice. What
# does an optimal $s$ inside the interval satisfy? What does it mean if nothing is observed at $s$
# and there is no running loss?
# :::
#
# :::{solution} ex-02-switch
# :class: dropdown
#
# $\mathrm dJ/\mathrm ds = H(s^-) - H(s^+) = 0$: the Hamiltonian is the same under both parameters.
# Without observation and running loss, $\lambda(s)^{\mathsf T} f(s, z(s), \theta_0) =
# \lambda(s)^{\mathsf T} f(s, z(s), \theta_1)$:
# at that point both fields change the loss at the same rate.
# :::
#
# :::{exercise}
# :label: ex-02-control
#
# Let $\dot z = \theta(t)\, z$ with numbers, and $J = z(t_1)$. Compute $G(t)$ of
# {prf:ref}`thm-02-functional`. Why does it not depend on $t$?
# :::
#
# :::{solution} ex-02-control
# :class: dropdown
#
# $\lambda(t) = \exp \int_t^{t_1} \theta\,\mathrm ds$, so $G = \lambda z = z(t_1)$ at all times. The solution is
# $z_0 \exp \int \theta\,\mathrm dt$: only the integral of $\theta$ matters, not when it is spent.
# :::
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
# ## What to read next
#
# Chapter 03 takes these gradients apart on a computer: how much memory they cost, how well the
# state is found again backwards, and where the printed implementations lose digits. The theory
# for problems with controls and constraints is in {cite}`pontryagin1962mathematical`; appendix B of
# {cite}`chen2018neural` derives the adjoint without a Lagrangian; chapter 5 of
# {cite}`kidger2021neural` compares the ways to differentiate a solve. The solvers used here follow
# {cite}`hairer1993solving`.
