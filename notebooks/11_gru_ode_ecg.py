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
# # GRU-ODE-Bayes on ECG
#
# One table is the turning point of Oliveira's deck {cite}`doc000`. A GRU-ODE-Bayes, made
# "vectorised" to be fast, learns to say from the rhythm of a heart which of three
# databases a recording is from. It reaches 62.0 % on the validation data, at an hour an
# epoch. "The same architecture without the ODE" reaches 97.78 % in 30 seconds. Theory, the
# deck concludes, is no guarantee of practice.
#
# This page asks what the two numbers measured.

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

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"
seed = 0

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from nodebook.evidence import registry
from nodebook.evidence.recorded import mean, measured
from nodebook.experiments.ch11_gru_ode_ecg import EXPERIMENTS
from nodebook.figures import ecg_study, plotting, verdicts
from nodebook.figures import rhythms as drawn_rhythms
from nodebook.figures.sources import source
from nodebook.figures.tables import shown
from nodelib import data, odeint
from nodelib.data import rhythms

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()
torch.set_num_threads(1)
torch.manual_seed(seed)
registry.renew(profile, *(n for n in EXPERIMENTS if n != "ecg_devices"))  # a GPU's

# %% tags=["knobs"]
record = "208"  # of the MIT-BIH Arrhythmia Database; change it and run again
width = 16  # numbers in the hidden state
counted = 2  # how often the sum of the jumps is added at the end

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Twelve minutes of one heart as events: each mark is a beat, its height the time since the beat before, its shape the beat's class.", "name": "fig-11-rhythm"}, "image": {"alt": "R-R interval against time. Most beats lie in a band; others, marked by other shapes, lie below and above it, an early beat followed by a late one."}} tags=["remove-input"]
mitdb = data.mitdb()
if record not in mitdb.records:
    record = mitdb.records[0]
events = rhythms.events(mitdb.record(record))
figure = drawn_rhythms.rhythm(events, seconds=720)
plotting.mark_source(figure, mitdb.provenance)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
full, base = (
    measured("ecg_deck_models", "deck", f"order.{n}") for n in ("full", "baseline")
)
validation = mean("ecg_preparation", "deck", "records.validation")
low, high = (
    mean("ecg_preparation", "deck", f"majority.{n}") for n in ("low", "high")
)
Markdown(
    f"""What the page finds:

- the deck's baseline is a **bag of beats**: shuffle the beats in time and its
  answer changes by {max(base):.0e}, rounding. In its GRU-ODE-Bayes no observation
  ever reaches the ODE;
- in a validation set of {validation:.0f} recordings, the answer "normal rhythm" to
  every chunk scores {100 * low:.0f} to {100 * high:.0f} %, depending on the draw.
  **62.0 % is what one may get for learning nothing**;"""
)

# %% [markdown]
# - the databases differ in the spacing of their times, in their annotators' habits, in length and in how a feature
#   was computed. Each of these gives the class away, with no heart in it. From the intervals alone, on people
#   not seen in training, neither of the two is more often right than the most frequent answer;
# - a faithful GRU-ODE-Bayes learns something, and the same model without its ODE learns as much: also
#   {doc}`where beats are dropped <11a_missing_beats>`, and where the next beat is to be foretold;
# - joining the times of a batch is why a larger batch does not help. With times of their own, in batches of
#   64, the same model takes half a minute an epoch. And a GPU is slower, indeed.

# %% [markdown]
# ## A record becomes events
#
# A heartbeat is an event: a time, the R-R interval that ended with it, its class, and the width of
# its QRS complex. Beside the time that is seven numbers (interval, width, and five for the class), some of
# which may be missing. The deck cuts these series
# into chunks of 512 beats that overlap by 128.

# %%
chunk = rhythms.chunks(events, size=512, overlap=128)[0]
scaled = chunk.values.copy()
for column in (0, 6):  # R-R interval and QRS width to mean 0, deviation 1
    seen = chunk.mask[:, column]
    level, deviation = scaled[seen, column].mean(), scaled[seen, column].std()
    scaled[:, column] = np.where(seen, (scaled[:, column] - level) / deviation, 0)
