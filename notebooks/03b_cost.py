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
# # What gradients cost
#
# How often is the field evaluated on the way back, and how long does it take in one library or
# another? This page counts and times. What it finds:
#
# 1. **We do not see half as many evaluations backwards as forwards**, which Chen et al. report,
#    with any way of differentiating on any of three small problems.
# 2. **All libraries compute the same gradient**, within about twenty times the tolerance.
# 3. **Compiling is what counts on small systems**: diffrax, which compiles, is far ahead of all that do not. Our
#    compiled solve comes near it from 64 states on.

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
from torch import nn

from nodebook.evidence import recorded
from nodebook.experiments.ch03_gradients import (
    backward_evaluations,
    gradient_libraries,
)
from nodebook.figures import gradients as drawn
from nodebook.figures import plotting, speed
from nodebook.figures.sources import source
from nodebook.figures.tables import shown
from nodebook.figures.verdicts import tally
from nodelib import integrate
from nodelib.fields import VanDerPol

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()

# %% [markdown]
# ## Count it yourself

# %% [markdown]
# The knobs: **change one and run again**.

# %% tags=["parameters"]
profile = "quick"  # the experiments of this chapter are recorded again from page 03
seed = 0  # draws the weights of the field

# %% tags=["knobs"]
method = "dopri5"
tolerance = 1e-5  # relative and absolute
width = 16  # hidden units of the field


# %%
class Network(nn.Module):
    """A field with one hidden layer that looks at the time."""

    def __init__(self):
        super().__init__()
        layers = nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 2)
        self.layers = nn.Sequential(*layers).double()

    def forward(self, t, z):
        return self.layers(torch.cat((z, t.expand(*z.shape[:-1], 1)), -1))


torch.manual_seed(seed)
field = Network()
z0 = torch.randn(16, 2, dtype=torch.float64)
ratio = {}
for grad in ("backprop", "checkpoint", "adjoint"):
    settings = {"method": method, "rtol": tolerance, "atol": tolerance}
    solution = integrate(field, z0, [0.0, 5.0], grad=grad, **settings)
    solution.z[-1].square().sum().backward()
    forwards, backwards = solution.stats.nfe, solution.backward[0].nfe
    ratio[grad] = backwards / forwards
    counted = f"{forwards} forwards, {backwards} backwards"
    print(f"{grad:10s}: {counted}: {ratio[grad]:.2f}")

# %% [markdown]
# `solution.backward` has one entry for each backward pass, with what it cost.
#
# ## Half as many?
#
# Chen et al. find about **half as many evaluations backwards as forwards**, on a classifier of images
# ({doc}`07_mnist`). We look at smaller things: a network fitted to a spiral, the same with a
# loss a million times smaller, and the forced oscillator of chapter 02. Five seeds each; averages over
# tolerances from 1e-2 to 1e-8.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
titles = {
    "network": "fitted network",
    "scaled": "the same, loss × 1e-6",
    "nonlinear": "oscillator",
}
runs = {}
for variant, title in titles.items():
    runs[title] = recorded.runs("backward_evaluations", variant)
NAMES = backward_evaluations.NAMES
drawn.ratios(runs, NAMES)

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Field evaluations backwards over forwards against the tolerance; means over five seeds, bars one standard deviation. Dotted: the half that Chen et al. report.", "name": "fig-03-evaluations"}, "image": {"alt": "Three panels of the ratio against tolerance. In all of them the lines lie between 0.6 and 1.5; checkpoint lies just below one in the first two and rises from 0.7 to one in the third, and no line stays near the dotted one at one half."}} tags=["remove-input"]
drawn.evaluations(runs, NAMES, backward_evaluations.TOLERANCES)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("backward_evaluations")

