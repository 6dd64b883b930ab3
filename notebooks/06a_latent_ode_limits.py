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
# # What limits the latent ODE
#
# The page behind {doc}`06_latent_odes`: its table of errors on spirals, taken apart. Chen et al.
# {cite}`chen2018neural` have the latent ODE ahead of a recurrent network by more than a factor of two
# at 30 and 50 observed points; here it is behind.

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
from statistics import fmean

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from sklearn.decomposition import PCA

# The book's own: recorded runs and pictures. Nothing is trained here.
from nodebook.evidence import recorded, results
from nodebook.experiments.ch06_latent import direction, spiral_models, spiral_scores
from nodebook.figures import latent, plotting, sources
from nodebook.figures.tables import by_row
from nodebook.figures.text import loose_spread
from nodelib.data import spirals

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # as in chapter 06, which records; this page only reads
seed = 0  # draws the spirals of the first figure

# %% [markdown]
# What it finds:
#
# 1. **With all 100 points the recurrent encoder limits it.** With one that sees the whole grid at once,
#    and the same field and decoder, the error where the observations are falls to a third. With 30 and 50
#    points it stays, and even so the latent ODE is behind the recurrent networks: the order there remains
#    unexplained.
# 2. **Where training never was, the field fails and not the encoder.** There a perfect encoder would change
#    nothing.
# 3. **Repeating and going beyond are two things.** Trained three times as long, the recurrent network
#    is ahead on ground that the training spirals cover. Beyond it the latent ODE is, in the mean
#    and in 3, 3 and 4 of 5 seeds with 30, 50 and 100 points.
# 4. **Knowing the direction is no proof.** The hidden state tells clockwise from counter-clockwise;
#    so does a straight line through the radius, with no model and in no order.
#
# ## The spirals

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Four of the spirals, two of each direction, with 30 of the first 100 points observed (dots, with noise). The dashed part is to be predicted. Thin lines are the two curves of which all spirals are pieces. Computed on this page.", "name": "fig-06-data"}, "image": {"alt": "Two spirals side by side on a plane, a clockwise one on the left and a counter-clockwise one on the right, each drawn thin. On them four coloured pieces: a solid stretch with scattered dots around it, continued by a dashed stretch of equal length; arrows show the direction."}} tags=["remove-input"]
plotting.use_style()
latent.pieces(spirals.make(seed, observed=30))
plt.show()

# %% [markdown]
# Each model is trained on 700 spirals, two learning rates are on offer to all, and the choice falls on
# the further points of 100 validation spirals. All models are told the noise. Errors are root mean
# squares over points and coordinates on 200 test spirals, over five seeds, each with spirals of its
# own.
#
# The recurrent baseline predicts the next observation and is then fed its own predictions. Without
# times one of its steps means "the next observation, whenever that is"; it is read as one mean gap, and
# predictions in between are joined by lines. This favours it: taken as one point a step, it would run
# off at two or three times the speed. With times it may walk in strides of one point or of the mean
# gap, whichever does better on the validation spirals.
#
# The row "grid at once" was added when the others were known, at one learning rate.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
runs = results.read("latent_ode", "spirals")
grid = results.read("latent_ode", "grid-encoder")
shared = results.read("latent_ode", "shared-centre")
longer = {
    "ode_times": results.read("latent_ode", "longer"),
    "rnn_times": results.read("latent_ode", "longer-recurrent"),
}
COUNTS = spiral_models.COUNTS
HEADS = {n: f"{n} of 100" for n in COUNTS}
LABELS = spiral_models.LABELS
MODELS = (*spiral_models.PLANS["spirals"].models, "ode_grid")


def over_counts(found, metric, decimals=2):
    return {
        head: loose_spread(recorded.values(found, metric.format(n)), decimals)
        for n, head in HEADS.items()
    }


def errors_of(name, part):
    return over_counts(
        grid if name == "ode_grid" else runs, f"rmse.{name}.{{}}.{part}"
    )


by_row({LABELS[m]: errors_of(m, "truth") for m in MODELS}, "against the curve")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_ode", "spirals", "grid-encoder")

