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
# # GRU-ODE-Bayes
#
# A patient's blood is drawn when a doctor asks for it, and then one value is measured and another
# is not. Such series are **sporadic**: the times are irregular, and at each time some components are
# missing. GRU-ODE-Bayes {cite}`debrouwer2019gru` is made for them. It keeps a hidden state that
# *flows* along an ODE while nothing is observed, and *jumps* when something is. At all times it
# predicts a normal distribution for every component.

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
import math
import statistics

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown
from torch import nn

# nodebook is the book's own: figures, records, data. The model does not need it.
from nodebook.evidence import recorded, registry
from nodebook.experiments.ch10_gru_ode import by_hand, tables
from nodebook.experiments.ch10_gru_ode import sporadic_study as study
from nodebook.figures import gru_ode, plotting, speed
from nodebook.figures.sources import source
from nodebook.figures.tables import shown
from nodebook.figures.text import spread
from nodebook.figures.verdicts import chosen, tally
from nodelib import odeint
from nodelib.models.gru_ode import Stepping, make_events

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "One series of two components, and what a recorded model says of it. The prediction widens while nothing is observed and narrows at an observation, of the other component too. The dashed lines are the best that can be known; where the band is narrower, the model is too sure.", "name": "fig-10-flow"}, "image": {"alt": "Two panels over time, one for each component. A blue line with a light blue band follows red dots; at the dots the line jumps and the band narrows, between them it widens. Dashed lines of the exact filter lie near the edges of the band, outside it in places and inside it in others."}} tags=["hide-input"]
plotting.use_style()
run = recorded.runs("sporadic_study", "ou")[0]
drawn = study.sets("ou", run.seed)
its_scale = study.Scale(drawn["train"])
ode_bayes = study.recorded_model(run.tensors(), "ode_bayes")
ou = study.PROCESSES["ou"]
gru_ode.flow_and_jumps(ode_bayes, its_scale, ou, drawn["test"].take([4]))
plt.show()


# %% jupyter={"source_hidden": true} tags=["remove-cell"]
def of_study(variant, metric, decimals=3):
    """A recorded metric over the seeds, as text."""
    return spread(recorded.measured("sporadic_study", variant, metric), decimals)


# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(
    f"""What the page finds, with three seeds and a small budget of training:

1. **Ahead by little, and not perfect.** On two Ornstein-Uhlenbeck processes its
   negative log-likelihood is {of_study("ou", "excess.ode_bayes")} nats a value above
   the least possible; that of a GRU told the gaps {of_study("ou", "excess.gap")}, of
   carrying the last value {of_study("ou", "excess.last")}. Its lead over that GRU is
   {of_study("ou", "over_gap.ode_bayes", 4)}.
2. **Better and too sure.** On a Brusselator its squared error is
   {of_study("brusselator", "mse.ode_bayes")}, that of the GRU told the gaps
   {of_study("brusselator", "mse.gap")}; but it is too sure of a few values,
   which cost it its lead in likelihood.
3. **Two parts make it learn fast**: the flow, and the error in the jump.
4. **Another model.** The "vectorised" listing of one deck, as far as it is
   printed, is not an optimisation of the loop: no observation enters it."""
)

# %% [markdown]
# ## Build it
#
# The training below follows the knobs: **change one and run again**. `rate`, `updates` and `batch` say
# how far it gets, `solver` and `substeps` what a gap costs and does to the state ({doc}`07_mnist` names
# the solvers, {doc}`../book/library` their options).

# %% tags=["parameters"]
profile = "quick"  # "full" records this page's experiments again (into results/)
seed = 0  # draws the initial weights and the batches

# %% tags=["knobs"]
hidden = 24  # units of the state
prep = 6  # units of the jump's map of each component
solver, substeps = "euler", 2  # how a gap is stepped over, and in how many steps
mixing = 0.1  # weight of the divergence after the jump
noise = 0.1  # deviation about a measured value that it asks the state for
rate, updates, batch = 0.01, 60, 64  # Adam's rate, steps of training, series in each

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
torch.set_num_threads(1)  # networks as small as these lose time by sharing it
registry.renew(profile, "gru_ode_listings", "sporadic_study")

