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
# # Gradient checks
#
# Chapter 02 derived the gradients of an ODE solve. This chapter takes them to a computer and asks
# what they cost and how far they can be trusted. Each is measured against something that knows
# better: a closed form, or the same gradient at a tolerance of $10^{-12}$.
#
# There are three ways to differentiate a solve, and `nodelib.odeint` has all of them:
#
# - **backprop**: every operation of every step is kept and differentiated;
# - **checkpoint** (the default): only the state before each step is kept; backwards, one step at a
#   time is taken again and differentiated;
# - **adjoint**: nothing is kept but the states at the output times; state, adjoint and parameter
#   gradient are solved backwards together {cite}`chen2018neural`.
#
# The documents make promises about the third. Memory is constant, "O(1)" {cite}`doc000,doc004`, and
# does not grow with the grid {cite}`doc002`. Only the last step has to be kept {cite}`doc002`.
# Training is more efficient {cite}`doc004`. The price is speed {cite}`doc001`, and an error where
# the trajectory found backwards departs from the one that was walked forwards; checkpointing is the
# cure {cite}`doc003`. All of this can be measured, and this chapter does so. What it finds:
#
# - the memory is constant in the steps, to the byte; it is not in the output times;
# - on the same grid the field is evaluated twice as often as for backprop, not less;
# - on a stiff or chaotic system the backward solve can lose the initial state completely, within a
#   time over which the forward solve has about five correct digits, and the gradient with it;
# - checkpointing repairs that, at a small part of backprop's memory, but not at a constant one.

# %% tags=["remove-cell"]
import inspect
import math
import statistics
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from nodebook.benchmarks import diffrax_peer, gradient_problems
from nodebook.benchmarks.differentiation import MODES, WAYS, differentiate, kept_by, relative_error
from nodebook.documents import adjoint_listing
from nodebook.evidence import claims, recorded, registry, results
from nodebook.experiments.ch03_gradients import (
    backward_evaluations,
    gradient_errors,
    gradient_libraries,
    gradient_memory,
    reconstruction,
)
from nodebook.figures import plotting
from nodebook.figures.text import loose_spread, power
from nodelib.ode.solvers import solve

plotting.use_style()
RECORDED = (
    "gradient_errors",
    "gradient_memory",
    "reconstruction",
    "backward_evaluations",
    "gradient_libraries",
)
if profile == "full":
    for name in RECORDED:
        registry.record(name)
LOOKS = {
    "backprop": (plotting.BLUE, "o", "-"),
    "checkpoint": (plotting.GREEN, "s", "--"),
    "adjoint": (plotting.VERMILION, "^", "-"),
    "torchdiffeq-backprop": (plotting.SKY, "v", ":"),
    "torchdiffeq-adjoint": (plotting.ORANGE, "D", ":"),
}


def line(ax, way, x, y, **more):
    colour, marker, style = LOOKS[way]
    ax.plot(x, y, marker + style, color=colour, ms=4, label=WAYS[way], **more)


# %% [markdown]
# ## A gradient in closed form
#
# Take the linear equation $\dot z = A z$ and the loss $L = \tfrac12 |z(t_1) - (1, 1)|^2$. With
# $T = t_1 - t_0$ and $g = z(t_1) - (1, 1)$, chapter 02 gives
#
# $$
# \frac{\mathrm dL}{\mathrm dz_0} = \mathrm e^{T A^{\mathsf T}} g, \qquad
# \frac{\mathrm dL}{\mathrm dA} = \int_0^T \mathrm e^{s A^{\mathsf T}} g \,
# \bigl( \mathrm e^{(T - s) A} z_0 \bigr)^{\mathsf T} \mathrm ds, \qquad
# \frac{\mathrm dL}{\mathrm dt_1} = g^{\mathsf T} A\, z(t_1) = -\frac{\mathrm dL}{\mathrm dt_0} .
# $$ (eq-03-closed)
#
# The integral looks as if it had to be computed numerically. It does not: it is a block of the
# exponential of a matrix of twice the size {cite}`vanloan1978computing`,
#
# $$
# \exp \left( T \begin{pmatrix} A^{\mathsf T} & g z_0^{\mathsf T} \\ 0 & A^{\mathsf T}
# \end{pmatrix} \right) = \begin{pmatrix} \cdot & \mathrm dL/\mathrm dA \\ 0 & \cdot \end{pmatrix} .
# $$ (eq-03-block)
#
# So there is a reference that no solver has touched. The decaying linear spiral of Surtsukov's
# example {cite}`surtsukov2019neural`, at one tolerance, all ways and both libraries:

# %%
problem = gradient_problems.linear(seed)
exact = gradient_problems.linear_gradients(problem)
rows = {}
for way, name in WAYS.items():
    found = differentiate(way, *problem.parts, times=True, rtol=1e-8, atol=1e-8)
    rows[name] = {
        "error in z0": power(relative_error(found.z0, exact["z0"])),
        "in A": power(relative_error(found.theta, exact["theta"])),
        "in t0 and t1": power(relative_error(found.t, exact["t"])),
        "evaluations forwards": found.nfe_forward,
        "backwards": found.nfe_backward,
    }
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# {numref}`fig-03-tolerance` sweeps the tolerance on five such systems, drawn at random but for the
# first.

# %% mystnb={"figure": {"caption": "Largest relative error of the gradients in the initial state, the matrix and both times against the tolerance (relative = absolute), recorded; lines are geometric means over five systems. Left in float64, right in float32. The grey line is the tolerance.", "name": "fig-03-tolerance"}, "image": {"alt": "Two log-log panels of error against tolerance, which tightens to the right. In float64 all five lines fall with the tolerance, four of them to a few times ten to the minus twelve and torchdiffeq's odeint to ten times more. In float32 they fall alike; odeint levels off near ten to the minus five, the others end between ten to the minus seven and ten to the minus six."}} tags=["hide-input"]
runs = results.read("gradient_errors", "linear")
figure, axes = plt.subplots(1, 2, sharey=True, figsize=(7.2, 3.8))
for ax, dtype in zip(axes, gradient_errors.DTYPES, strict=True):
    tolerances = gradient_errors.tolerances_of(dtype)
    for way in WAYS:
        errors = [
            statistics.geometric_mean(run.metric(f"{dtype}.{way}.{x:.0e}") for run in runs)
            for x in tolerances
        ]
        line(ax, way, tolerances, errors)
    ax.plot(tolerances, tolerances, color="0.7", lw=1)
    ax.set(xscale="log", yscale="log", xlabel=f"tolerance, {dtype}")
    ax.invert_xaxis()