times = torch.tensor(chunk.time, dtype=torch.float64)
values = torch.tensor(scaled)
covariates = torch.tensor([(chunk.age or 60) / 100, chunk.sex == "M"]).double()
rhythms.COLUMNS, times[:4], values[:4, 0]

# %% [markdown]
# ## Build it: the deck's model
#
# The listing solves the ODE **once**, over all times, starting from age and sex. Then it
# lets every beat jump, all at once, from the state that the solve has at its time. What
# the slide cuts stands in the repository that the deck links: the jumps are summed up and
# added to the end of the solve. In the full model they are added twice. The baseline has
# the first state in place of the solve.


# %%
class Deck(nn.Module):
    """The deck's GRU-ODE-Bayes for one chunk; with ``ode=False`` its baseline."""

    def __init__(self, ode):
        super().__init__()
        self.ode = ode
        self.first = nn.Sequential(nn.Linear(2, width), nn.Tanh())
        self.cell = nn.GRUCell(1, width)  # its gates drive the flow
        self.jump = nn.GRUCell(7, width)
        self.classify = nn.Linear(width, 3)

    def slope(self, t, h):
        return self.cell(h.new_zeros(1, 1), h[None])[0] - h

    def path(self, times, covariates):
        h = self.first(covariates)
        if not self.ode:
            return h.expand(len(times), -1)
        return odeint(self.slope, h, times, method="euler", grad="backprop")

    def forward(self, times, values, covariates):
        before = self.path(times, covariates)  # nothing has been observed yet
        jumps = self.jump(values, before) - before  # every beat at once
        return self.classify(before[-1] + counted * jumps.sum(0))


class Faithful(Deck):
    """The model of the paper: flow to a beat, jump, flow on from there."""

    def forward(self, times, values, covariates):
        h = self.first(covariates)
        for k in range(len(times)):
            if k:
                step = odeint(self.slope, h, times[k - 1 : k + 1], method="euler")
                h = step[-1]
            h = self.jump(values[k : k + 1], h[None])[0]
        return self.classify(h)


# %% [markdown]
# Three questions tell what a model of series looks at. Does the **order** of the beats matter? Does
# an **early** beat change what is expected later? How does the answer **grow** with the number of
# beats? They need no training.


# %%
@torch.no_grad()
def ask(model):
    """Change of the scores if the beats are shuffled, and if the chunk is halved."""
    score = model(times, values, covariates)
    shuffled = values[torch.randperm(len(values))]
    half = len(times) // 2
    order = (model(times, shuffled, covariates) - score).abs().max()
    growth = (
        score.abs().max()
        / model(times[:half], values[:half], covariates).abs().max()
    )
    return float(order / score.abs().max()), float(growth)


models = {
    "deck, full": Deck(ode=True).double(),
    "deck, baseline": Deck(ode=False).double(),
    "faithful": Faithful(ode=True).double(),
}
asked = {name: ask(model) for name, model in models.items()}
for name, (order, growth) in asked.items():
    print(f"{name:15} shuffled: {order:8.1e}   twice the beats: {growth:.2f} times")

# %% [markdown]
# Shuffling the beats does not change the baseline at all, and the full model hardly. The sum of
# jumps grows with every beat, so the state of 512 beats is hundreds of times larger than a GRU's
# state can ever be. The faithful model forgets and overwrites: that is what a recurrent state is for.
#
# The recorded version asks the same of the models in their full size, on chunks of eight records.


# %% jupyter={"source_hidden": true} tags=["remove-input"]
def cells(metric, form):
    """One row of the table: the three models' values, mean over the seeds."""
    found = [mean("ecg_deck_models", "deck", f"{metric}.{n}") for n in MODELS]
    return " | ".join(form.format(x) for x in found)


MODELS = ("full", "baseline", "faithful")
Markdown(f"""
| asked | deck, full | deck, baseline | faithful |
| --- | --- | --- | --- |
| early values reach the later states | {cells("reached", "{:.2g}")} |
| the order of the beats changes the answer | {cells("order", "{:.1e}")} |
| the other samples of the batch change it | {cells("batch", "{:.1e}")} |
| largest entry of the last state | {cells("state", "{:.3g}")} |
| after half of the beats | {cells("state_half", "{:.3g}")} |
| parameters that the class never teaches | {cells("idle", "{:.0%}")} |
""")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_deck_models")

