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
# # How fast
#
# Fast at what? A solver may be quick because its steps are long and its gradient is off. So this page plots
# the time of a gradient against its *error*, with the tolerance as the knob, for our ways and for those
# of other libraries: torchdiffeq {cite}`chen2018torchdiffeq`, torchode {cite}`lienen2022torchode`, torchdyn
# {cite}`poli2021torchdyn` and diffrax {cite}`kidger2021neural`. On one core of a processor; a GPU comes at the end.

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
import statistics
import time

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown
from torch import nn

from nodebook.figures import diagrams as drawn
from nodebook.figures import plotting, speed
from nodebook.figures.tables import shown
from nodelib import integrate, odeint

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()
curves = speed.measured("precision")
sizes = speed.measured("growth")
parts = speed.measured("shares")
SHORT, KINKS = "tanh, states: 64, outputs: 5", "relu, states: 64, outputs: 100"
DIGITS = "ODE block of MNIST, batch 128"
LONG = {
    f"tanh, states: {count}, outputs: 100": title
    for count, title in (
        ("1", "one state"),
        ("64", "64 states"),
        ("1,024", "1,024 states"),
    )
}
TO = {
    SHORT: ("5 outputs", 1e-4),
    **{work: (title, 3e-3) for work, title in LONG.items()},
    KINKS: ("ReLU", 1e-3),
    DIGITS: ("MNIST", 1e-1),
}
ahead = drawn.at_equal_error(curves, TO)
small = ahead.loc[:, ~ahead.columns.str.startswith("MNIST")]
spent = {point["way"]: point for point in parts.points}
eager = [drawn.python_share(x) for way, x in spent.items() if way != "compiled"]
between = (
    f"{min(low for low, _ in eager):.0%} to {max(high for _, high in eager):.0%}"
)
busy = small.iloc[:, 2:]
short, single = (float(x) for x in small.loc["compiled / diffrax"].iloc[:2])

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(
    f"""What it finds for a small field, at the same error:

- compiled by PyTorch, our solve takes
  {drawn.range_of(small, "compiled / torchdiffeq odeint")} of the time of
  `torchdiffeq.odeint`, least with a single state;
- **that is near diffrax, compiled by JAX, where there is much to compute**: with 64
  or 1,024 states and 100 outputs it is
  {drawn.range_of(busy, "compiled / diffrax")} times its time at the errors of the
  table. With five outputs it is {short:.2g} times, with a single state
  {single:.2g}: Python around the loops then takes most of the time;
- uncompiled, our backprop takes
  {drawn.range_of(small, "backprop / torchdiffeq odeint")} of torchdiffeq's time, and
  at these errors less than torchode and torchdyn;
- {between} of the time of an uncompiled solve, ours or torchdiffeq's, goes neither
  to numbers nor to memory, but to Python and what PyTorch does between operators."""
)

# %% [markdown]
# ## Time it yourself
#
# A time means little: it depends on the processor and on what else runs. A *ratio* of two times means
# more, if both are taken in one process, in turn, and the median of several counts. That is all the method
# that there is on this page. The knobs: **change one and run again**.

# %% tags=["parameters"]
profile = "quick"  # what this page shows is recorded by "nodelib bench"
seed = 0  # draws the weights and the states

# %% tags=["knobs"]
states = 64  # in a batch
outputs = 100  # times at which the solution is wanted
tolerance = 1e-5  # relative and absolute
repeats = 5  # of each measurement