# %% [markdown]
# **The data.** Two components return to a mean and are pushed about by noise, nearly the same noise
# for both:
#
# $$
# \begin{gathered}
# dx = \theta\,(m - x)\,dt + \sigma\,dW, \\
# \operatorname{corr}(dW_1, dW_2) = 0.99 .
# \end{gathered}
# $$ (eq-10-ou)
#
# This is the double Ornstein-Uhlenbeck process of the paper, with constants of ours. Every series has
# a mean $m$ of its own, drawn from a normal distribution. So the distribution of the future given what
# was seen has a closed form: the **Kalman filter**. No model has a lower negative log-likelihood on
# average. Twelve events are seen, four later ones are to be predicted. `x` has the values, standardised;
# `mask` is false where nothing was measured, `seen` at the later events.

# %%
data = study.sets("ou", seed)  # 400 series to train; "validation" and "test" beside
scale = study.Scale(data["train"])  # mean and deviation of what was measured
series = scale.tensors(data["train"])
for name, part in zip(("times", "x", "mask", "seen"), series, strict=True):
    print(f"{name:5} {tuple(part.shape)!s:12} {part.dtype}")

# %% [markdown]
# **Flow.** Take a GRU's update $h \leftarrow z \odot h + (1 - z) \odot n$, write it as a difference,
# $h \leftarrow h + (1 - z) \odot (n - h)$, and let the step go to zero:
#
# $$
# \begin{aligned}
# \frac{dh}{dt} &= (1 - z) \odot (n - h), \\
# n &= \tanh(U_n (r \odot h)), \\
# z &= \sigma(U_z h),\qquad r = \sigma(U_r h) .
# \end{aligned}
# $$ (eq-10-flow)
#
# The class below, and all recorded results, add a bias in each of the three; the paper's flow has none.
# Each component of $h$ is drawn towards $n$, which lies in $(-1, 1)$; so a state that starts there
# stays there. The *minimal* cell uses $z$ in place of $r$. With *imputation* the model's own
# prediction is fed to the gates as well; without it the flow depends on $h$ alone.


# %%
class Flow(nn.Module):
    """dh/dt = (1 - z)(n - h), followed over a gap."""

    def __init__(self, hidden, solver, substeps):
        super().__init__()
        self.gates = nn.Linear(hidden, 2 * hidden)
        self.candidate = nn.Linear(hidden, hidden)
        self.solver, self.substeps = solver, substeps

    def slope(self, h):
        z, r = torch.sigmoid(self.gates(h)).chunk(2, -1)
        return (1 - z) * (torch.tanh(self.candidate(r * h)) - h)

    def forward(self, h, gap):  # each series its own gap, in a time from 0 to 1
        field, ends = (lambda s, y: gap * self.slope(y)), torch.tensor([0.0, 1.0])
        how = {"method": self.solver, "options": {"num_steps": self.substeps}}
        return odeint(field, h, ends, grad="backprop", **how)[-1]


# %% [markdown]
# **Jump.** At an event the state takes in what was measured. For each measured component the model
# looks at four numbers: the value, the mean and the log-variance that it had predicted, and the error
# in standard deviations. A GRU cell turns them into the new state. The error says at once how
# surprising the value is; a Kalman filter multiplies it by its gain.


# %%
class Jump(nn.Module):
    """What a measured value does to the state."""

    def __init__(self, hidden, prep, components):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(components, 4, prep) / 2)
        self.bias = nn.Parameter(torch.zeros(components, prep))
        self.cell = nn.GRUCell(components * prep, hidden)

    def forward(self, h, p, x, used):
        mean, log_variance = p.chunk(2, -1)
        error = (x - mean) * torch.exp(-log_variance / 2)
        told = torch.stack((x, mean, log_variance, error), -1)
        told = torch.einsum("bfk,fkq->bfq", told, self.weight) + self.bias
        return self.cell((torch.relu(told) * used[..., None]).flatten(1), h)