# %% [markdown]
# The answer of the full model depends on who else is in the batch, because all samples are followed
# to the latest time of all. And "the same architecture" holds only in the count of parameters: those of
# the flow are in the baseline, too, but nothing ever reaches them.
#
# ## What 62.0 % is made of
#
# The repository divides 81 *records*, stratified by database, and cuts chunks afterwards. That
# is done well: no record is on both sides, and among all of them only 201 and 202 are of one
# person. But a recording of a day has 250 chunks and one
# of half an hour six, so that "accuracy" is nearly all about a handful of long recordings.


# %% jupyter={"source_hidden": true} tags=["remove-input"]
def prepared(metric):
    """A recorded number of how the data were prepared."""
    return mean("ecg_preparation", "deck", metric)


NAMES = {"nsrdb": "normal rhythm", "mitdb": "arrhythmia", "chfdb": "heart failure"}
rows = "\n".join(
    f"| {title} ({name}) | {prepared(f'validation.{name}'):.0f} | "
    f"{prepared(f'chunks.{name}'):.0f} | {prepared(f'window.{name}'):.2%} |"
    for name, title in NAMES.items()
)
interval = measured("ecg_preparation", "deck", "interval.baseline")[0]
wide = measured("ecg_preparation", "deck", "interval.full")[0]
Markdown(f"""
| database | validation records | chunks a record | beats measured where they are |
| --- | --- | --- | --- |
{rows}

With {validation:.0f} records, always answering "normal rhythm" gives
{100 * low:.0f} to {100 * high:.0f} %, depending on the draw. If each record counts
once, 62 % of them has a 95 % interval from {100 * wide[0]:.0f} to
{100 * wide[1]:.0f} %, and even all of them right one from
{100 * interval[0]:.0f} %. No fewer than {prepared("smallest.baseline"):.0f} samples
can give 97.78 %.
""")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_preparation")

# %% [markdown]
# The last column is the oddest find. The width of a QRS complex is looked for in the signal,
# resampled to 250 Hz, around the beat. The place is computed from the time in *seconds*, once
# divided too often. For the one database that is sampled at 250 Hz the error cancels. For the other
# two, all beats of half an hour are measured in the first five seconds of the recording. So this
# column says "heart failure" or not, and nothing of the beat.
#
# ## Shortcuts
#
# **When every class is a database of its own, a model may learn the database.** The times
# of a record are whole numbers of samples, and the databases are sampled at 128, 360 and
# 250 Hz: the spacing of the times alone tells all
# 54 records at hand apart (all of mitdb, three each of the others).

# %% jupyter={"source_hidden": true} tags=["remove-input"]
habits, ages = (prepared(f"told.{name}") for name in ("habits.mean", "age.mean"))
Markdown(f"""
So do the annotators' habits: which marks a record has that are no beats, changes
of rhythm or noise, tells {habits:.0%}. Such marks are events to the deck's model,
too. Age and sex, from which both of its models start, tell {ages:.0%}, each database
counted alike; with three people in two of the three that is a hint, no more. Of the
larger databases below no ages are at hand, so ages could not be matched.
""")

# %% [markdown]
# How much do such shortcuts score, and how much does a plain model of the rhythm?
# To have enough people, sinus rhythm and heart failure are taken from two larger databases of R-R
# intervals, nsr2db and chf2db. Each person is tested once, by a model that has never seen them.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Share of people told right, each by a model trained on others. Dots are three divisions into folds, lines 95 % intervals over people for the first. Top: three classes, three databases. Middle: the same with all times on one lattice. Bottom: the fair question, two databases of one kind.", "name": "fig-11-scores"}, "image": {"alt": "Three panels of dots with horizontal bars. In the top panel the length of the recording alone scores highest, then trees on rhythm statistics; the lattice alone scores well above the majority there, and no better in the middle panel. In the bottom panel trees and logistic regression on rhythm statistics lead."}} tags=["remove-input"]
drawn_rhythms.scores(ecg_study.TASKS, ecg_study.ANSWERS)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_statistics")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
of = ecg_study.people_told()
Markdown(f"""In these three the spacing of the times tells arrhythmia, and cannot
tell the other two, which share a lattice: {of["lattice", "sources"]} of the
people are right, and {of["lattice", "jittered"]} once all times are moved to one
lattice. The length of the recording alone tells {of["hours", "sources"]}: half an
hour is arrhythmia. Gradient-boosted trees on nine statistics of the rhythm reach
{of["trees", "sources"]}, and {of["trees", "jittered"]} on one lattice. On the
fair question, where databases of one kind are compared, they reach {
    of["trees", "nsr-chf"]
} against {of["majority", "nsr-chf"]} for the majority. Even there the
length of the recording alone tells {of["hours", "nsr-chf"]}: it is no property of
a heart, and nobody should give it to a model.""")

