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
# # The MIT-BIH data
#
# Two of the five documents train neural ODEs on electrocardiograms (ECGs). One classifies single
# heartbeats {cite}`doc001`; the other whole recordings, as series of events {cite}`doc000`. Both
# start from the MIT-BIH Arrhythmia Database {cite}`moody2001impact,goldberger2000physionet`.
#
# This chapter opens that database and builds from it, step by step, the heartbeats that the first
# deck shows, and series of events as the second cuts them. (It does not say what an event is; ours
# is a heartbeat.) On the way it tests what they say about the data: how many samples are annotated,
# what the class table counts, how long the recordings are, and what cutting them into chunks does.
#
# Three findings are worth the visit:
#
# - the class table of the deck on ODE-Nets has the right counts, but three of its five labels are
#   wrong;
# - the total of every row follows from the annotations, once the last beat of each recording is
#   dropped;
# - a split by beat, which the table's counts point to, puts every test patient into the training
#   set too.

# %% tags=["remove-cell"]
import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import wfdb
from IPython.display import Markdown

from nodebook.evidence import claims, registry, results
from nodebook.experiments.ch08_mitdb import heartbeat_sets, mitdb_census, rr_census
from nodebook.figures import plotting
from nodebook.figures.tables import shown
from nodelib import data
from nodelib.data import aami, heartbeats, rhythms

warnings.filterwarnings("ignore", module="wfdb")
plotting.use_style()
pd.options.display.max_colwidth = None


if profile == "full":
    for name in ("mitdb_census", "heartbeat_sets", "rr_census", "deck_data"):
        registry.record(name)

# %% [markdown]
# ## Which data this build used
#
# The database is looked for on disk, then at PhysioNet. Where neither has it, synthetic records
# from a dynamical model of the ECG {cite}`mcsharry2003dynamical` take its place; that model is an
# ODE itself, and our own solver integrates it. The next line says what happened here.

# %%
db = data.mitdb()
print(textwrap.fill(str(db.provenance), 76))

# %% tags=["remove-input"]
real = db.provenance.completeness == "complete"
mark = "" if real else f" ({db.provenance.completeness})"
Markdown(
    "So everything about it on this page, live or recorded, is measured on real recordings."
    if real
    else "**The database was not at hand.** What this page computes live is computed on "
    f"{db.provenance.completeness} data and says nothing about the real database; the figures and "
    "columns concerned say so. What is marked *recorded*, all the text that speaks of the published "
    "database, and all verdicts rest on runs on the complete one."
)

# %% [markdown]
# ## A record
#
# A record is three files: the signals (`.dat`), the header that says how to read them (`.hea`), and
# the annotations (`.atr`). The `wfdb` package reads all three.

# %%
first = db.records[0]
signals = wfdb.rdrecord(str(db.directory / first))
annotations = wfdb.rdann(str(db.directory / first), "atr")
print(f"{signals.sig_len:,} samples of {signals.sig_name} at {signals.fs} Hz")
print(f"gain {signals.adc_gain[0]:g} units/mV, format {signals.fmt[0]}")
print(f"comments: {signals.comments}")
print(list(zip(annotations.sample[:5].tolist(), annotations.symbol[:5], strict=True)))

# %% [markdown]
# Each annotation is a sample number and a symbol. In the real database at least two cardiologists
# annotated every record independently, and disagreements were resolved {cite}`moody2001impact`.
#
# {numref}`fig-08-paper` shows a stretch of this build's data as a cardiologist would see it, on
# paper that runs at 25 mm/s, with 10 mm for a millivolt: a small box is 0.04 s by 0.1 mV. The
# stretch was chosen by program: six seconds with as many kinds of beat as there are anywhere.


# %% mystnb={"figure": {"caption": "Six seconds of both leads of one record, with the annotation of every beat above the upper trace. The symbols are explained in the next section.", "name": "fig-08-paper"}, "image": {"alt": "Two traces on pink ECG paper, one for each lead, voltage in millivolts against time in seconds. Sharp narrow peaks and wide tall ones follow each other irregularly; a letter above each peak names its kind."}} tags=["hide-input"]
def most_varied(db, seconds=6.0):
    """Record and start (s) of the stretch with the most kinds of beat, and fewest other marks."""
    best = (0, 0, "", 0.0)
    for name in db.records:
        record = db.record(name, signals=False)
        for at in record.samples[record.samples > 10 * record.fs] - round(0.4 * record.fs):
            inside = (record.samples >= at) & (record.samples < at + seconds * record.fs)
            symbols = [record.symbols[k] for k in np.flatnonzero(inside)]
            kinds = {s for s in symbols if s in aami.BEATS}
            best = max(best, (len(kinds), -len(set(symbols) - kinds), name, at / record.fs))
    return best[2], round(best[3], 1)


name, start = most_varied(db)
record = db.record(name)
colours = {s: plotting.CLASS_COLOURS[label] for s, (label, _) in aami.BEATS.items()}
figure, axes = plt.subplots(2, 1, figsize=(6.4, 4.6), sharex=True)
plotting.mark_source(figure, db.provenance)
for lead, ax in enumerate(axes):
    marks = {"samples": record.samples, "symbols": record.symbols} if lead == 0 else {}
    plotting.plot_ecg(
        ax,
        record.signals[:, lead],
        record.fs,
        start=start,
        stop=start + 6,
        colours=colours,
        **marks,
    )
    ax.set_title(f"record {name}, lead {record.leads[lead]}")
axes[0].set_xlabel("")
plt.show()

# %% [markdown]
# A normal heartbeat begins in the atria (the small **P wave**), spreads through both ventricles
# within a tenth of a second (the sharp **QRS complex**, whose high point is the **R peak**), and
# ends when the ventricles recover (the **T wave**). The time from one R peak to the next is the
# **R-R interval**.

