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
# # Heartbeats from the MIT-BIH database
#
# Two of the documents train neural ODEs on electrocardiograms (ECGs): the slides by Zurlo and
# Facci classify single heartbeats {cite}`doc001`, those of Silveira de Oliveira follow whole recordings
# {cite}`doc000`. Their networks are in {doc}`09_heartbeats` and {doc}`11_gru_ode_ecg`; this page is
# about the data, the MIT-BIH Arrhythmia Database {cite}`moody2001impact,goldberger2000physionet`. You
# read a recording, cut it into heartbeats, give each its class, and divide them in two ways. The
# second way changes the result.

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
import warnings

import matplotlib.pyplot as plt
import numpy as np
import wfdb
from scipy.signal import resample_poly

# nodebook is the book's own: figures, records. To build the set you do not need it.
from nodebook.evidence import recorded, registry, results
from nodebook.experiments.ch08_mitdb import heartbeat_sets, mitdb_pictures
from nodebook.figures import ecg, ecg_tables, plotting
from nodebook.figures.sources import source
from nodebook.figures.tables import shown
from nodebook.figures.verdicts import chosen, tally
from nodelib import data
from nodelib.data import aami, heartbeats

warnings.filterwarnings("ignore", module="wfdb")
plotting.use_style()

# %% tags=["parameters"]
profile = "quick"  # "full" counts the whole database again: ten minutes
seed = 0  # draws the split by beat, and the test beats that are asked about

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
registry.renew(
    profile,
    "mitdb_census",
    "mitdb_pictures",
    "heartbeat_sets",
    "rr_census",
    "deck_data",
)
pictures = results.one("mitdb_pictures", "pictures")
census = results.one("mitdb_census", "annotations")
by_beat = results.one("heartbeat_sets", "by-beat", 0)

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "A typical beat of each of the five classes, in the middle of its neighbours: recordings from the MIT-BIH Arrhythmia Database (PhysioNet, ODC Attribution License). A letter marks what the cardiologists called the beat: A belongs to class S, and / (paced) to class Q. How early A came cannot be seen in one interval. A small box is 0.04 s by 0.1 mV.", "name": "fig-08-classes"}, "image": {"alt": "Five short traces on ECG paper, one for each class, and a scale. N is a narrow peak among others like it. S, marked A, is as narrow as the beat before it. V is tall and wide, with a pause behind it. F is between the two. Q, marked with a slash, is a wide paced beat among others."}} tags=["remove-input"]
ecg.classes(pictures)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("mitdb_pictures")

# %% [markdown]
# **What the page finds**
#
# - The class table of Zurlo and Facci has the right counts, but **three of its five labels are
#   wrong**.
# - It counts the published set of Kachuee and colleagues, which seems to have one row for every
#   annotated beat **but the last of each recording**.
# - Its people were not kept apart. Divided beat by beat, **every test patient is in the training set
#   too**, and a memory that learns nothing scores as well as their networks.

# %% [markdown]
# ## Build it: from a recording to a training set
#
# A **record** is half an hour of one person: two **leads** (pairs of electrodes, seen as one
# voltage each) at 360 samples a second, and a list of **annotations**, a sample number and a
# symbol each. Here are the knobs:

# %% tags=["knobs"]
most_records = 12  # records to read; the database has 48
lead = "MLII"  # the lead to cut from: a modified lead II, along the heart
rate = 125  # samples a second in a row
length = 187  # numbers in a row
reach = 1.2  # a row is that many times the local beat-to-beat time long
test_share = 0.2  # of the beats

# %% [markdown]
# The standard EC57 {cite}`aami2012ec57` of the AAMI, an American association for medical
# instruments, puts the symbols that mark a beat into five classes. All other symbols mark
# something else: a change of rhythm, noise, a remark.

# %%
AAMI = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}
number = {s: k for k, symbols in enumerate(AAMI.values()) for s in symbols}


def read(path):
    """Signal (mV), its rate (Hz), and sample and class of every beat of a record."""
    record, marks = wfdb.rdrecord(str(path)), wfdb.rdann(str(path), "atr")
    column = record.sig_name.index(lead) if lead in record.sig_name else 0
    beats = [
        (at, number[symbol])
        for at, symbol in zip(marks.sample, marks.symbol, strict=True)
        if symbol in number
    ]
    at, label = np.array(beats).T
    return record.p_signal[:, column], record.fs, at, label


db = data.mitdb()
names = db.records[:most_records]
signal, fs, at, label = read(db.directory / names[0])
print(f"record {names[0]}: {len(signal):,} samples at {fs} Hz, {len(at):,} beats")
print("first beats:", at[:5], "classes:", label[:5])
print(f"data: {db.provenance.source}, {db.provenance.completeness}")

