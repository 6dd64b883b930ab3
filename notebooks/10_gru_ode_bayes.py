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
# # GRU-ODE-Bayes
#
# A patient's blood is drawn when a doctor asks for it, and then one value is measured and another
# is not. Such series are **sporadic**: the times are irregular, and at each time some components are
# missing. GRU-ODE-Bayes {cite}`debrouwer2019gru` is made for them. It keeps a hidden state that
# *flows* along an ODE while nothing is observed, and *jumps* when something is. At all times it
# predicts a normal distribution for every component.
#
# One deck calls it "theoretically perfect" for such data and prints two forms of it {cite}`doc000`.
# This page builds the model in about sixty lines and trains it. Then it asks how far from perfect
# it is, on data for which perfection can be computed.

# %% tags=["remove-cell"]
import math
import statistics
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from torch import nn

from nodebook.evidence import claims, registry, results
from nodebook.experiments.ch10_gru_ode import side_by_side
from nodebook.experiments.ch10_gru_ode import sporadic_study as study
from nodebook.figures import gru_ode, plotting
from nodebook.figures.tables import shown
from nodelib import odeint
from nodelib.data.sporadic import gaussian_nll

plotting.use_style()
torch.set_num_threads(1)
pd.options.display.max_colwidth = None
if profile == "full":
    for name in ("gru_ode_listings", "sporadic_study"):
        registry.record(name)


@cache
def recorded(experiment, variant):
    """The recorded runs, read once."""
    return results.read(experiment, variant)


def measured(variant, metric, experiment="sporadic_study"):
    """The recorded values of a metric, one for each seed."""
    return [run.metric(metric) for run in recorded(experiment, variant)]


def mean(variant, metric, experiment="sporadic_study"):
    """Their mean."""
    return statistics.fmean(measured(variant, metric, experiment))


def spread(values, decimals=3):
    """Mean ± standard deviation, kept on one line."""
    return f"{statistics.fmean(values):.{decimals}f}\u00a0±\u00a0{statistics.stdev(values):.{decimals}f}"


# %% mystnb={"figure": {"caption": "One series of two components, and what a recorded model says of it. The prediction widens while nothing is observed and narrows at an observation, of the other component too. The dashed lines are the best that can be known.", "name": "fig-10-flow"}, "image": {"alt": "Two panels over time, one for each component. A blue line with a light blue band follows red dots; at the dots the line jumps and the band narrows, between them it widens. Dashed lines of the exact filter lie near the edges of the band."}} tags=["hide-input"]
run = recorded("sporadic_study", "ou")[0]
data = study.sets("ou", run.seed)
scale = study.Scale(data["train"])
ode_bayes = study.recorded_model(run.tensors(), "ode_bayes")
gru_ode.flow_and_jumps(ode_bayes, scale, study.PROCESSES["ou"], data["test"].take([4]))
plt.show()

# %% tags=["remove-input"]
Markdown(
    f"""What the page finds, with {len(recorded("sporadic_study", "ou"))} seeds and a small budget of training:

- on two Ornstein-Uhlenbeck processes GRU-ODE-Bayes is {spread(measured("ou", "excess.ode_bayes"))} nats
  a value above the exact optimum; a GRU told the gaps {spread(measured("ou", "excess.gap"))}, and
  carrying the last value {spread(measured("ou", "excess.last"))};
- on a Brusselator its squared error is {spread(measured("brusselator", "mse.ode_bayes"))}, that of the GRU
  told the gaps {spread(measured("brusselator", "mse.gap"))}; but it is too sure of a few values, which
  cost it its lead in likelihood;
- the "vectorised" listing, as far as it is printed, is another model than the loop: no observation
  enters it."""
)