# %% [markdown]
# ## From symbols to five classes
#
# The standard EC57 {cite}`aami2012ec57` groups the symbols that mark a beat into five classes. They
# are numbered here as in the published heartbeat set, which will matter below: 0 is N, 1 is S, 2 is V,
# 3 is F, 4 is Q.

# %% tags=["hide-input"]
census, per_record = mitdb_census.count(db)
counted = census["symbols"]
beat_table = pd.DataFrame(
    [
        (label, aami.CLASS_NAMES[label], symbol, meaning, f"{counted.get(meaning, 0):,}")
        for symbol, (label, meaning) in aami.BEATS.items()
    ],
    columns=["class", "class name", "symbol", "what it marks", f"in this build's data{mark}"],
)
shown(beat_table.set_index("symbol"))

# %% [markdown]
# In {numref}`fig-08-classes` each class is shown by the beat that is nearest to the mean of its
# kind, from the record that has the most of them. A normal beat is narrow; a bundle
# branch block, which EC57 also counts as N, is wide. An S beat looks like the N beats of its record but
# comes early. A V beat starts in a ventricle, so that the excitation takes the slow way and the QRS
# complex is wide. An F beat is both at once. Most Q beats are paced: the pacemaker's pulse comes
# first (the analog tapes often lost it), and a wide complex follows.


# %% mystnb={"figure": {"caption": "A typical beat of each AAMI class, with its neighbours, on the first lead of its record. Letters are annotation symbols, not classes: A is one of the symbols of class S, and / (paced) of class Q.", "name": "fig-08-classes"}, "image": {"alt": "Five short traces on ECG paper, one for each class N, S, V, F and Q, each with the beat of that class in the middle. The beats of N and S are narrow peaks, that of V is several times as wide, that of F is in between, and that of Q begins with the spike of a pacemaker."}} tags=["hide-input"]
def typical(db, label):
    """Record and time (s) of the beat of a class that is nearest to their mean in one record."""
    index = aami.CLASSES.index(label)
    name = max(per_record, key=lambda row: row[label])["record"]
    record = db.record(name)
    half, near = round(0.4 * record.fs), round(1.2 * record.fs)
    classes = aami.class_index(record.symbols)
    samples, classes = record.samples[classes >= 0], classes[classes >= 0]
    fits = (classes == index) & (samples > near) & (samples < record.n_samples - near)
    between_normal = fits & (np.roll(classes, 1) == 0) & (np.roll(classes, -1) == 0)
    at = samples[between_normal if label in "SVF" and between_normal.any() else fits]
    windows = record.signals[at[:, None] + np.arange(-half, half), 0]
    return record, at[np.square(windows - windows.mean(axis=0)).sum(axis=1).argmin()] / record.fs


figure, axes = plt.subplots(3, 2, figsize=(6.4, 9.6))
plotting.mark_source(figure, db.provenance)
for ax, label in zip(axes.flat[:5], aami.CLASSES, strict=True):
    record, at = typical(db, label)
    plotting.plot_ecg(
        ax,
        record.signals[:, 0],
        record.fs,
        start=at - 0.95,
        stop=at + 0.95,
        samples=record.samples,
        symbols=record.symbols,
        colours=colours,
        millivolts=(-1.5, 3.0),
    )
    ax.set_title(f"{label}: record {record.name}, {record.leads[0]}")
axes.flat[5].axis("off")
plt.show()

# %% [markdown]
# ### What is not a beat
#
# The annotation files also mark changes of rhythm and of signal quality, waves of ventricular
# flutter (during which no single beats can be told apart), and remarks. Counting all annotations as
# beats is an easy mistake.

# %% tags=["hide-input"]
other_marks = pd.DataFrame(
    [(s, meaning, f"{counted.get(meaning, 0):,}") for s, meaning in aami.NON_BEATS.items()],
    columns=["symbol", "what it marks", f"in this build's data{mark}"],
)
shown(other_marks.set_index("symbol"))

# %% [markdown]
# ## What is in the database
#
# Here are the counts of all records, once from this build's data and once as recorded from the
# complete database.

# %% tags=["hide-input"]
recorded = results.one("mitdb_census", "annotations")
rows = {
    "records": "records",
    "people": "people",
    "women": "women",
    "men": "men",
    "people of unknown age": "age_unknown",
    "youngest (years)": "age_min",
    "oldest (years)": "age_max",
    "hours of ECG": "hours_total",
    "annotations": "annotations",
    "of them not beats": "non_beats",
    "of them beats": "beats",
}
table = pd.DataFrame(
    {
        f"this build{mark}": [census[key] for key in rows.values()],
        "recorded": [recorded.metric(key) for key in rows.values()],
    },
    index=list(rows),
)
by_class = pd.DataFrame(
    {
        f"this build{mark}": [census["classes"][c] for c in aami.CLASSES],
        "recorded": [recorded.metric(f"classes.{c}") for c in aami.CLASSES],
    },
    index=[f"class {c}: {aami.CLASS_NAMES[c]}" for c in aami.CLASSES],
)
both = pd.concat([table, by_class])
shown(both.map(lambda value: f"{value:,.1f}" if value % 1 else f"{value:,.0f}"))


# %% tags=["remove-input"]
def named(run):
    """The line that says where a recorded table comes from."""
    return f"*R{run.provenance_line()[1:]}.*"


Markdown(named(recorded))

# %% [markdown]
# So there are three numbers that one may call "the size of MIT-BIH": 112,647 annotations, 109,494
# beats, and, as we shall see, 109,446 rows in the popular set of heartbeats. The deck's "110.000
# annotated samples" {cite}`doc001` fits each of them, rounded to ten thousand; it does not say
# which it means.
#
# The records one by one, as recorded:

