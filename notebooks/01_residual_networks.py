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
# # From residual networks to ODEs
#
# A neural ODE is usually explained in one line: a residual network is Euler's method, so let the
# steps shrink. So do documents 002 {cite}`doc002`, 003 {cite}`doc003` and 004 {cite}`doc004`, three
# of the five that this book audits. This chapter takes that line apart and runs every part of it. It
# starts with the exponential function and ends with a map that no ODE on a line can be.
#
# On the way it tests what the documents say, and one sentence of document 001 {cite}`doc001`:
#
# - **Euler and layers.** A residual step is an Euler step; finer grids and better methods give any
#   accuracy asked; Euler's method can be beaten by far.
# - **Depth.** Plain networks get worse with depth, on the training images too, which is not
#   overfitting; residual networks keep improving {cite}`he2016deep`, as document 004 quotes.
# - **Time.** Recurrent networks are the same idea; can they predict at irregular times?
# - **Uniqueness.** An ODE has a unique solution only if the field is Lipschitz, says document 001.
# - **Replacement.** One ODE block can take the place of many residual blocks, says document 002.
#
# Much of it survives, some of it in part. The two last are not so as they stand: a solution can be
# unique without a Lipschitz constant, and the ODE block may need more room than the blocks had.

# %% tags=["remove-cell"]
import inspect
import statistics
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from nodebook.documents.formulas.verdicts import relative_error
from nodebook.evidence import claims, recorded, registry, results
from nodebook.experiments.ch01_residual import (
    backpropagated_blocks,
    chain_rule,
    crossing,
    depth_limit,
    depth_training,
    euler_exponential,
    recurrent_sampling,
    uniqueness,
)
from nodebook.figures import plotting
from nodebook.figures.tables import shown
from nodebook.figures.text import loose_spread, power, small_spread, spread
from nodelib import data, odeint
from nodelib.fields import VanDerPol
from nodelib.models.blocks import TimedField, residual_network
from nodelib.models.networks import MLP
from nodelib.ode.solvers import solve
from nodelib.training import Recipe

plotting.use_style()
torch.set_num_threads(1)  # networks as small as these lose time by sharing it
pd.options.display.max_colwidth = None
RECORDED = (
    "euler_exponential",
    "depth_limit",
    "depth_training",
    "first_gradients",
    "backpropagated_blocks",
    "recurrent_sampling",
    "uniqueness",
    "crossing",
)
if profile == "full":
    for name in RECORDED:
        registry.record(name)
BLUE, RED, GREEN, ORANGE = plotting.BLUE, plotting.VERMILION, plotting.GREEN, plotting.ORANGE

# %% [markdown]
# ## The exponential function
#
# Document 003 begins with the equation that everybody has solved:
#
# $$
# \frac{\mathrm dy}{\mathrm dx} = y, \qquad y(0) = 1 .
# $$ (eq-01-exponential)
#
# Its unknown is not a number but a function: at every point, the slope is to be the height. The
# function that does so is $\mathrm e^x$. **Euler's method** does not know it. It goes a little way
# along the slope, looks at the slope again, and so on: with $n$ steps of length $h = 1/n$,
#
# $$
# \begin{gathered}
# y_{i+1} = y_i + h\, y_i, \quad\text{hence} \\
# y_n = \Bigl(1 + \frac1n\Bigr)^{n} .
# \end{gathered}
# $$ (eq-01-compound)
#
# That is compound interest, and it tends to $\mathrm e$ as the interest is paid more often
# ({numref}`fig-01-euler`).

# %% mystnb={"figure": {"caption": "The equation dy/dx = y. Short grey lines: the slope that it asks for at each point. Black: the solution through (0, 1). Dots: Euler's method with 1, 2, 4 and 16 steps, each step straight along the slope where it begins.", "name": "fig-01-euler"}, "image": {"alt": "A field of short slope lines that steepen upwards. A black curve rises from 1 to 2.72 over x from 0 to 1. Four chains of dots joined by straight lines start with it and end below it, the coarser the lower: at 2, 2.25, 2.44 and 2.64."}} tags=["hide-input"]
figure, ax = plt.subplots(figsize=(6.4, 4.4))
x, y = np.meshgrid(np.linspace(0, 1, 17), np.linspace(0.85, 2.85, 15))
length = np.hypot(1, y)
ax.quiver(
    x,
    y,
    1 / length,
    y / length,
    angles="xy",
    color="0.75",
    headwidth=1,
    headlength=0,
    headaxislength=0,
    width=0.002,
    scale=34,
    pivot="mid",
)
fine = np.linspace(0, 1, 200)
ax.plot(fine, np.exp(fine), color="black", lw=2, label=r"solution $\mathrm{e}^x$")
for n, colour, marker in ((1, RED, "^"), (2, ORANGE, "s"), (4, GREEN, "D"), (16, BLUE, "o")):
    grid = torch.linspace(0, 1, n + 1, dtype=torch.float64)
    walked = solve(
        euler_exponential.field, torch.ones((), dtype=torch.float64), grid, method="euler"
    ).z
    ax.plot(
        grid, walked, marker + "-", color=colour, ms=5, lw=1.2, label=f"{n} step{'s' * (n > 1)}"
    )
ax.set(xlabel="$x$ (no unit)", ylabel="$y$ (no unit)", xlim=(-0.03, 1.05))
ax.legend()
plt.show()

# %% [markdown]
# Halving the step halves the error. A method whose error after a fixed time falls as $h^p$ has
# **order** $p$ {cite}`hairer1993solving`; Euler's has order 1, and is the Runge-Kutta method of that
# order, as document 002 says: one step agrees with the Taylor series of the solution
# up to $h^1$.

# %% tags=["hide-input"]
rows = {}
for n in (1, 10, 100, 1000, 10_000):
    value = euler_exponential.euler(n)
    rows[f"{n:,}"] = {
        "our solver": f"{value:.8f}",
        "(1 + 1/n)^n": f"{(1 + 1 / n) ** n:.8f}",
        "error": power(abs(value - np.e)),
    }
shown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("steps n"))

# %% [markdown]
# ### One step too many
#
# Document 002 prints Euler's method on a unit interval as its equation (8), for
# $i = \overline{0, n}$, that is for $i$ from 0 to $n$. These are $n + 1$ steps of length $1/n$. The
# last one leads out of the block:

# %%
n = 8
for last in (n - 1, n):
    y = euler_exponential.euler(n, last=last)
    print(f"i = 0 ... {last}: to x = {(last + 1) / n}, y = {y:.4f}")

# %% [markdown]
# The range should be $i = \overline{0, n-1}$. The set of points that the document lists, from
# $h(t)$ to $h(t+1)$, is the right one and has $n + 1$ members: so many points, one step less.
#
# ### Any accuracy?
#
# "The more nodes, the more accurate", and "with any accuracy given in advance", says document 002
# of the methods. {numref}`fig-01-accuracy` asks how far that goes.

# %% mystnb={"figure": {"caption": "Relative error of y(1) for dy/dx = y, recorded. Left: Euler's method against the number of steps, in single and double precision. Right: Dormand-Prince's adaptive method against the tolerance that was asked for (relative = absolute, grey line); a cross at the upper edge marks where the solver refuses.", "name": "fig-01-accuracy"}, "image": {"alt": "Two log-log panels. Left: both lines fall with slope minus one; that of single precision bends and rises again at the right end. Right: against a tolerance that tightens to the right the errors fall, then level off, in double precision near ten to the minus sixteen, in single precision near ten to the minus seven, where they rise again to ten to the minus six; crosses mark refusals beyond."}} tags=["hide-input"]
run = results.one("euler_exponential", "exponential")
last = [error for error in run.metric("accuracy.float32") if error >= 0][-1]
looks = {"float32": (RED, "^-"), "float64": (BLUE, "o-")}
figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.8))
for name, (colour, style) in looks.items():
    left.loglog(
        run.history["counts"], run.history["errors"][name], style, color=colour, ms=4, label=name
    )
    tolerances = np.array(run.history["tolerances"])
    errors = np.array(run.history["adaptive"][name])
    solved = errors > 0
    right.loglog(tolerances[solved], errors[solved], style, color=colour, ms=4, label=name)
    refused = tolerances[errors < 0]
    right.loglog(
        refused, np.full(len(refused), 3e-3 if name == "float32" else 1e-3), "x", color=colour
    )