# %% [markdown]
# ## A fair question, live
#
# Sinus rhythm against heart failure on two databases of one kind: same sampling, same annotation, about
# a day each. Two habits keep the answer honest, and both are a few lines. **Split by person**, and **draw persons, not
# chunks**, when you ask how sure the score is.

# %%
people, label, features = [], [], []
for k, database in enumerate((data.nsr2db(), data.chf2db())):
    for name in database.records[:29]:  # as many of each
        rr = database.rr(name)
        rr = rr[(rr > 0.3) & (rr < 2)]
        for piece in (
            rr[: 512 * 8].reshape(-1, 512) if len(rr) >= 512 * 8 else rr[None, :512]
        ):
            people.append(name)
            label.append(k)
            change = np.diff(piece)
            features.append([piece.mean(), piece.std(), np.sqrt((change**2).mean())])
people, label, features = map(np.array, (people, label, features))

right = np.zeros(len(label), bool)
folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
for train, test in folds.split(features, label, people):
    scale = features[train].std(0)
    model = LogisticRegression().fit(features[train] / scale, label[train])
    right[test] = model.predict(features[test] / scale) == label[test]

rng = np.random.default_rng(seed)
by_person = np.array([right[people == name].mean() for name in np.unique(people)])
draws = {
    "chunks": [rng.choice(right, len(right)).mean() for _ in range(1000)],
    "people": [rng.choice(by_person, len(by_person)).mean() for _ in range(1000)],
}
for name, values_drawn in draws.items():
    low_edge, high_edge = np.quantile(values_drawn, [0.025, 0.975])
    print(f"{right.mean():.1%}; drawing {name}: {low_edge:.1%} to {high_edge:.1%}")

# %% [markdown]
# The chunks of one person are alike, so drawing chunks pretends to know more than it does.
#
# ## The networks
#
# Now to the models themselves. All are given the same, the R-R intervals and nothing else: the deck's
# two with the loss of their repository; a GRU that is told the gaps; one whose state decays over them;
# the faithful GRU-ODE-Bayes; and the same with its **state held** between beats, that is without the
# ODE. Each is trained on four folds of people and asked about the fifth, for 20 epochs, at the better
# of two learning rates, chosen on people held back from training.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Share of people told right by networks that see the R-R intervals alone, beside two answers from above. Dots are three seeds, each with its own folds; lines are 95 % intervals over people for the first. Top: the deck's question. Bottom: the fair one.", "name": "fig-11-networks"}, "image": {"alt": "Two panels of dots with horizontal bars, one row for each network, and for the majority and the trees on rhythm statistics."}} tags=["remove-input"]
drawn_rhythms.scores(ecg_study.TOLD, ecg_study.NETWORKS)
plt.show()

# %% [markdown]
# In numbers, with the simple answers from above: the share of chunks and of people told right (95 % intervals
# by drawing people, of the first seed), and macro-F1 over the chunks. Below the tables, chunks are counted.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(ecg_study.answers("sources"))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(ecg_study.answers("nsr-chf"))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_networks")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_comparison")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
now = ecg_study.networks()
Markdown(f"""
**The deck's question.** The rebuilt full model is right on {now.full} of the
chunks, the baseline on {now.baseline}, the most frequent answer on
{now.majority}. In points the full model is ahead by {now.behind} with the three
seeds, and by {now.people} if people are counted; in the deck it is 36 behind.
After 20 epochs, from the rhythm alone, asked about people that they have not
seen, **neither of the two is more often right than one answer to all**. The
faithful model is, {now.faithful}, and so is the same with its state held,
{now.standing}; the ODE is worth {now.there} points. In some trainings the gradient
overflowed on its way through 512 beats: {now.skipped} steps were not taken.

**The fair question.** A GRU that is told the class alone has learnt little after
so few steps: its loss ends at {now.loss:.2f}, and answering with the shares of
the classes costs {now.chance:.2f}. Its macro-F1 is {now.gru}. The models that
must also foretell every interval learn more from the same beats, but for one of
six trainings: {now.held} with the state held, {now.flowing} with the ODE. The ODE
is worth {now.worth} points over the held state. The trees have {now.trees}.
""")