class GRUODEBayes(nn.Module):
    """A state that flows between events and jumps at them."""

    def __init__(self, hidden, prep, solver, substeps, components=2):
        super().__init__()
        self.start = nn.Parameter(torch.zeros(1, hidden))
        units = nn.Linear(hidden, hidden), nn.Linear(hidden, 2 * components)
        self.head = nn.Sequential(units[0], nn.ReLU(), units[1])
        self.flow = Flow(hidden, solver, substeps)
        self.jump = Jump(hidden, prep, components)

    def forward(self, times, x, mask, seen):
        h, now = self.start.expand(len(times), -1), torch.zeros(len(times))
        before, after = [], []
        for k in range(times.shape[1]):
            h = self.flow(h, (times[:, k] - now)[:, None])
            now, p, used = times[:, k], self.head(h), mask[:, k] & seen[:, k, None]
            jumped = self.jump(h, p, x[:, k], used)
            h = torch.where(used.any(-1, keepdim=True), jumped, h)
            before.append(p)
            after.append(self.head(h))
        return torch.stack(before, 1), torch.stack(after, 1)


# %% [markdown]
# **Loss.** Before the jump, the negative log-likelihood of the value. After it, a divergence:
# what the state says *now* of that component should be what was just measured, up to its noise
# $s$. For normal distributions
#
# $$
# \begin{aligned}
# &\mathrm{KL}\big(N(\mu, \sigma^2)\,\|\,N(x, s^2)\big) \\
# &= \mathbb{E}\Big[\ln\tfrac{s}{\sigma} - \tfrac{(y-\mu)^2}{2\sigma^2}
#    + \tfrac{(y-x)^2}{2s^2}\Big] \\
# &= \ln\tfrac{s}{\sigma} + \frac{\sigma^2 + (\mu - x)^2}{2 s^2} - \frac12 ,
# \end{aligned}
# $$ (eq-10-kl)
#
# because under $N(\mu, \sigma^2)$ the mean of $(y-\mu)^2$ is $\sigma^2$ and that of $(y-x)^2$ is
# $\sigma^2 + (\mu-x)^2$. Its weight is called *mixing*.


# %%
def nll(p, x):
    mean, log_variance = p.chunk(2, -1)
    square = (x - mean) ** 2 * torch.exp(-log_variance)
    return 0.5 * (math.log(2 * math.pi) + log_variance + square)


def loss(model, times, x, mask, seen):
    before, after = model(times, x, mask, seen)
    mean, log_variance = after.chunk(2, -1)
    square = (log_variance.exp() + (mean - x) ** 2) / noise**2
    kl = math.log(noise) + 0.5 * (square - log_variance - 1)
    return nll(before, x)[mask].mean() + mixing * kl[mask & seen[..., None]].mean()


torch.manual_seed(seed)
model = GRUODEBayes(hidden, prep, solver, substeps)
optimiser = torch.optim.Adam(model.parameters(), lr=rate)
losses = []
for _ in range(updates):
    rows = torch.randperm(len(series[0]))[:batch]
    value = loss(model, *(part[rows] for part in series))
    optimiser.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    losses.append(value.item())
print(f"loss {losses[0]:.2f} at the start, {losses[-1]:.2f} after {updates} steps")

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The loss of the model above, trained as this page was made.", "name": "fig-10-learning"}, "image": {"alt": "A line of the training loss against the step that falls steeply at first and then slowly."}} tags=["hide-input"]
gru_ode.learning(losses)
plt.show()

# %% [markdown]
# The recorded runs use the same model for several seeds side by side. With one recorded network's
# weights put into the class above, both say the same. `nodelib.models.gru_ode` has it for batches
# of padded series, and reproduces reference numbers of De Brouwer et al.'s model to $10^{-8}$. Its flow
# has no biases, and its first state is a function of covariates. With those at zero it is the class
# above too:

# %%
name = "ode_bayes/"
weights = {k.removeprefix(name): v for k, v in run.tensors().items() if name in k}
some = tuple(part[:50] for part in its_scale.tensors(drawn["test"]))
as_recorded = 24, 6, "euler", 2  # hidden, prep, solver, substeps
plain, twin = GRUODEBayes(*as_recorded), GRUODEBayes(*as_recorded)
plain.load_state_dict(by_hand.from_study(weights))
for bias in (twin.flow.gates.bias, twin.flow.candidate.bias):
    nn.init.zeros_(bias)
batched = by_hand.in_library(twin, Stepping("euler", steps=2), noise)
times, x, mask, seen = some
with torch.no_grad():
    apart = plain(*some)[0] - ode_bayes(*study.stacked([some]))[0]
    ours = twin(times, x, mask, torch.ones_like(seen))[0]
    from_library = ours - batched(make_events(times, x, mask)).before
difference = apart.abs().max().item(), from_library.abs().max().item()
print("from the study: {:.0e}, from the library: {:.0e}".format(*difference))

# %% [markdown]
# ### What batching is worth
#
# A plain program walks over the union of all times of a batch, one small step after another. The
# library lets each series go over its own gaps, so a batch of any size takes as many steps as its
# longest series has events. One training step, 512 events of 7 features in each series, 64 states:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
walk = speed.measured("gru_ode")
shown(walk.table().rename_axis("against the union of times"))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
walk

# %% jupyter={"source_hidden": true} tags=["remove-input"]
epoch = 7500 / 512 * walk.milliseconds("batch 512, compiled") / 1000
Markdown(
    f"""An epoch of the deck's 7,500 chunks takes {epoch:.0f} seconds with compiled
batches of 512; the deck reports about an hour, on a machine that it does not name.
`GRUODEBayes(..., compile=True)` compiles; the result is the same up to rounding."""
)

# %% [markdown]
# ## How far from the optimum
#
# The baselines have the same size of state, the same steps and the same rates on offer; the rate is
# chosen on validation series. **Told the gaps**: a GRU with the length of the gap as one more input.
# **With decay**: its state and its inputs fade with time, after GRU-D. **Last value carried**: with a
# variance that grows with its age, fitted by likelihood. **Nats a value** are the negative
# log-likelihood of a value measured at a later event of the test series: less is better. After 300
# steps of training:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tables.scores("ou")

# %% [markdown]
# The squared error of the exact filter is not zero: the future of a random process is random. So the
# distance to the optimum says more than the likelihood itself.
#
# In the paper the means also **move within a series**, at a moment that all series share. A network
# can learn that from the training series. The exact filter's row stays: it is told the move, which is
# added to the series of the first table. After 80 steps of training at one rate GRU-ODE-Bayes is the
# nearest to it, in every seed:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tables.scores("changing_mean")

# %% [markdown]
# The **Brusselator** is a chemical oscillator with a limit cycle, here with noise in its state. No
# exact filter is at hand for it. Its turn is known to all series, so that a model can learn a clock.
# After 200 steps:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tables.scores("brusselator")

# %% [markdown]
# GRU-ODE-Bayes has less than half of the squared error of the GRU told the gaps. In mean likelihood it
# is behind all the same, and its seeds are far apart. The values one by one show why (looked at after
# the test: nothing was chosen by it).

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tails = tables.tails()
tails

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(
    f"""A few values in a few series ruin the mean. There the model is far off and
very sure: it gives standard deviations down to {tails.narrowest:.3f}, where the
noise of the measurement alone is {study.PROCESSES["brusselator"].noise:g}. Without
each model's own worst hundredth of the values its mean is the better one in every
seed. A floor under the variance might be a cure; it was not tried, because the
test series had been used."""
)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("sporadic_study", "ou", "changing_mean", "brusselator")