# %% tags=["hide-input", "output_scroll"]
listing = pd.DataFrame(recorded.history).set_index("record")
listing["leads"] = listing["leads"].map(", ".join)
listing["paced"] = listing["paced"].map({True: "paced", False: ""})
ages = [f"{age:.0f}" if age > 0 else "unknown" for age in listing["age"]]
shown(listing.assign(age=ages)[["age", "sex", "leads", "paced", "annotations", *aami.CLASSES]])

# %% [markdown]
# Four things about the published database matter for what follows.
#
# - **The classes are far apart in size.** Nine beats in ten are N or paced. Class F has 803 beats,
#   most of them in two records (208 and 213).
# - **The classes are clumped.** All paced beats come from four records: 102, 104, 107 and 217. So
#   do all but 15 beats of class Q. It is hardly a class of beats, it is four people with pacemakers.
# - **The leads differ.** Most records have MLII first; in 114 it comes second, and 102 and 104 have
#   none.
# - **Two records are one person.** Records 201 and 202 are from the same man, cut from one tape.
#
# {numref}`fig-08-clumps` makes the clumping visible, and {numref}`fig-08-ages` shows whose hearts
# these are.

# %% mystnb={"figure": {"caption": "How the beats of each class are spread over the 48 records, as recorded from the complete database: each bar is a class, each segment one record, the largest first. The number is how many records it takes to hold half of the class.", "name": "fig-08-clumps"}, "image": {"alt": "Five horizontal stacked bars of equal length, one for each class, divided into segments for records, with the number of records that hold half of the class at the right end."}} tags=["hide-input"]
figure, ax = plt.subplots(figsize=(6.4, 3.0))
for row, label in enumerate(aami.CLASSES):
    share = listing[label].sort_values(ascending=False).to_numpy() / listing[label].sum()
    left = np.concatenate([[0.0], np.cumsum(share)[:-1]])
    colour = plotting.CLASS_COLOURS[label]
    ax.barh(row, share, left=left, color=colour, edgecolor="white", linewidth=0.6)
    half = int(np.searchsorted(np.cumsum(share), 0.5)) + 1
    ax.text(1.01, row, f"{half} record{'s' * (half > 1)}", va="center")
ax.set_yticks(range(5), aami.CLASSES)
ax.invert_yaxis()
ax.set(xlim=(0, 1), xlabel="share of the class", ylabel="AAMI class")
plt.show()

# %% mystnb={"figure": {"caption": "Ages of the people of the database, by sex, where they are known, as recorded from the complete database.", "name": "fig-08-ages"}, "image": {"alt": "Stacked histogram of age in decades, women and men in two colours with different hatching."}} tags=["hide-input"]
people = listing.drop_duplicates("patient").dropna(subset="age")
groups = [people.loc[people["sex"] == sex, "age"].astype(float) for sex in "FM"]
figure, ax = plt.subplots(figsize=(6.4, 3.0))
_, _, bars = ax.hist(
    groups,
    bins=range(20, 100, 10),
    stacked=True,
    label=["women", "men"],
    color=[plotting.ORANGE, plotting.BLUE],
    edgecolor="white",
)
for bar in bars[0]:
    bar.set_hatch("//")
ax.set(xlabel="age (years)", ylabel="people")
ax.legend()
plt.show()

# %% [markdown]
# ## Times between beats
#
# The R-R interval before a beat tells much about it: S and V beats come early. It carries no
# information about the shape, so that a classifier of single shapes does not see it, and a model of
# rhythm sees little else. (The rows of 187 numbers built below hold the *next* beat, and so the R-R
# interval after the beat, but not the one before it.) {numref}`fig-08-rr` shows it by class.

# %% mystnb={"figure": {"caption": "R-R interval that ends at a beat, by the class of that beat, in this build's data. Each curve is a histogram with area 1; the dashed line is its median.", "name": "fig-08-rr"}, "image": {"alt": "Five histograms below each other, one for each class, of the R-R interval from 0 to 2 seconds, each with a dashed line at its median."}} tags=["hide-input"]
before = {label: [] for label in aami.CLASSES}
for name in db.records:
    rhythm = rhythms.events(db.record(name, signals=False))
    kept = rhythm.mask[:, 0]
    for index, label in enumerate(aami.CLASSES):
        before[label].append(rhythm.rr[kept & (rhythm.beat_class[:, index] == 1)])
figure, axes = plt.subplots(5, 1, figsize=(6.4, 5.6), sharex=True)
plotting.mark_source(figure, db.provenance)
for ax, label in zip(axes, aami.CLASSES, strict=True):
    rr = np.concatenate(before[label])
    colour = plotting.CLASS_COLOURS[label]
    ax.hist(rr, bins=np.arange(0, 2, 0.02), density=True, histtype="stepfilled", color=colour)
    ax.axvline(np.median(rr), color="black", linestyle="--", linewidth=1)
    ax.set_ylabel(label, rotation=0, ha="right", va="center", weight="bold")
    ax.set_yticks([])
    middle = f"median {np.median(rr):.2f} s"
    ax.text(0.99, 0.8, middle, transform=ax.transAxes, ha="right", va="top")
axes[-1].set(xlim=(0, 2), xlabel="R-R interval before the beat (s)")
plt.show()

# %% [markdown]
# ## How a recording becomes 187 numbers
#
# The deck on ODE-Nets shows the first rows of a table with 188 columns {cite}`doc001`. That is the
# popular set of heartbeats by Kachuee, Fazeli and Sarrafzadeh {cite}`kachuee2018ecg`: 187 samples
# of a beat, and its class. Their paper gives the recipe. Lead II is resampled to 125 Hz and cut
# into windows of ten seconds. In each window, (1) the amplitude is scaled to $[0, 1]$; (2) the
# local maxima over 0.9 are taken for R peaks; (3) the median of the R-R intervals is the nominal
# period $T$; (4) from each R peak on, a piece of length $1.2\,T$ is cut out; (5) zeros fill it up
# to a fixed length.
#
# {numref}`fig-08-recipe` follows one window through the recipe.

