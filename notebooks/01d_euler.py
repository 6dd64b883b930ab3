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
# # Euler's method, by itself
#
# The oldest method for ODEs on the oldest equation: what it does, how fast its error falls, and
# where that ends.

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

from nodebook.evidence import recorded, registry
from nodebook.experiments.ch01_residual import euler_exponential
from nodebook.figures import plotting, residual
from nodebook.figures.sources import source
from nodelib import SolverError, odeint

# %% tags=["parameters"]
profile = "quick"  # "full" first records the run below again (a minute)
seed = 0  # nothing on this page is drawn

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()
registry.renew(profile, "euler_exponential")

# %% [markdown]
# ## Interest on interest
#
# Seong's slides ({doc}`../book/documents`) begin with the equation that everybody has solved:
#
# $$
# \frac{\mathrm dy}{\mathrm dx} = y, \qquad y(0) = 1 .
# $$ (eq-01-exponential)
#
# At every point the slope is to be the height. **Euler's method** goes a little way along the slope,
# looks at the slope again, and so on. With $n$ steps of length $h = 1/n$,
#
# $$
# \begin{gathered}
# y_{i+1} = y_i + h\, y_i, \quad\text{hence} \\
# y_n = \Bigl(1 + \frac1n\Bigr)^{n} ,
# \end{gathered}
# $$ (eq-01-compound)
#
# which is compound interest and tends to $\mathrm e$ ({numref}`fig-01-euler`).


# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The equation dy/dx = y. Short grey lines: the slope that it asks for at each point. Black: the solution through (0, 1). Dots: Euler's method, each step straight along the slope where it begins.", "name": "fig-01-euler"}, "image": {"alt": "A field of short slope lines that steepen upwards. A black curve rises from 1 to 2.72 over x from 0 to 1. Four chains of dots joined by straight lines start with it and end below it, the coarser the lower: at 2, 2.25, 2.44 and 2.64."}} tags=["remove-input"]
def walk(n):
    grid = torch.linspace(0, 1, n + 1, dtype=torch.float64)
    start = torch.ones((), dtype=torch.float64)
    return odeint(euler_exponential.field, start, grid, method="euler")


residual.slopes(walk, (1, 2, 4, 16))
plt.show()

# %% [markdown]
# ## One step too many
#
# Halving the step halves the error. A method whose error after a fixed time falls as $h^p$ has
# **order** $p$ {cite}`hairer1993solving`. Euler's has order 1; it is the explicit Runge-Kutta method
# with one stage. The Russian review prints it on a unit interval for $i = \overline{0, n}$, that is
# from 0 to $n$. These are $n + 1$ steps of length $1/n$, and the last leads out of the block:

# %%
n = 8
for last in (n - 1, n):
    value = euler_exponential.euler(n, last=last)
    print(f"i = 0 ... {last}: to x = {(last + 1) / n}, y = {value:.4f}")

# %% [markdown]
# The range should be $i = \overline{0, n-1}$.
#
# ## With any accuracy?
#
# "The more nodes, the more accurate", and "with any accuracy given in advance", says the review of
# such methods. {numref}`fig-01-accuracy` shows how far that goes: to rounding and no further.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Relative error of y(1) for dy/dx = y. Above: Euler's method against the number of steps. Below: the adaptive method against the tolerance (relative = absolute); a cross on the upper frame: the solver refuses.", "name": "fig-01-accuracy"}, "image": {"alt": "Two log-log panels. Above: both lines fall with slope minus one; that of single precision bends and rises again at the right end. Below: against a tolerance that tightens to the right the errors fall, then level off, in double precision near ten to the minus sixteen, in single precision near ten to the minus seven, where they rise again to ten to the minus six; crosses on the upper frame mark refusals beyond."}} tags=["remove-input"]
(exponential,) = recorded.runs("euler_exponential")
residual.accuracy(exponential)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("euler_exponential")

# %% [markdown]
# In single precision Euler's error is least with 65,536 steps and then grows: each step rounds, and
# rounding errors add up. The adaptive method ends near the last digit of the number. In double
# precision its error is below the tolerance down to 1e-15. Asked for more than single precision has,
# from 1e-8 to 1e-12, it runs on without a word and its error rises; from 1e-13 on it refuses, its
# 10,000 steps used up. On the random fields of {doc}`01_residual_networks` the error at the end
# was from 1.1 to 8.7 times the tolerance, which is about single steps.

# %% [markdown]
# ````{exercise} Interest paid at the middle
# :label: ex-01-midpoint
#
# With pen and paper: what does one midpoint step of length $h$ do to $y' = y$? Which power of $h$
# does it get wrong, and what is its order?
# ````
#
# ````{solution} ex-01-midpoint
# :class: dropdown
#
# Half a step gives $(1 + h/2) y$; the slope there is the same number, so that
# $y_1 = (1 + h + h^2/2)\, y$. That is the Taylor series of $\mathrm e^h$ up to $h^2$; the term
# $h^3/6$ is missing. The error of a step is of size $h^3$, of $1/h$ steps $h^2$: order 2.
# ````
#
# The verdicts stand with those of {doc}`01_residual_networks`, which goes on from here: a residual
# block is one Euler step.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
assert exponential.metric("finest.float32") == 65_536
history = exponential.history
by_tolerance = {
    name: dict(zip(history["tolerances"], errors, strict=True))
    for name, errors in history["adaptive"].items()
}
assert all(e <= x for x, e in by_tolerance["float64"].items() if x > 0.9e-15)
single = by_tolerance["float32"]
assert all((error < 0) == (x < 0.9e-12) for x, error in single.items())
assert single[1e-12] > 10 * single[1e-8] > 0
one, tight = torch.ones((), dtype=torch.float32), {"rtol": 1e-13, "atol": 1e-13}
message = ""
try:
    odeint(euler_exponential.field, one, [0.0, 1.0], **tight)
except SolverError as refusal:
    message = str(refusal)
assert "max_steps = 10000 used up" in message
over = recorded.values(recorded.runs("depth_limit"), "global_over_local")
assert [f"{min(over):.1f}", f"{max(over):.1f}"] == ["1.1", "8.7"]