# %% [markdown]
# ## What the parts are worth
#
# {numref}`fig-10-ablations` takes one part away or changes it, on the Ornstein-Uhlenbeck data, at one
# rate and after 80 training steps only, where the table has 300: so it says how fast each learns, and
# not what each can reach. *No flow* keeps the state constant between events and hides the time from
# the model altogether.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Nats above the exact filter after 80 steps of training, with one thing changed at a time: a dot for each seed, a bar for the mean.", "name": "fig-10-ablations"}, "image": {"alt": "Horizontal bars for eight variants of the model: as it is, minimal cell, with imputation, without the divergence, plain jump, no flow, one Euler step a gap, one midpoint step a gap. Three dots lie about the end of each bar."}} tags=["hide-input"]
NAMES = {
    "as_is": "as it is",
    "minimal": "minimal cell",
    "impute": "with imputation",
    "no_divergence": "no divergence (mixing 0)",
    "plain_jump": "jump without the error",
    "no_flow": "no flow",
    "one_step": "one Euler step a gap",
    "midpoint_one_step": "one midpoint step a gap",
}
excess = {
    label: recorded.measured("sporadic_study", "ablations", f"excess.{name}")
    for name, label in NAMES.items()
}
gru_ode.ablations(excess)
plt.show()

# %% [markdown]
# Two parts matter most in these 80 steps: the flow, and the error in the jump. That it has to be a flow
# is not shown: a GRU without, but told the gaps, is only 0.01 nats behind in the first table.
# The minimal cell and imputation change nothing that three seeds could show. The divergence does not
# help here: without it the mean is lower, by about the spread of the seeds.
#
# The loop that the deck prints has a solver and a step `delta_t`. With either changed, after 80 steps:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tables.solvers()

# %% [markdown]
# Compared seed by seed, shorter Euler steps and the Runge-Kutta method move the result by little. The
# midpoint method does worse: with one step in every seed ({numref}`fig-10-ablations`), with two in
# one, which ended far off and makes the mean.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
solved_finely = {"ablations": "midpoint_one_step", "solvers": "midpoint_2"}
fine = {variant: [] for variant in solved_finely}
for variant, name in solved_finely.items():
    for one in recorded.runs("sporadic_study", variant):
        sets, network = (
            study.sets("ou", one.seed),
            study.recorded_model(one.tensors(), name),
        )
        network.stepping = Stepping("rk4", steps=12)
        told = study.predict(network, study.Scale(sets["train"]), sets["test"])
        optimum = one.metric("nll.exact")
        fine[variant].append(study.scored(sets["test"], *told)[0] - optimum)
Markdown(
    f"""Solved afterwards with twelve steps of RK4, the networks of one midpoint step
are {spread(fine["ablations"])} nats above the optimum (with their own step
{of_study("ablations", "excess.midpoint_one_step")}), those of two
{spread(fine["solvers"])}. So most of it is the error of these steps, and not what
was learned. Why the training does not avoid it is unexplained."""
)

# %% [markdown]
# And two Euler steps? Take 50 instead, in the network trained above and in the recorded one of 300
# steps of training (here in nats of standardised values, unlike the tables):

# %%
times, x, mask, seen = its_scale.tensors(drawn["test"])
change = {}
for name, network in {"trained above": model, "recorded": plain}.items():
    told = []
    for count in 50, network.flow.substeps:
        network.flow.substeps = count
        with torch.no_grad():
            each = nll(network(times, x, mask, seen)[0], x)
        told.append(each[mask & ~seen[..., None]].mean().item())
    change[name] = told[0] - told[1]
    print(f"{name}: {told[1]:.3f} nats a value, {change[name]:+.3f} with 50 steps")

# %% [markdown]
# Little changes: the step works like an ODE. But a hundredth of a nat is the lead over the GRU too.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("sporadic_study", "ablations", "solvers")

# %% [markdown]
# ## The deck's listings
#
# One deck calls the model "theoretically perfect" for sporadic data {cite}`doc000`, and prints:
#
# **The loop** is the walk above, for one series at a time. It is slow because every small operation
# waits for Python and for PyTorch's dispatch. So the way out is to walk many series side by side.
#
# **The vectorised listing** joins the time 0 and all times of observation, without repeats, hands them
# to one call of a solver with $h(0)$, and has the states at all of them. The solver steps in a loop
# all the same. And the solve is over before the first observation is taken in: as far as it is
# printed, the states depend on $h(0)$ and the times alone.
#
# **The chunk listing** gives back a record of at most `chunk_size` events as it is. From a longer one it
# takes that many from `start_idx` on, sets their first time to 0, goes on by `chunk_size` less
# `chunk_overlap`, and stops at the end. It binds neither these three names nor `times` and `chunks`.
# With them supplied, the last piece is what is left over. An overlap as large as a piece would never
# end.