# %% [markdown]
# ## The data
#
# Two components return to a mean and are pushed about by noise, nearly the same noise for both:
#
# $$dx = \theta\,(m - x)\,dt + \sigma\,dW, \qquad \operatorname{corr}(dW_1, dW_2) = 0.99 .$$ (eq-10-ou)
#
# This is the double Ornstein-Uhlenbeck process of the paper, with constants of ours. Every series has
# a mean $m$ of its own, drawn from a normal distribution; the paper's change of the mean within a
# series is left out. So state and mean are jointly Gaussian, and the distribution of the future
# given what was seen has a closed form: the **Kalman filter**. It is the ceiling that no model can
# pass on average. Twelve events are seen, four later ones are to be predicted.
#
# ## The model
#
# **Flow.** Take a GRU's update $h \leftarrow z \odot h + (1 - z) \odot n$, write it as a difference,
# $h \leftarrow h + (1 - z) \odot (n - h)$, and let the step go to zero:
#
# $$\frac{dh}{dt} = (1 - z) \odot (n - h), \qquad z = \sigma(U_z h),\quad n = \tanh(U_n (r \odot h)),\quad r = \sigma(U_r h).$$ (eq-10-flow)
#
# Each component of $h$ is drawn towards $n$, which lies in $(-1, 1)$; so a state that starts there
# stays there. The *minimal* cell uses $z$ in place of $r$. With *imputation* the model's own
# prediction is fed to the gates as well; without it the flow depends on $h$ alone.
#
# **Jump.** At an event the state takes in what was measured. For each measured component the model
# looks at four numbers: the value, the mean and the log-variance that it had predicted, and the error
# in standard deviations. A GRU cell turns them into the new state. Putting only the value beside the
# state would leave the cell to find out what had been expected; the error says at once how surprising
# the value is, which is also what a Kalman filter multiplies by its gain.
#
# **Loss.** Before the jump, the negative log-likelihood of the value. After it, a divergence:
# what the state says *now* of that component should be what was just measured, up to its noise
# $s$. For normal distributions
#
# $$\mathrm{KL}\big(N(\mu, \sigma^2)\,\|\,N(x, s^2)\big) = \mathbb{E}\Big[\ln\tfrac{s}{\sigma} - \tfrac{(y-\mu)^2}{2\sigma^2} + \tfrac{(y-x)^2}{2s^2}\Big] = \ln\tfrac{s}{\sigma} + \frac{\sigma^2 + (\mu - x)^2}{2 s^2} - \frac12,$$ (eq-10-kl)
#
# because under $N(\mu, \sigma^2)$ the mean of $(y-\mu)^2$ is $\sigma^2$ and that of $(y-x)^2$ is
# $\sigma^2 + (\mu-x)^2$. Its weight is called *mixing*.
#
# Here is all of it. **Change a number at the top and run it again.**

# %%
hidden, prep, mixing, observed = 24, 6, 0.1, 0.1
rate, steps, batch_size, substeps, method = 0.01, 60, 64, 2, "euler"


class GRUODEBayes(nn.Module):
    """A state that flows between events and jumps at them."""

    def __init__(self, components=2):
        super().__init__()
        self.start = nn.Parameter(torch.zeros(1, hidden))
        self.head = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2 * components)
        )
        self.gates = nn.Linear(hidden, 2 * hidden)
        self.candidate = nn.Linear(hidden, hidden)
        self.weight = nn.Parameter(torch.randn(components, 4, prep) / 2)
        self.bias = nn.Parameter(torch.zeros(components, prep))
        self.cell = nn.GRUCell(components * prep, hidden)

    def slope(self, h):
        z, r = torch.sigmoid(self.gates(h)).chunk(2, -1)
        return (1 - z) * (torch.tanh(self.candidate(r * h)) - h)

    def flow(self, h, gap):  # every series its own gap, in a time that runs from 0 to 1
        ends, options = torch.tensor([0.0, 1.0]), {"num_steps": substeps}
        return odeint(
            lambda s, y: gap * self.slope(y),
            h,
            ends,
            method=method,
            grad="backprop",
            options=options,
        )[-1]

    def jump(self, h, p, x, used):
        mean, log_variance = p.chunk(2, -1)
        told = torch.stack((x, mean, log_variance, (x - mean) * torch.exp(-log_variance / 2)), -1)
        inner = torch.relu(torch.einsum("bfk,fkq->bfq", told, self.weight) + self.bias)
        return self.cell((inner * used[..., None]).flatten(1), h)

    def forward(self, times, x, mask, seen):
        h, now = self.start.expand(len(times), -1), torch.zeros(len(times))
        before, after = [], []
        for k in range(times.shape[1]):
            h = self.flow(h, (times[:, k] - now)[:, None])
            p, used = self.head(h), mask[:, k] & seen[:, k, None]
            h, now = (
                torch.where(used.any(-1, keepdim=True), self.jump(h, p, x[:, k], used), h),
                times[:, k],
            )
            before.append(p)
            after.append(self.head(h))
        return torch.stack(before, 1), torch.stack(after, 1)