right.loglog(tolerances, tolerances, color="0.7", lw=1)
right.invert_xaxis()
left.set(xlabel="Euler steps $n$", ylabel="relative error")
right.set(xlabel="tolerance asked for")
left.legend()
right.legend(loc="lower left")
plt.show()

# %% tags=["remove-input"]
Markdown(
    f"It goes down to rounding and no further. In single precision Euler's error is least with "
    f"{run.metric('finest.float32'):,} steps, {power(run.metric('error_at_finest.float32'))}, and then "
    f"grows again: each step rounds, and rounding errors add up. The adaptive method reaches "
    f"{power(run.metric('floor.float32'))} in single and {power(run.metric('floor.float64'))} in double "
    f"precision, where the number itself ends. Asked for more, it stays near that in double precision; "
    f"in single precision it gets worse again, up to {power(last)}, before it says that it cannot. "
    f"Within those limits the promise is kept here. It is a promise about single steps: on "
    f"the network fields below the error at the end was up to "
    f"{max(r.metric('global_over_local') for r in results.read('depth_limit')):.0f} times the tolerance."
)

# %% [markdown]
# Document 003 adds that "in general" the exact function cannot be had. That is a fact about
# formulas, not about functions: most equations have no solution in elementary terms, and many, like
# this one, have. A solution can exist without being a formula; whether it does, and whether there is
# only one, comes below.

# %% [markdown]
# ## A residual step is an Euler step
#
# A **residual block** adds its output to its input {cite}`he2016deep`,
#
# $$
# h_{t+1} = h_t + f(h_t, t, \theta) .
# $$ (eq-01-residual)
#
# Read with a one in front of $f$, this is Euler's method for $\dot h = f(h, t, \theta)$ with a step
# of length 1. The statement is about numbers, so let us compare numbers. Two programs that share no
# line: blocks one after the other, and a solver for ODEs.

# %%
field = TimedField(MLP((5, 16, 16, 4), seeds=seed))
z = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
with torch.no_grad():
    for n in (1, 2, 10, 100):
        blocks = residual_network([field] * n)(z)
        solver = odeint(field, z, [0.0, n], method="euler", options={"num_steps": n})[-1]
        print(f"{n:3d} blocks, {n:3d} steps: the same bits: {torch.equal(blocks, solver)}")

# %% tags=["remove-input"]
runs = results.read("depth_limit")
same = all(run.metric(f"bit_for_bit.{d}") for run in runs for d in ("float32", "float64"))
tenth = sum(run.metric("scaled_bits.tenth") for run in runs)
Markdown(
    f"Not nearly: bit for bit. Recorded for {len(runs)} fields in single and double precision, with "
    f"torchdiffeq's Euler method as a third program: {'the same everywhere' if same else 'not the same everywhere'}. "
    f"Document 004 inserts a step length first, h + F = h + Δt G with G = F / Δt. In exact "
    f"arithmetic nothing changes; in floating point dividing and multiplying by 0.1 moved a last digit in "
    f"{len(runs) - tenth} of {len(runs)} cases, by a power of two in none."
)

# %% [markdown]
# In the library both are blocks: `ResidualBlock(f)` and `ODEBlock(f, t0, t1, method=...)`. An ODE
# block with Euler's method and $n$ unit steps is $n$ residual blocks **with shared weights**, as
# document 002 says. Note what that leaves out: the blocks of a ResNet have weights of their own.

# %% [markdown]
# ## Depth as step count
#
# Now keep the time fixed, here $T = 2$, and make the steps shorter. The number of blocks, from 1 to
# 1,000, becomes the accuracy to which one and the same ODE is solved ({numref}`fig-01-paths`).

# %% mystnb={"figure": {"caption": "One state of a random network field, two of its four components, computed here: Euler's method with 2, 5, 20 and 1,000 steps, which is as many residual blocks. The path of 1,000 cannot be told from the solution (black).", "name": "fig-01-paths"}, "image": {"alt": "A plane with one smooth black curve and broken lines of 2, 5, 20 and 1,000 straight pieces that start together; the coarse ones leave the curve, the finest lies on it."}} tags=["hide-input"]
field = depth_limit.autonomous(seed)
start = depth_limit.start(seed)[:1]
figure, ax = plt.subplots(figsize=(6.0, 4.0))
for n, colour, style in ((2, RED, "^-"), (5, ORANGE, "s-"), (20, GREEN, "D-"), (1000, BLUE, "-")):
    grid = torch.linspace(0, depth_limit.END, n + 1, dtype=torch.float64)
    with torch.no_grad():
        path = solve(field, start, grid, method="euler").z[:, 0]
    ax.plot(
        path[:, 0],
        path[:, 1],
        style,
        color=colour,
        ms=4,
        lw=4 if n == 1000 else 1.2,
        alpha=0.5 if n == 1000 else 1,
        label=f"{n:,} blocks",
    )
with torch.no_grad():
    path = solve(field, start, grid, **depth_limit.TIGHT).z[:, 0]
ax.plot(path[:, 0], path[:, 1], color="black", lw=1.2, label="solution")
ax.set(xlabel="$z_1$ (no unit)", ylabel="$z_2$ (no unit)")
ax.legend()
plt.show()

# %% [markdown]
# A block need not be an Euler step. A midpoint block evaluates the field twice, a Runge-Kutta 4
# block four times; Dormand-Prince's method {cite}`dormand1980family` also chooses how many steps it
# takes. Whether that pays is a matter of error **per evaluation of the field**, because the
# evaluations are what costs ({numref}`fig-01-depth`).

# %% mystnb={"figure": {"caption": "Five random network fields, recorded; lines are geometric means. Left: relative error at T = 2 against the number of blocks, 1 to 1,000; orders are mean and standard deviation. Right: the same against evaluations of the field, with the adaptive method (each dot one tolerance of one field).", "name": "fig-01-depth"}, "image": {"alt": "Two log-log panels. Left: three lines fall, Euler with slope minus one, midpoint minus two, Runge-Kutta 4 minus four. Right: against evaluations Euler is lowest or level only at one or two evaluations, then midpoint, Runge-Kutta 4 and Dormand-Prince undercut it by many orders of magnitude."}} tags=["hide-input"]
looks = {"euler": (RED, "^"), "midpoint": (ORANGE, "s"), "rk4": (BLUE, "o"), "dopri5": (GREEN, "x")}
curves = [run.history["curves"] for run in runs]
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 4.0), sharey=True)
for method in depth_limit.METHODS:
    colour, marker = looks[method]
    mean = [
        statistics.geometric_mean(es)
        for es in zip(*(c[method]["error"] for c in curves), strict=True)
    ]
    orders = [run.metric(f"order.{method}") for run in runs]
    left.loglog(
        depth_limit.DEPTHS,
        mean,
        marker + "-",
        color=colour,
        ms=4,
        label=f"{method}: order {spread(orders, 2)}",
    )
    right.loglog(curves[0][method]["nfe"], mean, marker + "-", color=colour, ms=4, label=method)
for k, c in enumerate(curves):
    right.loglog(
        c["dopri5"]["nfe"],
        c["dopri5"]["error"],
        "x",
        color=GREEN,
        ms=5,
        label=None if k else "dopri5, adaptive",
    )
left.set(xlabel="blocks $n$", ylabel="relative error")
right.set(xlabel="evaluations of the field")
left.legend(fontsize=7)
right.legend(fontsize=7)
plt.show()

