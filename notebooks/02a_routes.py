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
# # The routes of the documents
#
# Four documents derive the adjoint method, each by a road of its own. This page follows them in
# their own letters and signs and sees where they arrive. The last road is announced by Bu and not
# walked; walked, it shows that **backpropagation is a transposed linear solve**.
#
# They are by Silveira de Oliveira {cite}`doc000`, Zurlo and Facci {cite}`doc001`, the Russian
# review {cite}`doc002` and the note by Bu {cite}`doc004`. (Seong {cite}`doc003` prints no
# formula about the adjoint.) Equations without a link are in {doc}`02_adjoint`.

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
import torch

from nodebook.documents.formulas import blocks
from nodebook.documents.formulas.system import System, loss
from nodebook.documents.formulas.verdicts import relative_error
from nodebook.figures import adjoint as drawn
from nodebook.figures import plotting
from nodebook.figures.formula_tables import (
    Table,
    rosetta,
    rosetta_numbers,
    scientific,
)
from nodebook.figures.verdicts import tally

# %% tags=["parameters"]
profile = "quick"  # the runs of this chapter are recorded again from page 02
seed = 0  # draws the system

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()

# %% [markdown]
# The documents reach the same gradients by different roads. Each is followed here in its own
# letters; only the arguments of $f$ are left out. All agree on one equation,
# $\dot a = - f_z^{\mathsf T} a$, which is linear and so holds for both signs of $a$. They differ in
# what they add to the loss, in the end value, and in the direction of the integrals.
#
# ## Silveira de Oliveira: vary a functional
#
# The deck treats the state, the multiplier and the parameters as three independent arguments of
#
# $$
# \begin{aligned}
# \mathcal L[\vec z, \vec\lambda, \theta] ={}& L(\vec z(\tau)) \\
# &+ \int_0^\tau \vec\lambda^{\mathsf T} \bigl( f - \dot{\vec z} \bigr)\,\mathrm dt ,
# \end{aligned}
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
# ## The Russian review: the constraint as $h' - f$
#
# The appendix adds the constraint with the other sign, keeps a multiplier $\beta$ for the start,
# and writes the end state as an integral, $h(t_1) = h(t_0) + \int f$. So the gradient of the loss
# moves under the integral:
#
# $$
# \begin{aligned}
# \frac{\mathrm dL}{\mathrm d\theta} ={}& \int_{t_0}^{t_1}
# \bigl( q - \lambda^{\mathsf T} \bigr) f_\theta \,\mathrm dt \\
# &+ \lambda^{\mathsf T}(t_1)\, h_\theta(t_1) \\
# &+ \int_{t_0}^{t_1} \bigl( q f_h - \lambda'^{\mathsf T} \\
# &\qquad\quad - \lambda^{\mathsf T} f_h \bigr) h_\theta \,\mathrm dt,
# \end{aligned}
# $$ (eq-02-route-002)
#
# with the row $q = \frac{\mathrm dL}{\mathrm dh}(t_1)$. The choice $\lambda'^{\mathsf T} = ( q - \lambda^{\mathsf T} ) f_h$ with $\lambda(t_1) = 0$ removes what multiplies $h_\theta$. With
# $a^{\mathsf T} = q - \lambda^{\mathsf T}$ one has
# $a' = -\lambda'$, so $a'^{\mathsf T} = -a^{\mathsf T} f_h$, and $a(t_1)$ is the gradient of the
# loss. This multiplier is not the adjoint: it is the gradient at the end *less* the adjoint.
#
# *Where it arrives.* At the same place, with two slips. The last term of {eq}`eq-02-route-002` is
# printed with a minus, which is harmless because $\lambda(t_1) = 0$. The substitution is printed as
# $-a^{\mathsf T} = \dots$, which turns the sign of the adjoint and of the gradient.
#
# ## Zurlo and Facci: one augmented state
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
# ## Bu: the same Lagrangian as ours
#
# The note subtracts $\int \lambda (\dot z - f)$, which is adding $\int \lambda (f - \dot z)$. It
# integrates by parts *before* it differentiates in $\theta$, and leaves out $\mu$ because the start
# is given.
#
# *Where it arrives.* At {eq}`eq-02-gradients`, without a slip.