def loss(model, times, x, mask, seen):
    before, after = model(times, x, mask, seen)
    mean, log_variance = before.chunk(2, -1)
    nll = 0.5 * (math.log(2 * math.pi) + log_variance + (x - mean) ** 2 * torch.exp(-log_variance))
    mean, log_variance = after.chunk(2, -1)
    kl = (
        math.log(observed)
        - log_variance / 2
        + (log_variance.exp() + (mean - x) ** 2) / (2 * observed**2)
        - 0.5
    )
    return nll[mask].mean() + mixing * kl[mask & seen[..., None]].mean()


# %%
torch.manual_seed(seed)
model, shown_series = GRUODEBayes(), scale.tensors(data["train"])
optimiser = torch.optim.Adam(model.parameters(), lr=rate)
losses = []
for _ in range(steps):
    rows = torch.randperm(len(shown_series[0]))[:batch_size]
    value = loss(model, *(part[rows] for part in shown_series))
    optimiser.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    losses.append(value.item())
print(f"loss {losses[0]:.2f} at the start, {losses[-1]:.2f} after {steps} steps")

# %% mystnb={"figure": {"caption": "The loss of the model above, trained as this page was made.", "name": "fig-10-learning"}, "image": {"alt": "A line of the training loss against the step that falls steeply at first and then slowly."}} tags=["hide-input"]
gru_ode.learning(losses)
plt.show()

# %% [markdown]
# The recorded runs use the same model for several seeds side by side. With one recorded network's
# weights put into the class above, both say the same:


# %% tags=["hide-input"]
def as_torch(weights):
    """Weights of one recorded network under the names of the class above."""
    names = {"layers.0": "0", "layers.1": "2"}
    found = {name: weights[name] for name in ("start", "weight", "bias")}
    for theirs, ours in names.items():
        for kind in ("weight", "bias"):
            found[f"head.{ours}.{kind}"] = weights[f"head.{theirs}.{kind}"]
    for part in ("gates", "candidate"):
        for kind in ("weight", "bias"):
            found[f"{part}.{kind}"] = weights[f"{part}.layers.0.{kind}"]
    for theirs, ours in {"from_input": "ih", "from_state": "hh"}.items():
        for kind in ("weight", "bias"):
            found[f"cell.{kind}_{ours}"] = weights[f"cell.{theirs}.layers.0.{kind}"]
    turned = ("head", "gates", "candidate", "cell")  # these are (inputs, outputs) in the study
    return {
        name: value.T if name.startswith(turned) and value.dim() == 2 else value
        for name, value in found.items()
    }


# %%
weights = {
    k.removeprefix("ode_bayes/"): v for k, v in run.tensors().items() if k.startswith("ode_bayes/")
}
plain = GRUODEBayes()
plain.load_state_dict(as_torch(weights))
some = tuple(part[:50] for part in scale.tensors(data["test"]))
with torch.no_grad():
    difference = (plain(*some)[0] - ode_bayes(*study.stacked([some]))[0]).abs().max().item()
print(f"largest difference between the two: {difference:.0e}")

# %% [markdown]
# `nodelib.models.gru_ode` has the same model for batches of padded series, with both cells, every
# solver and checks of its input; it reproduces reference numbers of De Brouwer et al.'s model to
# $10^{-8}$. Its flow has no biases, as theirs has none, and its first state is a function of
# covariates. With the biases of the class above at zero and the same weights, both say the same:

# %% tags=["hide-input"]
from nodelib.models import gru_ode as library

twin = GRUODEBayes()
with torch.no_grad():
    twin.gates.bias.zero_(), twin.candidate.bias.zero_()
sizes = library.Sizes(features=2, hidden=hidden, p_hidden=hidden, prep_hidden=prep)
batched = library.GRUODEBayes(
    sizes, library.Stepping(method, steps=substeps), full=True, noise=observed, seed=0
)
z, r = twin.gates.weight.chunk(2)  # the library's reset gate comes first
batched.cell.load_state_dict(
    {"gate_weight": torch.cat((r, z)), "candidate_weight": twin.candidate.weight}
)
batched.predict.load_state_dict(twin.head.state_dict())
batched.jump.load_state_dict(
    {
        "weight": twin.weight,
        "bias": twin.bias,
        **{f"gru.{k}": v for k, v in twin.cell.state_dict().items()},
    }
)
with torch.no_grad():
    batched.first[0][2].weight.zero_(), batched.first[0][2].bias.zero_()  # h(0) = 0