# %%
record = db.record(db.records[0])
lead = heartbeats.resample(record)  # 125 Hz, mV
window = heartbeats.unit_range(lead[: int(heartbeats.WINDOW * heartbeats.FS)])
peaks = heartbeats.detect_peaks(lead[: len(window)])
period = heartbeats.nominal_period(peaks, len(window))
beats = heartbeats.cut(lead, peaks, period, scale="beat")
print(f"{len(peaks)} peaks over 0.9, T = {period[0] / heartbeats.FS:.3f} s")
print(f"{len(beats)} beats of {beats.shape[1]} samples")

# %% mystnb={"figure": {"caption": "The recipe on one window of this build's data. Above: ten seconds at 125 Hz, scaled; dots are the maxima over 0.9 (dashed), triangles the annotated beats. In the middle: one beat is cut from its R peak on, 1.2 T long (shaded). Below: the same beat scaled by itself and filled up with zeros to 187 samples.", "name": "fig-08-recipe"}, "image": {"alt": "Above, a scaled ECG of ten seconds; some of its peaks reach over the dashed line at 0.9 and carry dots, others do not. In the middle, one of the beats with a shaded span of 1.2 periods. Below, 187 samples that start high at the R peak and end in zeros."}} tags=["hide-input"]
seconds = np.arange(len(window)) / heartbeats.FS
beat = aami.class_index(record.symbols) >= 0
at = record.samples[beat] / record.fs
at = at[at < heartbeats.WINDOW]
chosen = len(peaks) // 2
span = (seconds[peaks[chosen]], seconds[peaks[chosen]] + 1.2 * period[0] / heartbeats.FS)
figure, (ax, middle, below) = plt.subplots(3, 1, figsize=(6.4, 7.2))
plotting.mark_source(figure, db.provenance)
ax.plot(seconds, window, color="black", linewidth=1)
ax.axhline(0.9, linestyle="--", color=plotting.VERMILION, linewidth=1)
ax.plot(seconds[peaks], window[peaks], "o", color=plotting.VERMILION, label="maximum over 0.9")
ax.plot(at, np.full(len(at), 1.08), "v", color=plotting.BLUE, label="annotated beat", markersize=5)
ax.set(xlim=(0, 10), ylim=(-0.03, 1.15), xlabel="time (s)", ylabel="scaled amplitude")
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
near = (seconds > span[0] - 0.4) & (seconds < span[1] + 0.3)
middle.plot(seconds[near], window[near], color="black", linewidth=1)
middle.axvspan(*span, color=plotting.SKY, alpha=0.35, linewidth=0)
middle.set(xlabel="time (s)", ylabel="scaled amplitude", ylim=(-0.03, 1.05))
below.plot(beats[chosen], color=plotting.BLUE, marker=".", markersize=3, linewidth=1)
below.set(xlabel="sample (125 Hz)", ylabel="value in the set", xlim=(-4, 187), ylim=(-0.03, 1.05))
plt.show()

# %% [markdown]
# The function `nodelib.data.heartbeats.build` does this for all records. Each step that the paper
# leaves open, or that the published set does not follow, is one of its arguments.

# %%
beats = heartbeats.build(db, split="beat", seed=seed)
print(f"{len(beats.y):,} beats of {beats.x.shape[1]} samples from {len(set(beats.record))} records")

# %% mystnb={"figure": {"caption": "The heartbeat set of this build: median of each class at each sample, and the span from the 10th to the 90th percentile. The second rise is the next beat; where it comes early or late the median blurs.", "name": "fig-08-means"}, "image": {"alt": "Five panels below each other, one for each class, with a line that falls from a high value at sample 0 and a shaded band around it. The bands are wide from sample 60 on."}} tags=["hide-input"]
figure, axes = plt.subplots(5, 1, figsize=(6.4, 7.5), sharex=True, sharey=True)
plotting.mark_source(figure, db.provenance)
for ax, (index, label) in zip(axes, enumerate(aami.CLASSES), strict=True):
    low, middle, high = np.percentile(beats.x[beats.y == index], [10, 50, 90], axis=0)
    colour = plotting.CLASS_COLOURS[label]
    ax.fill_between(np.arange(187), low, high, color=colour, alpha=0.3, linewidth=0)
    ax.plot(middle, color=colour)
    ax.set_title(f"class {label}")
axes[2].set_ylabel("value in the set")
axes[-1].set_xlabel("sample (125 Hz)")
plt.show()

# %% [markdown]
# ## The deck's class table, number by number
#
# The deck prints five rows, in falling order, labelled N, S, P, F, U, and says what the classes
# are: normal, supraventricular premature, premature ventricular contraction (P), fusion, and
# unclassified (U) {cite}`doc001`.
#
# First the names. Beside each stands the commonest annotation in the AAMI class of that number, and
# the share of the beats of the class that are what the name says.

# %% tags=["hide-input"]
deck_names = {
    "N": "Normal beat",
    "S": "Supraventricular premature beat",
    "V": "Premature ventricular contraction",
    "F": "Fusion of ventricular and normal beat",
    "Q": "Unclassified beat",
}
by_name = results.one("deck_data", "names")
names_table = pd.DataFrame(
    [
        (
            f"{number}: {name}",
            label,
            by_name.metric(f"most.{label}"),
            f"{by_name.metric(f'meant.{label}'):.1%}",
        )
        for number, (label, name) in enumerate(deck_names.items())
    ],
    columns=["deck's name", "AAMI class", "commonest annotation", "share that the name fits"],
)
shown(names_table.set_index("deck's name"))