axes[0].set_ylabel("relative error of the gradient")
axes[0].legend(fontsize=7)
plt.show()

# %% tags=["remove-input"]
best = {
    dtype: max(run.metric(f"best.{dtype}.{way}") for run in runs for way in MODES)
    for dtype in gradient_errors.DTYPES
}
Markdown(
    f"The smallest error that each of our ways reaches is at most {power(best['float64'])} in float64 "
    f"and {power(best['float32'])} in float32, the worst of all systems and ways. Near "
    f"$10^{{-7}}$ single precision is close to its own rounding, and the sweep ends there. In float64 "
    f"backprop and checkpoint agree to rounding: they are the same gradient. The tolerance is a "
    f"promise about a single step; the error of the gradient is a few times larger. In the figure "
    f"torchdiffeq's `odeint` is further off than the others: it interpolates its output, and the "
    f"figure includes the gradients in the times."
)

# %% [markdown]
# ## Euler's method by hand
#
# Document 002 explains the method with nothing but Euler's steps and a pencil, in six figures. We
# draw all six again, from numbers. A scalar state, one parameter, and time inside the field:
#
# $$
# \dot z = f(t, z, \theta) = \theta z (1 - z) + 0.4 \cos 3t, \qquad
# L = \tfrac12 \bigl( z(1) - 1 \bigr)^2 .
# $$ (eq-03-scalar)

# %%
theta, z_start, n = 1.5, 0.2, 6
h = 1 / n


def f(t, z, theta):
    return theta * z * (1 - z) + 0.4 * math.cos(3 * t)


def f_z(t, z, theta):
    return theta * (1 - 2 * z)


def f_theta(t, z, theta):
    return z * (1 - z)


def forward(n, theta=theta):
    z = [z_start]
    for i in range(n):
        z.append(z[i] + f(i / n, z[i], theta) / n)
    return z


z = forward(n)
[round(value, 4) for value in z]

# %% [markdown]
# The first two figures of the document compare a residual block with an ODE block
# ({numref}`fig-03-blocks`). A residual block maps $h_t$ to $h_t + f(h_t)$ at once: Euler's method
# with one step of length 1. An ODE block follows the trajectory, and $n$ is how finely.


# %% mystnb={"figure": {"caption": "Document 002, figures 1 and 2, from real numbers. Left: an ODE block takes its input along a trajectory (line) that Euler's method walks in six steps (dots). Right: without an ODE, the block is one step of length 1, the whole of a residual block.", "name": "fig-03-blocks"}, "image": {"alt": "Two panels of the state against time from 0 to 1. Left: a smooth rising curve and seven dots that follow it and end above it. Right: the same curve, grey, with one straight arrow from the first state to the output of a single step, which ends far above the curve."}} tags=["hide-input"]
def trajectory(points=101, theta=theta, z_from=z_start, t_from=0.0, t_to=1.0):
    times = np.linspace(t_from, t_to, points)
    start = torch.tensor(z_from, dtype=torch.float64)
    field = lambda t, z: theta * z * (1 - z) + 0.4 * torch.cos(3 * t)  # noqa: E731
    return times, solve(field, start, times.tolist(), rtol=1e-11, atol=1e-11).z.numpy()


grid = np.linspace(0, 1, n + 1)
figure, (left, right) = plt.subplots(1, 2, sharey=True)
left.plot(*trajectory(), color="0.6", label="solution")
left.plot(grid, z, "o", color=plotting.BLUE, ms=5, label="Euler, six steps")
right.plot(*trajectory(), color="0.8")
end = z_start + f(0, z_start, theta)
right.annotate(
    "",
    (1, end),
    (0, z_start),
    arrowprops={"arrowstyle": "->", "color": plotting.VERMILION, "lw": 2},
)
right.plot([0, 1], [z_start, end], "o", color=plotting.VERMILION, ms=5, label="one residual block")
for ax in (left, right):
    ax.set_xlabel("time $t$ (no unit)")
    ax.legend(loc="upper left")
left.set_ylabel("state $z$")
plt.show()

# %% [markdown]
# **The forward pass** (figure 3 of the document) leaves the points $z_0, z_{1/n}, \dots, z_1$.
#
# **The backward pass** solves two more equations from right to left, with the same method. The
# adjoint starts at $a(1) = \partial L / \partial z(1) = z(1) - 1$ and the gradient at zero:
#
# $$
# \begin{aligned}
# a\bigl(1 - \tfrac in\bigr) &= a\bigl(1 - \tfrac{i-1}n\bigr) + \tfrac1n\, a\bigl(1 -
# \tfrac{i-1}n\bigr)\, f_z\bigl(1 - \tfrac{i-1}n\bigr), \\
# g\bigl(1 - \tfrac in\bigr) &= g\bigl(1 - \tfrac{i-1}n\bigr) + \tfrac1n\, a\bigl(1 -
# \tfrac{i-1}n\bigr)\, f_\theta\bigl(1 - \tfrac{i-1}n\bigr) .
# \end{aligned}
# $$ (eq-03-recurrence)
#
# (The document prints $z(\tfrac{i-1}n)$ in the second line. Chapter 02 shows that this is a slip.)
# Both lines need $z$ at the point where the step begins. There are two ways to have it: keep the
# forward points, or solve for $z$ backwards as well, from $z(1)$.


# %%
def backward(z, n, theta=theta, keep_points=True):
    """State that is used, adjoint and gradient, from t = 1 down to 0."""
    state, a, g = [z[n]], [z[n] - 1], [0.0]
    for i in range(1, n + 1):
        t = 1 - (i - 1) / n
        g.append(g[-1] + a[-1] * f_theta(t, state[-1], theta) / n)
        a.append(a[-1] + a[-1] * f_z(t, state[-1], theta) / n)
        found_again = state[-1] - f(t, state[-1], theta) / n
        state.append(z[n - i] if keep_points else found_again)
    return state, a, g