times, x, mask, _ = some
ours = twin(times, x, mask, torch.ones_like(times, dtype=torch.bool))[0]
theirs = batched(library.make_events(times, x, mask)).before
print(f"largest difference from the library: {(ours - theirs).abs().max().item():.0e}")

# %% [markdown]
# ## How far from the optimum
#
# The baselines have the same size of state, the same steps and the same rates on offer; the rate is
# chosen on validation series. **Told the gaps**: a GRU with the length of the gap as one more input.
# **With decay**: its state and its inputs fade with time, after GRU-D. **Last value carried**: with a
# variance that grows with its age, fitted by likelihood. All numbers are on later events of test
# series.


# %% tags=["hide-input"]
def table(variant):
    """Likelihood and squared error of each model, and the distance to the optimum where known."""
    columns = {"nats a value": "nll", "squared error": "mse"}
    columns |= {"above the optimum": "excess"} if variant == "ou" else {}
    rows = {
        label: {
            head: spread(measured(variant, f"{metric}.{name}"))
            if name != "exact" or metric != "excess"
            else "0"
            for head, metric in columns.items()
        }
        for name, label in study.LABELS.items()
        if name != "exact" or variant == "ou"
    }
    return shown(
        pd.DataFrame(rows).T.rename_axis(
            "two Ornstein-Uhlenbeck processes" if variant == "ou" else "Brusselator"
        )
    )


table("ou")

# %% [markdown]
# The squared error of the exact filter is not zero: the future of a random process is random. That
# is why the distance to the optimum, in nats, says more than the likelihood itself.
#
# The **Brusselator** is a chemical oscillator with a limit cycle, here with noise in its state. No
# exact filter is at hand for it. Its turn is known to all series, so that a model can learn a clock:

# %% tags=["hide-input"]
table("brusselator")

# %% [markdown]
# GRU-ODE-Bayes has less than half of the squared error of the GRU told the gaps. In mean likelihood it
# is behind all the same, and its seeds are far apart. The reason shows when the values are looked at
# one by one (after the test, and for the reason only: nothing was chosen by it).

# %% tags=["hide-input"]
tails, narrowest = {}, []
for brusselator_run in recorded("sporadic_study", "brusselator"):
    series = study.sets("brusselator", brusselator_run.seed)
    own = study.Scale(series["train"])
    for name in ("ode_bayes", "gap"):
        told = study.predict(
            study.recorded_model(brusselator_run.tensors(), name), own, series["test"]
        )
        chosen = series["test"].targets
        each = np.sort(gaussian_nll(series["test"].x, *told)[chosen])
        narrowest += [np.sqrt(told[1][chosen].min())] if name == "ode_bayes" else []
        for head, value in {
            "mean": each.mean(),
            "median": np.median(each),
            "mean without the worst 1%": each[: int(0.99 * len(each))].mean(),
            "worst value": each[-1],
        }.items():
            tails.setdefault(name, {}).setdefault(head, []).append(float(value))
shown(
    pd.DataFrame(
        {
            study.LABELS[name]: {head: spread(v, 2) for head, v in heads.items()}
            for name, heads in tails.items()
        }
    ).T.rename_axis("nats a value, Brusselator")
)

# %% tags=["remove-input"]
Markdown(
    f"""A few values in a few series ruin the mean. There the model is far off and very sure: it gives
standard deviations down to {min(narrowest):.3f}, where the noise of the measurement alone is
{study.PROCESSES["brusselator"].noise:g}. For ninety-nine values in a hundred its likelihood is the
better one in every seed. A floor under the variance would be the cure; it was not tried, because the test
series had been used."""
)

# %% [markdown]
# ## What the parts are worth
#
# {numref}`fig-10-ablations` takes one part away or changes it, on the Ornstein-Uhlenbeck data, at one
# rate and after 80 training steps only, where the table has 300: so it says how fast each learns, and
# not what each can reach. *No flow* keeps the state constant between
# events and hides the time from the model altogether.

