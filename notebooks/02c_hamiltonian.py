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
# # Running losses, many observations, moving times
#
# Three more things happen in practice. The loss looks at the state at several times, or all the time.
# The parameters change from one interval to the next. And the times themselves may be inputs.
# **One theorem covers them all: the gradient in any time is the jump of the Hamiltonian there.**
# Equations without a link are in {doc}`02_adjoint`.

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
import matplotlib.pyplot as plt
import numpy as np
import torch

from nodebook.documents.formulas import hamiltonian
from nodebook.documents.formulas.system import System
from nodebook.evidence import recorded
from nodebook.experiments.ch02_adjoint import adjoint_extensions
from nodebook.figures import adjoint as drawn
from nodebook.figures import plotting
from nodebook.figures.formula_tables import Table, scientific
from nodebook.figures.sources import source
from nodebook.figures.verdicts import tally
from nodelib.fields import ForcedVanDerPol

# %% tags=["parameters"]
profile = "quick"  # the runs of this chapter are recorded again from page 02
seed = 0  # draws the system

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()

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
# \begin{aligned}
# H(t, z, \lambda, \theta) ={}& \ell(t, z, \theta) \\
# &+ \lambda^{\mathsf T} f(t, z, \theta) .
# \end{aligned}
# $$ (eq-02-hamiltonian)
#
# In the Lagrangian $H - \lambda^{\mathsf T} \dot z$ takes the place of the old integrand,
# and at fixed times the variation goes as before, with $H_z$ in the place of $f_z^{\mathsf T}\lambda$ and $H_\theta$ in that of $f_\theta^{\mathsf T}\lambda$. (When an end moves, the
# integrand is now $\ell$, not zero; {prf:ref}`thm-02-jumps` has that.) State and
# adjoint obey Hamilton's **canonical equations**
#
# $$
# \begin{aligned}
# \dot z &= \frac{\partial H}{\partial\lambda}, \\
# z(t_0) &= z_0, \\
# \dot\lambda &= - \frac{\partial H}{\partial z}, \\
# \lambda(t_1) &= \nabla L(z(t_1)), \\
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
# \begin{aligned}
# J ={}& \sum_{k=0}^{N} L_k(z(t_k)) \\
# &+ \sum_{k=0}^{N-1} \int_{t_k}^{t_{k+1}} \ell(t, z, \theta_k)\,\mathrm dt .
# \end{aligned}
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
# \begin{aligned}
# \lambda(t_k^-) ={}& \lambda(t_k^+) \\
# &+ \nabla L_k(z(t_k)) .
# \end{aligned}
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
# \begin{aligned}
# \delta_k &:= v(t_k^-) + f(t_k^-)\,\delta t_k \\
# &\phantom{:}= v(t_k^+) + f(t_k^+)\,\delta t_k, \\
# \delta_0 &\phantom{:}= \delta z_0 .
# \end{aligned}
# $$ (eq-02-proof-join)
#
# At $t_0$ only the right of the two sides exists, at $t_N$ only the left; outside, $\ell$ counts as zero.
# The loss changes by
#
# $$
# \begin{aligned}
# \delta J ={}& \sum_k \nabla L_k^{\mathsf T} \delta_k \\
# &+ \sum_k \bigl( \ell(t_k^-) - \ell(t_k^+) \bigr)\,\delta t_k \\
# &+ \sum_k \int_{t_k}^{t_{k+1}} \bigl( \ell_z^{\mathsf T} v \\
# &\qquad\quad + \ell_\theta^{\mathsf T} \delta\theta_k \bigr)\,\mathrm dt .
# \end{aligned}
# $$ (eq-02-proof-loss)
#
# By the product rule $\frac{\mathrm d}{\mathrm dt}(\lambda^{\mathsf T} v) = - \ell_z^{\mathsf T} v +
# \lambda^{\mathsf T} f_\theta\,\delta\theta_k$. Integrated over interval $k$,
#
# $$
# \begin{aligned}
# \int_{t_k}^{t_{k+1}} & \ell_z^{\mathsf T} v \,\mathrm dt \\
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
# \nabla L_k^{\mathsf T} \delta_k &+ \lambda(t_k^+)^{\mathsf T} v(t_k^+) \\
# &- \lambda(t_k^-)^{\mathsf T} v(t_k^-) \\
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


# %%
def right_side(problem, field):
    """Of the canonical equations and of g' = -H_theta; y holds z, lambda and g."""

    def right(t, y):
        with torch.enable_grad():
            z = y[:2].detach().requires_grad_()
            adjoint = y[2:4].detach().requires_grad_()
            value = hamiltonian.hamiltonian(problem, field, t, z, adjoint)
            inputs = (z, adjoint, field.theta)
            by_z, by_adjoint, by_theta = torch.autograd.grad(value, inputs)
        return torch.cat((by_adjoint, -by_z, -by_theta))

    return right