# %% [markdown]
# With the third seed the smaller learning rate did better on the people held back, and was too slow for
# so few steps: so it goes where some sixteen people choose. With the other two seeds **the ODE
# changes nothing**: between two beats, less than a second apart, there is little for it to do. What helps
# may be the task of foretelling each interval, which the model brings along, ODE or not; it is also three
# times as large as the GRU, and no run here separates the two. Nine numbers and some trees do better still.
#
# Between two beats is less than a second, and every beat is there. Where beats are dropped, or the next one is to be
# foretold, an ODE should have more to say. {doc}`11a_missing_beats` asks both. It has not, here.

# %% [markdown]
# ## An hour, half a minute, five hours
#
# An epoch takes an hour with the ODE and half a minute without it, says the deck, and five hours on
# a GPU, for which it blames the start of many small kernels. The repository adds a fact. The CPU's
# hour was for batches of one sample (or four), the GPU's five hours for batches of 64. Here are the
# steps that must wait for one another in an epoch of 7,500 chunks, and what they take.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(f"""
{ecg_study.epochs()}

Minutes of an epoch, forwards and back, one thread. The other CPU is that of the
GPU's machine.
""")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_cost")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_epochs")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_devices")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
slower, gpu, kept = ecg_study.slower(), ecg_study.gpu(), ecg_study.kept()
Markdown(f"""
Two hearts hardly ever beat at the same instant. So the union of the times of 64
chunks has nearly 64 times 512 of them, and the solve takes that many steps, for
all 64 samples each. A larger batch saves **hardly a step**, and hardly any time:
timed in turn, batches of 64 are {slower.union:.1f} times as fast as one patient
at a time. The full model is {slower.least:.0f} to {slower.most:.0f} times slower
than the baseline; the deck has 120.

If every sample goes over its **own** times, as [the library's
model](10_gru_ode_bayes) does, 64 samples share each step. The same equations and
machine are then {slower.own:.0f} times as fast, timed in turn, as one patient at
a time, and in batches of 64 an epoch takes no longer than the baseline's.

The union costs memory, too: for its backward pass a training step keeps
{kept.own:.0f} MiB over own times, {kept.union / 1024:.1f} GiB over the union. Both
models have {kept.parameters:,} parameters.

The paradox is real: the same walk takes {gpu.least:.1f} to {gpu.most:.1f} times
as long on the {gpu.name} as on one thread of the CPU beside it, and
{gpu.deck:.1f} times as long if the batches are those of the deck, which has 5.
And the cause is what the deck says: a whole training step of the model as this
chapter trains it, 64 chunks of 512 beats with times of their own, takes
{gpu.launched:.0f} ms on the GPU if its small operations are launched one by one,
and {gpu.replayed:.0f} ms if they are launched at once, as a CUDA graph.
""")

# %% [markdown]
# ### Chunks
#
# The deck cuts recordings into chunks of 512 beats, against memory errors and to "stabilise"
# training. Whole recordings differ in length. To compare at equal cost, chunks are set against pieces
# whose lengths differ as those of recordings do, 512 beats on average.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
of = partial(mean, "ecg_lengths", "deck")
Markdown(f"""
From batch to batch the norm of the gradient varies by {of("gradient.chunks"):.0%}
with chunks and by {of("gradient.whole"):.0%} with pieces of unequal length, more
so with all three seeds; the loss by {of("loss.chunks"):.0%} and
{of("loss.whole"):.0%}, with two of them. The deck's loss is a sum over beats, so
that long recordings weigh more. The largest batch keeps {
    of("bytes.whole")
    / of("bytes.chunks"):.1f} times as much for the backward pass, and a whole day of