# %% [markdown]
# The paper does not say what its errors are taken against. Against the *noisy* further points no model
# can get below the noise, 0.3, so the paper's 0.13 to 0.18 were taken against noise-free points, or its
# noise was smaller:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
by_row({LABELS[m]: errors_of(m, "noisy") for m in MODELS}, "against noisy points")

# %% [markdown]
# ## Familiar ground and new ground
#
# Spirals begin at fine steps 0 to 700 of their curve, so observations of the training spirals reach step
# 799 at most. "Familiar ground" are the further points of spirals that begin before step 600: all of
# them lie within. "New ground" are those of the other spirals: on average half of their further points
# lie beyond step 799, where no training spiral was ever observed; none for a spiral that starts at
# step 600, all for one that starts at 700.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
by_row(
    {
        f"{part}: {LABELS[m]}": errors_of(m, part)
        for part in ("familiar", "new")
        for m in MODELS
    },
    "against the curve",
)

# %% [markdown]
# ## Encoder or ODE?
#
# A latent ODE can fail to find the state, or to carry it on. The error on the first 100 points, in the
# midst of the observations, is mostly of the first kind. The last row is a latent ODE that is not the
# paper's: its encoder does not recur, but sees the whole grid at once, with zeros where nothing was
# observed.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
rows = {LABELS[m]: errors_of(m, "near") for m in ("ode", "ode_times", "ode_grid")}
by_row(rows, "error on the first 100 points")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shares = {
    part: [
        fmean(
            a.metric(f"rmse.ode_grid.{n}.{part}")
            / b.metric(f"rmse.ode_times.{n}.{part}")
            for a, b in zip(grid, runs, strict=True)
        )
        for n in COUNTS
    ]
    for part in ("near", "truth")
}
texts = {
    part: ", ".join(f"{x:.2f}" for x in found) for part, found in shares.items()
}
Markdown(
    "At 30, 50 and 100 observations the encoder of the grid leaves "
    f"{texts['near']} times the error of the recurrent one with times on the first "
    f"100 points, and {texts['truth']} times on the further ones."
)

# %% [markdown]
# ### An oracle in the encoder's place
#
# Another way to ask: leave the trained field and decoder as they are, and find the state at time 0 anew
# for every test spiral, by the gradient of the solve. Fitted to the *same noisy points* that the encoder
# saw, it shows what the encoder leaves. Fitted to the first 100 points *without noise*, it is as good as an
# encoder could be; what error remains is that of field and decoder. And fitted to the *further points
# themselves*, it shows what they can express at all. The networks are those that were trained for 12,000
# steps, see below.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
oracle = recorded.runs("latent_oracle", "longer")
ways = {
    "encoder": "by its encoder",
    "observed": "fitted to what it saw",
    "told": "fitted without noise",
    "ahead": "fitted to the further points",
}
by_row(
    {
        f"{part}: {text}": over_counts(oracle, f"rmse.{way}.{{}}.{part}")
        for part in ("familiar", "new")
        for way, text in ways.items()
    },
    "points: state at time 0",
)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_oracle", "longer")

# %% [markdown]
# **On new ground a perfect encoder would change nothing.** The trajectories that start right go wrong all the
# same: what fails beyond the training spirals is the field, which nothing has taught there. Other
# trajectories of the same field come nearer to the further points, and those miss the first hundred. On
# familiar ground a perfect encoder takes away a quarter to a third of the error in the mean, half and more
# with one seed and next to nothing with another; the rest is the field, which drifts. In the midst of the
# observations it is the other way round: there nearly all of the error is the encoder's, as the table above
# says.
#
# ## Would longer training help?
#
# The latent ODE and the baseline, both with times, trained three times as long, both at the rate of
# 0.01. (At 4,000 steps either rate could be chosen.)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
short = {"ode_times": "latent ODE", "rnn_times": "recurrent"}
parts = {"truth": "all further", "familiar": "familiar", "new": "new"}
rows = {
    f"{short[name]}, {steps}: {text}": over_counts(found, f"rmse.{name}.{{}}.{part}")
    for name in short
    for part, text in parts.items()
    for steps, found in (("4,000", runs), ("12,000", longer[name]))
}
by_row(rows, "model, steps: points")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_ode", "longer", "longer-recurrent")