# %%
class Network(nn.Module):
    """A field with one hidden layer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 2))

    def forward(self, t, z):
        return 4 * self.layers(z)


torch.manual_seed(seed)
torch.set_num_threads(1)
field, z0 = Network(), torch.randn(states, 2)
times = torch.linspace(0.0, 4.0, outputs)
parameters = list(field.parameters())


def gradient(**settings):
    start = z0.clone().requires_grad_()
    z = odeint(field, start, times, rtol=tolerance, atol=tolerance, **settings)
    return torch.autograd.grad(z.square().sum(), [start, *parameters])


# %%
ways = {
    "backprop": {"grad": "backprop"},
    "checkpoint": {"grad": "checkpoint"},
    "backprop, landing": {"grad": "backprop", "options": {"land": True}},
}
taken = {name: [] for name in ways}
for _ in range(repeats):
    for name, settings in ways.items():
        began = time.perf_counter()
        gradient(**settings)
        taken[name].append(time.perf_counter() - began)
middle = {name: statistics.median(seconds) for name, seconds in taken.items()}
for name, seconds in middle.items():
    print(f"{name:18s} {seconds / middle['backprop']:.2f}")

# %% [markdown]
# *Landing* means that a step ends on every output time. By default steps are as long as the tolerance
# allows, and what lies inside a step is read from its polynomial. The interval is short for a hundred
# outputs here, so that landing costs more than in the recording further down.
#
# ## Time against error
#
# Below, each line is one way, and each point on it one tolerance, from 1e-2 to 1e-6, of Dormand and Prince's method
# in single precision. The gradient is that of the sum of squares of all outputs, in the initial state and the
# parameters, which the error is taken of together. Lower is faster and further right is more exact. Each work is done once right before it is timed, and compiling is not counted.
# First a short solve with five outputs, which can also be solved backwards. A time of one is that of
# `torchdiffeq.odeint` at tolerance 1e-4.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Recorded: time of a gradient against its relative error, for 64 states of a network 2-50-2 with tanh and five output times on [0, 4]. Ours are solid, others broken.", "name": "fig-03-precision"}, "image": {"alt": "Eleven lines on logarithmic axes that rise from large errors on the left to small ones on the right. Both ways of diffrax lie below all others; torchdiffeq's adjoint lies above all others; our compiled way lies next above diffrax, and close to its backsolve at small errors."}} tags=["remove-input"]
drawn.precision(curves, {SHORT: "64 states, five outputs"})
plt.show()

# %% [markdown]
# Here the continuous adjoint is *more exact* than backprop at the same tolerance, perhaps because its
# backward solve starts anew at every output, and it pays for that with time. (For MNIST, below, torchdiffeq's is
# less exact.) Tightening the tolerance by four orders costs a factor of one to five. Ours estimates the
# error of a step more strictly than torchdiffeq and diffrax do ({doc}`03b_cost`), so that at the same tolerance it
# takes more steps and mostly, not always, errs less; that is why errors are compared here, and not tolerances.
#
# Next, a longer solve with a hundred outputs, for one state, 64 and 1,024.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Recorded: the same field on [0, 25] with 100 output times, for one state, 64 and 1,024. No way that solves backwards is here: backwards this field runs away.", "name": "fig-03-batches"}, "image": {"alt": "Three panels of lines on logarithmic axes, one below the other. With one state diffrax is lowest and our compiled way next; with 64 and 1,024 the two run close together, far below all others. torchdyn is far above with one and 64 states."}} tags=["remove-input"]
drawn.precision(curves, LONG)
plt.show()

# %% [markdown]
# At loose tolerances some gradients are off by more than their own size, up to sixty times: this field amplifies
# errors. torchdyn lands on all hundred outputs, whatever the tolerance, so its error is small and its time
# does not fall. torchode chooses the steps of every state by itself, as one would want where states differ
# much. The more states, the more the numbers cost themselves, and the closer the libraries come to each
# other: our compiled solve takes about a quarter of the time of our uncompiled one or less with 64 states here, and a
# third to a half with 1,024. (diffrax with one state is done in less than half a millisecond, and how long that takes
# depends on what else is in the caches.)
#
# Last, a field with kinks, and one that is large: the ODE block of the digits of {doc}`07_mnist`.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Recorded: a network with ReLU in place of tanh, and its states drawn back to zero, which it would run away from; and the ODE block of the ODE-Net of MNIST with the loss behind it, batch 128, tolerances 1e-1 to 1e-4, each solver choosing its own first step, torchdiffeq with the field as document 003 prints it (a time of one is that of its odeint at 1e-3).", "name": "fig-03-kinks"}, "image": {"alt": "Two panels of lines on logarithmic axes. With ReLU errors fall unevenly with the tolerance, and some rise at first. For MNIST's ODE block the two lines of ours lie below torchdiffeq's odeint, and its adjoint above."}} tags=["remove-input"]
drawn.precision(curves, {KINKS: "ReLU, 64 states", DIGITS: "ODE block of MNIST"})
plt.show()

# %% [markdown]
# With kinks the error jumps with the tolerance instead of falling along a line, and for the digits' field, which
# has them too, two digits are not reached at 1e-4. There the field is nearly all the work: checkpoints
# cost two fifths more than backprop (more at the tightest tolerance), and what is ahead of torchdiffeq's odeint is saved
# inside the field more than around it ({doc}`07_mnist`): ours is laid out anew, theirs as it is printed.
#
# **Who is ahead at the same error?** The times below are read from the lines at one error for each work; where
# a way is more exact even at its loosest tolerance, that one's time is taken (torchdyn, with a hundred
# outputs). Below one, we are faster.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(ahead)

# %% [markdown]
# Who comes from `odeint_adjoint` gains most: our backprop takes about a fifth of its time, for five outputs as for
# the digits. Our own adjoint takes a little less than half.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
curves

# %% [markdown]
# ## How the time grows
#
# {numref}`fig-03-growth` changes one size at a time. The exponents are slopes over the larger sizes of each
# line: 1 is in proportion, 0 is free. All sizes are timed in turn, so that a clock that drifts moves all alike;
# and all at one tolerance, at which diffrax takes fewer steps and errs more.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Recorded: milliseconds of a gradient against the number of states, the numbers in a state, the output times, and the evaluations of a solve on a grid.", "name": "fig-03-growth"}, "image": {"alt": "Four panels on logarithmic axes. Against states and numbers in a state the eager ways rise slowly at first, the compiled ones faster; with 512 numbers in a state our compiled way, our eager one and diffrax lie close together. Against output times all but torchdiffeq are nearly flat. Against evaluations the eager ways rise in proportion, the compiled one somewhat less."}} tags=["remove-input"]
drawn.growth(sizes)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
grown = drawn.exponents(sizes)
shown(grown)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sizes

# %% [markdown]
# A thousand times as many states cost the uncompiled ways three to six times as much, our compiled one eighteen
# times and diffrax more than fifty times: these pay for the numbers themselves, and so are ahead by most where these are few.
# With 128 numbers in a state compiling still halves the time; with 512 it saves little. With 4,096 states our
# compiled solve takes 1.6 times as long as diffrax (in part because that takes fewer steps, and perhaps because
# what one step needs no longer fits the caches). More outputs are nearly free for those who read all of a step at once. On a grid, where all take the
# same steps, an uncompiled step of ours costs what torchdiffeq's costs, and a compiled one a seventh in a long solve.
#
# ## Where the time goes

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Recorded: the time of a gradient, 64 states and 100 outputs, divided as PyTorch's profiler sees it. It takes time itself, so Python's share lies between two bounds, and is drawn in their middle. Landing is what this library did before it had dense output.", "name": "fig-03-shares"}, "image": {"alt": "Six horizontal bars in three colours. The two of landing are the longest; in all eager ones a good part is Python and dispatch; the compiled one is a small fraction, mostly computing."}} tags=["remove-input"]
drawn.shares(parts)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(
    f"""Landing on a hundred outputs calls
{spent["backprop, landing"]["operators"]:,} operators, reading them
{spent["backprop"]["operators"]:,}. In all uncompiled ways together, {between} of
the time is spent between operators, which no faster kernel helps. The upper bounds
are from runs with the profiler, which slows Python; the lower ones take the time of
the operators that it saw off a run without it. Compiled, at most
{drawn.python_share(spent["compiled"])[1]:.0%} are left between them, of a time that
is {spent["compiled"]["milliseconds"] / spent["backprop"]["milliseconds"]:.0%} of
that of backprop."""
)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
parts

# %% [markdown]
# It matters what the compiler is given. PyTorch leaves products of matrices to a library, and calls it for a
# product of 64 by 2 and 2 by 50 as for any other. In our compiled solves products with a side of at most eight are
# written out as sums, and the hyperbolic tangent as a polynomial and an exponential (within 1.1 units in the last
# place, where the library's is within 1.0): so product, bias and activation become one loop. Each operation is the
# same up to rounding. But rounding moves the lengths of steps, and a field that amplifies errors amplifies that too:
# gradients differ within about the error of the solve.
#
# ## On a GPU
#
# A gradient, uncompiled, of a small field and of one with 164 times as many multiplications, on a GPU and on all
# sixteen threads of the processor beside it.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Recorded on an NVIDIA H200 and 16 threads of an Intel Xeon: milliseconds of a gradient against the number of states, for networks with tanh, 30 outputs on [0, 1], tolerance 1e-4. Marks are filled for the GPU and hollow for the processor.", "name": "fig-03-devices"}, "image": {"alt": "Two panels of lines on logarithmic axes. On the GPU the lines of the small field are flat and those of the large one rise by half at most. On the processor they begin below the GPU's and rise; for the small field they cross it between a thousand and sixteen thousand states, for the large one before a thousand."}} tags=["remove-input"]
gpu = speed.measured("devices")
drawn.devices(gpu)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
gpu

# %% jupyter={"source_hidden": true} tags=["remove-input"]
lines = {name: drawn.by_device(gpu.points, name) for name in ("2-50-2", "64-256-64")}
(on,) = {device for device, _ in lines["2-50-2"]} - {drawn.PROCESSOR}
fewest, most = (
    min(lines["2-50-2"][on, "backprop"]),
    max(lines["2-50-2"][on, "backprop"]),
)
times_as_long = {
    name: by[drawn.PROCESSOR, "backprop"][most] / by[on, "backprop"][most]
    for name, by in lines.items()
}
ours = [
    by[on, "backprop"][n] / by[on, "torchdiffeq odeint"][n]
    for by in lines.values()
    for n in by[on, "backprop"]
]
Markdown(
    f"""**A GPU takes the same time for {fewest} states of the small field as for
{most:,}**, and at most half as much again for the large one. It seems to wait for
Python, which launches one small kernel after the other. So with few states the
processor is ahead; with {most:,} it takes {times_as_long["2-50-2"]:.0f} times as
long as the GPU for the small field, and {times_as_long["64-256-64"]:.0f} times for
the large one. On the GPU our backprop takes {min(ours):.2f} to {max(ours):.2f} of
torchdiffeq's time."""
)

