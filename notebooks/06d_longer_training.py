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
# # Ten times the training
#
# A page behind {doc}`06_latent_odes`: the table of Chen et al. {cite}`chen2018neural` once more. After 4,000 steps
# the errors of our latent ODE are three to four times theirs, and with 30 and 50 points the recurrent network is
# ahead, where they have it behind. Is that a matter of how long one trains? (Their curves, their noise and where
# their spirals begin are not known, so that their numbers are a yardstick and no more.)

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
import numpy as np
from IPython.display import Markdown

# The book's own: recorded runs and their weights. Nothing is trained here.
from nodebook.evidence import recorded
from nodebook.experiments.ch06_latent import places
from nodebook.figures import latent, plotting, sources, spiral_tables
from nodebook.figures.tables import by_row
from nodelib.data import spirals

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # as in chapter 06, which records; this page only reads
seed = 0  # of no use here

# %% [markdown]
# What it finds:
#
# 1. **Where training spirals were observed, the paper's errors are reached.** On large batches the latent ODE is below
#    all three with every seed after 12,000 steps, and in the median of five seeds after 40,000; the recurrent
#    network then with every seed. On all further points both stay above the paper's latent ODE by far, unless they
#    are trained wherever they are tested: then the recurrent network is below all three, in the mean.
# 2. **Who is ahead depends on training and ground.** With the training that validation chooses for each it is the
#    latent ODE in all, with 50 and 100 points and every seed; with 30 nobody. After the same long training it is the
#    recurrent network where training spirals were observed, and the latent ODE elsewhere.
# 3. **Neither goes on where training never was.** Errors grow threefold and more there. Trained there too, the
#    recurrent network predicts it like the rest, and so does the latent ODE with four seeds of five.
# 4. **On familiar ground the encoder has the largest share of the error.** A state that is fitted to the same
#    points puts the latent ODE ahead of the recurrent network with every seed, for 300 steps of optimisation a
#    spiral.
#
# ## One budget for all
#
# All four models, encoders with and without the times of the observations, are trained for 40,000 steps on batches
# of 128: ten times the steps and four times the batch, forty times as many passes over the same 700 spirals. The
# rate is 0.01 at its peak for each, on a one-cycle schedule. That budget was tried out with the latent ODE, on validation spirals of two other seeds.
# Nothing in this table was chosen on test spirals; but they are those of the earlier tables, which led to the
# question, and what follows below is a diagnosis on the same ones.
#
# *Familiar* are the further points of spirals that begin before step 600, all of them on ground where training
# spirals were observed. *New* are those of the others, one in seven; about half of these points lie beyond the
# last step at which a training spiral was observed. Errors on this page are root mean squares against the
# noise-free curve, mean and standard deviation over five seeds.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
plotting.use_style()
NAMES = {"rnn_times": "recurrent", "ode_times": "latent ODE"}
HEADS = spiral_tables.HEADS
by_count = spiral_tables.by_count
BLIND = {"rnn": "recurrent, no times", "ode": "latent ODE, no times"}
long = {m: recorded.runs("latent_ode", f"long-{m}") for m in NAMES}
blind = {m: recorded.runs("latent_ode", f"long-{m}") for m in BLIND}
budgets = recorded.runs("latent_budgets")
parts = {"familiar": "familiar", "new": "new", "truth": "all further"}
rows = {
    f"{text}: {(NAMES | BLIND)[m]}": by_count(runs, f"rmse.{m}.{{}}.{part}", 3)
    for part, text in parts.items()
    for m, runs in (long | blind).items()
}
rows |= {
    f"all further, training chosen: {NAMES[m]}": by_count(
        budgets, f"rmse.chosen.{m.removesuffix('_times')}.{{}}.truth", 3
    )
    for m in long
}
paper = {
    "recurrent": (0.3937, 0.3202, 0.1813),
    "latent ODE": (0.1642, 0.1502, 0.1346),
}
for name, values in paper.items():
    texts = (f"{value:.3f}" for value in values)
    rows[f"paper: {name}"] = dict(zip(HEADS.values(), texts, strict=True))
