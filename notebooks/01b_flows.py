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
# # What flows cannot do
#
# Trajectories of an ODE do not cross. That is a blessing, since then the start decides the end, and
# a price: on a line, no ODE can map $x$ to $-x$. A single residual block can. This page
# trains both, finds how near an ODE gets, and asks when solutions are unique at all.

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

from nodebook.evidence import recorded, registry
from nodebook.experiments.ch01_residual import crossing, uniqueness
from nodebook.figures import flows, plotting
from nodebook.figures.sources import source
from nodebook.figures.verdicts import tally
from nodelib import odeint
from nodelib.ode.solvers import solve

# %% tags=["parameters"]
profile = "quick"  # "full" first records the runs below again (minutes)
seed = 0  # draws the initial weights

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Recorded networks, trained to map x to -x, solved here. Above: a flow on a line presses all trajectories together and never crosses them. Below: the same with one zero appended, in the plane of the state and the added number. Open: start; filled: end.", "name": "fig-01-crossing"}, "image": {"alt": "Above: seven curves against time from 0 to 1 run together towards zero without crossing. Below: seven curves in the plane start on the horizontal axis and end in the reverse order from left to right."}} tags=["remove-input"]
plotting.use_style()
registry.renew(profile, "crossing", "uniqueness")
torch.set_num_threads(1)  # networks as small as these lose time by sharing it
crossed = recorded.runs("crossing")
marks = torch.linspace(-1, 1, 7, dtype=torch.float64).reshape(1, 7, 1)
moments = torch.linspace(0, 1, 41)
LINE = crossing.restored(crossed[0].tensors(), "flow")
PLANE = crossing.restored(crossed[0].tensors(), "augmented")
with torch.no_grad():
    line = odeint(LINE, marks, moments)[:, 0, :, 0]
    plane = odeint(PLANE, torch.cat((marks, 0 * marks), -1), moments)[:, 0]
flows.crossing(moments, line, plane)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("crossing")

# %% [markdown]
# What the page finds:
#
# 1. **No ODE on a line comes below a loss of a third** on $x \mapsto -x$, whatever its network. One
#    residual block, or three Euler steps, solve it: they can jump.
# 2. **One appended zero** gives the flow room to pass, and solves it too.
# 3. **Lipschitz fields have unique solutions, but not only they.** Where uniqueness
#    fails, solvers do not notice.

# %% [markdown]
# ## Build it

# %% [markdown]
# The knobs: **change one and run again**.

# %% tags=["knobs"]
width = 16  # hidden units
rate = 0.03  # learning rate of Adam
updates = 300  # steps of training
method, num_steps = "rk4", 10  # the solver in training

# %% [markdown]
# Trajectories on a line cannot cross. If two solutions of $\dot z = f(t, z)$ met, there would be two
# solutions from the meeting point. So $z(0) < w(0)$ gives $z(1) < w(1)$: the map
# $z(0) \mapsto z(1)$ is **increasing**, whatever the network in $f$. We ask for the opposite, twice:
# on the line, and with a zero appended to the state {cite}`dupont2019augmented`. (`grad="backprop"`
# is one of three ways to differentiate a solve, {doc}`03_gradient_checks`; here it is the fastest.)


# %%
class Field(nn.Module):
    """A field on a line, or in the plane where ``zeros`` is 1."""

    def __init__(self, zeros):
        super().__init__()
        size = 1 + zeros
        layers = nn.Linear(size, width), nn.Tanh(), nn.Linear(width, size)
        self.network = nn.Sequential(*layers)

    def forward(self, t, z):
        return self.network(z)


def flow(field, x, zeros, **solver):
    """Append zeros, follow the field to time 1, read off the first number."""
    z = torch.cat((x, torch.zeros(len(x), zeros)), 1)
    return odeint(field, z, [0.0, 1.0], grad="backprop", **solver)[-1][:, :1]