# %% tags=["hide-input"]
names = {f"{t:.0e}": f"{t:g}" for t in depth_limit.TARGETS[:5]}
table = {}
for target, label in names.items():
    row = {}
    for method in ("euler", "midpoint", "rk4", "dopri5"):
        found = [run.metrics.get(f"nfe.{method}.{target}", np.inf) for run in runs]
        middle, most = statistics.median(found), max(curves[0][method]["nfe"])
        row[method] = f"{middle:,.0f}" if middle < np.inf else f"over {most:,}"
    table[label] = row
shown(
    pd.DataFrame.from_dict(table, orient="index").rename_axis(
        "evaluations for a relative error of (median of five)"
    )
)

# %% [markdown]
# Only the numbers of steps of {numref}`fig-01-depth` were tried, at most 1,000, which are 1,000
# evaluations for Euler's method and 2,000 for the midpoint method. "Over" means that most of the
# fields need more than that.

# %% tags=["remove-input"]
first = {budget: [run.metric(f"budget.{budget}") for run in runs] for budget in depth_limit.BUDGETS}
euler_wins = [b for b, won in first.items() if won.count("euler") * 2 > len(runs)]
saved = [run.metric("saved.1e-02") for run in runs]
Markdown(
    f"“We will do much better if we use more modern approaches”, says document 004. For an error of one "
    f"per cent Euler's method needs {min(saved):.0f} to {max(saved):.0f} times as many evaluations as the best of the "
    f"others, and for much less than that it is hopeless. But with at most {max(euler_wins)} evaluations it is the most "
    f"accurate of the four on most of these fields, because it is the only one that can take more than one step. "
    f"Residual networks live at that end: one evaluation a block."
)

# %% [markdown]
# ### Layers for every real number
#
# Document 003 quotes that the layers of a neural ODE form a continuous family, indexed by positive
# real numbers. What makes it a family is that flowing for a time $t$ and then for $s$ is flowing for
# $s + t$. Negative times are allowed as well: a flow can be run back, a layer in general cannot.

# %%
field, z = depth_limit.autonomous(seed), depth_limit.start(seed)
s, t = np.pi / 2, -np.sqrt(2) / 2
two = depth_limit.exact(field, depth_limit.exact(field, z, t), s)
print(
    f"relative error of flow(s)(flow(t)(z)) = flow(s + t)(z): {relative_error(two, depth_limit.exact(field, z, s + t)):.1e}"
)

# %% [markdown]
# ### What if every block has weights of its own?
#
# The limit above belongs to *shared* weights. Documents 001 and 004 write $f(z_t, \theta_t)$, with
# weights that change from block to block, and pass to an ODE all the same. That needs $\theta_t$ to
# become a function of $t$. If the weights of successive blocks have nothing to do with each other,
# there is no such function. Random linear blocks with independent weights and steps $1/n$ do have a
# limit, but it forgets all individual weights: it is the ODE of their *mean*, and it is approached
# only as $n^{-1/2}$, as averages are.

# %% tags=["hide-input"]
table = {
    f"{n:,}": {
        "relative distance from the ODE of the mean weights": spread(
            [run.metric(f"own_weights.{n}") for run in runs], 3
        )
    }
    for n in (10, 100, 1000, 10_000)
}
shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("blocks"))

# %% [markdown]
# Whether a *trained* residual network has weights that change smoothly from block to block is
# measured at the end of the next section.

# %% [markdown]
# ## Plain and residual networks as depth grows
#
# Why add the input at all? Document 004 gives the reason in the words of He et al.: with depth,
# the accuracy of plain networks "gets saturated and then degrades rapidly", and this is "not caused
# by overfitting", for the *training* error rises. It should not: a deeper network could copy the
# shallower one and let the other layers do nothing {cite}`he2016deep`.
#
# We train networks of equally wide layers on digits. The state after the first affine map is $h$;
# with batch normalisation $N$, a block is
#
# $$
# \begin{aligned}
# \text{plain: } h &\mapsto W \operatorname{relu}(N(h)), \\
# \text{residual: } h &\mapsto h + W \operatorname{relu}(N(h)) .
# \end{aligned}
# $$ (eq-01-blocks)
#
# They differ by "$h\, +$" and nothing else. Initial weights have variance $2 / \text{width}$. So the
# plain network has what the quotation asks for, normalised initialisation and normalisation layers.
# A third kind, *bare*, has PyTorch's default initial weights and no normalisation. Layers are 20 units wide; a last `relu` and an affine map to ten
# scores read the digit off.
#
# **Live**, a short training of two networks of each kind and depth on a part of the digits that are
# at hand ({numref}`fig-01-live`):

# %%
digits = data.mnist()
print(textwrap.fill(f"MNIST: {digits.provenance.detail}", 76))
small = depth_training.Digits.of(digits, slice(0, 3_000), slice(3_000, 4_000))
depths = (2, 12, 40)
live = {}
for kind in ("plain", "residual"):
    for depth in depths:
        network, _ = depth_training.fit(
            kind, depth, [seed, seed + 1], small, Recipe(100, 0.01, "one-cycle")
        )
        live[kind, depth] = depth_training.errors(network, small, "train")

# %% mystnb={"figure": {"caption": "Live: training error after 100 steps, two networks of each kind and depth, at one learning rate.", "name": "fig-01-live"}, "image": {"alt": "Training error in percent against 2, 12 and 40 layers, two marks each. Plain networks, triangles, rise steeply to near ninety percent; residual ones, circles, stay low."}} tags=["hide-input"]
figure, ax = plt.subplots(figsize=(5.2, 3.2))
plotting.mark_source(figure, digits.provenance)
for kind, colour, marker in (("plain", RED, "^"), ("residual", BLUE, "o")):
    values = np.array([live[kind, depth] for depth in depths])
    ax.plot(depths, values.mean(1), color=colour, label=kind)
    ax.plot(depths, values, marker, color=colour, ms=5)
ax.set(xlabel="layers", ylabel="training error (%)", xticks=depths, ylim=(0, 100))
ax.legend()
plt.show()

# %% [markdown]
# **Recorded**: 10,000 digits of MNIST {cite}`lecun1998gradient` in 14 x 14 pixels, depths from 2 to
# 64, five seeds, the same 1,000 steps of 128 digits for all, and for each kind and depth the learning
# rate that does best on 5,000 other digits, of the same four on offer. The 10,000 test digits were
# looked at once, after that ({numref}`fig-01-degradation`).

# %% mystnb={"figure": {"caption": "Error against depth, recorded: mean and standard deviation over five seeds, after the same number of steps, each at its best learning rate. Left: training images. Right: test images.", "name": "fig-01-degradation"}, "image": {"alt": "Two panels, training and test error in percent on a logarithmic scale against 2 to 64 layers. Plain and bare networks rise to eighty and ninety percent as depth grows; residual networks stay between one and two percent on training images and fall slightly from five percent on test images."}} tags=["hide-input"]
deep = results.read("depth_training")
looks = {"bare": (ORANGE, "s"), "plain": (RED, "^"), "residual": (BLUE, "o")}
figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.8), sharey=True)
for ax, part in zip(axes, ("train", "test"), strict=True):
    for kind, (colour, marker) in looks.items():
        values = np.array(
            [
                [run.metric(f"{part}_error.{kind}.{d}") for d in depth_training.DEPTHS]
                for run in deep
            ]
        )
        ax.errorbar(
            depth_training.DEPTHS,
            values.mean(0),
            values.std(0, ddof=1),
            marker=marker,
            color=colour,
            ms=5,
            capsize=3,
            label=kind,
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=f"layers ({'training' if part == 'train' else part} images)",
        xticks=depth_training.DEPTHS,
        xticklabels=depth_training.DEPTHS,
    )
    ax.minorticks_off()
    ax.set_yticks([1, 2, 5, 10, 20, 50, 90], ["1", "2", "5", "10", "20", "50", "90"])
