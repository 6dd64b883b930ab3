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
# # Where time could matter
#
# From one heartbeat to the next is less than a second, and in {doc}`11_gru_ode_ecg` every beat is there. There
# an ODE between the beats has little to do, and does little. A model in continuous time should gain where
# that is not so: **where beats are missing, and where the question is when the next one comes**. This page
# asks both, on the ground that the model was made for.

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
import numpy as np
from IPython.display import Markdown
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

# The book's own: recorded runs and pictures. No network is trained here.
from nodebook.evidence.recorded import mean
from nodebook.figures import ecg_study, plotting, rhythms
from nodebook.figures.sources import source
from nodelib import data
from nodelib.data.aami import beats

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # as in chapter 11, which records; this page only reads
seed = 0

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()

# %% [markdown]
# What it finds:
#
# 1. With 20, 50 or 80 % of the beats dropped, GRU-ODE-Bayes tells heart failure no better than the same model
#    with its **state held** between beats, with all three seeds at no share.
# 2. It foretells the next interval and the next class no better either. A GRU that is told how long the gap was
#    is ahead of both in likelihood.
# 3. Plain models of a few numbers are ahead of all networks, in telling failing hearts and in the class of
#    the next beat.
#
# ## Try it first
#
# Dropping beats at random makes a sporadic series out of a regular one: what is left keeps its time and its
# interval, and nobody is told what is gone. Below, from the last few beats that were seen, a linear regression
# foretells the interval that follows, in patients that it has not seen. **Change the share and run on.**

# %% tags=["knobs"]
drop = 0.8  # share of the beats that are dropped
back = 8  # beats that are seen


# %%
def questions(record, random):
    """What is seen at each beat that is left, and the interval after it, in s."""
    where, _ = beats(record)
    times = where / record.fs
    intervals = np.diff(times)
    left = np.flatnonzero(random.random(len(intervals) - 1) >= drop)
    gaps = np.diff(times[1:][left], prepend=times[0])
    seen = np.stack([intervals[left], gaps], axis=1)
    rows = sliding_window_view(seen, back, axis=0).reshape(-1, 2 * back)
    return rows, intervals[left[back - 1 :] + 1]


mitdb, random = data.mitdb(), np.random.default_rng(seed)
rows, follows, people = [], [], []
for name in mitdb.records:
    record = mitdb.record(name, signals=False)
    x, y = questions(record, random)
    known = (y > 0.2) & (y < 3) & (x.max(1) < 60)
    rows.append(x[known])
    follows.append(y[known])
    people += [record.patient] * int(known.sum())
x, y = np.concatenate(rows), np.concatenate(follows)

folds = GroupKFold(min(5, len(set(people))))
told = cross_val_predict(LinearRegression(), x, y, groups=people, cv=folds)
errors = {
    "the last interval again": np.abs(x[:, back - 1] - y).mean(),
    "linear regression": np.abs(told - y).mean(),
}
for name, error in errors.items():
    print(f"{name}: {1000 * error:.0f} ms off on average, {len(y):,} beats")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(f"`{mitdb.provenance}`")

# %% [markdown]
# ## Sound or failing, with beats missing
#
# {numref}`fig-11-dropped` asks chapter 11's fair question, sinus rhythm or heart failure, with beats dropped
# from every chunk of 512, in training and in the test. Trained and tested as there: five folds of people, three seeds,
# the learning rate chosen on people held back, the same number of epochs for all.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Sinus rhythm or heart failure, with beats dropped: macro-F1 over the chunks, and the share of people told right. Lines are means over three seeds, each with its own folds; dots are the seeds.", "name": "fig-11-dropped"}, "image": {"alt": "Two stacked panels of lines against the percentage of beats dropped, 0 to 80. The line of trees on nine statistics lies above those of the networks everywhere and falls little; the dotted line of the majority lies lowest."}} tags=["remove-input"]
by_drop = ecg_study.sorted_by_drop("macro_f1")
rhythms.by_drop(
    {"macro-F1": by_drop, "people": ecg_study.sorted_by_drop("by_person")}
)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(f"""
Points of macro-F1 by which the ODE is ahead of the state held, one number for each
seed: {ecg_study.ahead(by_drop)}.
""")