# %% jupyter={"source_hidden": true} tags=["remove-cell"]
def of_listings(metric):
    """Mean of a recorded metric of the listings."""
    return recorded.mean("gru_ode_listings", "listings", metric)


# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(
    f"""In numbers: of the loop's time for one series
{of_listings("python.share"):.0%} is spent outside PyTorch's operators, and a walk of
64 series takes {of_listings("python.batch_64"):.1f} times as long as of one. The
vectorised states are off from the loop's by
{of_listings("vectorised.against_loop"):.0%} of the largest; from those of a loop
without jumps by {of_listings("vectorised.without_jumps"):.0e}. From one time to the
next its solver (here RK4 with steps of at most 0.05) calls the field
{of_listings("vectorised.evaluations_for_an_interval"):.0f} times in turn. Of 200
records of random length {of_listings("chunks.uniform"):.1%} fall into pieces of one
length."""
)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("gru_ode_listings")

# %% [markdown]
# ## The verdicts

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("10")

# %% [markdown]
# Three of them answer this page's question:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
answers = "000-perfect-for-sporadic", "000-loop-bottleneck"
chosen(*answers, "000-vectorised-same-model")


# %% jupyter={"source_hidden": true} tags=["remove-cell"]
# checks: what the prose says of recorded and live numbers must be so
def taken(variant, metric):
    return recorded.measured("sporadic_study", variant, metric)


def middle(variant, metric):
    return statistics.fmean(taken(variant, metric))


assert losses[-1] < losses[0]
assert max(difference) < 1e-4
assert of_listings("python.batch_64") < 4
listing = recorded.runs("gru_ode_listings", "listings")
assert {run.metric("vectorised.model") for run in listing} == {"another"}
assert of_listings("vectorised.without_jumps") < 1e-3
assert {run.metric("chunks.undefined_count") for run in listing} == {5}
assert (study.STEPS["ablations"], study.STEPS["ou"]) == (80, 300)
assert list(NAMES) == list(study.ABLATIONS)
worst = max(taken("ablations", "excess.as_is"))
assert min(taken("ablations", "excess.plain_jump")) > worst
assert min(taken("ablations", "excess.no_flow")) > worst
as_is = middle("ablations", "excess.as_is")
for name in ("minimal", "impute"):
    apart = abs(middle("ablations", f"excess.{name}") - as_is)
    assert apart < statistics.stdev(taken("ablations", "excess.as_is"))
assert middle("ablations", "excess.no_divergence") < as_is
assert min(taken("ou", "excess.ode_bayes")) > 0
ordered = [middle("ou", f"excess.{name}") for name in ("ode_bayes", "gap", "last")]
assert ordered == sorted(ordered)
assert min(taken("ou", "over_gap.ode_bayes")) > 0
assert middle("ou", "over_gap.ode_bayes") < 0.01
still, moved = (taken(v, "nll.exact") for v in ("ou", "changing_mean"))
assert max(abs(a - b) for a, b in zip(still, moved, strict=True)) < 1e-9
assert study.STEPS["brusselator"] == 200
assert middle("brusselator", "mse.ode_bayes") < middle("brusselator", "mse.gap") / 2
assert middle("brusselator", "over_gap.ode_bayes") < 0
assert tails.narrowest < study.PROCESSES["brusselator"].noise

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
most = "mean without the worst 1%"
best = [tails.numbers[name][most] for name in ("ode_bayes", "gap")]
assert all(ours < theirs for ours, theirs in zip(*best, strict=True))
assert len(recorded.runs("sporadic_study", "ou")) == 3
assert list(tables.SOLVERS) == list(study.SOLVERS)
coarse = taken("solvers", "excess.euler_2")
for name in ("euler_4", "euler_delta_t", "rk4_1"):
    pairs = zip(taken("solvers", f"excess.{name}"), coarse, strict=True)
    assert max(abs(a - b) for a, b in pairs) < 0.015