stored, a, g = backward(z, n)
again, a_again, g_again = backward(z, n, keep_points=False)
pd.DataFrame(
    {
        "t": grid[::-1],
        "z forwards": stored,
        "z found again": again,
        "a (points kept)": a,
        "g (points kept)": g,
        "a (found again)": a_again,
        "g (found again)": g_again,
    }
).round(4)

# %% mystnb={"figure": {"caption": "Document 002, figures 3 to 5, from real numbers. Left: the points of the forward pass. Middle: first backward step of the adjoint, from a(1) along its slope (dashed: the exact adjoint, which starts elsewhere because the exact z(1) does). Right: first backward step of the gradient, from 0.", "name": "fig-03-passes"}, "image": {"alt": "Three panels against time. Left: seven blue dots rise from 0.2 to about 0.6. Middle: an arrow from a filled dot at t equal to 1, at the height of the loss gradient, one step to the left, beside a dashed curve. Right: an arrow from zero at t equal to 1 one step to the left, beside a dashed curve."}} tags=["hide-input"]
times, fine = trajectory(2001)
fine_a = [fine[-1] - 1]
fine_g = [0.0]
for t, value in zip(times[:0:-1], fine[:0:-1], strict=True):
    fine_g.append(fine_g[-1] + fine_a[-1] * f_theta(t, value, theta) / 2000)
    fine_a.append(fine_a[-1] + fine_a[-1] * f_z(t, value, theta) / 2000)
figure, axes = plt.subplots(1, 3, figsize=(7.6, 3.2))
axes[0].plot(grid, z, "o", color=plotting.BLUE, ms=5)
for i in range(n):
    axes[0].annotate(
        "",
        (grid[i + 1], z[i + 1]),
        (grid[i], z[i]),
        arrowprops={"arrowstyle": "->", "color": "0.6"},
    )
for ax, values, curve in ((axes[1], a, fine_a), (axes[2], g, fine_g)):
    ax.plot(times[::-1], curve, "--", color="0.6", lw=1)
    ax.annotate(
        "",
        (grid[-2], values[1]),
        (1, values[0]),
        arrowprops={"arrowstyle": "->", "color": plotting.VERMILION, "lw": 1.8},
    )
    ax.plot([1], values[:1], "o", color=plotting.VERMILION, ms=6)
    ax.plot(grid[-2], values[1], "o", color=plotting.VERMILION, ms=6, mfc="white")
for ax, name in zip(axes, ("state $z$", "adjoint $a$", r"gradient $g$"), strict=True):
    ax.set(xlabel="time $t$ (no unit)", ylabel=name)
plt.show()

# %% [markdown]
# **What is kept** (figure 6 of the document). A backward step needs the values of the step before
# it and nothing else. So, the document concludes, only the last step has to be stored, and the
# forward trajectory is computed again on the way, starting from $z(1)$. {numref}`fig-03-kept` draws
# step 4 of 6. It also shows what the document's drawing does not: **the points found again are not
# the forward points**. Euler's method run backwards is not the inverse of Euler's method run
# forwards.

# %% mystnb={"figure": {"caption": "Document 002, figure 6, from real numbers: backward step i = 4. Grey: points computed earlier and no longer stored. Red, filled: what is in memory. Red, open: what the step computes. The blue crosses are the forward points: the red ones should lie on them and do not. The document's arrows from curve to curve are left out.", "name": "fig-03-kept"}, "image": {"alt": "Three panels, state, adjoint and gradient against time. Grey dots at the three right-most times, one filled red dot at one half, one open red dot at one third, joined by one dashed arrow in each panel. In the left panel blue crosses mark the forward points, below the grey and red ones."}} tags=["hide-input"]
step = 4
figure, axes = plt.subplots(1, 3, figsize=(7.6, 3.2))
red = plotting.VERMILION
for ax, values, name in (
    (axes[0], again, "state $z$"),
    (axes[1], a_again, "adjoint $a$"),
    (axes[2], g_again, "gradient $g$"),
):
    back = grid[::-1]
    ax.plot(back[: step - 1], values[: step - 1], "o", color="0.75", ms=6)
    ax.plot(back[step - 1], values[step - 1], "o", color=red, ms=7)
    ax.plot(back[step], values[step], "o", color=red, ms=7, mfc="white")
    ax.annotate(
        "",
        (back[step], values[step]),
        (back[step - 1], values[step - 1]),
        arrowprops={"arrowstyle": "->", "linestyle": "--", "color": red},
    )
    ax.set(xlabel="time $t$ (no unit)", ylabel=name, xlim=(-0.05, 1.08))
axes[0].plot(grid, z, "x", color=plotting.BLUE, ms=6)
plt.show()

# %% [markdown]
# ### Two gradients, of order *h* apart
#
# Now there are several gradients of what looks like one thing, and they differ. Automatic
# differentiation of the six Euler steps gives the derivative of the number that the program
# computes: **discretise, then optimise**. The recurrences {eq}`eq-03-recurrence` discretise the
# derivative of the exact solution: **optimise, then discretise**.


# %%
def by_automatic_differentiation(n):
    parameter = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    state = torch.tensor(z_start, dtype=torch.float64)
    for i in range(n):
        state = state + f(i / n, state, parameter) / n
    return torch.autograd.grad((state - 1) ** 2 / 2, parameter)[0].item()


def by_difference(n, step=1e-5):
    """Central difference of the loss that n Euler steps give."""
    up, down = ((forward(n, theta + s)[-1] - 1) ** 2 / 2 for s in (step, -step))
    return (up - down) / (2 * step)


_, up = trajectory(theta=theta + 1e-4)
_, down = trajectory(theta=theta - 1e-4)
exact_gradient = ((up[-1] - 1) ** 2 - (down[-1] - 1) ** 2) / 2 / 2e-4
pd.Series(
    {
        "of the exact solution": exact_gradient,
        "automatic differentiation through 6 Euler steps": by_automatic_differentiation(n),
        "central difference of the 6 Euler steps": by_difference(n),
        "recurrences, points kept": g[-1],
        "recurrences, points found again": g_again[-1],
    },
    name="dL/dtheta",
).to_frame().round(6)

