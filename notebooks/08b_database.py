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
# # What is in the database
#
# Behind {doc}`08_mitdb`: the MIT-BIH records one by one, how they are divided between patients,
# recordings as series of events and what cutting them into chunks does, and the other databases
# that Silveira de Oliveira names {cite}`doc000`.

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
import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown

from nodebook.evidence import results
from nodebook.experiments.ch08_mitdb import rr_census
from nodebook.figures import ecg, ecg_tables, plotting
from nodebook.figures.sources import source
from nodebook.figures.tables import shown
from nodelib import data
from nodelib.data import aami, rhythms

plotting.use_style()

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # chapter 08 says what "full" starts
seed = 0

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
census = results.one("mitdb_census", "annotations")
counted = results.one("mitdb_census", "rhythms")
divisions = {
    "by beat": results.one("heartbeat_sets", "by-beat", 0),
    "by patient": results.one("heartbeat_sets", "inter-patient", 0),
}

# %% [markdown]
# ## In numbers

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(ecg_tables.contents(census))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("mitdb_census", "annotations")

# %% [markdown]
# What is not a beat is annotated too: changes of rhythm and of signal quality, waves of
# **ventricular flutter**, during which no single beats can be told apart, and remarks.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(ecg_tables.other_marks(census))

# %% [markdown]
# A record is three files: the signals (`.dat`; two samples of 12 bits in three bytes, which is
# called format 212), the header that says how to read them (`.hea`, among other things the
# **gain**: 200 units a millivolt), and the annotations (`.atr`).
#
# ## The records one by one
#
# The list has 48 lines, and scrolls.

# %% jupyter={"source_hidden": true} tags=["remove-input", "output_scroll"]
shown(ecg_tables.records(census))

# %% [markdown]
# - **The classes are far apart in size.** Nine beats in ten are N or paced. Class F has 803
#   beats, most of them in two records (208 and 213).
# - **The classes are clumped.** All paced beats come from four records: 102, 104, 107 and 217.
#   All but 15 beats of class Q come from them: the class is four people with pacemakers. Half of
#   class S is record 232.
# - **The leads differ.** MLII, a modified lead II, runs along the heart; V1 to V5 are at places
#   on the chest. Most records have MLII first; in 114 it comes second, and 102 and 104 have none.
# - **Two records are one person.** Records 201 and 202 are from the same man, cut from one tape.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "How the beats of each class are spread over the 48 records: each bar is a class, each segment one record, the largest first. The number is how many records it takes to hold half of the class.", "name": "fig-08-clumps"}, "image": {"alt": "Five horizontal stacked bars of equal length, one for each class, divided into segments for records. The numbers at the right end are 19 for N, 2 for S, 5 for V, 2 for F and 2 for Q."}} tags=["remove-input"]
listing = pd.DataFrame(census.history).set_index("record")
ecg.clumps(listing)
plt.show()

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Ages of the people of the database, by sex, where they are known.", "name": "fig-08-ages"}, "image": {"alt": "Stacked histogram of age in decades, women and men in two colours with different hatching; most are over sixty."}} tags=["remove-input"]
ecg.ages(listing.drop_duplicates("patient").dropna(subset="age"))
plt.show()

# %% [markdown]
# ## Divided between patients
#
# De Chazal and colleagues {cite}`dechazal2004automatic` train on the records of DS1 and test on
# those of DS2. The four paced records are in neither.

# %%
print("DS1:", *aami.DS1)
print("DS2:", *aami.DS2)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(ecg_tables.divided(divisions))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("heartbeat_sets", "by-beat", "inter-patient")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shared = divisions["by patient"].metric("patients_shared")
Markdown(
    f"""Even this division is not perfectly clean. Record 201 is in DS1 and 202 in
DS2, and they are one man: {shared:.1%} of the test beats are his. We keep the
published division and say so."""
)

# %% [markdown]
# Class Q is all but gone from it: without the paced records it has 8 training and 7 test beats.
#
# ## Recordings as events
#
# Silveira de Oliveira does not cut out beats. His slides feed a model with whole recordings as
# series of events, and do not say what an event is. We make one of each beat: its time, the R-R
# interval that ended there, its class, and the duration of its QRS complex, with a mask for what
# was not observed. Age and sex belong to the series as a whole.

# %%
db = data.mitdb()
rhythm = rhythms.events(db.record(db.records[0]))
print(f"{len(rhythm):,} events, age {rhythm.age}, sex {rhythm.sex}")
print(f"({db.provenance.completeness} data)")
times = pd.Index(rhythm.time[:5], name="time (s)")
events = pd.DataFrame(rhythm.values[:5], columns=rhythms.COLUMNS, index=times)
shown(events.round(3))

# %% [markdown]
# The first R-R interval is not observed: there is no beat before it. In record 207 six more are
# not, those that reach across an episode of ventricular flutter.
#
# QRS durations are ours: an energy envelope in the manner of Pan and Tompkins
# {cite}`pan1985real`, measured on both leads together. They are no diagnosis, but they order the
# kinds of beat as they should:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(ecg_tables.durations(counted))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("mitdb_census", "rhythms")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
metric = counted.metric
Markdown(
    f"""Within one record, V beats are wider than N beats in
{metric("wider_than_normal")} of the {metric("compared")} records with 20 or more of
both."""
)

# %% [markdown]
# ## In chunks
#
# The slides say that recordings of different length, "30 min to 30+ hours", unbalance the batches
# and that they were cut into overlapping chunks of uniform size, each a series of its own whose
# time starts at 0. Their function steps by the chunk's size less the overlap;
# {numref}`fig-08-chunks` uses that rule with 512 events and an overlap of 128, and the next cell
# with a quarter of both.