axes[0].set_ylabel("error (%)")
axes[0].legend()
plt.show()


# %% tags=["hide-input"]
table = {}
for kind in looks:
    for part, label in (("train", "training"), ("test", "test")):
        table[f"{kind}, {label}"] = {
            f"{d} layers": loose_spread([run.metric(f"{part}_error.{kind}.{d}") for run in deep], 2)
            for d in depth_training.DEPTHS
        }
    table[f"{kind}, rate"] = {
        f"{d} layers": f"{deep[0].metric(f'rate.{kind}.{d}'):g}" for d in depth_training.DEPTHS
    }
shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("error (%), five seeds"))


# %% tags=["remove-input"]
def over_seeds(metric):
    return [run.metric(metric) for run in deep]


trained, tested = (
    {d: spread(over_seeds(f"{part}_error.residual.{d}"), 2) for d in depth_training.DEPTHS}
    for part in ("train", "test")
)
gains = over_seeds("test_gain.residual")


def gain_of_choice(run):
    """Test error of 2 residual layers less that of the depth with the least validation error."""
    on = {
        part: [run.metric(f"{part}_error.residual.{d}") for d in depth_training.DEPTHS]
        for part in ("validation", "test")
    }
    return on["test"][0] - on["test"][np.argmin(on["validation"])]


chosen = [gain_of_choice(run) for run in deep]
Markdown(
    f"The first half of the claim is plain to see. From its best depth to 64 layers the training error of the plain "
    f"networks rises by {spread(over_seeds('rise.plain'), 1)} percentage points, the test error by "
    f"{spread(over_seeds('test_rise.plain'), 1)}. A network that cannot fit its training images is not overfitting.\n\n"
    f"The second half holds in part. Residual networks do not degrade like that. But their training error does not keep "
    f"falling either: it is {trained[2]}% with 2 layers, nearly level up to 32, and {trained[64]}% with 64. What does fall, in "
    f"the mean over the seeds and at every doubling, is the test error, from {tested[2]}% to {tested[64]}%; each step is smaller "
    f"than the spread. The best depth of each seed gains {spread(gains, 2)} points over 2 layers; that depth is picked "
    f"on the test images themselves, so that this is an upper estimate. The depth that is best on the validation images "
    f"gains {spread(chosen, 2)}. After the same number of "
    f"steps a deeper residual network fits its training images no better, and new ones a little better: the opposite of "
    f"overfitting. He et al. saw the test error fall up to 110 layers on CIFAR-10, and rise again at 1,202."
)

# %% [markdown]
# ### The solution by construction
#
# Take the trained plain network of four layers. Put 60 layers behind its last whose matrix is the
# identity and whose normalisation does nothing. What `relu` has let through is not negative, so that
# another `relu` leaves it alone.

# %% tags=["hide-input"]
table = {
    f"seed {run.seed}": {
        "4 layers, trained (%)": f"{run.metric('train_error.plain.4'):.2f}",
        "the same and 60 identities (%)": f"{run.metric('constructed.train_error'):.2f}",
        "64 layers, trained (%)": f"{run.metric('train_error.plain.64'):.2f}",
    }
    for run in deep
}
shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("training error"))

# %% tags=["remove-input"]
identical = all(over_seeds("constructed.same"))
Markdown(
    f"The number of mistakes is {'exactly the same' if identical else 'not always the same'}: the constructed "
    f"solution is real, and training from a random start does not find it, nor anything near it. In a residual "
    f"network it is not even a construction: identity is what a block with W = 0 does."
)

# %% [markdown]
# ### What stands in the way
#
# The quotation names the obstacle of older networks, gradients that vanish or explode, and says that
# initialisation and normalisation have largely dealt with it. {numref}`fig-01-gradients` looks at
# the networks before training.

# %% mystnb={"figure": {"caption": "Norm of the loss gradient in the first square matrix, before training, recorded: geometric mean and range of five seeds. Bare: default initial weights, no normalisation N. The others have He's initial weights; dashed, without N.", "name": "fig-01-gradients"}, "image": {"alt": "Log-log plot of a gradient norm against 4 to 64 layers. The bare networks fall to about ten to the minus twenty-seven, the plain ones rise to about forty thousand, the residual ones stay near a fifth. Without normalisation the plain ones fall to under a hundredth and the residual ones rise to about a billion."}} tags=["hide-input"]
figure, ax = plt.subplots(figsize=(5.6, 3.6))
stripped = recorded.runs("first_gradients", "unnormalised")
lines = {kind: (kind, deep, "-") for kind in looks}
lines |= {f"{kind}, no N": (kind, stripped, "--") for kind in ("plain", "residual")}
for label, (kind, runs, line) in lines.items():
    colour, marker = looks[kind]
    values = np.array(
        [recorded.values(runs, f"gradient.{kind}.{d}") for d in depth_training.DEPTHS[1:]]
    ).T
    mean = np.exp(np.log(values).mean(0))
    ax.errorbar(
        depth_training.DEPTHS[1:],
        mean,
        [mean - values.min(0), values.max(0) - mean],
        marker=marker,
        color=colour,
        linestyle=line,
        ms=5,
        capsize=3,
        label=label,
    )
ax.set(
    xscale="log",
    yscale="log",
    xlabel="layers",
    ylabel="norm of the gradient",
    xticks=depth_training.DEPTHS[1:],
    xticklabels=depth_training.DEPTHS[1:],
)
ax.minorticks_off()
ax.legend()
plt.show()

# %% tags=["remove-input"]
size = {
    (kind, d): statistics.geometric_mean(over_seeds(f"gradient.{kind}.{d}"))
    for kind in looks
    for d in (4, 64)
}
alone = {
    kind: statistics.geometric_mean(recorded.values(stripped, f"gradient.{kind}.64"))
    for kind in ("plain", "residual")
}
Markdown(
    f"From 4 to 64 layers it goes from {power(size['bare', 4])} to {power(size['bare', 64])} in bare networks, from "
    f"{power(size['plain', 4])} to {power(size['plain', 64])} in plain ones, and from {power(size['residual', 4])} to "
    f"{power(size['residual', 64])} in residual ones. What vanishes in the bare networks is owed to their initial weights: "
    f"with He's and still no normalisation the plain network of 64 layers has {power(alone['plain'])}. With normalisation it "
    f"explodes, as mean-field theory says of batch normalisation {{cite}}`yang2019meanfield`. Nor does the sum alone keep "
    f"the gradient level: without normalisation it grows to {power(alone['residual'])}, a product of 63 factors, each the "
    f"identity plus a random matrix of order one. The two together do. The state grows with the number of blocks behind "
    f"it, normalisation inside the branch divides by that, and so block k is the identity plus something of size about "
    f"1/√k {{cite}}`de2020batch`: ever smaller steps, whose product need neither collapse nor explode."
)

# %% [markdown]
# ### Is the trained residual network an ODE?
#
# If its blocks were the steps of an ODE whose field changes smoothly with depth, the matrices of
# neighbouring blocks would be alike: the cosine between them near 1.

# %% tags=["hide-input"]
table = {
    f"{d} layers": {
        "before training": loose_spread(over_seeds(f"similarity_at_start.{d}"), 3),
        "after training": loose_spread(over_seeds(f"similarity.{d}"), 3),
        "learning rate": f"{deep[0].metric(f'rate.residual.{d}'):g}",
    }
    for d in depth_training.DEPTHS[2:]
}
shown(
    pd.DataFrame.from_dict(table, orient="index").rename_axis(
        "mean cosine between the matrices of successive blocks"
    )
)