by_row(rows, "points: model")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_ode", *(f"long-{m}" for m in (*long, *blind)))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_budgets")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
familiar = {
    n: np.array(recorded.values(long["ode_times"], f"rmse.ode_times.{n}.familiar"))
    for n in HEADS
}
medians = ", ".join(f"{np.median(found):.3f}" for found in familiar.values())
by_spiral = [places.by_spiral(run, "ode_times", 100) for run in long["ode_times"]]
failed = max(by_spiral, key=max)
others = np.sort(familiar[100])[:-1]
left = np.sqrt(np.mean(failed[2:] ** 2))
Markdown(
    "**On familiar ground the recurrent network is ahead with every seed.** The "
    f"latent ODE has {medians} in the median. Its mean with 100 points is dominated "
    f"by one network: four are at {others[0]:.3f} to {others[-1]:.3f}; the fifth "
    f"loses two of its {len(failed)} test spirals there, which it misses by "
    f"{failed[0]:.1f} and {failed[1]:.1f}, and is at {left:.2f} without them. Its "
    "encoder mistakes them: with a state that is fitted (below) they are not lost."
)

# %% [markdown]
# **In all, the latent ODE is ahead**, with four seeds of five, as it is on new ground with all or all but one. (The fifth
# with 100 points is the one that loses two spirals.) But by then the recurrent network has become worse on new
# ground, in the mean, than it was after 4,000 steps, and nobody has to train it for so long. So let the validation
# spirals choose, for each model, seed and count, of four trainings: 4,000 or 12,000 steps on batches of 32, 12,000
# or 40,000 on batches of 128. For the latent ODE they always choose large batches. **It is then ahead with 50 and
# 100 points with every seed**, and with 30 five seeds do not tell the two apart. That is the paper's order in part,
# with 50 points by less than there and with 100 by more: our recurrent network errs the more, the more points it has
# seen, and theirs the less.
#
# Without the times the order after the long training is the same: on familiar ground the recurrent network with
# every seed, in all the latent ODE with four seeds of five with 30 points and with every seed with more. On
# familiar ground times help the latent ODE with 30 points, with every seed; with 100 it does better without them
# than with, in the median. From here on both have them.
#
# ## New ground is ground without lessons
#
# What if training goes wherever the test will? In `everywhere` the training spirals begin as late as step 800,
# so that all further points of the test spirals lie where some training spiral was observed. The test spirals
# are the same ({numref}`fig-06-places`).

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Error on the last 50 of the hundred further points, by where on the curve they lie: mean of five seeds, and a band from the smallest to the largest; 50 of 100 points observed. The vertical line is the last step at which a training spiral was observed; everywhere, that is step 899. Computed on this page from the weights of recorded runs.", "name": "fig-06-places"}, "image": {"alt": "Two panels on a logarithmic axis, the latent ODE above and the recurrent network below, each with three lines of error against the place on the curve. Those of 12,000 and of 40,000 steps, the latter lower, are roughly flat up to step 750 and then rise steeply, until they meet; the one that was trained everywhere goes on as before."}} tags=["remove-input"]
COURSES = {
    "12,000 steps": {"ode_times": "longer", "rnn_times": "longer-recurrent"},
    "40,000 steps, batches of 128": {
        m: f"long-{m}" for m in ("ode_times", "rnn_times")
    },
    "12,000 steps, everywhere": dict.fromkeys(
        ("ode_times", "rnn_times"), "everywhere"
    ),
}
along = {
    NAMES[m]: {
        text: np.array(
            [
                places.by_place(run, m, 50)
                for run in recorded.runs("latent_ode", by[m])
            ]
        )
        for text, by in COURSES.items()
    }
    for m in ("ode_times", "rnn_times")
}
latent.places(along, places.EDGES, spirals.LAST_START + spirals.POINTS - 1)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
everywhere = recorded.runs("latent_ode", "everywhere")
rows = {
    f"{told}: {NAMES[m]}{text.removeprefix('12,000 steps')}": by_count(
        recorded.runs("latent_ode", by[m]), f"rmse.{m}.{{}}.{ground}"
    )
    for ground, told in parts.items()
    for m in ("ode_times", "rnn_times")
    for text, by in COURSES.items()
    if not text.startswith("40,000")
}
by_row(rows, "points: model, 12,000 steps")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_ode", "longer", "longer-recurrent", "everywhere")