# %% [markdown]
# ## Rosetta: one row for each
#
# The same table stands in {doc}`../book/notation`. A dash means: not printed. Gradients are rows in
# most documents and columns in ours; the numbers are the same.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
rosetta()

# %% [markdown]
# Now in numbers, on the system {eq}`eq-02-system`. Each row starts from the end value of *its*
# adjoint (where none is printed, from its definition; Silveira de Oliveira's slide borrows that of its proof),
# solves the equation of its adjoint back, and evaluates its integral, if it has one, with the limits
# as printed. The
# errors are relative, against the complex step.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
system = System(seed)
rosetta_numbers(system)

# %% [markdown]
# ## Bu's trick for linear systems
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
# B_{k+1} - J_k B_k &= h f_\theta(t_k), \\
# B_0 &= 0, \\
# J_k &= I + h f_z(t_k) .
# \end{aligned}
# $$ (eq-02-recursion)
#
# All of them together are **one linear system** $A B = C$, with $A$ block-bidiagonal:
#
# $$
# \begin{aligned}
# A &= \begin{pmatrix} I \\ -J_1 & I \\ & \ddots & \ddots \\ & & -J_{n-1} & I \end{pmatrix}, \\
# B &= \begin{pmatrix} B_1 \\ B_2 \\ \vdots \\ B_n \end{pmatrix}, \quad
# C = h \begin{pmatrix} f_\theta(t_0) \\ f_\theta(t_1) \\ \vdots \\ f_\theta(t_{n-1})
# \end{pmatrix} .
# \end{aligned}
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
# v_k &= J_k^{\mathsf T} v_{k+1}, \\
# k &= n-1, \dots, 1,
# \end{aligned}
# $$ (eq-02-backsubstitution)
#
# and the gradient of the loss of the $n$ Euler steps is
#
# $$
# \begin{aligned}
# \frac{\mathrm dL}{\mathrm d\theta} &= C^{\mathsf T} v \\
# &= h \sum_{k=0}^{n-1} f_\theta(t_k)^{\mathsf T} v_{k+1} .
# \end{aligned}
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
# of Jacobians in equation 5 of the Russian review. And
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

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Table(
    "Error of dL/dθ: against automatic differentiation, and to the ODE",
    ("Steps", "Going back", "Solve for B", "Solve for v", "To the ODE"),
    tuple(
        (str(count), *shown, *["–"] * (3 - len(shown)), f"{errors[-1]:.4f}")
        for count, errors in rows
        for shown in [[scientific(error) for error in errors[:-1]]]
    ),
)

# %% [markdown]
# The three agree to the last digit with automatic differentiation, and differ from the gradient of
# the ODE by $O(h)$: the steps are another function than the solution. Solving for $B$ takes one
# right side per parameter, here two and for a network $10^5$; solving for $v$ takes one.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Above: where the matrix of eight Euler steps is not zero (dark: the ones on its diagonal; light: the blocks below). The forward solve fills it from the top; the transposed solve goes back from the bottom. Below: the solution of the transposed system, squares and dots, and the adjoint of the ODE, lines.", "name": "fig-02-blocks"}, "image": {"alt": "Above: a 16 by 16 matrix with a diagonal of ones and one row of two by two blocks below it. Below: squares of the discrete adjoint at 8 steps and dots at 32 follow the two curves of the continuous adjoint; those for 32 steps are closer."}} tags=["remove-input"]
matrix, *_ = blocks.linear_system(blocks.run(system, system.theta.expand(8, 2)))
discrete = {}
for count in (8, 32):
    v = blocks.backpropagate(blocks.run(system, system.theta.expand(count, 2)))[0]
    share = torch.arange(1, count + 1) / count
    discrete[count] = system.t[0] + (system.t[-1] - system.t[0]) * share, v
drawn.transposed(matrix, (system.t, system.adjoint), discrete)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("02")

# %% [markdown]
# ## Exercises
#
# :::{exercise}
# :label: ex-02-substitution
#
# Carry the review's substitution through with the sign as printed,
# $-a^{\mathsf T} = \frac{\mathrm dL}{\mathrm dh}(t_1) - \lambda^{\mathsf T}$. Which of the three
# statements that follow it there still hold: the equation, the end value, the gradient?
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

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
assert max(max(errors[:-1]) for _, errors in rows) < 1e-10
to_ode = [errors[-1] for _, errors in rows]
assert to_ode[-1] < to_ode[0] / 30