# %% tags=["remove-input"]
Markdown(named(by_name))

# %% [markdown]
# Four names say what most beats of their class are. The fifth does not: hardly any beat of class Q
# is unclassified, nearly all are paced.
#
# Now the counts. The totals are right: $72{,}471 + 6{,}431 + 5{,}788 + 2{,}223 + 641 = 87{,}554$ and $18{,}118 +
# 1{,}608 + 1{,}448 + 556 + 162 = 21{,}892$.

# %%
train_total = sum(train for train, _ in heartbeat_sets.DECK.values())
test_total = sum(test for _, test in heartbeat_sets.DECK.values())
print(f"{train_total:,} + {test_total:,} = {train_total + test_total:,}")

# %% [markdown]
# Now set them beside our own set, as recorded on the complete database. Each row of the deck is
# matched with the class whose training count is nearest to it.

# %% tags=["hide-input"]
recorded_set = results.one("heartbeat_sets", "by-beat", 0)


def pair(train, test):
    """Training and test count as one text that does not wrap."""
    return f"{train:,} / {test:,}".replace(" ", "\N{NO-BREAK SPACE}")


lines = []
for row, (train, test) in heartbeat_sets.DECK.items():
    found, meant = recorded_set.metric(f"deck_row.{row}"), heartbeat_sets.DECK_LABELS[row]
    ours = {
        c: pair(recorded_set.metric(f"train.{c}"), recorded_set.metric(f"test.{c}"))
        for c in (meant, found)
    }
    right = "yes" if found == meant else "no"
    lines.append((row, pair(train, test), meant, ours[meant], found, ours[found], right))
class_table = pd.DataFrame(
    lines,
    columns=[
        "deck's label",
        "deck: train / test",
        "class meant by the label",
        "ours, class meant",
        "class with such a count",
        "ours, class counted",
        "label right?",
    ],
)
shown(class_table.set_index("deck's label"))

# %% tags=["remove-input"]
Markdown(named(recorded_set))

# %% [markdown]
# **Every count is there, to within one beat, but three of the five labels are wrong.** The row "S"
# counts class Q, mostly paced beats. The row "F" counts class S. The row "U" (unclassified) counts
# class F, fusion beats. The labels stand in the order of the classes, the numbers in the order of
# their size; somewhere one was sorted and the other was not.
#
# It matters for reading the deck's results. Its second-largest class, "supraventricular", is, but
# for a few beats, that of four people with pacemakers, which are easy to tell; its rarest is not the
# leftover class but fusion, which lies between N and V by definition.
#
# In the rows P and U one beat is in the other part than with us. Four fifths of the 7,236 V beats
# are 5,788.8; the deck has 5,788, we have 5,789. Rounding down explains that, and N, S and Q too.
# It does not explain the 803 fusion beats: four fifths are 642.4, the deck has 641, and no rounding
# makes that. So the published split is not quite 80/20 class by class, and we do not know its rule.
# Ours rounds to the nearest number.

# %% [markdown]
# ### The percentages
#
# Divided by the totals, do the counts give the percentages that are printed?

# %% tags=["hide-input"]
printed = {
    "N": (0.828, 0.828),
    "S": (0.073, 0.073),
    "P": (0.066, 0.066),
    "F": (0.025, 0.025),
    "U": (0.007, 0.007),
}
shares = pd.DataFrame(
    [
        (
            row,
            f"{train / train_total:.5f}",
            f"{printed[row][0]:.3f}",
            f"{test / test_total:.5f}",
            f"{printed[row][1]:.3f}",
        )
        for row, (train, test) in heartbeat_sets.DECK.items()
    ],
    columns=["label", "train: computed", "train: printed", "test: computed", "test: printed"],
)
shown(shares.set_index("label"))

# %% [markdown]
# They do, to the three decimals given. (They are shares, not percent: the column is headed "%".)
# The five rounded shares add up to 0.999, which is rounding and no error.

# %% [markdown]
# ### Forty-eight missing beats
#
# The deck prints no sums of rows, so we add them up. Its set has $87{,}554 + 21{,}892 = 109{,}446$ beats; the database has $109{,}494$. The
# difference is 48, and there are 48 records. One beat of each record is missing. Which one?
#
# If it were always the last, then the missing beats would have the classes of the last beats. We
# count those.

# %% tags=["hide-input"]
published = {"N": 90_589, "S": 2_779, "V": 7_236, "F": 803, "Q": 8_039}
missing = pd.DataFrame(
    {
        "beats in the database": {c: recorded.metric(f"classes.{c}") for c in aami.CLASSES},
        "beats in the deck's set": published,
        "missing": {c: recorded.metric(f"classes.{c}") - published[c] for c in aami.CLASSES},
        "last beats of the 48 records": {
            c: recorded.metric(f"last_beats.{c}") for c in aami.CLASSES
        },
    }
)
shown(missing.map("{:,}".format))

# %% [markdown]
# The last two columns are equal in all five classes. (The first beats of the records would not do:
# two of them are V, one is F.) So the published set seems to have one row for every annotated beat
# but the last of each record. That rule is our inference: no document states it, and the total gave
# the hint. What supports it is that it comes out in each class by itself. Our set is made so, which
# is why its totals agree with the deck's to the beat.
#
# That says something about its making. With R peaks found as the paper says, as maxima over 0.9 of
# the window, it could not have come out like this: in most records some beats are lower than
# others. Doing it by the paper's words gives the following.