# %% tags=["remove-input"]
alike = [statistics.fmean(over_seeds(f"similarity.{d}")) for d in depth_training.DEPTHS[2:]]
Markdown(
    f"Training moves it from 0 to between {min(alike):.2f} and {max(alike):.2f}. The blocks come to resemble each other in "
    f"part, more than independent weights could, and less than the steps along a smooth path of weights would. Nor does the "
    f"likeness grow with depth, as it would on the way to an ODE: it is {alike[0]:.2f} with 8 layers and {alike[-1]:.2f} with "
    f"64, and goes with the learning rate that was chosen rather than with the depth. So a trained residual network is not "
    f"by itself the discretisation of an ODE. The neural ODE makes it a rule: one field for all depths."
)

# %% [markdown]
# ## Backpropagation through T blocks
#
# Before the continuous case (chapter 02), the discrete one. Document 002 writes a network of blocks
# $h_{i+1} = g_i(h_i, \theta_i)$, $i = 0, \dots, T-1$, and the gradient of the loss as products of
# Jacobian matrices, its equations (4) and (5):
#
# $$
# \begin{aligned}
# \nabla_{\theta_{T-1}} \mathcal L &= \frac{\partial \mathcal L}{\partial h_T}
# \frac{\partial g_{T-1}}{\partial \theta_{T-1}}, \\
# \nabla_{\theta_i} \mathcal L &= \frac{\partial \mathcal L}{\partial h_T}
# \frac{\partial g_{T-1}}{\partial h_{T-1}} \\
# &\quad {} \cdot \frac{\partial g_{T-2}}{\partial h_{T-2}} \cdots
# \frac{\partial g_i}{\partial \theta_i} .
# \end{aligned}
# $$ (eq-01-chain)
#
# As a program this is a loop from the last block to the first that carries one row:

# %% tags=["remove-input"]
Markdown(f"```python\n{inspect.getsource(chain_rule.products).strip()}\n```")

# %% tags=["hide-input"]
blocks, x = backpropagated_blocks.network(seed)
by_products = chain_rule.products(blocks, x, backpropagated_blocks.loss)
by_autograd = chain_rule.automatic(blocks, x, backpropagated_blocks.loss)
by_difference = chain_rule.differences(blocks, x, backpropagated_blocks.loss)
table = {
    f"θ{i}": {
        "parameters": len(a),
        "norm of the gradient": f"{float(a.norm()):.4f}",
        "products against autograd": power(relative_error(a, b))
        if not torch.equal(a, b)
        else "equal",
        "differences against autograd": power(relative_error(c, b)),
    }
    for i, (a, b, c) in enumerate(zip(by_products, by_autograd, by_difference, strict=True))
}
shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("five blocks of different widths"))

# %% tags=["remove-input"]
chained = results.read("backpropagated_blocks")
apart = max(
    run.metric(f"{which}.relative_error") for run in chained for which in ("last", "earlier")
)
Markdown(
    f"Recorded for {len(chained)} networks, the relative difference from automatic differentiation is "
    f"{f'at most {power(apart)}' if apart else 'zero'} for the products and at most "
    f"{power(max(r.metric('differences.relative_error') for r in chained))} for central differences. The order matters for the cost: from "
    f"the left, a row times a matrix each time, the five Jacobian matrices take {chained[0].metric('from_left')} "
    f"multiplications; from the right, matrix times matrix, {chained[0].metric('from_right'):,}. That is all there is to "
    f"*reverse* mode. Chapter 02 evaluates the same formulas on a stack of Euler steps and lets the steps shrink: the "
    f"row becomes the adjoint."
)

# %% [markdown]
# One slip on the way: the document collects the parameters as $\{\theta_0, \dots, \theta_T\}$. With
# $T$ blocks, counted from 0, there is no $\theta_T$.

# %% [markdown]
# ## Recurrent networks as discrete dynamics
#
# A recurrent network applies one and the same map at every time step, $h_{k+1} = g(h_k)$. That is a
# dynamical system in discrete time, and a residual network with shared weights is a special case.
# Document 004 says that the RNN is "also similar"; document 003 asks whether such a network can
# predict at irregular times. Three models learn van der Pol's oscillator from noisy samples, one
# sample every 0.2 time units:
#
# - the **RNN**, $h_{k+1} = \tanh f(h_k)$, a map;
# - the **residual RNN**, $h_{k+1} = h_k + g_k f(h_k)$, Euler's method with the interval $g_k$;
# - the **ODE**, $\dot h = f(h)$, a Runge-Kutta step from sample to sample.
#
# All see the first sample and predict the rest. Then the interval changes
# ({numref}`fig-01-recurrent`).

# %% mystnb={"figure": {"caption": "Recorded models, trained on samples every 0.2 time units, one test trajectory of seed 0 each time, first coordinate. Grey: the truth. Left: sampled as in training. Right: twice as often. The RNN takes each sample for a step of 0.2 and runs ahead of the clock; the ODE does not mind.", "name": "fig-01-recurrent"}, "image": {"alt": "Two panels of a coordinate against time from 0 to 5. Left: all three models follow the grey oscillation. Right: the residual RNN and the ODE follow it; the RNN, moving twice as fast as the clock, leaves it at once."}} tags=["hide-input"]
recurrent = results.read("recurrent_sampling")
weights = recurrent[0].tensors()
looks = {
    "rnn": ("RNN", RED, "^"),
    "residual": ("residual RNN", ORANGE, "s"),
    "ode": ("ODE", BLUE, "o"),
}
figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.4), sharey=True)
for ax, sampling in zip(axes, ("same", "half"), strict=True):
    series = recurrent_sampling.trajectories(sampling, [0], 3, part=2)
    times = recurrent_sampling.INTERVAL * torch.cat((torch.zeros(1), series.gaps[0, 0].cumsum(0)))
    ax.plot(times, series.true[0, 0, :, 0], color="0.7", lw=4, label="truth")
    for kind, (label, colour, marker) in looks.items():
        model = recurrent_sampling.restored(weights, "regular", kind)
        with torch.no_grad():
            predicted = model(series.true[:, :, 0], series.gaps)[0, 0, :, 0]
        ax.plot(times, predicted, marker + "-", color=colour, ms=3, lw=1, label=label)
    ax.set_xlabel(f"time (time units), samples every {0.2 if sampling == 'same' else 0.1}")
axes[0].set_ylabel("$x$ (no unit)")
axes[0].legend(fontsize=8)
plt.show()

# %% tags=["hide-input"]
columns = {
    "same": "every 0.2",
    "half": "every 0.1",
    "double": "every 0.4",
    "irregular": "irregular",
}
rows = {}
for training, kinds in recurrent_sampling.TRAINED.items():
    for kind in kinds:
        label = {
            "rnn": "RNN",
            "rnn_gap": "RNN told the interval",
            "residual": "residual RNN",
            "ode": "ODE",
        }[kind]
        rows[f"{label}, trained {'every 0.2' if training == 'regular' else 'irregular'}"] = {
            head: loose_spread([run.metric(f"error.{training}.{kind}.{s}") for run in recurrent], 3)
            for s, head in columns.items()
        }
shown(
    pd.DataFrame.from_dict(rows, orient="index").rename_axis(
        "relative error on test trajectories sampled"
    )
)


# %% tags=["remove-input"]
def over_recurrent(metric):
    return [run.metric(metric) for run in recurrent]


def err(name):
    return spread(over_recurrent(f"error.{name}"), 3)