least, between, farthest = sorted(taken("solvers", "excess.midpoint_2"))
assert farthest > 2 * between
assert between < max(coarse) + 0.01
one_step = taken("ablations", "excess.midpoint_one_step")
pairs = list(zip(one_step, taken("ablations", "excess.as_is"), strict=True))
assert all(theirs > ours for theirs, ours in pairs)
for variant, own in {
    "ablations": one_step,
    "solvers": taken("solvers", "excess.midpoint_2"),
}.items():
    assert statistics.fmean(fine[variant]) - as_is < 0.5 * (
        statistics.fmean(own) - as_is
    )
if (hidden, prep, solver, substeps) == as_recorded:
    assert abs(change["trained above"]) < 0.03
assert 0.005 < abs(change["recorded"]) < 0.015
seen_series = drawn["test"].take([4])
moments = torch.linspace(0.01, float(seen_series.times.max()), 60).numpy()
(_, ours), (_, best) = (
    gru_ode.predicted_at(ode_bayes, its_scale, seen_series, moments),
    gru_ode.known_at(ou, seen_series, moments),
)
assert 0.2 < (ours < best).mean() < 0.8
moving = [taken("changing_mean", f"excess.{name}") for name in ("ode_bayes", "gap")]
assert all(ours < theirs for ours, theirs in zip(*moving, strict=True))
assert study.STEPS["changing_mean"] == 80

# %% [markdown]
# ## Exercises
#
# ````{exercise} A state that stays in the box
# :label: ex-10-box
#
# Show from {eq}`eq-10-flow` that no component of $h$ can leave $[-1, 1]$. Does an Euler step of length
# $\Delta t$ keep this? For which $\Delta t$?
# ````
#
# ````{solution} ex-10-box
# :class: dropdown
#
# At $h_i = 1$ the slope is $(1 - z_i)(n_i - 1) < 0$, at $-1$ it is positive. An Euler step is
# $h_i + \Delta t\,(1 - z_i)(n_i - h_i)$, a weighted mean of $h_i$ and $n_i$ while
# $\Delta t\,(1 - z_i) \le 1$; so it is kept for $\Delta t \le 1$, and need not be beyond.
# ````
#
# ````{exercise} How sure after a jump
# :label: ex-10-sure
#
# Take the two losses for one value $x$ of which the state before the jump knew nothing. For which
# mean and variance is the divergence {eq}`eq-10-kl` least? A Kalman filter that had the variance
# $v$ before the value, and measures with noise $s$, is left with $v s^2 / (v + s^2)$. Which of the
# two is surer, and what does that say about *mixing*?
# ````
#
# ````{solution} ex-10-sure
# :class: dropdown
#
# The derivative of {eq}`eq-10-kl` in $\mu$ is $(\mu - x)/s^2$, zero at $\mu = x$; that in $\sigma$ is
# $\sigma/s^2 - 1/\sigma$, zero at $\sigma = s$. So the divergence asks for the value itself and the
# variance $s^2$, and forgets all that was known before: the filter's variance is smaller, by the
# factor $v/(v + s^2)$, and its mean lies between the prediction and the value. With a small noise
# both nearly agree. With a large one the divergence pulls away from the optimum, and the more so
# the larger *mixing* is.
#
# ```python
# v, s = 0.3, 0.5
# sigma = torch.linspace(0.1, 1.0, 9001)
# kl = torch.log(s / sigma) + sigma**2 / (2 * s**2) - 0.5
# assert abs(sigma[kl.argmin()] - s) < 1e-3 and v * s**2 / (v + s**2) < s**2
# ```
# ````
#
# ## Read next
#
# {doc}`11_gru_ode_ecg` for the model on ECG.
