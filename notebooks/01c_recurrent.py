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
# # Recurrent networks as dynamics in time
#
# A recurrent network applies the same map at every sample: a dynamical system with a clock of its
# own. This page builds one, its residual twin and an ODE, trains them on the same samples, and then
# changes the time between samples.

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

from nodebook.evidence import recorded, registry
from nodebook.experiments.ch01_residual import recurrent_sampling
from nodebook.figures import plotting, recurrence
from nodebook.figures.sources import source
from nodebook.figures.verdicts import tally
from nodelib import odeint

# %% tags=["parameters"]
profile = "quick"  # "full" first records the runs below again (minutes)
seed = 0  # draws the initial weights

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Recorded models, trained on samples every 0.2, on one test trajectory of van der Pol's oscillator. Above: sampled as in training. Below: twice as often. The RNN takes each sample for a step of 0.2 and runs ahead of the clock; the ODE does not mind.", "name": "fig-01-recurrent"}, "image": {"alt": "Two panels of a coordinate against time from 0 to 5. Above: all three models follow the grey oscillation. Below: the residual RNN and the ODE follow it; the RNN, moving twice as fast as the clock, leaves it at once."}} tags=["remove-input"]
plotting.use_style()
registry.renew(profile, "recurrent_sampling")
torch.set_num_threads(1)  # networks as small as these lose time by sharing it
runs = recorded.runs("recurrent_sampling")
weights, panels = runs[0].tensors(), {}
panels_of = {"same": "every 0.2, as in training", "half": "every 0.1"}
for sampling, title in panels_of.items():
    series = recurrent_sampling.trajectories(sampling, [0], 3, part=2)
    gaps = torch.cat((torch.zeros(1), series.gaps[0, 0].cumsum(0)))
    found = {}
    for kind in ("rnn", "residual", "ode"):
        model = recurrent_sampling.restored(weights, "regular", kind)
        with torch.no_grad():
            found[kind] = model(series.true[:, :, 0], series.gaps)[0, 0, :, 0]
    times = recurrent_sampling.INTERVAL * gaps
    panels[title] = times, series.true[0, 0, :, 0], found
recurrence.predicted(panels)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("recurrent_sampling")

# %% [markdown]
# What the page finds:
#
# 1. **The interval is built into a recurrent network.** At another sampling rate its dynamics run
#    at another speed. For an ODE the interval is the end of an integral.
# 2. **At irregular times a residual network that takes the interval as its step is as good as the
#    ODE**, near the intervals it was trained with.
# 3. **Training fits the map, not the field.** Give a trained residual network smaller steps, and it
#    converges to an ODE that predicts *worse*.

# %% [markdown]
# ## Build it

# %% [markdown]
# The knobs: **change one and run again**.

# %% tags=["knobs"]
gap = 0.2  # time between two samples in training
width = 32  # hidden units
rate = 0.01  # learning rate of Adam
updates = 300  # steps of training

# %% [markdown]
# The system is van der Pol's oscillator. Three models predict the next sample from this one. To
# keep the page short they see the whole state, position and velocity, without noise:
#
# - the **RNN**, $h_{k+1} = F(h_k)$, a map;
# - the **residual RNN**, $h_{k+1} = h_k + g\, f(h_k)$, Euler's method with the interval $g$;
# - the **ODE**, $\dot h = f(h)$, one step of Runge-Kutta 4 from sample to sample.


# %%
def oscillator(t, z):
    x, v = z[..., 0], z[..., 1]
    return torch.stack((v, (1 - x**2) * v - x), -1)


def samples(starts, gap, count):
    """States (count + 1, starts, 2), ``gap`` apart."""
    return odeint(oscillator, starts, gap * torch.arange(count + 1), rtol=1e-6)