answers = sorted(set(over_recurrent("answer")))
Markdown(
    f"The RNN has not learned bad dynamics; it has a clock of its own. If its predictions at “every 0.1” are compared "
    f"with the truth at multiples of 0.2, its error is {spread(over_recurrent('own_clock.half'), 3)}: the interval is "
    f"built into the map. For the ODE the interval is no more than the end of an integral.\n\n"
    f"At irregular times, after training at such times, an RNN that is not told the intervals errs by "
    f"{err('irregular.rnn.irregular')}, one that has them as an input by {err('irregular.rnn_gap.irregular')}, the residual "
    f"RNN by {err('irregular.residual.irregular')} and the ODE by {err('irregular.ode.irregular')}. So the answer to document "
    f"003's question is yes, {' / '.join(answers)}. The rule: of the RNN, the RNN told the intervals and the residual RNN, "
    f"in this order, the first whose error is at most a quarter above the ODE's. A residual network that takes "
    f"the interval as its step length is level with the ODE there. It is so near its training intervals only; "
    f"at “every 0.4” its Euler steps are too long ({err('irregular.residual.double')}, ODE {err('irregular.ode.double')})."
)

# %% [markdown]
# Seen as a map, the trained RNN is a dynamical system in its own right. {numref}`fig-01-map` applies
# it far more often than it was trained for. It hops around a closed curve, near the limit cycle of
# the oscillator, and what is between two hops does not exist.

# %% mystnb={"figure": {"caption": "The map of the trained RNN (seed 0, regular samples), read out in the plane of the oscillator. Hollow: four starts, each with a shape and colour of its own. Filled, of the same shape: the states after 1 to 300 applications of the map. Grey: the limit cycle of van der Pol's equation.", "name": "fig-01-map"}, "image": {"alt": "The plane of x and its derivative with the grey limit cycle. Dots from four starts hop towards a closed curve and around it; the curve lies close to the limit cycle but not on it."}} tags=["hide-input"]
with torch.no_grad():
    model = recurrent_sampling.restored(weights, "regular", "rnn")
    corners = torch.tensor([[0.1, 0.0], [-2.0, -2.0], [2.0, 2.0], [0.0, 2.0]]).unsqueeze(0)
    hops = model(corners, torch.ones(1, 4, 300))[0]
    long = torch.linspace(0, 40, 2001, dtype=torch.float64)
    cycle = solve(VanDerPol(), torch.tensor([2.0, 0.0], dtype=torch.float64), long, method="rk4").z
figure, ax = plt.subplots(figsize=(5.0, 4.0))
ax.plot(cycle[1300:, 0], cycle[1300:, 1], color="0.7", lw=3, label="limit cycle of the ODE")
for k, (colour, marker) in enumerate(((BLUE, "o"), (RED, "^"), (GREEN, "s"), (ORANGE, "D"))):
    ax.plot(
        hops[k, :, 0],
        hops[k, :, 1],
        marker,
        color=colour,
        ms=2.5,
        label="map of the RNN" if k == 0 else None,
    )
    ax.plot(*hops[k, 0], marker, color=colour, ms=7, mfc="white")
ax.set(xlabel="$x$ (no unit)", ylabel=r"$\dot x$ (no unit)")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# ### Smaller steps
#
# The residual RNN is Euler's method with a step of one interval. Give the *trained* network $n$
# shorter steps for each interval: it converges to an ODE, with order 1. Does it also get better?

# %% tags=["hide-input"]
table = {
    str(n): {
        "distance from its ODE": spread(over_recurrent(f"refined.{n}"), 4),
        "relative error": spread(over_recurrent(f"refined_error.{n}"), 3),
    }
    for n in recurrent_sampling.REFINEMENTS
}
shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("steps an interval"))

# %% tags=["remove-input"]
coarse, fine = (statistics.fmean(over_recurrent(f"refined_error.{n}")) for n in (1, 32))
Markdown(
    f"It gets {'worse' if fine > coarse else 'better'}: {coarse:.3f} with the steps it was trained with, {fine:.3f} with 32. "
    f"Training adapted the field to Euler's error, so that the *map* is right and the field is not. A model that is to be "
    f"read as an ODE has to be trained with a solver that is accurate enough, or not be read so.\n\n"
    f"“Similar” is exact for the gated cell that most people use: PyTorch's GRU cell with the state h, the update gate "
    f"z and the candidate n for the new state equals h + (1 − z)(n − h) to {power(max(over_recurrent('gru')))}, a residual "
    f"step whose length the gate chooses. Any map can be written as "
    f"h + (g(h) − h). If the trained RNN is read so, and the step scaled with the interval, its error is "
    f"{spread(over_recurrent('scaled.regular.rnn.half'), 3)} at “every 0.1”, close to "
    f"{spread(over_recurrent('error.regular.rnn.same'), 3)} at its own interval: on a smooth series it has learned a map "
    f"near the identity. Outwards this does not work: {spread(over_recurrent('scaled.regular.rnn.double'), 2)} at “every 0.4”, "
    f"where always predicting the mean would err by 1. So “similar” holds in part."
)

# %% [markdown]
# ## Existence and uniqueness
#
# To pass from steps to an ODE, the ODE must have a solution, and one only. The theorem of Picard and
# Lindelöf {cite}`hairer1993solving` says: if the field is **Lipschitz** near the start,
# $|f(x) - f(y)| \le K |x - y|$, there is exactly one, for some time; and for all time if one $K$ does
# everywhere. Networks with finite weights and tanh or relu have such a $K$ {cite}`chen2018neural`.
#
# Document 001 turns the theorem round: the solution is unique *only if* the nonlinearities are
# Lipschitz. Five fields on a line decide that ({numref}`fig-01-uniqueness`).

# %% mystnb={"figure": {"caption": "Solutions of five equations, in closed form. Blue: from two or three starts above 0. Black: the solution that stays at 0 (left out in the second panel). Dashed: a second solution from 0. Dotted: time 1, at which the highest solution of the second equation leaves every bound. In the fourth panel solutions from different starts merge, which forwards is no conflict.", "name": "fig-01-uniqueness"}, "image": {"alt": "Five small panels of y against t. Lipschitz: curves fan out without touching. Blow-up: a curve rises without bound at t equal to 1. Two solutions: zero and a parabola leave the same start. Decay: three curves reach zero at different times and stay. Osgood: curves fan out from near zero without touching."}} tags=["hide-input"]
titles = {
    "lipschitz": r"$y' = \tanh 3y$",
    "blow_up": r"$y' = y^2$",
    "two_solutions": r"$y' = 2\sqrt{|y|}$",
    "decay": r"$y' = -2\,\mathrm{sgn}(y)\sqrt{|y|}$",
    "osgood": r"$y' = -y\,\ln|y|$",
}
starts = {
    "lipschitz": (0.02, 0.1, 0.3),
    "blow_up": (0.3, 0.6, 1.0),
    "two_solutions": (0.05, 0.25),
    "decay": (0.1, 0.3, 0.7),
    "osgood": (1e-4, 1e-2, 0.2),
}
figure, axes = plt.subplots(1, 5, figsize=(8.4, 2.8))
for ax, (name, title) in zip(axes, titles.items(), strict=True):
    flow = uniqueness.EQUATIONS[name].flow
    t = np.linspace(0, 0.93 if name == "blow_up" else 1, 200)
    for y in starts[name]:
        ax.plot(t, [flow(y, s) for s in t], color=BLUE, lw=1.2)
    if name != "blow_up":
        ax.axhline(0, color="black", lw=1.5)
    if name == "two_solutions":
        ax.plot(t, [flow(0.0, s) for s in t], "--", color=RED, lw=1.8)
    if name == "blow_up":
        ax.axvline(1, color="0.7", ls=":")
        ax.set_ylim(0, 10)
    ax.set_title(title, fontsize=9)
    ax.set_xlabel("$t$ (no unit)")
axes[0].set_ylabel("$y$ (no unit)")
plt.show()

# %% tags=["hide-input"]
run = results.one("uniqueness", "fields")
yes = {True: "yes", False: "no"}


def apart_at_all(name):
    """Whether the start and 1e-300 above it are two numbers."""
    return uniqueness.EQUATIONS[name].start + 1e-300 != uniqueness.EQUATIONS[name].start