# %% [markdown]
# From the last fifty steps before step 800 to the first fifty behind it the mean error grows about threefold for the
# latent ODE and more than sevenfold for the recurrent network, with either budget; in the next fifty both get to
# about 2. Trained everywhere, the recurrent network notices nothing there. Nor does the latent ODE with four seeds
# of five; the fifth errs two to three times as much there as elsewhere, and the humps in its line are single
# networks as well.
#
# So **they go on in time, and not in space**: for as long as the observations lasted, where other spirals have
# been, and nowhere else. How wrong they are elsewhere is left to chance, and it decides the order in all after the
# long training. Trained everywhere, the recurrent network is ahead on all further points with every seed.
#
# ## Encoder or field?
#
# The oracle of {doc}`06a_latent_ode_limits` once more, for the networks of the long budget: the field and the
# decoder as they are, and the state at time 0 found anew for each test spiral.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
oracle = recorded.runs("latent_oracle", "long-ode_times")
by_row(spiral_tables.by_state(oracle, 3), "points: state at time 0")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_oracle", "long-ode_times")

# %% [markdown]
# **On familiar ground the encoder has the largest share.** Fitted to the same noisy points that the encoder sees,
# the state at time 0 leaves six tenths of its error with 30 points and less than half with more, in the median; and
# less than the recurrent network does, at every count and with every seed. So field and decoder are good enough to
# be ahead. (It is no fair race: 300 steps of optimisation for each test spiral were not given to the other.) The
# rest is in part the noise of few points: without it a third to a half of that error goes too.
#
# **On new ground no better state is to be had from the first hundred points.** Even the one that fits the first hundred points without
# noise errs as the encoder's does. With the further points themselves to fit, the search gets by a third to a
# half closer and finds nothing better. (It is a search: with 100 points and one network it ends, from the
# encoder's mistake, in a poor state, which makes the mean of that row on familiar ground.)
#
# ## Other ways to spend it
#
# The latent ODE with times for 12,000 steps, with one thing changed each: the divergence of the bound let
# in over the first 4,000 steps {cite}`bowman2016generating`, encoders that begin as those of another training of
# 12,000 steps ended, twice the units everywhere, batches of 128. They were tried at one rate, without a
# choice, and say where to look, not what is best.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
ways = {
    "longer": "12,000 steps",
    "annealed": "annealed",
    "warm-encoder": "warm encoder",
    "larger": "twice the units",
    "larger-batch": "batches of 128",
    "long-ode_times": "40,000 steps, batches of 128",
}
spent = {way: recorded.runs("latent_ode", way) for way in ways}
rows = {
    f"{text}: {told}": by_count(spent[way], f"rmse.ode_times.{{}}.{part}")
    for part, text in (
        ("near", "first 100"),
        ("familiar", "familiar"),
        ("new", "new"),
    )
    for way, told in ways.items()
}
recurrent = recorded.runs("latent_ode", "larger-batch-recurrent")
rows |= {
    f"{ground}: recurrent, batches of 128": by_count(
        recurrent, f"rmse.rnn_times.{{}}.{ground}"
    )
    for ground in ("familiar", "new")
}
by_row(rows, "points: latent ODE, if no other")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_ode", *ways, "larger-batch-recurrent")

# %% [markdown]
# **The batch does most of it,** or the four times as many passes that come with it. Batches of 128 bring the error on familiar ground below the paper's with every seed
# and at every count, and 28,000 steps more add nothing there that five seeds would show; on new ground the error
# is larger after them with 30 and 50 points, in the mean. After the same training the recurrent network is ahead on
# familiar ground, in the mean.
#
# Of the others, the slow divergence shows no gain. Encoders with a start, which had 24,000 steps in all, help on new
# ground with 50 and 100 points, and twice the units help there at every count, in the mean; twice the units do harm
# where the observations are.


# %% jupyter={"source_hidden": true} tags=["checks", "hide-input"]
# What the text says, checked: a run that falsifies a sentence fails the build.
def errors(runs, metric):
    return {n: np.array(recorded.values(runs, metric.format(n))) for n in HEADS}