# %% [markdown]
# ## What to take
#
# - Small fields, many solves: `compile=True`, or diffrax; the latter where there are few states or few outputs. Compiling
#   takes some twenty seconds, once for each shape; it pays after a thousand solves of the longer kind, and ten thousand
#   of the shortest.
# - Large fields: the field is the time. With some hundreds of numbers in a state compiling gains little.
# - A GPU: from some thousand states of a small field on, or some hundred of a large one.
# - Many outputs: never land on them, unless you want the smaller error at the outputs that shorter steps
#   give.
# - Before comparing libraries, compare errors.
#
# To measure all of it on your machine: `pip install -e ".[bench]"` fetches the other libraries, and
# `nodelib bench precision`, `growth` and `shares` take some minutes each.
#
# ## Exercises
#
# ````{exercise} The price of a digit
# :label: ex-03-digit
#
# A method of order 5 needs $h \propto \mathrm{tol}^{1/5}$. By how much should the evaluations of a solve rise from
# tolerance 1e-3 to 1e-6, and by how much do they?
# ````
#
# ````{solution-start} ex-03-digit
# :class: dropdown
# ````

# %%
counted = [
    integrate(field, z0, [0.0, 4.0], rtol=x, atol=x).stats.nfe for x in (1e-3, 1e-6)
]
print(f"{1000 ** (1 / 5):.1f} by the order, {counted[1] / counted[0]:.1f} counted")