# %% [markdown]
# The second and third row agree: that is what automatic differentiation is. The last two rows are
# the gradient of *no* loss that was computed. Why? Differentiating one step
# $z_{i+1} = z_i + h f(t_i, z_i)$ gives
#
# $$
# a_i = a_{i+1} + h\, a_{i+1} f_z(t_i, z_i), \qquad
# g_i = g_{i+1} + h\, a_{i+1} f_\theta(t_i, z_i),
# $$ (eq-03-discrete)
#
# with the derivatives at the **left** end of the step. Euler's method for the adjoint, walking from
# right to left, takes them at the **right** end, as in {eq}`eq-03-recurrence`. One step differs by
# $O(h^2)$, and there are $1/h$ of them: the gradients are $O(h)$ apart. For small $h$ both are also
# $O(h)$ from the exact one; here, with six steps, they are much closer to each other than to the
# truth. But only one of them is the slope of the loss that the optimiser sees, and with few steps
# the other can be useless: on the right of {numref}`fig-03-order`, where the state is also found
# again backwards, it is off by many times the gradient at 10 and 20 Euler steps on some of the five
# problems.

# %% mystnb={"figure": {"caption": "Left: the scalar problem, computed here: error of three gradients against the number of Euler steps, and the distance between the first two. Right: the distance between the gradient of the discrete solve and the adjoint equation solved on the same grid, on the nonlinear problem of chapter 02, for three methods; recorded, geometric mean of five problems; orders from the last two grids above rounding.", "name": "fig-03-order"}, "image": {"alt": "Two log-log panels against the number of steps. Left: three error lines fall together with slope minus one; the distance, far below them, rises once and then falls alike. Right: midpoint falls with slope minus two and Runge-Kutta 4 with minus four; Euler stays near ten for two points, drops, and only then falls with slope minus one."}} tags=["hide-input"]
counts = [5 * 2**k for k in range(8)]
discrete = [by_automatic_differentiation(k) for k in counts]
kept = [backward(forward(k), k)[2][-1] for k in counts]
found = [backward(forward(k), k, keep_points=False)[2][-1] for k in counts]
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.6))
for values, label, style in (
    (discrete, "automatic differentiation", "o-"),
    (kept, "recurrences, points kept", "s--"),
    (found, "recurrences, points found again", "^:"),
):
    left.loglog(counts, [abs(v / exact_gradient - 1) for v in values], style, ms=4, label=label)
apart = [abs(x - y) / abs(exact_gradient) for x, y in zip(discrete, kept, strict=True)]
left.loglog(counts, apart, "x-", color="0.5", ms=4, label="first and second apart")
left.set(xlabel="Euler steps $n$", ylabel="relative error")
left.legend(fontsize=7)
runs = results.read("gradient_errors", "steps")
for method, style in zip(gradient_errors.METHODS, ("o-", "s--", "^:"), strict=True):
    values = [
        statistics.geometric_mean(run.metric(f"{method}.apart.{k}") for run in runs)
        for k in gradient_errors.STEPS
    ]
    slopes = [run.metric(f"{method}.order.apart") for run in runs]
    label = f"{method}: order {np.mean(slopes):.2f} ± {np.std(slopes, ddof=1):.2f}"
    right.loglog(gradient_errors.STEPS, values, style, ms=4, label=label)
right.set(xlabel="steps $n$", ylabel="relative distance")
right.legend(fontsize=7)
plt.show()

# %% [markdown]
# With a method of order $p$ the distance falls as $h^p$ ({numref}`fig-03-order`, right): with
# Runge-Kutta 4 and a hundred steps there is nothing to argue about. The trouble is Euler with few
# steps, which is what a small demonstration uses. `nodelib.odeint` warns of it.
#
# Document 002 demands that the result not depend on which solver is used. As a demand on the method
# that is met: no solver has to be opened up. As a statement about the number it is so in the limit,
# and not on a coarse grid, where the solutions differ too.

# %% [markdown]
# ## The deck's `Function`
#
# Document 001 prints a whole adjoint method: a `torch.autograd.Function` of a hundred lines that
# solves forwards with Euler's method, and backwards an augmented system. Here it is in our words,
# some sixty lines, from `nodebook.documents.adjoint_listing`. Three comments mark where the printed version
# treats the gradients in the times differently from what they are.

# %% tags=["remove-input"]
listing = inspect.getsource(adjoint_listing.euler) + "\n\n"
listing += inspect.getsource(adjoint_listing.EulerAdjoint)
Markdown(f"```python\n{listing.strip()}\n```")

# %% [markdown]
# It runs. On the nonlinear system of chapter 02, with a loss that looks at four times, the first of
# them $t_0$, each returned gradient against the truth:

# %%
problem = gradient_errors.deck_problem(seed)
true = gradient_errors.true_gradients(problem)
printed = gradient_errors.deck_gradients(problem, as_printed=True)
corrected = gradient_errors.deck_gradients(problem, as_printed=False)
ours = gradient_errors.same_grid_gradients(problem)

# %% tags=["hide-input"]
names = {
    "z0": "initial state",
    "theta": "parameters",
    "t_first": "first time",
    "t_interior": "times between",
    "t_last": "last time",
}


def numbers(values):
    return ", ".join(f"{x:.3f}" for x in values.tolist())


pd.DataFrame(
    {
        name: {
            "true": numbers(true[entry]),
            "as printed": numbers(printed[entry]),
            "corrected": numbers(corrected[entry]),
            "nodelib, adjoint, same Euler grid": numbers(ours[entry]),
        }
        for entry, name in names.items()
    }
).T

# %% [markdown]
# Two things are mixed here: the mistakes of the listing and the error of Euler's method. To separate
# them, make the steps a hundred times finer. What is only Euler's error becomes a hundred times
# smaller; a mistake stays. Recorded, relative errors, five systems:

# %% tags=["hide-input"]
runs = results.read("gradient_errors", "deck")


def error_range(metric):
    values = [run.metric(metric) for run in runs]
    return f"{min(values):.2g} to {max(values):.2g}"


pd.DataFrame(
    {
        name: {
            "printed, steps 0.05": error_range(f"as_printed.{entry}"),
            "printed, steps 0.0005": error_range(f"as_printed_fine.{entry}"),
            "corrected, steps 0.05": error_range(f"corrected.{entry}"),
            "corrected, steps 0.0005": error_range(f"corrected_fine.{entry}"),
        }
        for entry, name in names.items()
    }
).T