# %% [markdown]
# Longer training improves the latent ODE at every number of observed points. The baseline, at this fixed
# rate, gets better on familiar ground, where it is then ahead at every count; on new ground it gets worse
# with 30 and 50 points in the mean, and is behind at every count (at 30 by one seed of error 3.1 only,
# without which the means are equal). With the better length for each, chosen with hindsight, the baseline
# stays ahead at 30 and 50 points. So the order depends on the length of training, and on what is asked:
# to repeat what lies among the training spirals, or to go beyond them.
#
# ## How the error grows
#
# {numref}`fig-06-horizon` follows the error over the hundred further points, which last as long as the
# observations did.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Error against the noise-free curve by tenth of the further points, mean over five seeds with its standard deviation, with 30 and with 100 of 100 points observed. Recorded: latent_ode, variant spirals.", "name": "fig-06-horizon"}, "image": {"alt": "Two panels, one above the other, of root mean square error against the number of points past the last observed one, for two latent ODEs and two recurrent networks, with error bars. All curves rise with the horizon."}} tags=["remove-input"]
latent.horizons(
    {
        f"{n} of 100 observed": {
            LABELS[m]: np.array(
                [run.history["by_horizon"][m][str(n)] for run in runs]
            )
            for m in spiral_models.PLANS["spirals"].models
        }
        for n in (30, 100)
    }
)
plt.show()

# %% [markdown]
# ## What it costs not to know the times

# %% jupyter={"source_hidden": true} tags=["remove-input"]
ratios = {
    n: [
        run.metric(f"rmse.ode.{n}.near") / run.metric(f"rmse.ode_times.{n}.near")
        for run in runs
    ]
    for n in COUNTS
}
rows = {
    "further points": over_counts(runs, "no_times.{}"),
    "first 100 points": {HEADS[n]: loose_spread(ratios[n], 2) for n in COUNTS},
}
by_row(rows, "error without times, as a multiple")

# %% [markdown]
# (Mean of the ratios within the seeds.) With fewer observations than 100 the encoder of the slides'
# listing must take the mean gap for each gap. At 100 of 100 there is nothing to know: the two versions
# differ by chance only, and yet their errors on the further points have a ratio as far from 1 as those
# at 30 and 50. So with five seeds a cost of 5 %, our limit, is neither shown there nor excluded. On the
# first 100 points, next to what the encoder does, the spread is smaller; the cost at 30 of 100 is about
# as large as it.
#
# ## The hidden state and the direction
#
# The paper colours the latent trajectories by the spiral's direction. With two centres that is no feat:
# the place of a point gives the direction away. The variant `shared-centre` therefore turns both kinds
# about one centre ({numref}`fig-06-latent`).
#
# That does not leave the order of the points as the only sign. Where training spirals are observed, the
# clockwise curve stays between the radii 0.76 and 3.14, and the other one leaves that ring on both
# sides. And both lead outwards, so the radius falls with the angle in one and rises in the other, in
# whatever order the points are given.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Latent trajectories of 60 test spirals about one shared centre, 100 of 100 points observed, seen along their first two principal components; dots mark time 0. Recorded: latent_ode, variant shared-centre, seed 0.", "name": "fig-06-latent"}, "image": {"alt": "A plane of two principal components with curves that start from dots, solid blue for clockwise and dashed vermilion for counter-clockwise spirals. The blue ones lie close together, the vermilion ones mostly around them."}} tags=["remove-input"]
test = spiral_models.sets(0, 0.0, counts=(100,))["test"][100].take(np.arange(60))
model = spiral_models.recorded_model(shared[0].tensors(), "ode_times", 100)
z0 = torch.as_tensor(spiral_scores.states(model, test))[None]
times = torch.as_tensor(test.t[: spirals.POINTS]).float()
with torch.no_grad():
    paths = model.trajectory(z0, times)[:, 0].numpy()