# %% [markdown]
# **We do not see the half.** Checkpoint redoes the accepted steps and no others. So it always needs
# less than the forward pass: it saves the two evaluations that choose the first step, and the
# rejected steps, of which the oscillator has some. The adjoint solves a larger system to the same
# tolerance and needs about as much as the forward pass, or more, except torchdiffeq's on the oscillator at loose
# tolerances, and ours with the tiny loss. A smaller loss makes its adjoint smaller than the absolute tolerance, so that it stops
# mattering for the step; but the state still has to be found again, and that alone costs nearly the
# forward price. (A *seminorm* leaves the parameter gradient out of the error that controls the
# steps {cite}`kidger2021hey`. By it we choose the first step back in any case: the parameter gradient is
# zero there, and would ask for a step of almost no length.)

# %% [markdown]
# ## What it takes in time
#
# Both passes on one core, over our backprop, for the problem of {numref}`fig-03-memory`. Times
# vary from machine to machine, so they are shown and not verified.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
(counted,) = recorded.runs("gradient_memory")
drawn.milliseconds(counted)

# %% [markdown]
# ## Other libraries
#
# Two problems, one method (Dormand-Prince), one tolerance (1e-6), float64. Of each library the
# error of its gradient against a reference at 1e-12, and its time over that of torchdiffeq's
# `odeint_adjoint`, the least and the most of three seeds. diffrax compiles first, for seconds,
# which a user waits for once and which is left out here.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
peers = {
    "oscillator": recorded.runs("gradient_libraries", "nonlinear"),
    "network": recorded.runs("gradient_libraries", "network"),
}
drawn.libraries(peers, gradient_libraries.NAMES)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("gradient_libraries")

# %% [markdown]
# All of them compute the same gradient. They do not take the same time. Our ways, uncompiled, are ahead of
# torchdiffeq's adjoint, and diffrax is ahead of both: JAX compiles the whole solve and its
# gradient into one program, where we run Python between operations of a few microseconds. The gap
# narrows as the field grows, as the second pair of columns shows.
#
# How far ahead we are depends on how many outputs are asked for. Here the field is a network of 64 units,
# for 64 states, in float32; a number below 1 says that we are faster than that function of torchdiffeq.
# Where it says *landed on*, our steps end on every output time. The seminorm from above is
# `options={"adjoint_seminorm": True}`.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
eager = speed.measured("gradients")
shown(eager.against().rename(index=lambda name: name.split(", ", 1)[1]))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
eager

# %% [markdown]
# Reading outputs from the steps costs little. Landing on a hundred of them takes backprop and checkpoint
# seven to nine times as long on this short interval, on which few steps would do. The adjoint starts again at every output, whichever library solves it.
#
# PyTorch can compile a solve too. `odeint(..., compile=True)` turns the steps forwards into one loop of
# C++ and the gradient into another; every operation stays the same up to rounding. It compiles at its first
# call, for tens of seconds, and again for another field or shape. Here a field 2-50-2 is solved to 100
# output times, and differentiated. A number below 1 says that we are faster.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
compiled = speed.measured("compiled")
shown(compiled.against().rename(index=lambda name: name.split(", ", 2)[2]))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
compiled

# %% [markdown]
# Against torchdiffeq at most a tenth of the time is left up to 64 states, and a sixth to a quarter with 1,024.
# Next to diffrax it is near with 64 and 1,024 states; with ReLU only the lead with 1,024 is beyond doubt. With a
# single state it takes longer, by how much this race leaves open: the two take turns here, and find the caches
# cold. With warm caches diffrax is ahead at the same tolerance, by little with 1,024 states and by a factor of five
# with one ({doc}`03c_how_fast`).
#
# One warning about such tables: at the same requested tolerance the libraries do not reach the same
# error. Ours estimates the error of a step more strictly than torchdiffeq and diffrax do, and evaluates
# the field more often for it. All three take steps as long as the tolerance allows and read the states at
# the output times from a polynomial of the step that passes them. With
# `odeint(..., options={"land": True})` steps end on every output time, which costs more where many are
# asked for, and errs less at the outputs. {doc}`03c_how_fast` compares times at the same *error*.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("03")