x = torch.linspace(-1, 1, 24).reshape(-1, 1)
euler_or_better = {"method": method, "options": {"num_steps": num_steps}}
fitted = {}
for zeros in (0, 1):
    torch.manual_seed(seed)
    field = Field(zeros)
    optimiser = torch.optim.Adam(field.parameters(), lr=rate)
    for step in range(updates):
        loss = (flow(field, x, zeros, **euler_or_better) + x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step in (0, updates - 1):
            print(f"{zeros} zeros, step {step + 1:3d}: loss {loss.item():.4f}")
    fitted[zeros] = loss.item()
print(f"pressing everything to 0 would give {x.square().mean():.4f}")

# %% [markdown]
# **How near can a flow on the line get?** Let $x$ be uniform on $[-1, 1]$ and $g$ increasing. Since
# $g(x)$ and $x$ are ordered alike, $\operatorname E[x\, g(x)] \ge
# \operatorname E[x]\, \operatorname E[g(x)] = 0$ (Chebyshev's inequality), so that
#
# $$
# \begin{aligned}
# &\operatorname E\bigl[(g(x) + x)^2\bigr] \\
# &\quad = \operatorname E[g^2] + 2 \operatorname E[x g] + \operatorname E[x^2] \\
# &\quad \ge \operatorname E[x^2] = \tfrac13 .
# \end{aligned}
# $$ (eq-01-bound)
#
# Equality would need $g = 0$, which does not increase. So a third is a bound that flows approach, by
# pressing everything together at 0, and that none reaches. On a finite set of points the bound is
# the mean of $x^2$ over them, a little more than a third.
#
# Recorded, on 201 test points, where that mean is 0.3367: five seeds, 800 steps, and for each model
# the best of three learning rates on validation points (all chose the largest, 0.03). Two more
# models need no room: one residual block, and three Euler steps.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
flows.losses(crossed)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("crossing")

# %% [markdown]
# No flow on the line is below the bound; the nearest is above it by a share of 3e-8. Isotonic regression, which
# finds the best increasing map by another way, gives the same number. Time in the field does not
# help, since trajectories cannot cross in the plane of $t$ and $z$ either. One zero solves it.
#
# **A residual block jumps.** $f(z) = -2z$ does it in one block, and training finds that. So do three
# Euler steps. But solve the field that they were trained with accurately, and the loss is
# 0.338: everything is pressed to 0. What was learned is the error of the method. A residual network
# is an Euler discretisation, and *therefore* it can do what no ODE on the same line can. "Why have
# $L$ blocks if one ODE block can take their place?", asks the Russian review. Here is a reason; with
# one zero appended it is none, for this map.

# %% [markdown]
# ## When is a solution unique?
#
# The theorem of Picard and Lindelöf {cite}`hairer1993solving` says: if the field is **Lipschitz**
# near the start, $|f(x) - f(y)| \le K |x - y|$, there is exactly one solution, for some time; and
# for all time if one $K$ does everywhere. Networks with finite weights and tanh or relu have such
# a $K$ {cite}`chen2018neural`. Zurlo and Facci turn the theorem round: the solution is unique
# *only if* the nonlinearities are Lipschitz. Five fields on a line decide that
# ({numref}`fig-01-uniqueness`).

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Solutions of five equations, in closed form. In the fourth panel solutions from different starts merge, which forwards is no conflict.", "name": "fig-01-uniqueness"}, "image": {"alt": "Five small panels of y against t. Lipschitz: curves fan out without touching. Blow-up: a curve rises without bound at t equal to 1. Two solutions: zero and a parabola leave the same start. Decay: three curves reach zero at different times and stay. Osgood: curves fan out from near zero without touching. A legend stands in the sixth place."}} tags=["remove-input"]
equations = uniqueness.EQUATIONS
flows.solutions({name: equation.flow for name, equation in equations.items()})
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
(run,) = recorded.runs("uniqueness")
moved = {name: e.start + 1e-300 != e.start for name, e in equations.items()}
flows.properties(run, moved)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("uniqueness")

# %% [markdown]
# "Steepest" is the largest slope of a chord from the start to points from 1e‑3 (or 1e‑300) on. The
# second equation starts at 1, where floating point cannot tell 1e‑300 more (–).
#
# The two last lines contradict "only if". Neither field is Lipschitz at 0, and both have exactly one
# solution forwards:
#
# - $-2 \operatorname{sgn}(y) \sqrt{|y|}$ *falls* with $y$. If $y$ and $w$ are solutions, then
#   $\frac{\mathrm d}{\mathrm dt} (y - w)^2 = 2 (y - w)(f(y) - f(w)) \le 0$: two that
#   start together stay together. Where the slope points inwards, no Lipschitz constant is needed.
# - $-y \ln |y|$ leaves 0 too slowly: the time from 0 to any $\varepsilon$ is
#   $\int_0^{\varepsilon} \mathrm dy / (y \, |\ln y|) = \infty$. This is Osgood's condition, weaker
#   than Lipschitz's.
#
# So Lipschitz continuity is *sufficient*, and not necessary. And the second line shows that without
# a global constant, unique does not mean for ever.
#
# ### What solvers do
#
# A solver sees values of the field and nothing else. The same equations, asked of ours, of
# torchdiffeq and of SciPy at the same tolerances (`rtol` 1e-6, `atol` 1e-9), and of 100 fixed
# steps; evaluations in brackets:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
exact = {
    "lipschitz": equations["lipschitz"].flow(0.25, 1.0),
    "osgood_nudged": equations["osgood"].flow(1e-30, 1.0),
}
flows.answers(run, list(uniqueness.SOLVERS), exact)

# %% [markdown]
# - **Blow-up.** All three adaptive solvers shorten their steps until a step no longer moves the
#   clock, and say so. Fixed steps walk past the singularity: Runge-Kutta 4 until its numbers
#   overflow, Euler's method without a word, to 1.4e14.
# - **Two solutions.** No solver notices. All return 0, the one solution that needs no decision.
#   Start at 1e‑30 instead, and all leave for 1: a difference far below every tolerance decides.
# - **Unique but not Lipschitz.** The answer is right, and dear: 24,248 to 34,046 evaluations, nearly
#   all of them after the arrival at 0, where the field turns round within less than a step. And the
#   start is lost: going back from 0, every solver stays at 0. A continuous adjoint
#   ({doc}`03_gradient_checks`) would look for the way back and not find it.
# - **Osgood.** From 0 the answer is 0. From 1e‑30 the exact solution is about 1e‑11; below the
#   absolute tolerance the adaptive solvers see no difference between it and nothing.
#
# {numref}`fig-01-steps` shows the steps. They are what an adaptive solver has to say about a field:
# long where the solution is smooth, shrinking with the time that is left before a blow-up, and
# stuck where a solution lands on a point at which the field is not Lipschitz.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Accepted steps of our Dormand-Prince solver, computed here: length against the time at which the step begins. Tolerances as in the table; the blow-up is asked for up to t = 0.9999.", "name": "fig-01-steps"}, "image": {"alt": "Step length on a logarithmic scale against time for four questions. For tanh it grows from a fiftieth to a quarter. Before the blow-up at 1 it falls steadily. For two solutions, nudged, it starts tiny and grows. For the decay it falls towards time one half and then stays near ten to the minus four."}} tags=["remove-input"]
settings = {"rtol": uniqueness.RTOL, "atol": uniqueness.ATOL, "record_steps": True}


def start(at):
    return torch.tensor(at, dtype=torch.float64)


asked = {
    "tanh 3y": (equations["lipschitz"], 0.25, 1.0),
    "y²": (equations["blow_up"], 1.0, 0.9999),
    "2√|y| from 1e-30": (equations["two_solutions"], 1e-30, 1.0),
    "−2 sgn y √|y|": (equations["decay"], 0.25, 1.0),
}
solves = {
    label: solve(equation.field, start(at), [0.0, end], **settings).steps
    for label, (equation, at, end) in asked.items()
}
flows.step_lengths(solves)
plt.show()

# %% [markdown]
# ## What the documents say
#
# *Corrected*: "unique only if Lipschitz" (Zurlo and Facci). *In part*: one ODE block can replace
# many residual blocks (the review), if it is given room.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("01")

# %% [markdown]
# ## Exercises
#
# ````{exercise} Jump with three steps
# :label: ex-01-three
#
# Train the field on the line (no zero) with `"euler"` and 3 steps. Before you run it: can the loss
# fall below a third? And with 1 and 2 steps?
# ````
#
# ````{solution-start} ex-01-three
# :class: dropdown
# ````

# %%
jumped = {}
for count in (1, 2, 3):
    torch.manual_seed(seed)
    field = Field(0)
    optimiser = torch.optim.Adam(field.parameters(), lr=rate)
    for _ in range(updates):
        options = {"num_steps": count}
        y = flow(field, x, 0, method="euler", options=options)
        loss = (y + x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    jumped[count] = loss.item()
    print(f"{count} Euler steps: loss {jumped[count]:.5f}")

# %% [markdown]
# One and three can, with $f(x) = -2x$ and $f(x) = -6x$. Two steps cannot, on the whole line. Let
# $m(x) = x + \tfrac12 f(x)$ be one of them; $m(m(x)) = -x$ makes $m$ one-to-one, and being continuous
# it increases or decreases. Either way $m \circ m$ increases, and $-x$ does not. On an *interval*
# there is a way out: the first step moves all points aside, and the second turns their order
# there. Training finds a little of it, for a loss just below the bound of the flows.
#
# ````{solution-end}
# ````
#
# ````{exercise} A tolerance that sees it
# :label: ex-01-osgood
#
# With which `atol` does the solver find the way from 1e‑30 in $y' = -y \ln |y|$? Try 1e-9, 1e-15,
# 1e-30 and 1e-35, with `rtol=1e-6`.
# ````
#
# ````{solution-start} ex-01-osgood
# :class: dropdown
# ````

# %%
tiny = torch.tensor(1e-30, dtype=torch.float64)
true = equations["osgood"].flow(1e-30, 1.0)
errors = {}
for atol in (1e-9, 1e-15, 1e-30, 1e-35):
    field = equations["osgood"].field
    end = odeint(field, tiny, [0.0, 1.0], rtol=1e-6, atol=atol)[-1]
    errors[atol] = abs(end.item() / true - 1)
    print(f"atol {atol:.0e}: {end.item():.3e}, relative error {errors[atol]:.0e}")

# %% [markdown]
# `atol` is the size below which the state may be anything. What matters in the end must be above it
# from the start.
#
# ````{solution-end}
# ````
#
# ## Read next
#
# What flows cannot represent, and augmentation: {cite}`dupont2019augmented`. {doc}`02_adjoint`
# rests on uniqueness: it solves the dynamics backwards.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
usual = (seed, width, rate, updates) == (0, 16, 0.03, 300)
if usual and (method, num_steps) == ("rk4", 10):
    assert x.square().mean() <= fitted[0] < 0.40
    assert fitted[1] < 0.01
    assert jumped[1] < 0.01 > jumped[3]
    assert 0.2 < jumped[2] < fitted[0]
    assert errors[1e-35] < 1e-3 < errors[1e-9]
for name in ("bound", "isotonic"):
    assert f"{crossed[0].metric(name):.4f}" == "0.3367"
over = recorded.values(crossed, "over_bound.flow")
over += recorded.values(crossed, "over_bound.timed")
assert f"{min(over):.0e}" == "3e-08"
for model in flows.MODELS:
    assert set(recorded.values(crossed, f"rate.{model}")) == {0.03}
assert {f"{v:.3f}" for v in recorded.values(crossed, "euler.as_flow")} == {"0.338"}
solvers = ("nodelib-dopri5", "torchdiffeq-dopri5", "scipy-rk45")
dear = [run.metric(f"decay.{solver}.nfe") for solver in solvers]
assert (min(dear), max(dear)) == (24_248, 34_046)
assert f"{run.metric('blow_up_past.nodelib-euler.value'):.1e}" == "1.4e+14"
