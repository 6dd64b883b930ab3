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
# # From residual networks to ODEs
#
# A residual network adds to its state, block after block. An ODE lets the state flow.
# This chapter builds both, trains them on the same data, and asks how far "a residual network is
# Euler's method" can be taken.

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
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

# The book's own, for figures and recorded runs: training needs none of them.
from nodebook.evidence import recorded, registry
from nodebook.experiments.ch01_residual import depth_limit
from nodebook.figures import plotting, residual
from nodebook.figures.sources import source
from nodebook.figures.verdicts import tally
from nodelib import integrate, odeint

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "One block, applied again and again with ever shorter steps: 2, 5 and 20 blocks, and the ODE that they tend to. Two of four numbers of a state, under a random network field; computed on this page.", "name": "fig-01-paths"}, "image": {"alt": "A plane with one smooth black curve and three broken lines of 2, 5 and 20 straight pieces that start where it starts. The coarse ones leave the curve at once; the finest stays close to it."}} tags=["remove-input"]
plotting.use_style()
drawn, start = depth_limit.autonomous(0), depth_limit.start(0)[:1]
residual.paths(drawn, start, depth_limit.END, (2, 5, 20))
plt.show()

# %% [markdown]
# What the page finds:
#
# 1. **To the bit.** Residual blocks with shared weights *are* Euler's method with unit steps: both
#    programs give the same floating point numbers. Shorter steps tend to an ODE.
# 2. **Euler is seldom worth it.** For an error of one per cent it needs 8 to 15 times as many
#    evaluations of the network as better methods.
# 3. **The solver is part of the model.** A network trained with two Euler steps classifies well
#    with two Euler steps. Solve the same network accurately, and from none to about half of its
#    answers turn wrong: that depends on the initial weights.
#
# Behind it stand four pages: {doc}`what depth does to plain and to residual networks <01a_depth>`,
# {doc}`what no flow can do <01b_flows>`, {doc}`recurrent networks in time <01c_recurrent>`, and
# {doc}`Euler's method, by itself <01d_euler>`.
# Four documents are tested here: Bu's note, Seong's slides, those of Zurlo and Facci, and a Russian
# review without an author's name ({doc}`../book/documents`).

# %% [markdown]
# ## Build it

# %% [markdown]
# The knobs. Everything on this page that is computed and not read from a recorded run follows
# them: **change one and run again**.

# %% tags=["parameters"]
profile = "quick"  # "full" first records the runs below again (minutes)
seed = 0  # draws the data and the initial weights

# %% tags=["knobs"]
width = 16  # hidden units of a block
blocks = 10  # blocks of the residual network, and steps of Euler's method
rate = 0.02  # learning rate of Adam: about how far an update moves a weight
updates = 120  # steps of training
rtol, atol = 1e-4, 1e-4  # tolerances of the adaptive solver

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
torch.set_num_threads(1)  # networks as small as these lose time by sharing it
registry.renew(profile, "depth_limit")

# %% [markdown]
# The data are two half moons in the plane; the task is to tell them apart.


# %%
def moons(n, seed):
    """n points in the plane, and the moon (0 or 1) that each lies on."""
    draw = torch.Generator().manual_seed(seed)
    angle = torch.pi * torch.rand(n, generator=draw)
    label = torch.arange(n) % 2
    x = torch.stack((angle.cos(), angle.sin()), 1)
    x[label == 1] = torch.tensor([1.0, 0.5]) - x[label == 1]
    noise = 0.1 * torch.randn(n, 2, generator=draw)
    return x - torch.tensor([0.5, 0.25]) + noise, label.float()


x, y = moons(200, seed)
x_new, y_new = moons(1000, seed + 1)  # nothing is trained or chosen on these