# %% [markdown]
# **At no share is the ODE ahead with all three seeds.** The large differences of the third are again a matter of
# the learning rate that was chosen for one of the two. The trees lose little: the statistics of a
# rhythm can be had from a fifth of it.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_networks")

# %% [markdown]
# ## The next beat
#
# **What comes next?** Within MIT-BIH, after each beat that was seen, every model foretells when the next beat
# comes, as a Gaussian, and of which class it is. Again beats are dropped; what is foretold is always the next
# beat of the whole series. Beside the networks stand three that see eight beats back: the last interval again,
# linear models, and boosted trees.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The next beat foretold, in patients not seen in training: mean negative log-likelihood of its interval (less is better), and macro-F1 of its class (more is better), against the share of beats dropped. Lines are means over three seeds, dots are the seeds.", "name": "fig-11-next"}, "image": {"alt": "Two stacked panels of lines against the percentage of beats dropped, 0, 50 and 80, one line for each of seven models. Above, the GRU lies lowest and the last interval highest; below, the linear model and the trees lie well above the networks."}} tags=["remove-input"]
foretold = {
    title: ecg_study.foretold_by_drop(metric)
    for title, metric in (("interval, nats", "nll"), ("class, macro-F1", "macro_f1"))
}
rhythms.by_drop(foretold)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_next_beat")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tells = partial(mean, "ecg_next_beat")
nats = ecg_study.nats
Markdown(f"""
**The interval.** In likelihood the GRU that is told the gaps is best, with
{nats("gru", 0)} nats, and {nats("gru", 80)} from a fifth of the beats. GRU-ODE-Bayes
has {nats("gru-ode-bayes", 0)} and {nats("gru-ode-bayes", 80)}, the state held
{nats("held", 0)} and {nats("held", 80)}. The simple models have one spread for all
beats, which costs likelihood. In mean error, with all beats, they are ahead: trees
{tells("trees.0", "error"):.0f} ms, the linear one {tells("linear.0", "error"):.0f},
the GRU {tells("gru.0", "error"):.0f}.

**The class.** Here eight beats and a plain model are far ahead, with
{tells("linear.0", "macro_f1"):.2f} (linear) and {tells("trees.0", "macro_f1"):.2f}
(trees); the networks, after 60 epochs, tell little more than two of the five
classes, {tells("gru.0", "macro_f1"):.2f}.
""")

# %% [markdown]
# So where time could matter, **the ODE between the events gains nothing here** over a state that stands still,
# let alone over a network that is told how long it has been. That is after short trainings, the same for all;
# it may be otherwise after long ones.

# %% jupyter={"source_hidden": true} tags=["remove-cell", "checks"]
# What the text says, asserted.
if (seed, drop, back) == (0, 0.8, 8):
    assert errors["linear regression"] < errors["the last interval again"]
# Of the recorded runs.
dropped_gains = {
    percent: ecg_study.worth(by_drop, percent, "GRU-ODE-Bayes", "state held")
    for percent in (0, 20, 50, 80)
}
assert all(min(points) < 0.01 for points in dropped_gains.values())
for metric, better in (("nll", -1), ("macro_f1", 1)):
    courses = foretold[
        {"nll": "interval, nats", "macro_f1": "class, macro-F1"}[metric]
    ]
    for percent in (0, 50, 80):
        points = ecg_study.worth(courses, percent, "GRU-ODE-Bayes", "state held")
        assert not all(better * p > 0 for p in points)
for percent in (0, 50, 80):
    likely = {
        name: tells(f"{name}.{percent}", "nll") for name in ecg_study.FORETELLERS
    }
    assert min(likely, key=likely.get) == "gru"
    classes = {
        name: tells(f"{name}.{percent}", "macro_f1")
        for name in ecg_study.FORETELLERS
    }
    assert min(classes["linear"], classes["trees"]) > 0.1 + max(
        classes[name] for name in ("gru", "gru-decay", "held", "gru-ode-bayes")
    )
errors = {name: tells(f"{name}.0", "error") for name in ecg_study.FORETELLERS}
assert sorted(errors, key=errors.get)[:3] == ["trees", "linear", "gru"]
trees = [
    mean("ecg_statistics", f"trees.{task}", "macro_f1")
    for task in ("nsr-chf", "nsr-chf-80")
]
assert 0 < trees[0] - trees[1] < 0.05