# %% [markdown]
# - **Initial state and parameters contain no mistake but Euler's.** On the same grid they agree with
#   our own adjoint to rounding, and finer steps make their error vanish. At the deck's step of 0.05
#   it is still large: from a hundredth of the gradient to several times the gradient itself. A model
#   trained with it follows a rough gradient.
# - **The last time has the wrong sign** (1): its relative error is 2, which is what a turned sign
#   gives. The sign is right for carrying the adjoint of time on, not for returning it.
# - **The times between are wrong altogether** (2): what is returned is the sensitivity of the whole
#   rest of the trajectory. Moving one observation moves only the point where the state is read.
# - **The first time** (3) subtracts a product with `f_i`, which is left over from the loop and
#   belongs to the second time. It should subtract nothing: $z(t_0) = z_0$ is given. Who has no loss
#   at $t_0$ never sees it. (Corrected and nodelib still differ here by Euler's error: the listing
#   integrates this gradient over time, ours takes $-a^{\mathsf T} f$ at $t_0$.)
#
# Only a model that learns its times would notice. And the time it takes, for 16 states under a
# network, three ways in turns:

# %%
batch = gradient_problems.network(seed)
reference = differentiate("checkpoint", *batch.parts, rtol=1e-10, atol=1e-10).vector()


def deck_gradient():
    z0 = batch.z0.clone().requires_grad_()
    value = batch.loss(adjoint_listing.solve(batch.field, z0, batch.t))
    parts = torch.autograd.grad(value, (z0, *batch.field.parameters()))
    return torch.cat([part.reshape(-1) for part in parts])


contestants = {
    "document 001, Euler 0.05": deck_gradient,
    "nodelib, checkpoint, dopri5 at 1e-3": lambda: differentiate(
        "checkpoint", *batch.parts, rtol=1e-3, atol=1e-3
    ).vector(),
    "nodelib, adjoint, dopri5 at 1e-3": lambda: differentiate(
        "adjoint", *batch.parts, rtol=1e-3, atol=1e-3
    ).vector(),
}
taken = {name: [] for name in contestants}
for turn in range(8):
    for name, work in contestants.items():
        began = time.perf_counter()
        work()
        if turn:
            taken[name].append(time.perf_counter() - began)
first = taken["document 001, Euler 0.05"]
errors = {name: relative_error(work(), reference) for name, work in contestants.items()}
costs = {
    name: statistics.median(a / b for a, b in zip(taken[name], first, strict=True))
    for name in contestants
}
pd.DataFrame(
    {
        "error of the gradient": {name: power(error) for name, error in errors.items()},
        "time (deck = 1)": {name: f"{cost:.2f}" for name, cost in costs.items()},
    }
)

# %% tags=["remove-input"]
deck, checkpoint, adjoint = errors
Markdown(
    f"Here a better method at a loose tolerance is {errors[deck] / errors[checkpoint]:.0f} times "
    f"more accurate than Euler's steps, at {costs[checkpoint]:.2f} times their cost with checkpoints "
    f"and {costs[adjoint]:.2f} times with the adjoint. The costs are this machine's."
)

# %% [markdown]
# ## What has to be kept
#
# Now the promise of constant memory. What counts is what the forward pass keeps for the backward
# one. We walk the graph of the result and add up the bytes of every tensor that it holds, each
# once, without the parameters. (Resident memory would measure the allocator's habits instead.) The
# field is a network of 32 hidden units on 16 states of size 8 in float64, the method the 3/8 rule,
# which torchdiffeq calls `rk4`, on a fixed grid.

# %%
problem = gradient_problems.network(seed)
steps = (10, 30, 100)
pd.DataFrame(
    {
        n: {
            name: kept_by(way, *problem.parts[:3], method="rk4_38", num_steps=n)
            for way, name in WAYS.items()
        }
        for n in steps
    }
).map("{:,} bytes".format).rename(columns="{} steps".format)

# %% [markdown]
# The recorded run goes on to a thousand steps:

# %% tags=["hide-input"]
counted = results.one("gradient_memory", "network")
table = pd.DataFrame(
    {
        name: {f"{n:,}": counted.metric(f"kept.{way}.{n}") for n in gradient_memory.STEPS}
        | {
            "growth": counted.metric(f"kept_growth.{way}"),
            "field evaluations": f"{counted.metric(f'evaluations_ratio.{way}'):.3g} ×",
        }
        for way, name in WAYS.items()
    }
).T
table.map(lambda x: f"{x:,}" if isinstance(x, int) else x)

# %% tags=["remove-input"]
Markdown(
    f"Bytes kept, by number of steps; growth over the last decade; field evaluations of both "
    f"passes over those of backprop. One batch of states is {counted.metric('state'):,} bytes, "
    f"the graph of one step {counted.metric('step_graph'):,}. At a thousand steps backprop keeps "
    f"{counted.metric('kept_ratio'):,.0f} times what the adjoint keeps."
)

# %% [markdown]
# - **The adjoint is constant in the steps, to the byte**: two states, at the start and at the end,
#   and the two times. The claim O(1) is exact.
# - **Backprop and checkpoint are both linear.** But checkpoint grows by one state a step, backprop by
#   a whole step's graph, here 20 times as much; and backwards checkpoint holds one such graph at a
#   time, whatever the number of steps. For a field of deeper layers the factor is larger still.
# - **The adjoint pays in computation**: on a fixed grid it evaluates the field twice as often as
#   backprop. So does checkpoint.
#
# {numref}`fig-03-memory` also shows where O(1) ends. The adjoint restarts at each output time from the
# state that it had there, so it keeps a state for each output. For a time series with as many
# observations as steps nothing is left of the advantage over checkpoint.

# %% mystnb={"figure": {"caption": "Bytes kept for the backward pass, recorded. Left: against the number of steps, with one output. Right: against the number of output times, with 256 steps in all.", "name": "fig-03-memory"}, "image": {"alt": "Two log-log panels. Left: both backprop lines and the checkpoint line rise with slope one, checkpoint a factor of twenty lower; both adjoint lines are flat at two thousand bytes. Right: backprop and checkpoint are flat; both adjoint lines rise with slope one and reach half of the checkpoint line at 128 outputs."}} tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(7.4, 4.2))
for ax, name, xs in (
    (left, "kept", gradient_memory.STEPS),
    (right, "kept_at_outputs", gradient_memory.OUTPUTS),
):
    for way in WAYS:
        line(ax, way, xs, [counted.metric(f"{name}.{way}.{x}") for x in xs])
    ax.set(xscale="log", yscale="log")