# %% tags=["hide-input"]
by_words = results.one("heartbeat_sets", "paper-steps", 0)
names = {"by-beat": "cut at annotations, beats scaled", "paper-steps": "as the paper's text says"}
methods = pd.DataFrame(
    {
        title: {
            "beats": f"{run.metric('beats'):,}",
            **{f"class {c}": f"{run.metric(f'classes.{c}'):,}" for c in aami.CLASSES},
            "rows with a 0 among their first 15 numbers": (
                f"{run.metric('rows_with_early_zero'):.1%}"
            ),
        }
        for title, run in ((names["by-beat"], recorded_set), (names["paper-steps"], by_words))
    }
)
shown(methods)

# %% [markdown]
# The threshold finds little more than half of the beats, and only a third of the V beats. The
# published set was cut at the annotations.
#
# The last line is about a second step, of which the deck says nothing: how the rows were scaled. The
# deck prints 15 numbers of five rows, and four of the five hold an exact 0. If a whole window had
# been scaled at once, its 0 would be in one place of ten seconds, and few rows would have it. If
# each beat was scaled by itself, a third of the rows would, which is fewer than four in five as
# well. Five rows are few: this is a hint, no proof.
#
# The stronger evidence is in the printed numbers themselves. A recording is stored in whole units of 1/200 mV. If a beat
# that spans $d$ units is scaled to $[0, 1]$, all its values are multiples of $1/d$. For each
# printed row we look for the smallest such $d$; its first ten numbers suffice.

# %%
printed_rows = np.loadtxt(
    """
1.000000 0.758264 0.111570 0.000000 0.080579 0.078512 0.066116 0.049587 0.047521 0.035124
0.908425 0.783883 0.531136 0.362637 0.366300 0.344322 0.333333 0.307692 0.296703 0.300366
0.730088 0.212389 0.000000 0.119469 0.101770 0.101770 0.110619 0.123894 0.115044 0.132743
1.000000 0.910417 0.681250 0.472917 0.229167 0.068750 0.000000 0.004167 0.014583 0.054167
0.570470 0.399329 0.238255 0.147651 0.000000 0.003356 0.040268 0.080537 0.070470 0.090604
""".strip().splitlines()
)


def smallest_denominator(values, limit=2000):
    """The smallest d for which all values are multiples of 1/d to six decimals, or None."""
    for d in range(1, limit + 1):
        if np.abs(np.round(np.round(values * d) / d, 6) - values).max() < 1.5e-6:
            return d
    return None


[smallest_denominator(row) for row in printed_rows]

# %% tags=["hide-input"]
rng = np.random.default_rng(seed)
trials = [smallest_denominator(np.round(rng.random(10), 6), limit=500) for _ in range(200)]
Markdown(
    f"For comparison: among 200 rows of ten random numbers, "
    f"{sum(d is not None for d in trials)} have such a *d* up to 500."
)

# %% [markdown]
# Each row has one, and each has its own. So the values are whole units: the signal was rounded to
# units after it was resampled. And the spans differ from row to row: each row was scaled by itself.
# The rows that begin with 1 begin at their highest sample. The others do not: something
# later in them, such as the next R peak, is higher.

# %% [markdown]
# ## Who is in the test set?
#
# The deck does not say how its set was divided. Its counts say this much: in every row, to within
# two beats, a fifth is test. A division between people could not do that. The row "S" has 1,608
# test beats of class Q, but each of the four people with pacemakers has 1,800 or more, and all
# others have 15 between them. So at least one of the four is on both sides. We infer that beats
# were drawn from each class at random, whoever they are from.
#
# Beats of one person resemble each other, and such a split puts them on both sides. The alternative
# is to divide people: de Chazal and colleagues train on 22 records (DS1) and test on 22 others (DS2), and
# leave out the four paced ones {cite}`dechazal2004automatic`.

# %%
between = heartbeats.build(db, split="inter-patient", seed=seed)
for title, division in (("by beat", beats), ("inter-patient", between)):
    shared = heartbeats.shared_patients(division)
    print(f"{title}{mark}: {len(division.test):,} test beats")
    print(f"  {shared:.1%} of them are of people who are in training too")

# %% [markdown]
# How much does that help a classifier? Take the simplest one that can remember: answer with the
# class of the nearest training beat. It learns nothing. Recorded on the complete database, with
# 2,000 random test beats and three seeds:

# %% tags=["hide-input"]
titles = {"by-beat": "by beat", "inter-patient": "inter-patient (DS1/DS2)"}
measured = {
    "test beats of people who are also in training": "patients_shared",
    "nearest training beat is of the same person": "nearest.same_patient",
    "accuracy of the nearest training beat": "nearest.accuracy",
    "accuracy of always answering N": "nearest.always_n",
}
columns = {}
for variant, title in titles.items():
    runs = results.read("heartbeat_sets", variant)
    values = {text: [run.metric(metric) for run in runs] for text, metric in measured.items()}
    columns[title] = {
        text: f"{np.mean(v):.1%} ± {np.std(v, ddof=1):.1%}" for text, v in values.items()
    }
    columns[title]["people in training / in test"] = (
        f"{runs[0].metric('train_people')} / {runs[0].metric('test_people')}"
    )
shown(pd.DataFrame(columns))

# %% [markdown]
# **By beat, every test beat is of a person whose other beats are in training, and the nearest
# neighbour is the same person 19 times in 20.** This nearest-neighbour memory scores about 97%, as
# much as the deck reports for its trained networks (0.974 and 0.969). Between patients the same
# memory does worse than always answering N.
#
# A score by beat measures how well a model classifies new beats of people whom it has seen. That is a fair task,
# if a device is tuned to its owner, but it is another task than the one the word "test" suggests.
# Later chapters report both.
#
# Even DS1/DS2 of the published database is not perfectly clean. Record 201 is in DS1 and 202 in DS2, and they are one man:
# 4.3% of the test beats are his. We keep the published division and say so. And class Q is all but
# gone from it: without the paced records it has 8 training and 7 test beats.