rows = {}
for name, title in titles.items():
    label = (
        title.replace(r"\,", "")
        .replace(r"\mathrm{sgn}(y)", "sgn y ")
        .replace(r"\sqrt{|y|}", "√|y|")
    )
    label = (
        label.replace(r"\ln", " ln ").replace(r"\tanh", "tanh").replace("^2", "²").replace("$", "")
    )
    rows[label] = {
        "steepest chord to the start, from 1e‑3 on": f"{run.metric(f'quotient.{name}.3'):.3g}",
        "from 1e‑300 on": f"{run.metric(f'quotient.{name}.300'):.3g}",
        "Lipschitz there": yes[run.metric(f"lipschitz.{name}")],
        "solutions 1e‑300 apart are later apart by": (
            f"{run.metric(f'spread.{name}.300'):.3g}" if apart_at_all(name) else "–"
        ),
        "unique forwards": yes[run.metric(f"unique.{name}")],
    }
shown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("equation"))

# %% [markdown]
# The second equation starts at 1, where floating point cannot tell 1e‑300 more (–); at 1e‑3 and
# 1e‑10 the distance at time 0.9 shrinks in proportion.
#
# The two last lines contradict "only if". Neither field is Lipschitz at 0, and both have exactly one
# solution forwards:
#
# - $y' = -2 \operatorname{sgn}(y) \sqrt{|y|}$ *falls* with $y$. If $y$ and $w$ are solutions,
#   $\frac{\mathrm d}{\mathrm dt} (y - w)^2 = 2 (y - w)(f(y) - f(w)) \le 0$: two that start together
#   stay together. Where the slope points inwards, no Lipschitz constant is needed.
# - $y' = -y \ln |y|$ leaves 0 too slowly: the time from 0 to any $\varepsilon$ is
#   $\int_0^{\varepsilon} \mathrm dy / (y \, |\ln y|) = \infty$. This is Osgood's condition, weaker
#   than Lipschitz's.
#
# So Lipschitz continuity is *sufficient*, and not necessary. And the second line shows that without
# a global constant, unique does not mean for ever.

# %% [markdown]
# ### What solvers do
#
# A solver sees values of the field and nothing else. The same five, asked of ours, torchdiffeq and
# scipy at the same tolerances (relative 1e-6, absolute 1e-9), and of 100 fixed steps:

# %% tags=["hide-input"]
questions = {
    "lipschitz": "tanh 3y from 1/4",
    "blow_up_before": "y² from 1, to 0.9",
    "blow_up_past": "y² from 1, to 1.1",
    "two_solutions": "2√|y| from 0",
    "two_solutions_nudged": "2√|y| from 1e‑30",
    "decay": "−2 sgn y √|y| from 1/4",
    "decay_back": "the same, back from 0",
    "osgood": "−y ln|y| from 0",
    "osgood_nudged": "−y ln|y| from 1e‑30",
}
truths = {
    "lipschitz": f"{uniqueness.EQUATIONS['lipschitz'].flow(0.25, 1.0):.5g}",
    "blow_up_before": "10",
    "blow_up_past": "none",
    "two_solutions": "0 or up to 1",
    "two_solutions_nudged": "1",
    "decay": "0",
    "decay_back": "0 or up to 1",
    "osgood": "0",
    "osgood_nudged": f"{uniqueness.EQUATIONS['osgood'].flow(1e-30, 1.0):.2g}",
}


def answer(question, solver):
    found = run.metrics
    key = f"{question}.{solver}"
    if f"{key}.raised" in found:
        return "refuses: " + found[f"{key}.says"].rstrip(".").lower()
    value = found[f"{key}.value"]
    shown_value = "0" if value == 0 else f"{value:.5g}"
    return f"{shown_value} ({found[f'{key}.nfe']:,})"


table = {
    label: {"truth": truths[q]} | {s.replace("-", " "): answer(q, s) for s in uniqueness.SOLVERS}
    for q, label in questions.items()
}
shown(
    pd.DataFrame.from_dict(table, orient="index").rename_axis(
        "asked: answer (evaluations of the field)"
    )
)

# %% tags=["remove-input"]
counts = [
    run.metric(f"decay.{s}.nfe") for s in ("nodelib-dopri5", "torchdiffeq-dopri5", "scipy-rk45")
]
euler_past = run.metric("blow_up_past.nodelib-euler.value")
Markdown(
    f"- **Blow-up.** All three adaptive solvers shorten their steps until a step no longer moves the clock, and say so. "
    f"Fixed steps walk past the singularity: Runge-Kutta 4 until its numbers overflow, Euler's method without a word, to "
    f"{power(euler_past)}.\n"
    f"- **Two solutions.** No solver notices. All return 0, the one solution that needs no decision. Start at "
    f"1e‑30 instead, and all leave for 1, each as near as its method gets: a difference far below every tolerance "
    f"decides.\n"
    f"- **Unique but not Lipschitz.** The answer is right, and dear: {min(counts):,} to {max(counts):,} evaluations, nearly "
    f"all of them after the arrival at 0, where the field turns round within less than a step. And the start is "
    f"lost: going back from 0, every solver stays at 0. A continuous adjoint (chapter 03) would look for the way back and "
    f"not find it.\n"
    f"- **Osgood.** From 0 the answer is 0, as it must be. From 1e‑30 the exact solution is about 1e‑11; "
    f"below the absolute tolerance the adaptive solvers see no difference between it and nothing."
)

# %% [markdown]
# {numref}`fig-01-steps` shows the step lengths of our adaptive solver. They are what it has to say
# about a field: long where the solution is smooth, shrinking in proportion to the time that is left
# before a blow-up, and stuck where a unique solution lands on a point at which the field is not
# Lipschitz.

# %% mystnb={"figure": {"caption": "Accepted steps of our Dormand-Prince solver, computed here: length against the time at which the step begins. Tolerances as in the table; the blow-up is asked for up to t = 0.9999.", "name": "fig-01-steps"}, "image": {"alt": "Step length on a logarithmic scale against time for four questions. For tanh it grows from a fiftieth to a quarter. Before the blow-up at 1 it falls steadily. For two solutions, nudged, it starts tiny and grows. For the decay it falls towards time one half and then stays near ten to the minus four."}} tags=["hide-input"]
figure, ax = plt.subplots(figsize=(6.4, 3.6))
asked = uniqueness.asked() | {
    "blow_up_before": (uniqueness.EQUATIONS["blow_up"], 1.0, [0.0, 0.9999])
}
for question, label, colour, marker in (
    ("lipschitz", "tanh 3y", BLUE, "o"),
    ("blow_up_before", "y²", RED, "^"),
    ("two_solutions_nudged", "2√|y| from 1e-30", GREEN, "s"),
    ("decay", "−2 sgn y √|y|", ORANGE, "."),
):
    equation, at, times = asked[question]
    at = torch.tensor(at, dtype=torch.float64)
    settings = {"rtol": uniqueness.RTOL, "atol": uniqueness.ATOL, "record_steps": True}
    steps = solve(equation.field, at, times, **settings).steps
    ax.semilogy(
        [step.t for step in steps],
        [step.dt for step in steps],
        marker,
        color=colour,
        ms=4,
        label=label,
        rasterized=True,
    )
ax.set(xlabel="time (no unit)", ylabel="step length (no unit)")
figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
plt.show()