left.set(xlabel="steps", ylabel="bytes kept")
right.set_xlabel("output times after the first")
figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
plt.show()

# %% [markdown]
# And the time of both passes, medians of turns on one core, over that of our backprop. Times vary
# from machine to machine, so they are shown and not verified.

# %% tags=["hide-input"]
measured = counted.history["milliseconds"]
pd.DataFrame(
    {
        f"{n:,} steps": {
            name: f"{measured[way][k] / measured['backprop'][k]:.2f}" for way, name in WAYS.items()
        }
        for k, n in enumerate(counted.history["steps"])
    }
)

# %% [markdown]
# So "computationally expensive", as document 000 says of backpropagation through a solver, is true if
# it means the states that must be saved, of which its next sentence speaks, and false if it means
# evaluations: of the three ways backprop is the cheapest in those and the dearest in memory. Trading
# one for the other, as documents 001 and 004 put it, is right.

# %% [markdown]
# ## Running the dynamics backwards
#
# Constant memory rests on finding the trajectory again from its end. Documents 002 and 004 take this
# for granted; document 003 quotes the paper's warning that it can go wrong. A system that contracts
# forgets errors forwards, and must amplify them backwards. Three systems, each solved forwards and
# back at a tolerance of $10^{-6}$:
#
# - **harmless**: Lotka-Volterra, whose orbits are closed;
# - **stiff**: van der Pol's oscillator with $\mu = 10$, which falls onto a slow curve;
# - **chaotic**: Lorenz, whose volumes shrink by $\mathrm e^{-13.7}$ in a unit of time.

# %%
rows = {}
for name, length in (("harmless", 4.0), ("stiff", 0.5), ("chaotic", 1.0)):
    z0 = reconstruction.start(name, seed)
    trip = reconstruction.round_trip(name, length, z0)
    row = {"end state": trip["forward"], "initial state found again": trip["backward"]}
    wanted = reconstruction.true_gradient(name, length, z0)
    for way in ("adjoint", "checkpoint"):
        error = reconstruction.gradient_error(way, name, length, z0, wanted)
        row[f"gradient, {way}"] = error
    rows[f"{name}, time {length:g}"] = row
pd.DataFrame.from_dict(rows, orient="index").map(power)

# %% [markdown]
# All four columns are relative errors. Forwards everything is fine. Backwards the stiff and the
# chaotic system lose tens of thousands to millions of times that, and the adjoint's gradient belongs to
# another trajectory. {numref}`fig-03-lost` shows it happening. (On the harmless system the adjoint is the
# more accurate of the two: it controls the error of the gradient's own equation, while checkpoint
# differentiates the forward steps as they are.)

# %% mystnb={"figure": {"caption": "Forwards (line) and then backwards from the end (dots, one a step), at a tolerance of 1e-6. Left: Lotka-Volterra over a time of 8, found again. Middle: van der Pol with mu = 10 over 0.6, its velocity. Right: Lorenz over 1.2. The backward solutions of the last two follow for a while and then leave.", "name": "fig-03-lost"}, "image": {"alt": "Three panels of a state against time. Left: an oscillating curve with all dots on it. Middle: a line that falls at once from zero to minus 0.07 and stays; from the right the dots lie on it down to a time of 0.35 and then drop out of the picture. Right: a line with one hump; the dots follow from the right and, before a time of 0.3, shoot out of the picture."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 3, figsize=(7.6, 3.0))
settings = {"rtol": 1e-6, "atol": 1e-6}
for ax, (name, length, which) in zip(
    axes, (("harmless", 8.0, 0), ("stiff", 0.6, 1), ("chaotic", 1.2, 0)), strict=True
):
    field, z0 = reconstruction.CASES[name].field(), reconstruction.start(name, 0)
    times = np.linspace(0, length, 300)
    with torch.no_grad():
        there = solve(field, z0, times.tolist(), **settings).z[:, which]
        end = solve(field, z0, [0.0, length], **settings).z[-1]
        back = solve(field, end, [length, 0.0], **settings, record_steps=True)
    walked = [(step.t, step.z[which]) for step in back.steps] + [(0.0, back.z[-1, which])]
    ax.plot(times, there, color=plotting.BLUE, label="forwards")
    ax.plot(*zip(*walked, strict=True), "o", color=plotting.VERMILION, ms=3, label="backwards")
    low, high = float(there.min()), float(there.max())
    margin = 0.6 * (high - low)
    ax.set(xlabel="time (no unit)", ylim=(low - margin, high + margin), title=name)
axes[0].set_ylabel("one state")
axes[0].legend(loc="lower left")
plt.show()

# %% mystnb={"figure": {"caption": "Relative errors against the length of time that is solved, recorded, geometric means over five initial states, at a tolerance of 1e-6. Grey line: 100, which stands for a solve that failed (steps too short or too many) or was off by more.", "name": "fig-03-reconstruction"}, "image": {"alt": "Three log-log panels of error against length of time. Left, harmless: all lines stay between ten to the minus seven and a few times ten to the minus five. Middle, stiff, and right, chaotic: the forward error and the gradient of checkpoint stay below ten to the minus four; the reconstructed state and both adjoint gradients rise steeply from about ten to the minus seven to one hundred, odeint_adjoint on the stiff system to about seven."}} tags=["hide-input"]
runs = results.read("reconstruction", "systems")
shown = {
    "forward": ("end state", "0.5", "x", "-"),
    "backward": ("initial state, found again", plotting.BLACK, "o", "--"),
    "gradient.checkpoint": ("gradient, checkpoint", *LOOKS["checkpoint"]),
    "gradient.adjoint": ("gradient, adjoint", *LOOKS["adjoint"]),
    "gradient.torchdiffeq-adjoint": ("gradient, odeint_adjoint", *LOOKS["torchdiffeq-adjoint"]),
}
figure, axes = plt.subplots(1, 3, sharey=True, figsize=(7.6, 4.2))
for ax, (name, case) in zip(axes, reconstruction.CASES.items(), strict=True):
    for what, (label, colour, marker, style) in shown.items():
        values = [
            statistics.geometric_mean(run.metric(f"{name}.{x:g}.{what}") for run in runs)
            for x in case.lengths
        ]
        ax.plot(case.lengths, values, marker + style, color=colour, ms=4, label=label)
    ax.axhline(reconstruction.LOST, color="0.8", lw=1)
    ax.set(xscale="log", yscale="log", xlabel=f"time solved, {name}")
    ax.set_xticks(case.lengths, [f"{x:g}" for x in case.lengths])
    ax.minorticks_off()