# %% [markdown]
# The two evaluations that choose the first step, and steps that are shorter than they need be at the loose
# tolerance, weigh more where there are few: the count rises less than the order says.
#
# ````{solution-end}
# ````
#
# ````{exercise} A fair race
# :label: ex-03-race
#
# Someone times library A for a minute, then library B, and reports the quotient of the two means. Name three
# things that can go wrong.
# ````
#
# ````{solution} ex-03-race
# :class: dropdown
#
# The clock of the processor may differ between the two minutes; take turns instead. One pause of the
# system moves a mean and hardly a median. And nothing says that A and B have the same error.
# ````
#
# ## Read next
#
# {cite}`kidger2021neural`, chapter 5, on what the solvers have in common; {cite}`lienen2022torchode` on
# steps chosen for every state by itself.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
for name in ("compiled / torchdiffeq odeint", "backprop / torchdiffeq odeint"):
    assert all(float(x) < 0.8 for x in ahead.loc[name] if x)
assert all(0.8 < float(x) < 1.25 for x in busy.loc["compiled / diffrax"])
assert single > short > 1.5
wide = [
    sizes.at("numbers in a state", way, 512)
    for way in ("backprop", "compiled", "diffrax")
]
assert max(wide) < 1.4 * min(wide)
crowd = [sizes.at("states", way, 4096) for way in ("compiled", "diffrax")]
assert 1.55 < crowd[0] / crowd[1] < 1.7
half = [sizes.at("numbers in a state", x, 128) for x in ("compiled", "backprop")]
assert 0.45 < half[0] / half[1] < 0.55
for size in (40, 160, 640, 2560):
    ways = ("backprop", "torchdiffeq odeint")
    grid = [sizes.at("evaluations", way, size) for way in ways]
    assert abs(grid[0] / grid[1] - 1) < 0.1
    compiled = sizes.at("evaluations", "compiled", size)
    assert size < 2000 or 0.12 < compiled / grid[0] < 0.16