# %% tags=["hide-input"]
divided = results.one("heartbeat_sets", "inter-patient", 0)
sizes = pd.DataFrame(
    {
        f"{titles[variant]}, {part}": {
            c: results.one("heartbeat_sets", variant, 0).metric(f"{part}.{c}")
            for c in (*aami.CLASSES, "total")
        }
        for variant in titles
        for part in ("train", "test")
    }
)
shown(sizes.map("{:,}".format))

# %% [markdown]
# ## Recordings as events, in chunks
#
# The deck on GRU-ODE-Bayes {cite}`doc000` does not cut out beats. It feeds a model with whole
# recordings as series of events. We make one event of each beat: its time, the R-R interval that
# ended there, its class, and the duration of its QRS complex, with a mask for what was not
# observed. Age and sex belong to the series as a whole.

# %%
rhythm = rhythms.events(db.record(db.records[0]))
print(f"{len(rhythm):,} events, age {rhythm.age}, sex {rhythm.sex}")
first_events = pd.DataFrame(
    rhythm.values[:5], columns=rhythms.COLUMNS, index=pd.Index(rhythm.time[:5], name="time (s)")
)
shown(first_events.round(3))

# %% [markdown]
# The first R-R interval is not observed: there is no beat before it. In record 207 of the published
# database six more are not, those that reach across an episode of ventricular flutter.
#
# QRS durations are ours: an energy envelope in the manner of Pan and Tompkins {cite}`pan1985real`,
# measured on both leads together. They are no diagnosis, but they order the kinds of beat as they
# should:

# %% tags=["hide-input"]
counted_rhythms = results.one("mitdb_census", "rhythms")
kinds = {
    "N": "normal",
    "L": "left bundle branch block",
    "R": "right bundle branch block",
    "V": "premature ventricular contraction",
    "paced": "paced",
}
durations = pd.DataFrame(
    {
        "median QRS duration (ms)": {
            text: round(counted_rhythms.metric(f"qrs_median_ms.{kind}"))
            for kind, text in kinds.items()
        }
    }
)
shown(durations)

# %% tags=["remove-input"]
Markdown(
    f"Within one record, V beats are wider than N beats in "
    f"{counted_rhythms.metric('wider_than_normal')} of the "
    f"{counted_rhythms.metric('compared')} records with 20 or more of both. "
    f"{named(counted_rhythms)}"
)

# %% [markdown]
# The deck says that recordings of different length, "30 min to 30+ hours", unbalance the batches
# and that it cut them into overlapping chunks of uniform size, each a series of its own whose time
# starts at 0. Its function steps by the chunk's size less the overlap; we use its rule with 512
# events and an overlap of 128 ({numref}`fig-08-chunks`).

# %%
pieces = rhythms.chunks(rhythm, size=512, overlap=128)
[(piece.record, len(piece), round(float(piece.time[-1]), 1)) for piece in pieces]

# %% mystnb={"figure": {"caption": "The chunks of the first record of the complete database, record 100, as recorded. The darker part of a chunk, 128 events, repeats the end of the chunk above. The last chunk holds what is left.", "name": "fig-08-chunks"}, "image": {"alt": "Six horizontal bars, one for each chunk, against the number of the event. Each bar but the first begins before the one above it ends, and the overlap is drawn darker. The last bar is shorter than the others."}} tags=["hide-input"]
n_events = counted_rhythms.history[0]["events"]
starts = range(0, n_events - 128, 512 - 128)
figure, ax = plt.subplots(figsize=(6.4, 3.0))
for row, begin in enumerate(starts):
    length = min(512, n_events - begin)
    ax.barh(row, length, left=begin, color=plotting.SKY, edgecolor="white")
    if row:
        ax.barh(row, min(128, length), left=begin, color=plotting.BLUE, edgecolor="white")
    middle = begin + (length + 128 * (row > 0)) / 2
    ax.text(middle, row, f"{length}", ha="center", va="center")
ax.set_yticks(range(len(starts)), [f"chunk {k}" for k in range(len(starts))])
ax.set(xlabel="number of the event in the record", xlim=(0, n_events))
ax.invert_yaxis()
plt.show()

# %% tags=["remove-input"]
Markdown(
    f"The complete database gives {counted_rhythms.metric('chunks')} chunks, "
    f"{counted_rhythms.metric('chunks_per_record_min')} to "
    f"{counted_rhythms.metric('chunks_per_record_max')} a record; "
    f"{counted_rhythms.metric('full_chunks')} have all 512 events, the others are shorter. "
    f"{counted_rhythms.metric('events_in_two_chunks'):,} of its "
    f"{counted_rhythms.metric('events'):,} events are in two chunks (*recorded*)."
)

# %% [markdown]
# So the size is *nearly* uniform: the last chunk of a record is what was left over. And the overlap
# is a second leak. If chunks are divided into training and validation at random, up to half of a
# chunk, a quarter at either end, is in both. We shall divide by record first and cut then.

# %% [markdown]
# ## The other databases
#
# The deck names "MIT-BIH, BIDMC" as its data. BIDMC is a database of 15 people with congestive
# heart failure (PhysioNet calls it chfdb). To compare it with normal hearts one takes nsrdb, and
# for R-R intervals alone the larger nsr2db and chf2db, which are of other people. This is what the
# build found of them:

# %%
others = {name: getattr(data, name)() for name in ("nsrdb", "chfdb", "nsr2db", "chf2db")}
for other in others.values():
    print(textwrap.fill(str(other.provenance), 76))

# %% [markdown]
# In the two sets of R-R intervals, as recorded from the complete databases, people with heart
# failure have on average faster hearts that vary less ({numref}`fig-08-chf`).