theirs = dict(zip(HEADS, paper["latent ODE"], strict=True))
ode = {g: errors(long["ode_times"], f"rmse.ode_times.{{}}.{g}") for g in parts}
rnn = {g: errors(long["rnn_times"], f"rmse.rnn_times.{{}}.{g}") for g in parts}
early = errors(recorded.runs("latent_ode", "spirals"), "rmse.rnn_times.{}.new")
for n, paper_error in theirs.items():
    assert np.median(ode["familiar"][n]) < paper_error
    assert rnn["familiar"][n].max() < paper_error
    assert min(ode["truth"][n].mean(), rnn["truth"][n].mean()) > 2 * paper_error
    assert (rnn["familiar"][n] < ode["familiar"][n]).all()
    assert (ode["new"][n] < rnn["new"][n]).sum() >= 4
    assert (ode["truth"][n] < rnn["truth"][n]).sum() == 4
    assert rnn["new"][n].mean() > early[n].mean()
    home, whole = (
        {m: errors(blind[m], f"rmse.{m}.{{}}.{g}")[n] for m in blind}
        for g in ("familiar", "truth")
    )
    assert (home["rnn"] < home["ode"]).all()
    assert (whole["ode"] < whole["rnn"]).sum() == (4 if n == 30 else 5)
    assert n != 30 or (ode["familiar"][n] < home["ode"]).all()
    assert n != 100 or np.median(home["ode"]) < np.median(ode["familiar"][n])
chosen = errors(budgets, "ratio.chosen.{}.truth")
assert max(*chosen[50], *chosen[100]) < 1
margin = 2 * np.log(chosen[30]).std(ddof=1) / np.sqrt(5)
assert abs(np.log(chosen[30]).mean()) < margin
taken = {run.metric(f"chosen.ode.{n}") for run in budgets for n in HEADS}
assert taken == {"larger-batch", "long-ode_times"}
assert np.exp(np.log(chosen[50]).mean()) > 1.5 * theirs[50] / paper["recurrent"][1]
assert np.exp(np.log(chosen[100]).mean()) < theirs[100] / paper["recurrent"][2]

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
jump = {
    (name, text): found.mean(0)[13] / found.mean(0)[12]
    for name, by_course in along.items()
    for text, found in by_course.items()
    if not text.endswith("everywhere")
}
assert list(places.EDGES[12:15]) == [750, 800, 850]
for (name, text), factor in jump.items():
    assert 3 < factor < 4 if name == NAMES["ode_times"] else factor > 7
    assert 1.9 < along[name][text].mean(0)[14] < 2.5
for m, most in (("rnn_times", 1.2), ("ode_times", 1.4)):
    new, old = (
        errors(everywhere, f"rmse.{m}.{{}}.{g}") for g in ("new", "familiar")
    )
    quotients = np.array([new[n] / old[n] for n in HEADS])
    usual = quotients if m == "rnn_times" else np.delete(quotients, 1, axis=1)
    assert usual.max() < most
    assert (
        m == "rnn_times" or 1.7 < quotients[:, 1].min() < quotients[:, 1].max() < 3.1
    )
level = {m: errors(everywhere, f"rmse.{m}.{{}}.truth") for m in long}
assert all((level["rnn_times"][n] < level["ode_times"][n]).all() for n in HEADS)
assert all(level["rnn_times"][n].mean() < theirs[n] for n in HEADS)
by = {
    (way, g): errors(oracle, f"rmse.{way}.{{}}.{g}")
    for way in spiral_tables.WAYS
    for g in ("familiar", "new")
}
for n in HEADS:
    fitted, clean = by["observed", "familiar"][n], by["told", "familiar"][n]
    assert (fitted < rnn["familiar"][n]).all()
    share = np.median(fitted / by["encoder", "familiar"][n])
    assert 0.55 < share < 0.65 if n == 30 else share < 0.5
    assert 0.3 < 1 - np.median(clean / fitted) < 0.5
    assert 0.93 < (by["told", "new"][n] / by["encoder", "new"][n]).mean() < 1
    assert 0.45 < (by["ahead", "new"][n] / by["encoder", "new"][n]).mean() < 0.7