class Model(nn.Module):
    """From one sample to the next, an interval ``gap`` later."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        layers = nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2)
        self.network = nn.Sequential(*layers)

    def forward(self, h, gap):
        if self.kind == "RNN":
            return self.network(h)
        if self.kind == "residual RNN":
            return h + gap * self.network(h)
        field = lambda t, h: self.network(h)  # noqa: E731
        return odeint(field, h, [0.0, gap], method="rk4", grad="backprop")[-1]


# %% [markdown]
# One way to train them all:

# %%
draw = torch.Generator().manual_seed(1)
seen = samples(4 * torch.rand(64, 2, generator=draw) - 2, gap, 25)
test_starts = 4 * torch.rand(64, 2, generator=draw) - 2
models = {}
for kind in ("RNN", "residual RNN", "ODE"):
    torch.manual_seed(seed)
    models[kind] = model = Model(kind)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(updates):
        loss = (model(seen[:-1], gap) - seen[1:]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"{kind}: loss {loss.item():.5f}")

# %% [markdown]
# Now predict from the first sample alone, for a time of 4, at the trained interval and at others.
# The error is relative: always predicting zero would err by about 1.


# %%
@torch.no_grad()
def error(model, interval):
    """Relative error of a prediction for a time of 4."""
    truth = samples(test_starts, interval, round(4 / interval))
    h, found = truth[0], []
    for _ in truth[1:]:
        h = model(h, interval)
        found.append(h)
    return ((torch.stack(found) - truth[1:]).norm() / truth[1:].norm()).item()


table = {}
for kind, model in models.items():
    table[kind] = {k: error(model, k * gap) for k in (0.5, 1, 2)}
    listed = ", ".join(f"{k * gap:g}: {e:.2f}" for k, e in table[kind].items())
    print(f"{kind:12s} error at an interval of {listed}")

# %% [markdown]
# The RNN has not learned bad dynamics; it has another clock. The residual RNN is right at the
# trained interval, and near it. The ODE does not care.

# %% [markdown]
# ## From noisy samples, tuned and repeated
#
# The recorded models are a little larger: they see noisy samples, carry a hidden state, and see
# the first sample only. The RNN is $\tanh f(h_k)$; one more RNN gets the interval as an input. Those
# trained at irregular times are asked what Seong asks: can such a network predict the future with
# irregular time points?

# %% jupyter={"source_hidden": true} tags=["remove-input"]
recurrence.errors(runs, recurrent_sampling.TRAINED)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("recurrent_sampling")

# %% [markdown]
# - If the RNN's predictions at "every 0.1" are compared with the truth at multiples of 0.2, their error
#   is 0.358 instead of 1.513. The interval is built into the map.
# - At irregular times the RNN that is not told the intervals errs by 0.480, the one that is told by
#   0.421, the residual RNN by 0.186, the ODE by 0.190. So the answer is yes, if the interval is
#   the length of a residual step. That network is Euler's method on a neural ODE. The slides ask this as a question and
#   mean the answer "no" for a plain RNN; that much holds.
# - Near its training intervals only: at "every 0.4" its Euler steps are too long.
#
# ## A map goes on hopping
#
# Seen as a map, the trained RNN is a dynamical system in its own right. {numref}`fig-01-map` applies
# it far more often than it was trained for. It hops around a closed curve near the limit cycle of
# the oscillator, and what is between two hops does not exist.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The map of the trained RNN (seed 0, regular samples), read out in the plane of the oscillator, from four starts. Large, hollow: the start. Small: the states after 1 to 59 applications of the map; on the closed curve the four shapes lie on each other.", "name": "fig-01-map"}, "image": {"alt": "The plane of x and its derivative with the grey limit cycle. Marks from four starts hop towards a closed curve and around it; the curve lies close to the limit cycle but not on it."}} tags=["remove-input"]
model = recurrent_sampling.restored(weights, "regular", "rnn")
corners = torch.tensor([[[0.1, 0.0], [-2.0, -2.0], [2.0, 2.0], [0.0, 2.0]]])
with torch.no_grad():
    hops = model(corners, torch.ones(1, 4, 60))[:, :, 1:]
    states = torch.cat((corners.unsqueeze(2), hops), 2)
cycle = samples(torch.tensor([2.0, 0.0]), 0.02, 2000)[1300:]
recurrence.hops(states[0], cycle)
plt.show()

# %% [markdown]
# ## Smaller steps
#
# The residual RNN is Euler's method with a step of one interval. Give the *trained* network $n$
# shorter steps for each interval: it converges to an ODE, with order 1. Does it also get better?

# %% jupyter={"source_hidden": true} tags=["remove-input"]
recurrence.refined(runs, recurrent_sampling.REFINEMENTS)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("recurrent_sampling")

# %% [markdown]
# It gets worse. Training adapted the field to Euler's error, so that the *map* is right and the
# field is not. A model that is to be read as an ODE has to be trained with a solver that is
# accurate enough.
#
# "Also similar", says Bu of recurrent networks. For the gated cell that most people use it is exact.
# PyTorch's GRU cell, with state $h$, update gate $z$ and candidate $n$, equals
# $h + (1 - z)(n - h)$ to rounding: a residual step whose length the gate chooses. Any map can be
# written as $h + (g(h) - h)$. If the trained RNN is read so, and the step scaled with the interval,
# it does well at "every 0.1": on a smooth series it has learned a map near the identity. At
# "every 0.4" it errs by 1.87, where always predicting the mean would err by 1. So the sentence holds
# in part.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("01")

# %% [markdown]
# ## Exercises
#
# ````{exercise} A smaller interval in training
# :label: ex-01-gap
#
# Set `gap = 0.05` in the knobs and run the page again. Which of the three models changes its
# answers at other intervals, and why? The solution does it for the residual RNN only.
# ````
#
# ````{solution-start} ex-01-gap
# :class: dropdown
# ````

# %%
fine = samples(seen[0], 0.05, 100)
torch.manual_seed(seed)
finer = Model("residual RNN")
optimiser = torch.optim.Adam(finer.parameters(), lr=rate)
for _ in range(updates):
    loss = (finer(fine[:-1], 0.05) - fine[1:]).square().mean() / 0.05**2
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
own, at_finer = error(finer, 0.05), error(finer, 0.01)
print(f"trained at 0.05: error there {own:.2f}, at 0.01 {at_finer:.2f}")

# %% [markdown]
# With an interval of 0.05 Euler's error is small, the field that it learns is nearly the true one,
# and at a still smaller interval the error hardly changes: the residual RNN has become an ODE. The
# RNN's clock stays what it is trained for, whatever the interval.
#
# ````{solution-end}
# ````
#
# ````{exercise} Its own clock
# :label: ex-01-clock
#
# Compare the RNN's predictions at half the interval with the truth at *twice* those times. How
# large is the error?
# ````
#
# ````{solution-start} ex-01-clock
# :class: dropdown
# ````

# %%
truth = samples(test_starts, gap, 20)
h, found = truth[0], []
with torch.no_grad():
    for _ in truth[1:]:
        h = models["RNN"](h, gap / 2)
        found.append(h)
own_clock = ((torch.stack(found) - truth[1:]).norm() / truth[1:].norm()).item()
print(f"error by its own clock: {own_clock:.2f}")

# %% [markdown]
# It is the error at the trained interval: the RNN ignores what it is told.
#
# ````{solution-end}
# ````
#
# ## Read next
#
# {doc}`06_latent_odes` puts an ODE behind a recurrent encoder, {doc}`10_gru_ode_bayes` makes the GRU
# cell itself flow.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
mean = partial(recorded.mean, "recurrent_sampling", "oscillator")
if (seed, gap, width, rate, updates) == (0, 0.2, 32, 0.01, 300):
    assert table["RNN"][0.5] > 3 * table["RNN"][1]
    assert table["residual RNN"][2] > 1.3 * table["ODE"][2]
    assert table["ODE"][0.5] < 2 * table["ODE"][1]
    assert abs(at_finer - own) < 0.5 * own
    assert abs(own_clock - table["RNN"][1]) < 0.01
irregular = {k: mean(f"error.irregular.{k}.irregular") for k in recurrence.KINDS}
assert {k: f"{v:.3f}" for k, v in irregular.items()} == {
    "rnn": "0.480",
    "rnn_gap": "0.421",
    "residual": "0.186",
    "ode": "0.190",
}
assert f"{mean('own_clock.half'):.3f}" == "0.358"
assert f"{mean('error.regular.rnn.half'):.3f}" == "1.513"
assert mean("refined_error.32") > 1.2 * mean("refined_error.1")
assert max(recorded.values(runs, "gru")) < 1e-6
assert f"{mean('scaled.regular.rnn.double'):.2f}" == "1.87"
assert mean("scaled.regular.rnn.half") < 2 * mean("error.regular.rnn.same")
