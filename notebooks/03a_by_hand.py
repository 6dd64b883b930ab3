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
# # Gradients by hand
#
# Euler's method is short enough to differentiate with a pencil. Doing so shows that "the gradient
# of an ODE solve" means two different numbers. Then a printed implementation is examined, line by
# line. What the page finds:
#
# 1. **Discretise, then optimise** gives the slope of the loss that the program computes; **optimise,
#    then discretise** gives another number. With Euler's method they are $O(h)$ apart, and with few
#    steps the second can be useless.
# 2. **Euler's method run backwards does not retrace its steps.** The state that the adjoint finds
#    again is not the one that was there.
# 3. **The `Function` that Zurlo and Facci print is right in the initial state and the
#    parameters**, to Euler's error, and wrong in all times.

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
import inspect
import math

import matplotlib.pyplot as plt
import pandas as pd
import torch
from IPython.display import Markdown

from nodebook.documents import adjoint_listing
from nodebook.evidence import recorded
from nodebook.experiments.ch03_gradients import gradient_errors
from nodebook.figures import gradients as drawn
from nodebook.figures import plotting
from nodebook.figures.sources import source
from nodebook.figures.tables import shown
from nodebook.figures.verdicts import tally
from nodelib import odeint

# %% [markdown]
# ## Build it

# %% [markdown]
# The knobs: **change one and run again**.

# %% tags=["parameters"]
profile = "quick"  # the experiments of this chapter are recorded again from page 03
seed = 0  # draws the system of the second half

# %% tags=["knobs"]
theta, z_start = 1.5, 0.2  # the parameter and the initial state
n = 6  # Euler steps

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()

# %% [markdown]
# A number as state, one parameter, and time inside the field:
#
# $$
# \begin{aligned}
# \dot z &= f(t, z, \theta) \\
# &= \theta z (1 - z) + 0.4 \cos 3t, \\
# L &= \tfrac12 \bigl( z(1) - 1 \bigr)^2 .
# \end{aligned}
# $$ (eq-03-scalar)


# %%
def f(t, z, theta):
    return theta * z * (1 - z) + 0.4 * math.cos(3 * t)


def f_z(t, z, theta):
    return theta * (1 - 2 * z)


def f_theta(t, z, theta):
    return z * (1 - z)


def forward(n, theta=theta):
    """The states of n Euler steps."""
    z = [z_start]
    for i in range(n):
        z.append(z[i] + f(i / n, z[i], theta) / n)
    return z


z = forward(n)
print([round(value, 4) for value in z])

# %% [markdown]
# The backward pass solves two more equations from right to left, with the same method. The adjoint
# starts at $a(1) = \partial L / \partial z(1) = z(1) - 1$ and the gradient at zero. With
# $s = 1 - \tfrac{i-1}n$ for the time at which step $i$ begins,
#
# $$
# \begin{aligned}
# a\bigl(s - \tfrac1n\bigr) &= a(s) + \tfrac1n\, a(s)\, f_z(s), \\
# g\bigl(s - \tfrac1n\bigr) &= g(s) + \tfrac1n\, a(s)\, f_\theta(s) .
# \end{aligned}
# $$ (eq-03-recurrence)
#
# (The Russian review prints $z(\tfrac{i-1}n)$ in the second line: {doc}`02b_audit`.) Both lines
# need $z$ at the point where the step begins. There are two ways to have it: keep the forward
# points, or solve for $z$ backwards as well, from $z(1)$.


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
print("forward points, from the end:", [round(value, 4) for value in stored])
print("found again:                 ", [round(value, 4) for value in again])

# %% [markdown]
# A backward step needs the values of the step before it and nothing else. So, the review concludes,
# only the last step has to be stored, and the forward trajectory is computed again on the way.
# {numref}`fig-03-kept` draws step 4. It also shows what the review's drawing does not: **the points
# found again are not the forward points**. Euler's method run backwards is not the inverse of
# Euler's method run forwards.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Backward step 4 of 6, from right to left, after figure 6 of the Russian review, from real numbers. Only the red points are in memory or computed. The state that is found again should lie on the blue crosses and does not.", "name": "fig-03-kept"}, "image": {"alt": "Three panels, state, adjoint and gradient against time. Grey dots at the three right-most times, one filled red dot at one half, one open red dot at one third, joined by one dashed arrow in each panel. In the first panel blue crosses mark the forward points, below the grey and red ones."}} tags=["remove-input"]
panels = {"state $z$": again, "adjoint $a$": a_again, "gradient $g$": g_again}
drawn.backward_step([1 - i / n for i in range(n + 1)], panels, stored, 4)
plt.show()

# %% [markdown]
# ## Two gradients, of order *h* apart
#
# Now there are several gradients of what looks like one thing. Automatic differentiation of the six
# steps gives the derivative of the number that the program computes: **discretise, then
# optimise**. The recurrences {eq}`eq-03-recurrence` discretise the derivative of the exact solution:
# **optimise, then discretise**.