for peer in ("torchode", "torchdyn"):
    assert all(float(x) < 0.9 for x in ahead.loc[f"backprop / {peer}"] if x)
assert all(0.2 < low < high < 0.65 for low, high in eager)
assert drawn.python_share(spent["compiled"])[1] < 0.4
assert all(
    0.15 < float(x) < 0.25 for x in ahead.loc["backprop / torchdiffeq adjoint"] if x
)
for way in ("adjoint", "adjoint, seminorm"):
    (against,) = (float(x) for x in ahead.loc[f"{way} / torchdiffeq adjoint"] if x)
    assert 0.4 < against < 0.5
brief = drawn.of_work(curves.points, SHORT)
for adjoint, plain in zip(brief["adjoint"], brief["backprop"], strict=True):
    assert adjoint["error"] < plain["error"]
    assert adjoint["ratio"] > plain["ratio"]
for points in brief.values():
    assert points[-1]["ratio"] < 5 * points[0]["ratio"]

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
lost = [drawn.of_work(curves.points, work) for work in LONG]
assert any(points[0]["error"] > 1 for work in lost for points in work.values())
for work in lost:
    landed = [point["ratio"] for point in work["torchdyn"]]
    assert max(landed) < 1.3 * min(landed)
for work, (low, high) in zip(lost[1:], ((0.1, 0.26), (0.33, 0.5)), strict=True):
    for own, plain in zip(work["compiled"], work["backprop"], strict=True):
        assert low < own["ratio"] / plain["ratio"] < high
for way, points in drawn.by_quantity(sizes.points)["states"].items():
    more = dict(points)[1024] / dict(points)[1]
    assert more > 15 if way in ("compiled", "diffrax") else 2.5 < more < 6.5
for name, (before, after) in {
    "2-50-2": (1024, 16384),
    "64-256-64": (64, 1024),
}.items():
    there, beside = (
        lines[name][device, "backprop"] for device in (on, drawn.PROCESSOR)
    )
    assert beside[before] < there[before]
    assert beside[after] > there[after]
    assert there[most] < (1.1 if name == "2-50-2" else 1.5) * there[fewest]
for points in drawn.of_work(curves.points, DIGITS).values():
    assert points[-1]["error"] > 1e-2
if seed == 0 and states == 64:
    assert 1 < counted[1] / counted[0] < 1000 ** (1 / 5)