# %%
pieces = rhythms.chunks(rhythm, size=128, overlap=32)
for piece in pieces[:3]:
    print(f"{piece.record}: {len(piece)} events in {piece.time[-1]:.1f} s")

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The chunks of record 100. The darker part of a chunk, 128 events, repeats the end of the chunk above. The last chunk holds what is left.", "name": "fig-08-chunks"}, "image": {"alt": "Six horizontal bars, one for each chunk, against the number of the event. Each bar but the first begins before the one above it ends, and the overlap is drawn darker. The last bar is shorter than the others."}} tags=["remove-input"]
ecg.chunks(counted.history[0]["events"], size=512, overlap=128)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(
    f"""The complete database gives {metric("chunks")} chunks,
{metric("chunks_per_record_min")} to {metric("chunks_per_record_max")} a record;
{metric("full_chunks")} have all 512 events, the others are shorter.
{metric("events_in_two_chunks"):,} of its {metric("events"):,} events are in two
chunks."""
)

# %% [markdown]
# So the size is *nearly* uniform: the last chunk of a record is what was left over. And the
# overlap is a second leak. If chunks are divided into training and validation at random, up to
# half of a chunk, a quarter at either end, is in both. Divide by record first, and cut then.
#
# ## The other databases
#
# The slides name "MIT-BIH, BIDMC" as their data. BIDMC is a database of 15 people with congestive
# heart failure (PhysioNet calls it chfdb). To compare it with normal hearts one takes nsrdb, and
# for R-R intervals alone the larger nsr2db and chf2db, which are of other people. This is what
# the build found of them:

# %%
for name in ("nsrdb", "chfdb", "nsr2db", "chf2db"):
    print(textwrap.fill(str(getattr(data, name)().provenance), 76))

# %% [markdown]
# In the two sets of R-R intervals, people with heart failure have on average faster hearts that
# vary less
# ({numref}`fig-08-chf`). The two groups are not matched for age or drugs.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "R-R intervals of nsr2db (normal rhythm of the sinus node, the heart's own clock) and chf2db (congestive heart failure), from the complete databases. Above: all people of each database together, each with equal weight. Below: mean and standard deviation, one mark a person.", "name": "fig-08-chf"}, "image": {"alt": "Above, two histograms of the R-R interval in seconds; that of heart failure lies at shorter intervals. Below, a scatter plot of standard deviation against mean of the R-R interval; people with heart failure, marked by triangles, mostly lie lower and further left than the others, marked by circles."}} tags=["remove-input"]
hearts = {name: results.one("rr_census", name) for name in ("nsr2db", "chf2db")}
ecg.failing_hearts(hearts, rr_census.EDGES)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
titles = {"nsr2db: normal rhythm": "nsr2db", "chf2db: heart failure": "chf2db"}
shown(ecg_tables.hearts({title: hearts[name] for title, name in titles.items()}))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("rr_census")

# %% [markdown]
# ## How long are the recordings?
#
# A record of MIT-BIH lasts 30 minutes and 5.6 seconds. PhysioNet gives about 20 hours for a
# record of BIDMC, and the series of nsr2db and chf2db above end within a little over 24. We have
# met no record of 30 hours or more in any of the five databases, but we do not have every record
# of nsrdb and chfdb here, and the slides do not say which they used.

# %%
for other in (data.nsrdb(), data.chfdb()):
    for name in other.annotated[:3]:
        record = other.record(name, signals=False)
        hours = record.n_samples / record.fs / 3600
        print(f"{other.provenance.name} {name}: {hours:.2f} h", end="")
        print(f" ({other.provenance.completeness} data)")

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
assert census.metric("paced_records") == ["102", "104", "107", "217"]
assert divisions["by patient"].metric("train.Q") == 8
assert divisions["by patient"].metric("test.Q") == 7
assert max(run.metric("hours_max") for run in hearts.values()) < 25
normal, failing = hearts.values()
assert failing.metric("rr_mean_s") < normal.metric("rr_mean_s")
assert failing.metric("rr_sd_s") < normal.metric("rr_sd_s")
widths = [metric(f"qrs_median_ms.{kind}") for kind in ("N", "R", "L", "V", "paced")]
assert widths == sorted(widths)
assert 60 * census.metric("minutes_min") == 60 * 30 + 50 / 9

# %% [markdown]
# ## Exercises
#
# ````{exercise} How many chunks?
# :label: ex-08-chunks
#
# Give a formula for the number of chunks of a series of $n$ events, for size $s$ and overlap
# $o < s$. For which $n > s$ is the last chunk full?
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
# ````{exercise} An honest DS1/DS2
# :label: ex-08-clean
#
# On the complete database, remove the man of records 201 and 202 from the test set of the split
# by patient. Which share of the test beats remains, and what is then
# `heartbeats.shared_patients`? (The synthetic records have no such man.)
# ````
#
# ````{solution} ex-08-clean
# :class: dropdown
#
# Keep the test beats whose patient is not in training:
#
# ```python
# from nodelib.data import heartbeats
#
# beats = heartbeats.build(data.mitdb(), split="inter-patient")
# people = beats.patient
# seen = np.isin(people[beats.test], people[beats.train])
# print(1 - seen.mean())
# ```
#
# 95.7 % of the test beats remain, and no test patient is left in training: the share is 0.
# ````