# %% mystnb={"figure": {"caption": "Nats above the exact filter with one thing changed at a time: a dot for each seed, a bar for the mean.", "name": "fig-10-ablations"}, "image": {"alt": "Horizontal bars for eight variants of the model: as it is, minimal cell, with imputation, without the divergence, plain jump, no flow, one Euler step a gap, one midpoint step a gap. Three dots lie about the end of each bar."}} tags=["hide-input"]
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
gru_ode.ablations({label: measured("ablations", f"excess.{name}") for name, label in NAMES.items()})
plt.show()

# %% [markdown]
# Two parts carry the model: the flow, and the error in the jump. The minimal cell and imputation
# change nothing that three seeds could show. The divergence does not help here: without it
# the mean is lower, by about the spread of the seeds. The listing of the loop has a step `delta_t` and
# a solver; in these runs every gap has the same number of steps.
#
# The step and the solver belong to the model as it is trained: with few Euler steps the
# network learns a map that works with those steps, and need not be close to the ODE's solution.
#
# ## The deck's listings
#
# **The loop** is the walk above, for one series at a time. It is slow because every small operation
# waits for Python and for PyTorch's dispatch: the same walk for 64 series at once takes hardly longer
# than for one. So the way out is to walk many series side by side, each over its own gaps.
#
# **The vectorised listing** takes another way. It merges all times, starts from $h(0)$ and solves once.
# That is one call, but the solver steps in a loop all the same. And there is a price: the solve is
# over before the first observation is taken in. As far as it is printed, the states depend on $h(0)$
# and the times alone; with the loop's jumps taken out both agree, with them they do not.
#
# **The chunk listing** reads five names that it binds nowhere. With these supplied, its last piece is
# shorter than the others, and a record that is short enough keeps its own times where all other
# pieces begin at 0. An overlap as large as a piece would never end.

# %% tags=["remove-input"]
listing = "gru_ode_listings"
Markdown(
    f"""In numbers: 64 series take {mean("listings", "python.batch_64", listing):.1f} times as long as
one. The vectorised states are off from the loop's by
{mean("listings", "vectorised.against_loop", listing):.0%} of the largest; without jumps by
{mean("listings", "vectorised.without_jumps", listing):.0e}. For every interval its solver calls the
field {mean("listings", "vectorised.evaluations_for_an_interval", listing):.0f} times in turn. Of records
of random length {mean("listings", "chunks.uniform", listing):.1%} fall into pieces of one length."""
)

# %% tags=["remove-cell"]
# checks: what the prose says of recorded and live numbers must be so
assert losses[-1] < losses[0]
assert difference < 1e-4
assert mean("listings", "python.batch_64", listing) < 4
assert all(name == "another" for name in measured("listings", "vectorised.model", listing))
assert mean("listings", "vectorised.without_jumps", listing) < 1e-3
assert measured("listings", "chunks.undefined_count", listing) == [5, 5, 5]
assert (study.STEPS["ablations"], study.STEPS["ou"]) == (80, 300)
assert list(NAMES) == list(study.ABLATIONS)
worst = max(measured("ablations", "excess.as_is"))
assert min(measured("ablations", "excess.plain_jump")) > worst
assert min(measured("ablations", "excess.no_flow")) > worst
for name in ("minimal", "impute"):
    apart = abs(mean("ablations", f"excess.{name}") - mean("ablations", "excess.as_is"))
    assert apart < statistics.stdev(measured("ablations", "excess.as_is"))
assert mean("ablations", "excess.no_divergence") < mean("ablations", "excess.as_is")
assert min(measured("ou", "excess.ode_bayes")) > 0
assert mean("ou", "excess.ode_bayes") < mean("ou", "excess.gap") < mean("ou", "excess.last")
assert mean("brusselator", "mse.ode_bayes") < mean("brusselator", "mse.gap") / 2
assert mean("brusselator", "over_gap.ode_bayes") < 0
assert min(narrowest) < study.PROCESSES["brusselator"].noise
for ours, theirs in zip(*(tails[name]["mean without the worst 1%"] for name in tails), strict=True):
    assert ours < theirs
assert side_by_side.Choices(**vars(study.BASE)).observed == observed

# %% [markdown]
# ## The verdicts

# %% tags=["hide-input"]
claims.table("10")

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