one patient would keep {of("a_day"):.0f} MiB in a model with 32 numbers of state.
""")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("ecg_lengths")

# %% [markdown]
# ## Verdicts

# %% jupyter={"source_hidden": true} tags=["remove-input"]
verdicts.tally("11")

# %% [markdown]
# ## What to take home
#
# - Ask a model of series what it looks at, before you train it: shuffle, shift, halve.
# - Know what the majority scores, in *your* validation set.
# - If class and source are one, nothing can be learnt about the class. Compare within one source.
# - Count the steps that must wait for one another. A batch helps only if it shares them.
#
# Was the deck's conclusion right? That its GRU-ODE-Bayes was of no use for the task: yes, as far as it was
# trained here, and so was its baseline, from the rhythm alone and on people not seen before. That the
# continuous dynamics were to blame: nothing shows it. They were never told what the heart did, and the
# hour they took was the price of steps that no two patients shared. A faithful GRU-ODE-Bayes learns
# about as well as the same model without the ODE, and less than nine statistics tell. That holds where
# beats are missing, too, which is where an ODE should pay.
#
# ## Exercises
#
# ```{exercise-start}
# :label: ex-11-counted
# ```
# Set `counted = 1` and run the page again. Does the order of the beats matter more to the full model?
# ```{exercise-end}
# ```
#
# ````{solution-start} ex-11-counted
# :class: dropdown
# ````

# %%
with torch.no_grad():
    solved = models["deck, full"]
    path = solved.path(times, covariates)
    sums = []
    for order in (torch.arange(len(times)), torch.randperm(len(times))):
        sums.append((solved.jump(values[order], path) - path).sum(0))
    change = (sums[0] - sums[1]).abs().max() / sums[0].abs().max()
print(f"the sum of the jumps changes by {float(change):.1e}, counted once or twice")

# %% [markdown]
# No: what is added twice changes twice as much, and so does what it is compared with.
#
# ````{solution-end}
# ````
#
# ```{exercise-start}
# :label: ex-11-chunks
# ```
# How sure would one be of the fair question with a single chunk of each person, against eight?
# ```{exercise-end}
# ```
#
# ````{solution-start} ex-11-chunks
# :class: dropdown
# ````

# %%
firsts = np.unique(people, return_index=True)[1]
one = [rng.choice(right[firsts], len(firsts)).mean() for _ in range(1000)]
for name, drawn in {"one chunk": one, "eight chunks": draws["people"]}.items():
    low_edge, high_edge = np.quantile(drawn, [0.025, 0.975])
    print(f"{name}: an interval {high_edge - low_edge:.1%} wide")

# %% [markdown]
# Hardly less: it is the number of people that counts.
#
# ````{solution-end}
# ````

# %% jupyter={"source_hidden": true} tags=["remove-cell", "checks"]
assert asked["deck, baseline"][0] < 1e-9  # a bag of beats
assert asked["faithful"][0] > 1e-6
assert max(base) < 1e-9
assert max(full) < 0.01
assert max(measured("ecg_deck_models", "deck", "reached.full")) == 0
assert low < 0.62 < high  # what the majority scores includes the deck's 62.0 %
assert prepared("lattice.right") == 1
assert prepared("window.chfdb") == 1
assert prepared("window.mitdb") < 0.01
told = partial(measured, "ecg_statistics", metric="by_person")
assert max(told("lattice.jittered")) < min(told("lattice.sources")) - 0.2
assert min(told("hours.sources")) > max(told("trees.sources"))
assert min(told("trees.nsr-chf")) > max(told("majority.nsr-chf")) + 0.1
assert slower.union < 2 < 50 < slower.own
assert mean("ecg_epochs", "batch-64", "slower.own") < 1.1
assert gpu.least > 1
gains = measured("ecg_comparison", "nsr-chf", "macro_f1.gru-ode-bayes.held")
assert [abs(points) < 1 for points in gains] == [True, True, False]
faithful = measured("ecg_networks", "gru-ode-bayes.sources", "accuracy")
assert min(faithful) > mean("ecg_statistics", "majority.sources", "accuracy") + 0.05
for name in ("deck-full", "deck-baseline"):
    scored = measured("ecg_networks", f"{name}.sources", "accuracy")
    assert (
        max(scored) < mean("ecg_statistics", "majority.sources", "accuracy") + 0.02
    )