# %% [markdown]
# The running loss is $\ell = \theta_2 z_1^2 \cos t + \theta_1 z_1 z_2$: it depends on time, state
# and parameters. First without observations on the way.

# %%
inputs_of_system = System(seed).inputs
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

# %% jupyter={"source_hidden": true} tags=["remove-input"]
NAMES = ("theta1", "theta2", "z0, first", "z0, second", "t0", "t1")
flattened = tuple(map(flat, ways))
drawn.three_ways("With a running loss; relative errors", NAMES, flattened)

# %% [markdown]
# The library's own version of `right_side`, which the checks below solve with, gives the same numbers:

# %%
field = ForcedVanDerPol(inputs_of_system.theta)
y = torch.tensor([1.0, 0.5, -0.3, 0.2, 0.0, 0.0], dtype=torch.float64)
now = torch.tensor(0.7, dtype=torch.float64)
mine, theirs = right_side(problem, field), hamiltonian.canonical(problem, field)
print("the same numbers:", torch.equal(mine(now, y), theirs(now, y)))

# %% [markdown]
# ## Losses at many times
#
# A time series is observed at many times, and each observation adds a term to the loss. By
# {eq}`eq-02-jump` nothing new has to be solved. Going back, the adjoint is **kicked** by
# $\nabla L_k$ as it passes $t_k$, and runs on. A program therefore stops its backward solve at every
# observation and starts it again; in Zurlo and Facci's listing the kick is the line
# `adj_z += dLdz_i`.
#
# {numref}`fig-02-jumps` has losses at four times, the first of them the start, and a running loss
# that goes on after the last.

# %%
problem = adjoint_extensions.observed_problem(inputs_of_system)
solution = hamiltonian.adjoint(problem, points=40)
for t, weight in zip(problem.times, problem.weights, strict=True):
    print(f"t = {t:.3f}   weight of the loss {weight:4.1f}")

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Above: the state, with dots where the loss looks at it. Below: the adjoint, to be read from right to left. It starts at zero, is driven by the running loss, and jumps by the gradient of the loss at every observation. The dots at the start are the gradient in the initial state.", "name": "fig-02-jumps"}, "image": {"alt": "Above: two curves of the state with dots at four observation times. Below: the two components of the adjoint on four intervals, zero at time 2, with vertical jumps at three times on the way and at the start."}} tags=["remove-input"]
drawn.jumps(problem, solution)
plt.show()

# %% [markdown]
# ## When a time moves
#
# The third line of {eq}`eq-02-general-gradients` answers four different questions. They are easily
# confused, and Zurlo and Facci's listing confuses two of them.
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
#   continuous and the field jumps: $\mathrm dJ/\mathrm dt_k = H(t_k^-) - H(t_k^+)$ with one
#   $\lambda$ in both.
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

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Table(
    "Gradients in all times: with observations, and with switched parameters",
    ("What moves", "Jump of H", "Difference to the complex step"),
    tuple(
        (moves, f"{ours:.10f}".replace("-", "−"), scientific(abs(ours - other)))
        for _, moves, ours, other in rows
    ),
)

# %% [markdown]
# ## Parameters in time
#
# Zurlo and Facci write $\theta_t$ beside the ODE and $\theta$ in the loss; the Russian review says that all
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

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The functional gradient in both parameters, lines, and the gradients of eight pieces divided by their length, steps.", "name": "fig-02-functional"}, "image": {"alt": "Two panels over time from 0.3 to 2, one per parameter. A smooth curve, and a staircase of eight levels that are its averages on equal intervals."}} tags=["remove-input"]
t, by_theta = torch.cat(piecewise.t), torch.cat(piecewise.by_theta)
drawn.functional(pieces.times, piecewise.gradients["thetas"], t, by_theta)
plt.show()

# %% [markdown]
# The recorded runs repeat all these checks on two more systems. The largest relative error in any
# gradient, against the complex step or against finite differences:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
checks = {
    "running": "running loss",
    "observations": "observations and running loss",
    "parameters": "switched, shared and functional parameters",
    "blocks": "transposed system, against automatic differentiation",
}
worst = {}
for variant in checks:
    found = recorded.runs("adjoint_extensions", variant)
    named = [name for name in found[0].metrics if name.endswith("error")]
    worst[variant] = max(max(recorded.values(found, name)) for name in named)
rows = tuple((checks[name], scientific(error)) for name, error in worst.items())
Table("Recorded checks", ("Check", "Largest error"), rows)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("adjoint_extensions")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("02")

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

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
assert torch.equal(mine(now, y), theirs(now, y))
torch.testing.assert_close(*map(flat, ways[::2]), rtol=1e-9, atol=1e-9)
assert max(worst.values()) < 1e-8
assert abs(integral - along) < 1e-8