# %% [markdown]
# A **residual block** adds what it computes to its input {cite}`he2016deep`, and a residual network
# is a stack of blocks with weights of their own:
#
# $$
# h_{t+1} = h_t + f(h_t, \theta_t) .
# $$ (eq-01-residual)
#
# An **ODE block** has *one* network $f$, called the field, and follows $\dot z = f(t, z)$ from
# time 0 to time 1. Any module with `forward(t, z)` can be a field.


# %%
class Field(nn.Module):
    """dz/dt = f(t, z). This one does not look at the time."""

    def __init__(self):
        super().__init__()
        layers = nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2)
        self.network = nn.Sequential(*layers)

    def forward(self, t, z):
        return self.network(z)


class ResidualStack(nn.Module):
    """Blocks one after the other, each with weights of its own."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Field() for _ in range(blocks))

    def forward(self, z):
        for t, block in enumerate(self.blocks):
            z = z + block(t, z)
        return z


class ODEBlock(nn.Module):
    """The state at time 1 of one field that is followed from time 0."""

    def __init__(self, **solver):
        super().__init__()
        self.field, self.solver = Field(), solver

    def forward(self, z):
        times = [0.0, 1.0]
        return odeint(self.field, z, times, grad="backprop", **self.solver)[-1]


# %% [markdown]
# `odeint` returns the states at all requested times, here two; `[-1]` is the last. By default its
# `method` is `"dopri5"`, with `rtol=1e-7` and `atol=1e-9`. (`grad` says how it is differentiated,
# {doc}`03_gradient_checks`; this is the fastest way for small networks.) The loop is the usual one,
# the same for every model: a line through the plane reads the class off.


# %%
def train(body, seed=seed):
    """A classifier with this body, trained from a seed's weights, and its losses."""
    torch.manual_seed(seed)
    model = nn.Sequential(body(), nn.Linear(2, 1), nn.Flatten(0))
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    losses = []
    for _ in range(updates):
        loss = binary_cross_entropy_with_logits(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return model, losses


euler = {"method": "euler", "options": {"num_steps": blocks}}
coarse = {"method": "euler", "options": {"num_steps": 2}}
rk4 = {"method": "rk4", "options": {"num_steps": 3}}
dopri5 = {"method": "dopri5", "rtol": rtol, "atol": atol}
models, losses = {}, {}
models["residual stack"], losses["residual stack"] = train(ResidualStack)
for name, solver in {
    "euler, 2 steps": coarse,
    f"euler, {blocks} steps": euler,
    "rk4, 3 steps": rk4,
    "dopri5": dopri5,
}.items():
    models[name], losses[name] = train(partial(ODEBlock, **solver))

# %% [markdown]
# From Euler's method to Runge-Kutta 4 to Dormand and Prince's adaptive method
# {cite}`dormand1980family` it is one argument. `num_steps` is the number of equal steps **between
# two requested times**, not in all. All of them learn ({numref}`fig-01-learning`).

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Loss on the 200 training points, live. Two of the lines lie on each other: three steps of Runge-Kutta 4 and the adaptive method train almost the same network.", "name": "fig-01-learning"}, "image": {"alt": "Loss on a logarithmic scale against 120 steps of training. Five falling lines, from about a half to a thousandth and less. The residual stack falls fastest; the lines of rk4 and dopri5 coincide; Euler with two steps falls slowest."}} tags=["remove-input"]
residual.learning(losses)
plt.show()

# %% [markdown]
# {numref}`fig-01-snapshots` shows what the last of them has learned: not a boundary, but a motion
# after which a straight line will do.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The new points on their way through the trained ODE block.", "name": "fig-01-snapshots"}, "image": {"alt": "Three panels of points in the plane at the times 0, 0.5 and 1. At first two half moons hold on to each other; at the end the two classes are apart and a straight line separates them."}} tags=["remove-input"]
with torch.no_grad():
    moved = odeint(models["dopri5"][0].field, x_new, [0.0, 0.5, 1.0])
residual.snapshots(moved, y_new, (0, 0.5, 1))
plt.show()

# %% [markdown]
# ### The same weights, another solver
#
# Now a question that only a neural ODE allows. Keep the trained weights and solve their field with
# something else. If the network were the ODE, nothing should change.


# %%
def right(answers):
    """Per cent of the new points that are classified correctly."""
    return 100 * ((answers > 0) == (y_new > 0)).float().mean().item()


@torch.no_grad()
def share_right(model, **solver):
    """The same of an ODE block that is solved in this way."""
    body, *rest = model
    end = odeint(body.field, x_new, [0.0, 1.0], **solver)[-1]
    return right(nn.Sequential(*rest)(end))


with torch.no_grad():
    stacked = right(models["residual stack"](x_new))
sizes = [sum(w.numel() for w in model[0].parameters()) for model in models.values()]
print(f"residual stack: {stacked:.1f} % right; {sizes[0]} weights (ODE: {sizes[1]})")
accurate = {"rtol": 1e-6, "atol": 1e-6}  # in single precision not far above rounding
kept, swapped, used = {}, {}, {}
for name in list(models)[1:]:
    body = models[name][0]
    kept[name] = share_right(models[name], **body.solver)
    swapped[name] = share_right(models[name], **accurate)
    with torch.no_grad():
        solution = integrate(body.field, x_new, [0.0, 1.0], **body.solver)
    used[name] = solution.stats.nfe
    print(
        f"trained with {name:15s} ({used[name]:2d} evaluations): "
        f"{kept[name]:.1f} % right; solved accurately: {swapped[name]:.1f} %"
    )

# %% [markdown]
# `integrate` does what `odeint` does and also says what it cost. `stats.nfe` is the **number of
# function evaluations**: how often the field was asked, whatever the batch. It is the price of a
# solve. (Two Euler steps have the highest loss at the end of training and the best answers on new
# points: the one does not foretell the other.)
#
# How many per cent turn wrong (or, below zero, right), for six draws of the initial weights:

# %%
points = {}
for name, solver in {"two": coarse, f"{blocks}": euler, "three rk4": rk4}.items():
    points[name] = []
    for weights in range(6):
        model, _ = train(partial(ODEBlock, **solver), weights)
        own = share_right(model, **solver)
        points[name].append(own - share_right(model, **accurate))
    print(f"{name} steps: " + ", ".join(f"{lost:.1f}" for lost in points[name]))

# %% [markdown]
# Trained with two Euler steps, the network has learned two long jumps that end well. Where the
# solution goes in between is left to chance. With ten steps it mostly ends where they do, but once a
# third of the answers turns wrong. Three steps of Runge-Kutta (12 evaluations) lose next to nothing. If a
# model is to be read as an ODE, then train it with a solver that is accurate enough, and check by
# swapping.

# %% [markdown]
# ## How an adaptive solver chooses its steps
#
# `dopri5` was told no number of steps but two tolerances. What it does with them fits in
# fifteen lines. It takes every step twice, with two methods of different order that share their
# evaluations. Here these are Euler's (order 1) and Heun's (order 2, one evaluation more).
# **Their difference estimates the error of the step.**


# %%
def adaptive(f, z, t, end, rtol, atol):
    """Solve dz/dt = f(t, z). Also returns (start, length, error) of every trial."""
    h, trials = 0.01 * (end - t), []
    while end - t > 1e-12:
        h = min(h, end - t)
        k1 = f(t, z)
        k2 = f(t + h, z + h * k1)
        euler, heun = z + h * k1, z + h * (k1 + k2) / 2
        allowed = atol + rtol * torch.maximum(z.abs(), heun.abs())
        error = ((heun - euler) / allowed).square().mean().sqrt().item()
        trials.append((t, h, error))
        if error <= 1:  # accepted: go on from the better of the two
            t, z = t + h, heun
        # a step h has an error of size h^2: what length would have been just right?
        h *= min(5.0, max(0.2, 0.9 * max(error, 1e-10) ** -0.5))
    return z, trials


# %% [markdown]
# - **`atol + rtol * |z|`** is the error that one step may make in each number of the state. `rtol`
#   counts correct digits: `1e-3` asks for three. `atol` is what may be lost when the state is near
#   zero, where no digit would be good enough; it has the unit of the state.
# - If the estimate is larger than that, the step is **rejected** and tried again, shorter. If it is
#   smaller, the step is **accepted**, and the next may be longer.
# - Nothing is promised about the *end*: errors of many steps add up, and the field can stretch them.
#
# Van der Pol's oscillator creeps and jumps, which no fixed step likes ({numref}`fig-01-trials`).


# %%
def oscillator(t, z):
    return torch.stack((z[1], 3 * (1 - z[0] ** 2) * z[1] - z[0]))


z0 = torch.tensor([2.0, 0.0], dtype=torch.float64)
end, trials = adaptive(oscillator, z0, 0.0, 12.0, rtol=1e-2, atol=1e-2)
truth = odeint(oscillator, z0, [0.0, 12.0], rtol=1e-11, atol=1e-11)[-1]
accepted = sum(error <= 1 for _, _, error in trials)
print(
    f"{accepted} steps, {len(trials) - accepted} rejected, "
    f"{2 * len(trials)} evaluations; error {(end - truth).norm():.0e}"
)
equal = {"method": "heun", "options": {"num_steps": len(trials)}}
fixed = integrate(oscillator, z0, [0.0, 12.0], **equal)
off = (fixed.z[-1] - truth).norm()
print(f"as many equal steps of Heun's method: error {off:.0e}")
library = integrate(oscillator, z0, [0.0, 12.0], rtol=1e-2, atol=1e-2)
off = (library.z[-1] - truth).norm()
print(f"dopri5 at the same tolerance: {library.stats}, error {off:.0e}")

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The solver above on van der Pol's oscillator, live. Above: the solution, with a dot where a step begins. Below: the length of every trial. Where the solution jumps, the steps become more than twenty times shorter.", "name": "fig-01-trials"}, "image": {"alt": "Two panels over time from 0 to 12. Above: a curve that falls slowly from 2, drops to minus 2, creeps up and jumps again; the dots crowd at the jumps. Below: step lengths on a logarithmic scale, long while the curve creeps and short at the jumps; crosses, the rejected trials, stand where a jump begins."}} tags=["remove-input"]
clock = torch.linspace(0, 12, 400).tolist()
residual.trials(clock, odeint(oscillator, z0, clock)[:, 0], trials)
plt.show()

# %% [markdown]
# `dopri5` does the same with methods of orders 5 and 4, six evaluations a step: the seventh that
# the error needs is the first of the next step. (The library's rule for the next length looks at
# two errors instead of one {cite}`hairer1993solving`.)

# %% [markdown]
# ## A residual step is an Euler step
#
# Euler's method for $\dot h = f$ goes a length $\Delta t$ straight along $f$, looks at $f$ again, and so
# on; {doc}`01d_euler` tries it on the equation that everybody has solved. With a step length of 1 it
# is {eq}`eq-01-residual`. The two programs round the same products and sums in the same order, since multiplying by 1
# is exact. So they should agree not nearly, but **to the last bit**:

# %%
block = Field()
with torch.no_grad():
    for n in (1, 2, 10, 100):
        h = x
        for t in range(n):
            h = h + block(t, h)
        options = {"num_steps": n}
        walked = odeint(block, x, [0.0, n], method="euler", options=options)
        same = torch.equal(h, walked[-1])
        print(f"{n:3d} blocks, {n:3d} steps: the same bits: {same}")

# %% [markdown]
# Recorded for five fields that look at the time, in both precisions, with torchdiffeq's Euler
# as a third program: the same everywhere. Bu writes a step length into the block first,
# $h + F = h + \Delta t\, G$ with $G = F / \Delta t$. That changes nothing in exact arithmetic, and at most a
# last digit in floating point. What the sentence leaves out is that the blocks of a ResNet have
# **weights of their own**.
#
# ### More blocks, shorter steps
#
# Now keep the time fixed, $T = 2$, and make the steps shorter, as in {numref}`fig-01-paths`. A block
# need not be an Euler step: a midpoint block asks the field twice, a Runge-Kutta 4 block four times.
# What counts is the error **per evaluation** ({numref}`fig-01-depth`).

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Five random network fields; lines are geometric means. Above: relative error at T = 2 against the number of blocks, with the measured order. Below: the same against evaluations of the field; each cross is one adaptive solve of one field.", "name": "fig-01-depth"}, "image": {"alt": "Two log-log panels. Above: three lines fall, Euler with slope minus one, midpoint minus two, Runge-Kutta 4 minus four. Below: against evaluations Euler is lowest or level only at one or two evaluations, then midpoint, Runge-Kutta 4 and Dormand-Prince undercut it by many orders of magnitude."}} tags=["remove-input"]
runs = recorded.runs("depth_limit")
residual.cost(runs, depth_limit.DEPTHS)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("depth_limit")

# %% [markdown]
# The evaluations that a relative error takes, medians of the five fields ("over": more than were
# tried):

# %% jupyter={"source_hidden": true} tags=["remove-input"]
residual.evaluations(runs, depth_limit.TARGETS[:5])

# %% [markdown]
# "We will do much better if we use more modern approaches", writes Bu. For an error of one per cent
# Euler's method needs 8 to 15 times as many evaluations as the best of the others. With one or two
# evaluations it is the most accurate on these fields, because no other can take more than one step;
# but it is then wrong by a quarter or more.
#
# ### A layer for every real number
#
# Seong quotes that the layers of a neural ODE are indexed by real numbers. What that means:
# flowing for a time $t$ and then for $s$ is flowing for $s + t$. Negative times are allowed as well; a
# layer, in general, cannot be run back.

# %%
s, t, tight = 1.57, -0.71, {"rtol": 1e-12, "atol": 1e-12}
field = depth_limit.autonomous(0)  # a random network
z = depth_limit.start(seed)
with torch.no_grad():
    there = odeint(field, z, [0.0, t], **tight)[-1]
    both = odeint(field, there, [0.0, s], **tight)[-1]
    once = odeint(field, z, [0.0, s + t], **tight)[-1]
error = (both - once).norm() / once.norm()
print(f"flow(s) after flow(t), against flow(s + t): relative error {error:.0e}")

# %% [markdown]
# ## What the documents say
#
# The interesting verdicts of this page:
#
# - *Holds*: residual blocks are Euler's method (the Russian review, Bu), and ever shorter steps tend to an ODE.
# - *In part*: "with any accuracy" (the review): down to rounding ({doc}`01d_euler`). "Much better with modern
#   approaches" (Bu): not with one or two evaluations.
# - *Corrected*: in the review the range of $i$ in Euler's method ({doc}`01d_euler`) and a $\theta_T$
#   that no block has ({doc}`01a_depth`); "unique only if Lipschitz" (Zurlo and Facci, {doc}`01b_flows`).
# - *Refuted*, both of Zurlo and Facci: that a residual network with weights of its own in each layer
#   turns into this ODE ({doc}`01a_depth`), and, by reading, the partial derivative in it: $z$ depends
#   on $t$ alone.
#
# Seong adds that "in general" the exact function cannot be had. That is a fact about formulas: a
# solution can exist without being one.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("01")

# %% [markdown]
# ## Exercises
#
# ````{exercise} Fewer steps, more steps
# :label: ex-01-steps
#
# Take the last of the six draws above, the unlucky one, and train it with 1, 2, 5 and 20 Euler steps.
# Before you run it: for which of them will the accurate solution classify as well as the steps do?
# ````
#
# ````{solution-start} ex-01-steps
# :class: dropdown
# ````

# %%
after_swap = {}
for n in (1, 2, 5, 20):
    solver = {"method": "euler", "options": {"num_steps": n}}
    model, _ = train(partial(ODEBlock, **solver), 5)
    mine, after_swap[n] = (
        share_right(model, **solver),
        share_right(model, **accurate),
    )
    print(
        f"{n:2d} steps: {mine:.1f} % right, solved accurately {after_swap[n]:.1f} %"
    )

# %% [markdown]
# For none of them, though 20 steps come near, and five are worse than one. A few steps are jumps: they
# are free to do what no flow can do, and their field means nothing between the ends. How many are
# enough depends on the draw; swapping the solver tells.
#
# ````{solution-end}
# ````
#
# ````{exercise} As loose as you can
# :label: ex-01-tolerance
#
# Solve the trained `models["dopri5"]` with `rtol = atol` = 1, 0.1, 0.01 and 1e-6. How many
# evaluations does each take, and where does the classifier begin to suffer?
# ````
#
# ````{solution-start} ex-01-tolerance
# :class: dropdown
# ````

# %%
answers = {}
for tolerance in (1.0, 1e-1, 1e-2, 1e-6):
    loose = {"rtol": tolerance, "atol": tolerance}
    with torch.no_grad():
        solution = integrate(models["dopri5"][0].field, x_new, [0.0, 1.0], **loose)
    answers[tolerance] = share = share_right(models["dopri5"], **loose)
    print(f"{tolerance:g}: {solution.stats.nfe} evaluations, {share:.1f} % right")

# %% [markdown]
# Nowhere here, for a field that was trained with an accurate solver: these classes need fewer digits
# of the state than the loosest tolerance gives. What needs a tight one is a *gradient* that is to be
# trusted: {doc}`03_gradient_checks`.
#
# ````{solution-end}
# ````
#
# ## Read next
#
# {doc}`01a_depth` (why add the input at all), {doc}`01b_flows` (what adding cannot do), and
# {doc}`02_adjoint`, which takes backpropagation through the blocks to the limit of infinitely many.
# How much a trained residual network really is a discretised ODE is also asked in
# {cite}`sander2022residual`.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
if (seed, width, blocks, rate, updates) == (0, 16, 10, 0.02, 120):
    assert all(values[-1] < 0.1 * values[0] for values in losses.values())
    assert min(kept.values()) > 95
    ends = {name: values[-1] for name, values in losses.items()}
    assert max(ends, key=ends.get) == max(kept, key=kept.get) == "euler, 2 steps"
    assert kept["euler, 2 steps"] > stacked
    assert sizes[0] == 10 * sizes[1]
    two, ten, rk = points.values()
    assert min(two) < 1  # from none
    assert 40 < max(two) == two[-1] < 60  # to about half, the last of the six
    assert sum(lost < 1 for lost in ten) == 5
    assert 20 < max(ten) < 45  # a third
    assert max(rk) < 2
    assert used["rk4, 3 steps"] == 12
    assert after_swap[5] < after_swap[1] < after_swap[20] < 96
    assert min(answers.values()) > 95
    assert max(answers.values()) - min(answers.values()) < 0.5
plain = integrate.__kwdefaults__
assert (plain["method"], plain["rtol"], plain["atol"]) == ("dopri5", 1e-7, 1e-9)
saved = sorted(recorded.values(runs, "saved.1e-02"))
assert [f"{saved[0]:.0f}", f"{saved[-1]:.0f}"] == ["8", "15"]
lengths = [h for _, h, error in trials if error <= 1]
assert max(lengths) > 20 * min(lengths)
assert (fixed.z[-1] - truth).norm() > 10 * (end - truth).norm()
first = {b: recorded.values(runs, f"budget.{b}") for b in depth_limit.BUDGETS}
assert [b for b, won in first.items() if won.count("euler") == 5] == [1, 2]
assert min(recorded.values(runs, "error.euler.2")) > 0.25
for dtype in ("float32", "float64"):
    assert all(recorded.values(runs, f"bit_for_bit.{dtype}"))