# %%
def by_autograd(n):
    parameter = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    state = torch.tensor(z_start, dtype=torch.float64)
    for i in range(n):
        state = state + f(i / n, state, parameter) / n
    return torch.autograd.grad((state - 1) ** 2 / 2, parameter)[0].item()


def by_difference(n, step=1e-5):
    """Central difference of the loss that n Euler steps give."""
    up, down = ((forward(n, theta + s)[-1] - 1) ** 2 / 2 for s in (step, -step))
    return (up - down) / (2 * step)


def exact_end(theta):
    field = lambda t, z: theta * z * (1 - z) + 0.4 * torch.cos(3 * t)  # noqa: E731
    start = torch.tensor(z_start, dtype=torch.float64)
    return odeint(field, start, [0.0, 1.0], rtol=1e-11, atol=1e-11)[-1].item()


up, down = exact_end(theta + 1e-4), exact_end(theta - 1e-4)
exact = ((up - 1) ** 2 - (down - 1) ** 2) / 2 / 2e-4
print(f"of the exact solution                {exact:.6f}")
print(f"autograd through {n} Euler steps       {by_autograd(n):.6f}")
print(f"central difference of the {n} steps    {by_difference(n):.6f}")
print(f"recurrences, points kept             {g[-1]:.6f}")
print(f"recurrences, points found again      {g_again[-1]:.6f}")

# %% [markdown]
# The second and third agree: that is what automatic differentiation is. The last two are
# the gradient of *no* loss that was computed. Differentiating one step
# $z_{i+1} = z_i + h f(t_i, z_i)$ gives
#
# $$
# \begin{aligned}
# a_i &= a_{i+1} + h\, a_{i+1} f_z(t_i, z_i), \\
# g_i &= g_{i+1} + h\, a_{i+1} f_\theta(t_i, z_i),
# \end{aligned}
# $$ (eq-03-discrete)
#
# with the derivatives at the **left** end of the step. Euler's method for the adjoint, walking from
# right to left, takes them at the **right** end. One step differs by $O(h^2)$, and there are $1/h$ of
# them. For small $h$ both are also $O(h)$ from the exact one. But only one of
# them is the slope of the loss that the optimiser sees, and with few steps the other can be useless:
# below in {numref}`fig-03-order`, where the state is also found again backwards, it is off by many
# times the gradient at 10 and 20 Euler steps on some of the five problems.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Above: the scalar problem, computed here: error of three gradients against the number of Euler steps, and the distance between the first two. The three error lines lie nearly on each other. Below: the distance between the gradient of the discrete solve and the adjoint equation solved on the same grid, on the nonlinear problem of chapter 02; recorded, geometric mean of five problems; orders from the last two grids above rounding.", "name": "fig-03-order"}, "image": {"alt": "Two log-log panels against the number of steps. Above: three error lines fall together with slope minus one; the distance, far below them, rises once and then falls alike. Below: midpoint falls with slope minus two and Runge-Kutta 4 with minus four; Euler stays near ten for two points, drops, and only then falls with slope minus one."}} tags=["remove-input"]
counts = [5 * 2**k for k in range(8)]
kinds = {
    "autograd": [by_autograd(k) for k in counts],
    "points kept": [backward(forward(k), k)[2][-1] for k in counts],
}
again_at = [backward(forward(k), k, keep_points=False) for k in counts]
kinds["found again"] = [found[2][-1] for found in again_at]
curves = {}
for name, values in kinds.items():
    curves[name] = [abs(value / exact - 1) for value in values]
pairs = zip(kinds["autograd"], kinds["points kept"], strict=True)
curves["first two apart"] = [abs((x - y) / exact) for x, y in pairs]
steps = recorded.runs("gradient_errors", "steps")
drawn.orders(counts, curves, steps, gradient_errors.STEPS, gradient_errors.METHODS)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("gradient_errors", "steps")

# %% [markdown]
# With a method of order $p$ the distance falls as $h^p$: with Runge-Kutta 4 and a hundred steps
# there is nothing to argue about. The trouble is Euler with few steps, which is what a small
# demonstration uses; `nodelib.odeint` warns of it. The review demands that the result not depend on
# the solver. As a demand on the method that is met: no solver has to be opened up. As a statement
# about the number it is so in the limit, and not on a coarse grid.

# %% [markdown]
# ## A printed `Function`
#
# Zurlo and Facci print a whole adjoint method: a `torch.autograd.Function` that
# solves forwards with Euler's method, and backwards an augmented system. Here it is in our words,
# from `nodebook.documents.adjoint_listing`. Three comments mark where the printed version
# treats the gradients in the times differently from what they are.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
listing = inspect.getsource(adjoint_listing.EulerAdjoint)
Markdown(f"```python\n{listing.strip()}\n```")

# %% [markdown]
# On the nonlinear system of chapter 02, with a loss that looks at four times, the first of them
# $t_0$, each returned gradient against the truth:

# %%
problem = gradient_errors.deck_problem(seed)
found = {
    "true": gradient_errors.true_gradients(problem),
    "as printed": gradient_errors.deck_gradients(problem, as_printed=True),
    "corrected": gradient_errors.deck_gradients(problem, as_printed=False),
    "nodelib, same Euler grid": gradient_errors.same_grid_gradients(problem),
}
for name, values in found.items():
    print(name)
    for entry, value in values.items():
        print(f"    {entry:10s}", ", ".join(f"{x:.3f}" for x in value.tolist()))

# %% [markdown]
# Two things are mixed here: the mistakes of the listing and the error of Euler's method. To separate
# them, make the steps a hundred times finer. What is only Euler's error becomes a hundred times
# smaller; a mistake stays. Recorded, relative errors, five systems:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
deck = recorded.runs("gradient_errors", "deck")
titles = {
    "as_printed": "printed, 0.05",
    "as_printed_fine": "printed, 0.0005",
    "corrected": "corrected, 0.05",
    "corrected_fine": "corrected, 0.0005",
}
table = {}
for entry in found["true"]:
    table[entry] = {}
    for metric, title in titles.items():
        values = recorded.values(deck, f"{metric}.{entry}")
        table[entry][title] = f"{min(values):.2g} to {max(values):.2g}"
shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("gradient in"))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("gradient_errors", "deck")

# %% [markdown]
# - **Initial state and parameters contain no mistake but Euler's.** On the same grid they agree with
#   our own adjoint to rounding, and finer steps make their error vanish. At the deck's step of 0.05
#   it is still large: from a hundredth of the gradient to several times the gradient itself.
# - **The last time has the wrong sign** (1): its relative error is 2. The sign is right for carrying
#   the adjoint of time on, not for returning it.
# - **The times between are wrong altogether** (2): what is returned is the sensitivity of the whole
#   rest of the trajectory. Moving one observation moves only the point where the state is read.
# - **The first time** (3) subtracts a product with `f`, which is left over from the loop and
#   belongs to the second time. It should subtract nothing: $z(t_0) = z_0$ is given. Anyone who has no
#   loss at $t_0$ never sees it. (Corrected and nodelib still differ here by Euler's error.)
#
# Only a model that learns its times would notice.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("03")

# %% [markdown]
# ## Exercises
#
# ````{exercise} The right end
# :label: ex-03-left
#
# Change one thing in `backward` so that its gradient agrees with automatic differentiation to
# rounding. Does it still work with `keep_points=False`?
# ````
#
# ````{solution-start} ex-03-left
# :class: dropdown
# ````


# %%
def backward_left(z, n, keep_points=True):
    """The same with the derivatives at the left end of each step."""
    state, a, g = z[n], z[n] - 1, 0.0
    for i in range(1, n + 1):
        t = 1 - i / n
        found_again = state - f(t + 1 / n, state, theta) / n
        state = z[n - i] if keep_points else found_again
        g += a * f_theta(t, state, theta) / n
        a += a * f_z(t, state, theta) / n
    return g


left, left_again = backward_left(z, n), backward_left(z, n, keep_points=False)
print(f"autograd {by_autograd(n):.12f}")
print(f"kept     {left:.12f}")
print(f"found    {left_again:.12f}")

# %% [markdown]
# It needs the forward points. If they are found again by Euler steps backwards they are not the
# forward points, and the agreement is lost: the discrete gradient belongs to the discrete
# trajectory.
#
# ````{solution-end}
# ````
#
# ````{exercise} From Euler to midpoint
# :label: ex-03-midpoint
#
# How many Euler steps does it take until both gradients, `by_autograd` and `backward`, agree to one
# per cent? Predict it from {numref}`fig-03-order`, then count.
# ````
#
# ````{solution-start} ex-03-midpoint
# :class: dropdown
# ````

# %%
count = 1
while abs(backward(forward(count), count)[2][-1] / by_autograd(count) - 1) > 0.01:
    count += 1
print(
    f"{count} steps; from the exact gradient they are still "
    f"{abs(by_autograd(count) / exact - 1):.0%} away"
)

# %% [markdown]
# On this harmless problem the two agree long before either is right. On the problems of the lower panel
# it is the other way round.
#
# ````{solution-end}
# ````
#
# ## Read next
#
# On the two orders of "discretise" and "optimise": {cite}`gholami2019anode`. {doc}`03b_cost` counts
# evaluations and compares libraries.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
if (theta, z_start, n) == (1.5, 0.2, 6):
    assert abs(by_autograd(n) - by_difference(n)) < 1e-8
    assert abs(g[-1] - by_autograd(n)) > 1e-5
    assert abs(left - by_autograd(n)) < 1e-14 < abs(left_again - by_autograd(n))
    assert abs(by_autograd(count) / exact - 1) > 0.02
assert max(recorded.values(steps, "euler.apart.10")) > 5
for entry in ("z0", "theta"):
    assert max(recorded.values(deck, f"as_printed_fine.{entry}")) < 0.2
last = recorded.values(deck, "as_printed_fine.t_last")
assert all(abs(error - 2) < 0.02 for error in last)