# %% [markdown]
# A classifier wants rows of equal length. **Kachuee's set** {cite}`kachuee2018ecg`, whose rows and
# counts the slides of Zurlo and Facci print, has them. As its files show, and not as its paper says
# ({doc}`08a_class_table`): take the signal from one R peak on, 1.2 times the
# median beat-to-beat time $T$ of its ten seconds long; scale it to $[0, 1]$; fill it up with zeros
# to 187 numbers.


# %%
def rows(path):
    """Rows (n, length) of a record and their classes: all beats but the last."""
    signal, fs, at, label = read(path)
    signal = resample_poly(signal, rate, round(fs))
    at = np.rint(at * rate / fs).astype(int)
    window = at // (10 * rate)
    table = np.zeros((len(at) - 1, length), np.float32)
    for row, start, own in zip(table, at, window, strict=False):
        inside = at[window == own]
        period = np.median(np.diff(inside if len(inside) > 1 else at))
        beat = signal[start : start + min(round(reach * period), length)]
        row[: len(beat)] = (beat - beat.min()) / (np.ptp(beat) or 1.0)
    return table, label[:-1]


parts = {name: rows(db.directory / name) for name in names}
x = np.concatenate([table for table, _ in parts.values()])
y = np.concatenate([label for _, label in parts.values()])
person = np.repeat(
    [{"202": "201"}.get(name, name) for name in names],  # one man, two records
    [len(label) for _, label in parts.values()],
)
counts = np.bincount(y, minlength=5).tolist()
print(f"{len(x):,} beats, by class:", dict(zip(AAMI, counts, strict=True)))

# %% [markdown]
# **Our set**, that of all tables below, is made by the library, which also asks whether the files make
# sense. With the knobs as they are, both give the same rows:

# %%
theirs, labels, _ = heartbeats.record_beats(db.record(names[0]))
ours, own = parts[names[0]]
print(f"largest difference of two numbers: {abs(ours - theirs).max():.0e}")