axes[0].set_ylabel("relative error")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
plt.show()

# %% [markdown]
# **What checkpointing does.** It never solves backwards, so there is nothing to amplify.

# %% tags=["remove-input"]
worst = max(
    (run.metric(f"{name}.{x:g}.gradient.checkpoint"), run.metric(f"{name}.{x:g}.forward"))
    for run in runs
    for name, case in reconstruction.CASES.items()
    for x in case.lengths
)
factor = max(
    run.metric(f"{name}.{x:g}.gradient.checkpoint") / run.metric(f"{name}.{x:g}.forward")
    for run in runs
    for name, case in reconstruction.CASES.items()
    for x in case.lengths
)
Markdown(
    f"On all three systems and at every recorded length the error of its gradient is at most "
    f"{power(worst[0])}, and at most {factor:.0f} times the error of the end state."
)

# %% [markdown]
# Our way keeps the state before every step. One can also keep fewer: the adjoint starts again from
# the state that it has at each output time, so output times that the loss ignores act as
# checkpoints.

# %% tags=["hide-input"]
columns = {f"{k} interval{'s' * (k > 1)}": f"restarts.{k}" for k in reconstruction.RESTARTS}
columns["before every step (checkpoint)"] = "restarts.steps"
name, length = reconstruction.RESTART_CASE
pd.DataFrame(
    {
        "error of the gradient": {
            text: f"{power(min(values))} to {power(max(values))}"
            for text, metric in columns.items()
            for values in [[run.metric(metric) for run in runs]]
        }
    }
)

# %% tags=["remove-input"]
Markdown(
    f"The adjoint on the {name} system over a time of {length:g}, restarted in this many "
    f"intervals, each from a stored state; recorded, smallest to largest of five initial states. A "
    f"few stored states give back all the digits, because the amplification is exponential in the "
    f"length of an interval. (The errors go on falling below that of checkpoint because output times "
    f"also force shorter steps.) This is the "
    f"sense in which document 003 is right, and the sense in which O(1) is not free: who needs "
    f"checkpoints pays for them."
)

# %% [markdown]
# ## How many evaluations?
#
# Chen et al. count field evaluations and find about **half as many backwards as forwards**. They
# measured a classifier of images (chapter 07); we look at smaller things: a network fitted to a
# spiral, the same with a loss a million times smaller, and the forced oscillator of chapter 02. Five
# seeds each.

# %% tags=["hide-input"]
titles = {
    "network": "fitted network",
    "scaled": "fitted network, loss × 1e-6",
    "nonlinear": "forced oscillator",
}
counted = {variant: results.read("backward_evaluations", variant) for variant in titles}


pd.DataFrame(
    {
        titles[variant]: {
            name: loose_spread(recorded.values(runs, f"ratio.{way}.mean"), 2)
            for way, name in backward_evaluations.NAMES.items()
        }
        for variant, runs in counted.items()
    }
)

# %% [markdown]
# These are evaluations backwards over evaluations forwards, averaged over tolerances from $10^{-2}$
# to $10^{-8}$, mean ± s.d. over seeds. Backprop has no row: it evaluates nothing backwards.

# %% mystnb={"figure": {"caption": "Field evaluations backwards over forwards against the tolerance, recorded; means over five seeds, bars one standard deviation. Dotted: the half that Chen et al. report.", "name": "fig-03-evaluations"}, "image": {"alt": "Three panels of the ratio against tolerance. In all of them the lines lie between 0.6 and 1.4; checkpoint lies just below one in the first two and rises from 0.7 to one in the third, and no line stays near the dotted one at one half."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 3, sharey=True, figsize=(7.6, 3.9))
looks = {**LOOKS, "torchdiffeq-seminorm": (plotting.PURPLE, "*", ":")}
for ax, (variant, runs) in zip(axes, counted.items(), strict=True):
    for way, name in backward_evaluations.NAMES.items():
        values = np.array(
            [
                [run.metric(f"ratio.{way}.{x:.0e}") for x in backward_evaluations.TOLERANCES]
                for run in runs
            ]
        )
        colour, marker, style = looks[way]
        ax.errorbar(
            backward_evaluations.TOLERANCES,
            values.mean(0),
            values.std(0, ddof=1),
            fmt=marker + style,
            color=colour,
            ms=4,
            lw=1.2,
            capsize=2,
            label=name,
        )
    ax.axhline(0.5, color="0.5", ls=":")
    ax.set(xscale="log", xlabel="tolerance", title=titles[variant], ylim=(0, None))
    ax.invert_xaxis()
axes[0].set_ylabel("evaluations backwards / forwards")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8)
plt.show()

# %% tags=["remove-input"]
half = {
    way: sum(run.metric(f"half.{way}") for runs in counted.values() for run in runs)
    for way in backward_evaluations.NAMES
}
total = sum(len(runs) for runs in counted.values()) * len(backward_evaluations.TOLERANCES)
Markdown(
    "**We do not see the half.** A ratio of at most 0.6 occurs in "
    + ", ".join(
        f"{half[way]} of {total} solves ({name})"
        for way, name in backward_evaluations.NAMES.items()
    )
    + "."
)

# %% [markdown]
# The checkpointed pass redoes the accepted steps and no others, so it always needs less than the
# forward pass: it saves the two evaluations that choose the first step, and the rejected steps, of
# which the oscillator has some. The adjoint solves a larger system to the same tolerance and needs
# about as much as the forward pass, or more, except on the oscillator at loose tolerances. A smaller
# loss makes its
# adjoint smaller than the absolute tolerance, so that it stops mattering for the step; but the state
# still has to be found again, and that alone costs nearly the forward price. To halve it, something in the
# setting has to be different: chapter 07 looks at images.