# %% [markdown]
# ## Trajectories on a line cannot cross
#
# Uniqueness has a price. If two solutions of $\dot z = f(t, z)$ met, there would be two solutions
# from the meeting point. On a line this keeps their order: $z(0) < w(0)$ gives $z(1) < w(1)$, and the
# map $z(0) \mapsto z(1)$ is **increasing**, whatever the network in $f$. Then the map
# $x \mapsto -x$ is out of reach.
#
# **How near can one get?** Let $x$ be uniform on $[-1, 1]$ and $g$ increasing. Since $g(x)$ and $x$
# are ordered alike, $\operatorname E[x\, g(x)] \ge \operatorname E[x]\, \operatorname E[g(x)] = 0$
# (Chebyshev's inequality), so that
#
# $$
# \begin{aligned}
# &\operatorname E\bigl[(g(x) + x)^2\bigr] \\
# &\quad = \operatorname E[g^2] + 2 \operatorname E[x g] + \operatorname E[x^2] \\
# &\quad \ge \operatorname E[x^2] = \tfrac13 .
# \end{aligned}
# $$ (eq-01-bound)
#
# Equality would need $g = 0$, which does not increase. Flows come as near as they like by pressing
# everything together at 0. So a third is the loss of a perfectly trained neural ODE.
#
# **Augmenting the state.** In the plane there is room to pass. Append a zero to $x$, let the pair
# flow, read off the first component {cite}`dupont2019augmented`: half a turn maps $(x, 0)$ to
# $(-x, 0)$.
#
# **Live**, both, for a few seconds ({numref}`fig-01-crossing`). On the 24 equally spaced points that train them the mean of
# $x^2$ is $25/69 = 0.3623$, a little more than on the whole interval:

# %%
fitted = {}
for model in ("flow", "augmented"):
    fitted[model], history = crossing.fit(model, [seed], Recipe(100, 0.03, "cosine"))
    print(
        f"{model:9s}: loss {history.losses[0][0]:.3f} at the start, {history.losses[-1][0]:.4f} after 100 steps"
    )

# %% mystnb={"figure": {"caption": "Trained here to map x to -x. Left: a flow on a line presses all trajectories together and never crosses them. Right: the same with one zero appended; the plane of state and added component, from the start (open) to the end (filled).", "name": "fig-01-crossing"}, "image": {"alt": "Left: seven curves against time from 0 to 1 run together towards zero without crossing. Right: seven curves in the plane start on the horizontal axis and end above and below it, in the reverse order from left to right."}} tags=["hide-input"]
x = torch.linspace(-1, 1, 7).unsqueeze(-1)
grid = torch.linspace(0, 1, 41).tolist()
colours = plt.get_cmap("cividis")(np.linspace(0, 0.95, len(x)))
figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.6))
with torch.no_grad():
    line = odeint(fitted["flow"], x.unsqueeze(0), grid, rtol=1e-6, atol=1e-6)[:, 0, :, 0]
    pair = torch.cat((x, torch.zeros_like(x)), -1).unsqueeze(0)
    plane = odeint(fitted["augmented"], pair, grid, rtol=1e-6, atol=1e-6)[:, 0]
for k, colour in enumerate(colours):
    left.plot(grid, line[:, k], color=colour)
    left.plot([0, 1], line[[0, -1], k], "o", color=colour, ms=4)
    right.plot(plane[:, k, 0], plane[:, k, 1], color=colour)
    right.plot(*plane[0, k], "o", color=colour, mfc="white", ms=5)
    right.plot(*plane[-1, k], "o", color=colour, ms=5)
left.set(xlabel="time $t$ (no unit)", ylabel="state $z$ (no unit)")
right.set(xlabel="state $z$ (no unit)", ylabel="added component $a$ (no unit)")
plt.show()

# %% [markdown]
# **Recorded**: five seeds, the rate of each model chosen on validation points, 800 steps. Two more
# models need no room: one residual block, and three Euler steps.

# %% tags=["hide-input"]
crossed = results.read("crossing")
labels = {
    "flow": "flow on the line, f(z)",
    "timed": "flow on the line, f(t, z)",
    "augmented": "flow with a zero appended",
    "residual": "one residual block",
    "euler": "three Euler steps",
}
table = {
    label: {
        "loss": small_spread([run.metric(f"loss.{model}") for run in crossed]),
        "above the bound (relative)": small_spread(
            [run.metric(f"over_bound.{model}") for run in crossed]
        ),
        "increasing": f"{sum(run.metric(f'increasing.{model}') for run in crossed)} / {len(crossed)}",
        "decreasing": f"{sum(run.metric(f'decreasing.{model}') for run in crossed)} / {len(crossed)}",
    }
    for model, label in labels.items()
}
shown(pd.DataFrame.from_dict(table, orient="index").rename_axis("model"))

# %% tags=["remove-input"]
least = min(run.metric(f"over_bound.{m}") for run in crossed for m in ("flow", "timed"))
as_flow = [run.metric("euler.as_flow") for run in crossed]
Markdown(
    f"On the 201 test points the bound is {crossed[0].metric('bound'):.4f}, and isotonic regression, which finds the best "
    f"increasing map by another way, gives {crossed[0].metric('isotonic'):.4f}. No flow on the line is below it (the "
    f"nearest is {power(least)} above, relatively); time in the field does not help, since trajectories cannot cross in the "
    f"plane of t and z either. One zero solves it.\n\n"
    f"**A residual block jumps.** f(z) = −2z does it in one block, and training finds that. So can three Euler steps; but "
    f"solve the field that they were trained with accurately, and the loss is {spread(as_flow, 3)}: everything is pressed to 0. What was learned is the "
    f"error of the method. A residual network is an Euler discretisation, and *therefore* it can do what no ODE on the same "
    f"line can. “Why have L blocks if one ODE block can take their place?”, asks document 002. Here is a reason; with "
    f"one zero appended it is none, for this map."
)

# %% [markdown]
# ## The verdicts

# %% tags=["hide-input"]
claims.table("01")

# %% [markdown]
# ## Exercises
#
# ````{exercise} Two steps are not enough
# :label: ex-01-two-steps
#
# Three Euler steps with a shared continuous field can map $x$ to $-x$ on the whole line. Can two?
# ````
#
# ````{solution} ex-01-two-steps
# :class: dropdown
#
# No. Let $m(x) = x + \tfrac12 f(x)$ be one step; then $m(m(x)) = -x$. So $m$ is one-to-one, and being
# continuous it increases or decreases. Either way $m \circ m$ increases, and $-x$ does not. With
# three steps $m(x) = -x$ will do, with $f(x) = -6x$.
# ````
#
# ````{exercise} Interest paid at the middle
# :label: ex-01-midpoint
#
# What does one midpoint step of length $h$ do to $y' = y$? Which power of $h$ does it get wrong, and
# what is its order?
# ````
#
# ````{solution} ex-01-midpoint
# :class: dropdown
#
# Half a step gives $(1 + h/2) y$; the slope there is the same number, so that
# $y_1 = (1 + h + h^2/2)\, y$. That is the Taylor series of $\mathrm e^h$ up to $h^2$; the term
# $h^3/6$ is missing. The error of a step is of size $h^3$, of $1/h$ steps $h^2$: order 2.
#
# ```python
# euler_exponential.evaluations("midpoint", 1e-4), euler_exponential.evaluations("euler", 1e-2)
# ```
# ````
#
# ````{exercise} A block that cannot degrade
# :label: ex-01-zero
#
# Initialise every $W$ of the residual blocks with zero. What is the network before training, at any
# depth? Try it with `depth_training.fit` on a copy of `DenseNetwork`: does depth 64 train better?
# Why would zero be a bad start for the plain network?
# ````
#
# ````{solution} ex-01-zero
# :class: dropdown
#
# Every block is the identity, so that the network is the one of a single layer, at every depth: the
# constructed solution is the start. The gradient in $W$ is not zero, since $\operatorname{relu}(N(h))$ is
# not. In a plain network $W = 0$ cuts the input off: the state behind it does not depend on the image,
# and all gradients before it vanish.
# ````
#
# ## Read next
#
# {doc}`02_adjoint` takes the products of {eq}`eq-01-chain` to the limit of infinitely many blocks.
# The degradation of plain networks is from {cite}`he2016deep`; how much a trained residual network
# really is a discretised ODE is asked in {cite}`sander2022residual`; what flows cannot represent, and
# augmentation, in {cite}`dupont2019augmented`.