# %% [markdown]
# ## Exercises
#
# ````{exercise} A tolerance of its own
# :label: ex-03-own
#
# The adjoint may be solved with a looser tolerance than the state:
# `options={"adjoint_rtol": 1e-2, "adjoint_atol": 1e-2}`. How many evaluations does that save here, and how far
# does the gradient move?
# ````
#
# ````{solution-start} ex-03-own
# :class: dropdown
# ````

# %%
found, costs = [], []
for options in ({}, {"adjoint_rtol": 1e-2, "adjoint_atol": 1e-2}):
    start = z0.clone().requires_grad_()
    settings = {"rtol": tolerance, "atol": tolerance, "options": options}
    solution = integrate(field, start, [0.0, 5.0], grad="adjoint", **settings)
    solution.z[-1].square().sum().backward()
    found.append(start.grad)
    costs.append(solution.backward[0].nfe)
moved = ((found[1] - found[0]).norm() / found[0].norm()).item()
print(f"{costs[0]} and {costs[1]} evaluations; the gradient moves by {moved:.2%}")

# %% [markdown]
# Two fifths are saved, and on this smooth field the gradient hardly moves. On a stiff one it will.
#
# ````{solution-end}
# ````
#
# ````{exercise} Rejected steps
# :label: ex-03-rejected
#
# Why does checkpoint need so much less backwards than forwards on the oscillator at loose tolerances? Look at
# `solution.stats` of such a solve.
# ````
#
# ````{solution-start} ex-03-rejected
# :class: dropdown
# ````

# %%
two = torch.tensor([2.0, 0.0], dtype=torch.float64, requires_grad=True)
rejects = integrate(VanDerPol(5.0), two, [0.0, 12.0], rtol=1e-2, atol=1e-2)
rejects.z[-1].sum().backward()
print(rejects.stats)
print(f"backwards: {rejects.backward[0].nfe}")

# %% [markdown]
# Rejected steps are thrown away. Only the accepted ones are taken again.
#
# ````{solution-end}
# ````
#
# ## Read next
#
# {cite}`kidger2021hey` explains the seminorm, chapter 5 of {cite}`kidger2021neural` compares the ways.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
if (seed, method, tolerance, width) == (0, "dopri5", 1e-5, 16):
    assert ratio["backprop"] == 0
    assert 0.6 < ratio["checkpoint"] < 1 < ratio["adjoint"]
    assert costs[1] < 0.8 * costs[0]
    assert moved > 1e-4
assert rejects.stats.rejected > 0
assert rejects.backward[0].nfe < rejects.stats.nfe
for own in runs.values():
    for way in NAMES:
        assert min(recorded.values(own, f"ratio.{way}.mean")) > 0.6
raced = compiled.against().astype(float)
for name, row in raced.iterrows():
    own, theirs = row["torchdiffeq odeint"], row["diffrax, compiled"]
    assert 0.13 < own < 0.26 if name.endswith("1024") else own <= 0.11
    assert 1 < theirs < 2.5 if name.endswith("states: 1") else 0.65 < theirs < 1.15
ahead = eager.against().astype(float)
plain = ahead["torchdiffeq odeint"]
for outputs in ("2 times", "5 times", "100 times"):
    assert plain[f"gradient, {outputs}, backprop"] < 0.8
    assert plain[f"gradient, {outputs}, checkpoint"] < 1.1
    assert ahead["torchdiffeq odeint_adjoint"][f"gradient, {outputs}, adjoint"] < 0.8
for way in ("backprop", "checkpoint"):
    many, few = (
        plain[f"gradient, 100 times{how}, {way}"] for how in (" landed on", "")
    )
    assert 6.5 < many / few < 9.5
for own in peers.values():
    assert max(recorded.values(own, "error.adjoint")) < 1e-4