plane = PCA(2).fit(paths.reshape(-1, paths.shape[-1]))
flat = plane.transform(paths.reshape(-1, paths.shape[-1])).reshape(
    *paths.shape[:2], 2
)
latent.latent_paths(flat, test.clockwise, plane.explained_variance_ratio_)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
by_neighbours = [direction.by_neighbours(run) for run in shared]
by_radius = [direction.by_radius(run.seed) for run in shared]
rows = {
    "two centres, read linearly": over_counts(runs, "direction.ode_times.{}"),
    "shared centre, read linearly": over_counts(shared, "direction.ode_times.{}"),
}
for label, found in (
    ("shared centre, read from 15 neighbours", by_neighbours),
    ("shared centre, no model: radius against angle", by_radius),
):
    rows[label] = {
        h: loose_spread([x[n] for x in found], 2) for n, h in HEADS.items()
    }
by_row(rows, "share of directions that are read right")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("latent_ode", "shared-centre")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
leaving = fmean(direction.outside(run.seed) for run in shared)
harder = over_counts(shared, "rmse.ode_times.{}.truth")
Markdown(
    f"{leaving:.0%} of the counter-clockwise test spirals leave the ring. "
    "These spirals are harder: the error on the further points is "
    + ", ".join(f"{value} at {head}" for head, value in harder.items())
    + " observed points."
)

# %% [markdown]
# Chance is one half. What a linear classifier cannot read may still be there: one kind can lie in the
# middle of the other, and a nearest-neighbour classifier can read it. But the last row of the table
# shows what little it takes: the noisy points in no order, and a straight line. So that the state knows
# the direction does not show that it knows the order.
#
# ## Exercise
#
# ````{exercise} Why backwards?
# :label: ex-06-backwards
#
# The encoder reads the observations from the last to the first. Suppose it is a plain recurrent network
# that remembers, in effect, its last ten inputs. What would reading forwards cost?
# ````
#
# ````{solution} ex-06-backwards
# :class: dropdown
#
# It would know the last ten observations and have to infer the state at time 0 from there, which means
# to run the dynamics backwards inside the encoder. Reading backwards, what it remembers best lies next
# to the state that it must give.
# ````


# %% jupyter={"source_hidden": true} tags=["checks", "hide-input"]
# What the text says, checked.
def level(found, name, n, part="truth"):
    return fmean(recorded.values(found, f"rmse.{name}.{n}.{part}"))


assert max(shares["truth"]) < 0.9
assert 0.3 < shares["near"][-1] < 0.4
after = {
    (name, n, part): level(found, name, n, part)
    for name, found in longer.items()
    for n in COUNTS
    for part in ("truth", "familiar", "new")
}
for n in COUNTS:
    assert after["ode_times", n, "truth"] < level(runs, "ode_times", n)
    familiar = after["rnn_times", n, "familiar"]
    assert familiar < after["ode_times", n, "familiar"]
    assert familiar < level(runs, "rnn_times", n, "familiar")
    assert after["rnn_times", n, "new"] > after["ode_times", n, "new"]
for n in (30, 50):
    assert after["rnn_times", n, "new"] > level(runs, "rnn_times", n, "new")
    assert level(runs, "rnn_times", n) < after["ode_times", n, "truth"]
    assert level(grid, "ode_grid", n) > level(runs, "rnn_times", n)
    assert level(grid, "ode_grid", n) > level(runs, "rnn", n)
wins = []
for n in COUNTS:
    ours, theirs = (
        recorded.values(longer[m], f"rmse.{m}.{n}.new")
        for m in ("ode_times", "rnn_times")
    )
    wins.append(sum(a < b for a, b in zip(ours, theirs, strict=True)))
    if n == 30:
        worst = theirs.index(max(theirs))
        others = [fmean(v[:worst] + v[worst + 1 :]) for v in (ours, theirs)]
        assert round(max(theirs), 1) == 3.1
        assert abs(others[0] / others[1] - 1) < 0.02
assert wins == [3, 3, 4]
assert min(shares["near"][:2]) > 0.95
assert abs(fmean(recorded.values(runs, "no_times.100")) - 1) > 0.05
assert 0 < fmean(ratios[30]) - 1 < 0.5