# %% mystnb={"figure": {"caption": "R-R intervals of nsr2db (normal sinus rhythm) and chf2db (congestive heart failure), as recorded from the complete databases. Above: all people of each database together, each with equal weight. Below: mean and standard deviation, one mark a person.", "name": "fig-08-chf"}, "image": {"alt": "Above, two histograms of the R-R interval in seconds; that of heart failure lies at shorter intervals. Below, a scatter plot of standard deviation against mean of the R-R interval; people with heart failure, marked by triangles, mostly lie lower and further left than the others, marked by circles."}} tags=["hide-input"]
looks = {
    "nsr2db": ("normal rhythm", plotting.BLUE, "o"),
    "chf2db": ("heart failure", plotting.VERMILION, "^"),
}
runs = {name: results.one("rr_census", name) for name in looks}
figure, (above, below) = plt.subplots(2, 1, figsize=(6.4, 6.4))
for name, (label, colour, marker) in looks.items():
    style = "-" if marker == "o" else "--"
    density = runs[name].metric("density")
    above.stairs(
        density, rr_census.EDGES, color=colour, label=label, linestyle=style, linewidth=1.5
    )
    below.plot(
        [person["rr_mean_s"] for person in runs[name].history],
        [person["rr_sd_s"] for person in runs[name].history],
        marker,
        color=colour,
        label=label,
        alpha=0.8,
        markersize=5,
    )
above.set(xlabel="R-R interval (s)", ylabel="density (1/s)", xlim=(0.3, 1.6))
below.set(xlabel="mean R-R interval (s)", ylabel="its standard deviation (s)")
above.legend()
below.legend()
plt.show()

# %% tags=["hide-input"]
intervals = pd.DataFrame(
    {
        f"{name}: {looks[name][0]}": {
            "people": run.metric("people"),
            "intervals": f"{run.metric('intervals'):,}",
            "shortest to longest series (h)": (
                f"{run.metric('hours_min'):.1f} to {run.metric('hours_max'):.1f}"
            ),
            "mean R-R (s)": f"{run.metric('rr_mean_s'):.3f} ± {run.metric('rr_mean_s_sd'):.3f}",
            "standard deviation of R-R (s)": (
                f"{run.metric('rr_sd_s'):.3f} ± {run.metric('rr_sd_s_sd'):.3f}"
            ),
        }
        for name, run in runs.items()
    }
)
shown(intervals)

# %% [markdown]
# ### How long are the recordings?
#
# A record of mitdb lasts 30 minutes and 5.6 seconds. For the two long databases we read the headers
# that this build has.

# %% tags=["hide-input"]
lengths = [
    (other.name, name, record.n_samples / record.fs / 3600)
    for other in (others["nsrdb"], others["chfdb"])
    if other.provenance.completeness != "synthetic"
    for name in other.annotated
    for record in [other.record(name, signals=False)]
]
if lengths:
    hours = pd.DataFrame(lengths, columns=["database", "record", "hours"]).round(2)
    found = shown(hours.set_index("record"))
else:
    found = Markdown("*No header of a real recording of nsrdb or chfdb is at hand in this build.*")
found

# %% [markdown]
# PhysioNet gives about 20 hours for a record of BIDMC, and the series of nsr2db and chf2db above
# end within a little over 24. We have met no record of 30 hours or more in any of the five
# databases, but we do not have every record of nsrdb and chfdb here, and the deck does not say
# which it used.

# %% [markdown]
# ## The verdicts
#
# Verdicts are computed from recorded runs on the complete database, whatever data this build had.

# %% tags=["hide-input"]
claims.table("08")

# %% [markdown]
# ## Exercises
#
# ````{exercise} How many chunks?
# :label: ex-08-chunks
#
# Give a formula for the number of chunks of a series of $n$ events, for size $s$ and overlap $o <
# s$. For which $n > s$ is the last chunk full?
# ````
#
# ````{solution} ex-08-chunks
# :class: dropdown
#
# Each chunk but the last advances by $s - o$, and the last must reach the end: for $n > s$ there
# are $1 + \lceil (n - s) / (s - o) \rceil$ chunks, and one for $n \le s$. The last one is full if
# $n - s$ is a multiple of $s - o$. With 512 and 128 that is $n = 512 + 384\,k$.
# ````
#
# ````{exercise} The right score to beat
# :label: ex-08-baseline
#
# By the deck's own test counts, what accuracy does always answering N have? What is the mean of the
# five class-wise recalls of that answer? Why do both numbers belong beside every accuracy on these
# data?
# ````
#
# ````{solution} ex-08-baseline
# :class: dropdown
#
# $18{,}118 / 21{,}892 = 0.828$. Its recall is 1 for N and 0 for the four others, so that the mean
# is 0.2. An accuracy of 0.97 removes five sixths of the baseline's errors, not 97% of something;
# and it says nothing about classes S and F, which together are a thirtieth of the beats.
# ````
#
# ````{exercise} An honest DS1/DS2
# :label: ex-08-clean
#
# Remove the man of records 201 and 202 from the test set of the inter-patient split. Which share of
# the test beats remains, and what is then `shared_patients`?
# ````
#
# ````{solution} ex-08-clean
# :class: dropdown
#
# Keep the test beats whose patient is not in training:
#
# ```python
# clean = between.test[~np.isin(between.patient[between.test], between.patient[between.train])]
# len(clean) / len(between.test)
# ```
#
# On the complete database 95.7% of the test beats remain, and no test patient is left in training.
# ````
#
# ## Read next
#
# {doc}`02_adjoint` derives how a model with an ODE inside is trained. The database is described by
# its makers in {cite}`moody2001impact`; on splits between patients, {cite}`dechazal2004automatic`
# is still the one to read.