# %% [markdown]
# ### What a row holds
#
# A row is $1.2\,T$ long, and so **it contains the next beat**, unless that comes late. Where the
# zeros begin tells how fast the heart was. What the row does not hold is the time to the beat
# *before*.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "One row of the set that was just built. It begins at an R peak; the next one comes after about T. Grey: zeros.", "name": "fig-08-row"}, "image": {"alt": "A line that begins at a high value, falls at once, has smaller waves, rises to a second peak near the dashed line marked T, and ends in a grey stretch of zeros."}} tags=["remove-input"]
near = np.rint(at * rate / fs).astype(int)
inside = near[near // (10 * rate) == near[20] // (10 * rate)]
ecg.row(ours[20], np.median(np.diff(inside)), list(AAMI)[own[20]])
plt.show()

# %% [markdown]
# ### Divide it: by beat or by patient
#
# A **split by beat** draws test beats at random, whoever they are from. A **split by patient**
# gives whole people to one side. To see what the difference is worth, take the simplest
# classifier that can remember: it answers with the class of the nearest training row, and learns
# nothing.


# %%
def nearest(train, test):
    """Accuracy of the nearest training row; how often it is the same person's."""
    asked = np.random.default_rng(seed).permutation(test)[:300]
    half = (x[train] ** 2).sum(1) / 2
    found = train[(half - x[asked] @ x[train].T).argmin(1)]
    return (y[found] == y[asked]).mean(), (person[found] == person[asked]).mean()


shuffled = np.random.default_rng(seed).permutation(len(x))
cut = round(test_share * len(x))
people = list(dict.fromkeys(person))
away = np.isin(person, people[1::2])
splits = {
    "by beat": (shuffled[cut:], shuffled[:cut]),
    "by patient": (np.flatnonzero(~away), np.flatnonzero(away)),
}
scores = {name: nearest(*split) for name, split in splits.items()}
for name, (right, same) in scores.items():
    always = (y[splits[name][1]] == 0).mean()
    print(f"{name}: {right:.0%} right, {same:.0%} by the same person's beat")
    print(f"    (always answering N: {always:.0%} right)")

# %% [markdown]
# By patient, the memory holds six people and is asked about six others. Two of those that it holds are
# paced, and most beats that it mistakes are N beats taken for Q. In the table further down 22 records
# stand on each side, none of them paced, and more is right.
#
# **Change a knob and run again**: `reach = 0.7` cuts the next beat off; `most_records = 48` takes
# the whole database.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
assert np.allclose(ours, theirs, atol=1e-6)
assert (own == labels).all()
assert dict.fromkeys(AAMI) == dict.fromkeys(aami.CLASSES)
assert all(s in AAMI[c] for s, (c, _) in aami.BEATS.items())
assert scores["by beat"][0] > 0.9
assert scores["by beat"][1] > 0.8
assert scores["by patient"][1] == 0
assert scores["by patient"][0] < scores["by beat"][0]
if db.provenance.completeness == "complete" and (most_records, reach) == (12, 1.2):
    train, test = splits["by patient"]
    asked = np.random.default_rng(seed).permutation(test)[:300]
    half = (x[train] ** 2).sum(1) / 2
    found = y[train[(half - x[asked] @ x[train].T).argmin(1)]]
    missed = found != y[asked]
    assert ((y[asked] == 0) & (found == 4))[missed].mean() > 0.5
    sides = [set(person[part]) for part in (train, test)]
    assert [len(side) for side in sides] == [6, 6]
    assert sides[0] & set(census.metric("paced_records")) == {"102", "104"}
    assert scores["by patient"][0] < recorded.mean(
        "heartbeat_sets", "inter-patient", "nearest.accuracy"
    )
share = {row["record"]: row["S"] for row in census.history}
assert 0.49 < share["232"] / census.metric("classes.S") < 0.5
medians = {c: census.metric(f"rr_median_s.{c}") for c in aami.CLASSES}
assert 0.85 < medians["S"] / medians["N"] < 0.9
assert by_beat.metric("deck_labels_right") == 2
shared = recorded.measured("heartbeat_sets", "by-beat", "patients_shared")
assert shared == [1.0] * 3
same = recorded.mean("heartbeat_sets", "by-beat", "nearest.same_patient")
assert same > 0.95
memory = "nearest.accuracy", "test_share.N"
apart = [recorded.mean("heartbeat_sets", "inter-patient", name) for name in memory]
assert apart[0] < apart[1]

# %% [markdown]
# ## What the five classes are
#
# A heartbeat begins in the two small chambers, the atria (the **P wave**), spreads through the
# large ones, the ventricles (the sharp **QRS complex** with the **R peak**), and ends when these
# recover (the **T wave**). The time from one R peak to the next is the **R-R interval**.
#
# - **N**: the beat took the usual way into the ventricles. A normal beat is narrow. In a **bundle
#   branch block** one branch of that way is interrupted and the beat is *wide*; EC57 counts it as
#   N too, and so **escape beats**, with which a lower part of the heart steps in.
# - **S**, supraventricular: the beat began out of turn (**ectopic**), above the ventricles. It
#   looks like the N beats of its record, and comes early.
# - **V**, ventricular: it began in a ventricle, so the excitation takes a slow way. It is early
#   and wide.
# - **F**, **fusion**: both at once.
# - **Q**: mostly **paced** beats. The pacemaker's pulse comes first, but the analog tapes of the
#   database often lost it. A wide complex follows.
#
# In Kachuee's set the classes have the numbers 0 to 4 in this order; EC57 has letters only. The table
# counts the whole database:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(ecg_tables.beats(census))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("mitdb_census", "annotations")

# %% [markdown]
# At least two cardiologists checked and corrected every record independently, and their
# differences were settled {cite}`moody2001impact`. One beat in six of class N is a bundle branch
# block.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Six seconds of MIT-BIH (PhysioNet, ODC Attribution License) with the symbol of every beat: of all such stretches one with the most kinds of beat. In this lead V beats look narrow; compare the one in the figure at the top. A and a: atrial premature, a with a wide complex; V: ventricular; e: atrial escape; N: normal.", "name": "fig-08-paper"}, "image": {"alt": "Two traces on pink ECG paper, the first three seconds above the next three. Narrow peaks follow each other irregularly, those marked V pointing down; a letter above each names its kind."}} tags=["remove-input"]
ecg.strip(pictures)
plt.show()

# %% [markdown]
# {numref}`fig-08-rr` has the time before a beat. V beats come early, S beats less so than one
# expects: half of them are from one record, 232, of a heart that is slow by itself.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "R-R interval that ends at a beat, by the class of that beat, in the whole database. Each shape has the area 1; dashed: medians.", "name": "fig-08-rr"}, "image": {"alt": "Five histograms below each other of the R-R interval from 0 to 2 seconds. The dashed medians of V and F lie near half a second, that of S at 0.68, those of N and Q near 0.8."}} tags=["remove-input"]
ecg.intervals(pictures, medians, mitdb_pictures.EDGES)
plt.show()

# %% [markdown]
# ## Three wrong labels
#
# The slides of Zurlo and Facci print a table of five rows, labelled N, S, P, F and U: normal,
# supraventricular, premature ventricular, fusion and unclassified. Set their counts beside those
# of our set, cut at every annotated beat but the last of each record, and divided 80 to 20:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
deck, meant = heartbeat_sets.DECK, heartbeat_sets.DECK_LABELS
shown(ecg_tables.labels(by_beat, deck, meant))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("heartbeat_sets", "by-beat")

# %% [markdown]
# **Every count is there, to within one beat; three of the five labels are not those of the
# classes counted.** The labels stand in the order of the classes, and the numbers in the order of
# their size.
#
# It matters. Their second-largest class, "supraventricular", is that of four people with
# pacemakers, easy to tell. Their smallest is not what was left over, but fusion, which lies
# between N and V by definition. How it was found out, and that 48 beats are missing because there
# are 48 records, is in {doc}`08a_class_table`.
#
# ## Who is in the test set?
#
# The slides do not say how the set was divided. But in every row a fifth is test, to within two
# beats, and no split between people gives that: the four with pacemakers alone have 1,800 beats
# each or more. So people were not kept apart; probably beats were drawn at random. The table has the
# memory that you built above for the complete database. Its first two rows are of all test beats, the
# others of 2,000, drawn with each of three seeds.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
divisions = {
    "by beat": results.read("heartbeat_sets", "by-beat"),
    "by patient (DS1, DS2)": results.read("heartbeat_sets", "inter-patient"),
}
shown(ecg_tables.neighbours(divisions))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("heartbeat_sets", "by-beat", "inter-patient")

# %% [markdown]
# By beat, the nearest neighbour is the same person 19 times in 20: shapes are personal. The
# memory then scores what the slides report for trained networks, 0.974 for the ResNet and 0.969 for
# the ODE-Net. By patient it does worse than always answering N.
#
# A score by beat measures how well new beats of *known* people are classified, a fair task for a
# device tuned to its owner. The usual split by patient, of de Chazal and colleagues {cite}`dechazal2004automatic`, trains on 22
# records (DS1), tests on 22 others (DS2) and leaves the four paced ones out. Even there records
# 201 and 202 are one man, on both sides.
#
# ## Verdicts

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("08")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
chosen("001-class-0", "001-class-4", "001-label-s", "001-label-f", "001-label-u")

# %% [markdown]
# ## Exercises
#
# ````{exercise} Without the next beat
# :label: ex-08-reach
#
# Set `reach = 0.7`, so that a row ends before the next beat. How often is the nearest row now the
# same person's? Does the memory still know its people?
# ````
#
# ````{solution-start} ex-08-reach
# :class: dropdown
# ````

# %%
whole, reach = x, 0.7
x = np.concatenate([rows(db.directory / name)[0] for name in names])
right, same = nearest(*splits["by beat"])
x, reach = whole, 1.2
print(f"by beat: {right:.0%} right, {same:.0%} by the same person's beat")
assert same > 0.7

# %% [markdown]
# It does. The shape of one complex and its T wave is enough to tell most people apart.
#
# ````{solution-end}
# ````
#
# ````{exercise} A split by time
# :label: ex-08-time
#
# A device may learn its owner in the first minutes. Train on the first four fifths of each record
# and test on the last. Is that nearer to the split by beat or to that by patient?
# ````
#
# ````{solution-start} ex-08-time
# :class: dropdown
# ````

# %%
sizes = [len(label) for _, label in parts.values()]
place = np.concatenate([np.arange(size) / size for size in sizes])
right, same = nearest(np.flatnonzero(place < 0.8), np.flatnonzero(place >= 0.8))
print(f"by time: {right:.0%} right, {same:.0%} by the same person's beat")
assert right > scores["by patient"][0]

# %% [markdown]
# Much nearer to the split by beat: the people are the same.
#
# ````{solution-end}
# ````
#
# ## Get the data
#
# Without the database, this page runs on a few synthetic records, and what it computes live says
# nothing about real hearts. All pictures, counts and verdicts above are recorded from the
# complete database. To have it here: `nodelib data fetch mitdb` (about 100 MB, free, open
# licence), or set `NODELIB_DATA`.
#
# ## Read next
#
# {doc}`08a_class_table` for the slides' table, number by number; {doc}`08b_database` for the
# records and the lists of the split; {doc}`09_heartbeats` for the networks; {doc}`10_gru_ode_bayes`
# for a model of whole series.