# %% [markdown]
# ## Same gradients, different libraries
#
# Last, peers. One problem, one method (Dormand-Prince), one tolerance ($10^{-6}$), float64, and for
# each library the error of its gradient against a reference at $10^{-12}$ and the time it takes.

# %%
problem = gradient_libraries.problem("network", seed)
reference = differentiate("checkpoint", *problem.parts, rtol=1e-12, atol=1e-12).vector()
functions = gradient_libraries.gradient_functions(problem)
ratios = gradient_libraries.ratios(gradient_libraries.milliseconds(functions, repeats=7))
pd.DataFrame(
    {
        gradient_libraries.NAMES[way]: {
            "error of the gradient": power(relative_error(function(), reference)),
            "time (odeint_adjoint = 1)": f"{ratios[way]:.3f}",
        }
        for way, function in functions.items()
    }
).T

# %% tags=["remove-input"]
installed = diffrax_peer.version()
Markdown(
    f"diffrax {installed} is installed here and takes part."
    if installed
    else "diffrax is not installed here, so it is missing from this table; it is in the recorded one."
)

# %% [markdown]
# Recorded, three problems drawn for each column, on one thread:

# %% tags=["hide-input"]
titles = {"nonlinear": "oscillator (2 numbers)", "network": "network (16 × 8 numbers)"}
columns = {}
for variant, title in titles.items():
    runs = results.read("gradient_libraries", variant)
    ways = [way for way in gradient_libraries.NAMES if f"error.{way}" in runs[0].metrics]
    columns[f"{title}: error"] = {
        gradient_libraries.NAMES[way]: power(
            statistics.geometric_mean(run.metric(f"error.{way}") for run in runs)
        )
        for way in ways
    }
    columns[f"{title}: time"] = {
        gradient_libraries.NAMES[way]: " to ".join(
            f"{pick([run.history['ratio'][way] for run in runs]):.2g}" for pick in (min, max)
        )
        for way in ways
    }
pd.DataFrame(columns)

# %% tags=["remove-input"]
Markdown(
    f"Errors are geometric means. Times are medians of turns over those of `odeint_adjoint`, "
    f"compilation left out, smallest to largest of the three problems. torch "
    f"{runs[0].versions['torch']}, diffrax {runs[0].metric('diffrax')}."
)

# %% [markdown]
# All of them compute the same gradient, with mean errors from half the requested tolerance to some
# twenty times that. They do not take the same time. Our ways are ahead of torchdiffeq's adjoint, and
# **diffrax is ahead of both**: mode for mode by a factor of about four to several hundred in single
# runs. JAX compiles the whole solve and its gradient into one program, where we run Python between
# operations of a few microseconds. The gap narrows as the field grows, as the second pair of columns
# shows. Who needs speed on small systems should look there.
#
# One warning about such tables: at the same requested tolerance the libraries do not reach the same
# error. Ours lands on the output times and controls its steps more strictly than torchdiffeq, and
# evaluates the field more often for it.

# %% [markdown]
# ## Verdicts
#
# Computed from the recorded runs.

# %% tags=["hide-input"]
claims.table("03")

# %% [markdown]
# ## Exercises
#
# ````{exercise} The right end
# :label: ex-03-left
#
# Change one thing in `backward` above so that its gradient agrees with automatic differentiation to
# rounding. Does it still work with `keep_points=False`?
# ````
#
# ````{solution} ex-03-left
# :class: dropdown
#
# Take the derivatives at the left end of the step, {eq}`eq-03-discrete`: use `z[n - i]` and the time
# $1 - i/n$ in `f_z` and `f_theta`. That needs the forward points. If they are found again by Euler
# steps backwards they are not the forward points, and the agreement is lost: the discrete gradient
# belongs to the discrete trajectory.
# ````
#
# ````{exercise} How long may one go back?
# :label: ex-03-length
#
# A linear system $\dot z = -k z$ is solved forwards with a relative tolerance $\varepsilon$ and then
# backwards. Over which time is the initial state found again with two correct digits? Compare with
# {numref}`fig-03-reconstruction` for van der Pol's oscillator with $\mu = 10$, which near its start
# contracts at a rate of about $k = 30$.
# ````
#
# ````{solution} ex-03-length
# :class: dropdown
#
# An error of size $\varepsilon$ at the end grows by $\mathrm e^{kT}$, so $T \approx
# \ln(0.01/\varepsilon)/k$. With $\varepsilon = 10^{-6}$ and $k = 30$ that is $9.2/30 = 0.3$. The
# figure reaches $10^{-2}$ later, between 0.25 and 0.5. The rate hardly falls (28.7 at time 0.5); but
# the error to be amplified is not $\varepsilon$: contraction has left only about $10^{-8}$ of it in
# the end state, and $\ln(0.01/10^{-8})/29 = 0.48$.
# ````
#
# ````{exercise} The square root of the steps
# :label: ex-03-sqrt
#
# Keep only every $m$-th state of $n$ steps, and backwards recompute the $m$ steps between two kept
# ones before differentiating them. How many states are in memory at most? Which $m$ is best, and how
# often is the field evaluated?
# ````
#
# ````{solution} ex-03-sqrt
# :class: dropdown
#
# There are $n/m$ kept states and at most $m$ recomputed ones; the sum is smallest for $m = \sqrt n$,
# $2\sqrt n$ states in all. The steps are taken once forwards, once to recompute, and once more each
# to differentiate them: three times the evaluations of backprop, instead of two. Doing it recursively
# brings memory down to $O(\log n)$ for $O(n \log n)$ evaluations {cite}`griewank1992achieving`.
# ````
#
# ## What to read next
#
# {doc}`04_system_identification` and {doc}`05_lotka_volterra` use these gradients to learn systems. On
# the choice between the two orders of "discretise" and "optimise", with the same warning about reconstruction, see
# {cite}`gholami2019anode`; {cite}`zhuang2020adaptive` checkpoints adaptive steps, as
# `nodelib.odeint` does. Chapter 5 of {cite}`kidger2021neural` compares all of these, and
# {cite}`kidger2021hey` explains the seminorm. How to checkpoint with few states is a classic:
# {cite}`griewank1992achieving`.
