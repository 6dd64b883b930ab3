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
# # Identification: starts, solver, noise
#
# The page behind {doc}`04_system_identification` on the linear spiral: what the solver costs, all
# twenty starts in fourteen variants, what noise and sparse data do, and the lines of the listing.

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
import statistics

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

# The book's own: recorded runs and pictures. Nothing is trained here.
from nodebook.evidence import results
from nodebook.experiments.ch04_identification import (
    noise_and_sparsity,
    spiral_identification,
)
from nodebook.experiments.ch04_identification.linear_estimates import (
    euler_matrix,
    relative_error,
)
from nodebook.figures import identification, plotting, sources
from nodebook.figures.tables import by_row
from nodebook.figures.text import loose_spread, middle
from nodelib.fields import LinearSpiral
from nodelib.training.windows import draw, solve_intervals

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # as in chapter 04, which records; this page only reads
seed = 0  # draws the data and windows that are shown

# %% [markdown]
# What it finds:
#
# 1. **The start decides, not the gradient.** Exact gradients, data of the true flow and better steps
#    change little; an estimate as start changes nearly everything.
# 2. **Euler's method bends the matrix by 2 %**, and nobody sees it where the data come from the same
#    method.
# 3. **Learned initial states cure attenuation.** With noise 0.1 the loop doubles the decay; with
#    learned starts it is right, as with maximum likelihood.
#
# ## Windows

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()
runs = results.read("spiral_identification", "listing")
true = spiral_identification.truth()
times = spiral_identification.times()
clean, data = spiral_identification.observations(range(seed, seed + 5))


def spiral(model, metric):
    return [run.metric(f"{model}.{metric}") for run in runs]


# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The data of one seed (dots), three random windows of them (colours), and the true flow from the first observation of each window (lines). The lines miss the later dots of their window because their first dot is disturbed too. Computed on this page.", "name": "fig-04-data"}, "image": {"alt": "A spiral of grey dots turning inwards. Three stretches of it are coloured; through each runs a thin line that begins exactly at the first dot of the stretch."}} tags=["remove-input"]
windows = draw(times, data[:1], [seed], 31, count=3)
pieces = [windows.z[0, k][windows.real[0, k]] for k in range(3)]
flows = [spiral_identification.flow(true, p[0], len(p), False) for p in pieces]
identification.windows(data[0], pieces, flows)
plt.show()

# %% [markdown]
# As in the listing, a window's start is uniform in the data and its length uniform between 1 and 5 time
# units. Several windows, or several seeds side by side, have different times and different numbers of
# points. `solve_intervals` lets each of them advance over its own intervals: the $k$-th step takes every
# window from its own $k$-th observation to its next, with its own step length. A batch then has as many
# steps as its longest window; shorter ones stand still at the end.

# %%
windows = draw(times, data, range(5), 0)
field = LinearSpiral().requires_grad_(False)
together = solve_intervals(field, windows.z[..., 0, :], windows.t)
alone = [
    solve_intervals(field, windows.z[k, 0, 0], windows.t[k, 0, windows.real[k, 0]])
    for k in range(5)
]
pairs = [(together[k, 0, : len(z)], z) for k, z in enumerate(alone)]
apart = max(float((a - b).abs().max()) for a, b in pairs)
print(f"points in each window: {[len(z) for z in alone]}")
print(f"largest difference from solving one by one: {apart:.1e}")

# %% [markdown]
# ## Twenty starts in fourteen variants
#
# Row 1 is the slides' training with its solver and its adjoint ({doc}`02_adjoint`). Rows 2, 3 and 4 each
# change one thing more. The rows below them change one thing of row 4, except for those with learned
# starts: they take all data in every step, cut into windows of at most 5 time units, and learn the
# initial state of each, which is multiple shooting without its matching conditions.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
NAMES = {
    "deck": "1: as in the slides",
    "exact-gradient": "2: and gradient of the discrete solve",
    "exact-data": "3: and data of the true flow",
    "rk4": "4: and Runge-Kutta steps",
    "long": "4 with 3,000 steps",
    "average": "4 with averaged parameters",
    "clean-start": "4 with windows from the true states",
    "segments": "4 with all data in every step",
    "warm": "4 with an estimate as start",
    "shooting": "learned starts, random matrix",
    "warm-shooting": "learned starts, estimate",
    "differences": "central differences",
    "logarithm": "logarithm of the map",
    "trajectory": "maximum likelihood",
}
rows = {
    label: {
        "relative error of the matrix": middle(spiral(model, "error")),
        "found": f"{spiral(model, 'recovered').count('found')}",
        "matched": f"{spiral(model, 'matched').count('matched')}",
        "error from other starts": middle(spiral(model, "rest"), 2),
    }
    for model, label in NAMES.items()
}
by_row(rows, f"of {len(runs)} seeds")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("spiral_identification")

# %% [markdown]
# Medians, with the range in brackets. Found: relative error (Frobenius norm) at most 5 %. Matched: the
# trajectory from the true initial state is within the noise, 0.01, root mean square over the time of the
# data. The last column is the relative error of the trajectories from eight other initial states, drawn
# from the square of side 1.4 around 0; 10.00 stands for 10 and anything above. *Relative error of
# trajectories* is their root mean square distance from the truth over that of the true states from
# their mean.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
settled = [run.metric("settled") for run in runs]
early = sum(0 <= step <= 500 for step in settled)
late = sum(step > 500 for step in settled)
Markdown(
    f"Are 500 steps enough? {early} of {len(settled)} runs come within 5 % before "
    "and "
    f"stay there, {late} do so later, and {settled.count(-1)} are not there, or not "
    "for "
    "good, after 3,000."
)

# %% [markdown]
# Adam moves an entry by about 0.01 a step, a window of a late turn holds little but noise, and a field
# that turns the wrong way must first stop turning. Starting the windows from the true states, or
# following the exact gradient, changes none of this.
#
# ## What Euler's method costs
#
# The slides do not print their solver. Its code of origin takes Euler steps of at most 0.05, so four of
# $h = 0.0395$ between observations, both for the data and for the model. Had the data come from nature,
# the model would learn the matrix whose *Euler steps* follow the flow:
#
# $$
# \begin{gathered}
# (I + h \hat A)^4 = \mathrm e^{4 h A}, \quad\text{so that} \\
# \hat A = \frac{\mathrm e^{hA} - I}{h} \approx A + \tfrac12 h A^2 .
# \end{gathered}
# $$ (eq-04-euler)

# %%
step = float(times[1]) / spiral_identification.EULER_STEPS
bent = euler_matrix(true.numpy(), step)
print(np.round(bent, 4))
print(f"relative error {relative_error(bent, true.numpy()):.4f}")
print(f"decay {-bent[0, 0]:.4f} instead of 0.1")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
good = [run for run in runs if run.metric("exact-data.recovered") == "found"]
decays = {
    m: loose_spread([run.metric(f"{m}.decay") for run in good])
    for m in ("deck", "exact-data", "rk4")
}
gradient = 100 * statistics.fmean(run.metric("gradient") for run in runs)
Markdown(
    f"Recorded, over the {len(good)} seeds that find the matrix with a model by "
    "Euler and data of the true flow: decay "
    f"{decays['exact-data']} with that model, "
    f"{decays['rk4']} with Runge-Kutta steps, {decays['deck']} in the slides' own "
    "world. Their adjoint and the gradient of their discrete solve differ by "
    f"{gradient:.1f} % on average."
)

# %% [markdown]
# The decay is a fifth too fast, to make up for Euler's method, which lets every rotation grow. In the
# slides' own world the data have the same error as the model, and the two cancel. That the adjoint is
# not the gradient of the discrete solve changes nothing that one could see in the table above.
#
# ## Noise and sparsity
#
# {numref}`fig-04-noise` makes the data worse: more noise, fewer points.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Relative error of the matrix, median of ten seeds; the band of two methods spans the middle half. Above: 200 points, against the noise on each coordinate (the spiral's radius falls from 0.67 to 0.03). Middle: noise 0.01, against the number of points over the same time. Below: the same with noise 0.1. Maximum likelihood and learned starts lie nearly on one another. Recorded: noise_and_sparsity.", "name": "fig-04-noise"}, "image": {"alt": "Three log-log panels of error against noise and against the number of points, with one line for each of six methods. Maximum likelihood and learned starts lie together at the bottom; the neural ODE from a random start is higher, and nearly flat in the number of points; the logarithm of the map rises steeply with noise and with more points."}} tags=["remove-input"]
sweep = {
    v: results.read("noise_and_sparsity", v) for v in noise_and_sparsity.VARIANTS
}
noises = {k: v for k, v in noise_and_sparsity.NOISES.items() if v}
counts = {int(v.removeprefix("points-")): v for v in noise_and_sparsity.VARIANTS}
axes = {
    "noise (s.d.), 200 points": [("points-200", n) for n in noises],
    "points, noise 0.01": [(v, "n10") for v in counts.values()],
    "points, noise 0.1": [(v, "n100") for v in counts.values()],
}
panels = {}
for label, places in axes.items():
    x = list(noises.values() if label.startswith("noise") else counts)
    panels[label] = (
        x,
        {
            method: [
                [r.metric(f"{n}.{method}.error") for r in sweep[v]]
                for v, n in places
            ]
            for method in identification.LOOKS
        },
    )
identification.sweeps(panels)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
picked = ((200, "n0"), (200, "n10"), (200, "n100"), (25, "n10"), (400, "n300"))
rows = {}
for points, n in picked:
    head = f"{points} points, noise {noise_and_sparsity.NOISES[n]:g}"
    for method, (label, *_) in identification.LOOKS.items():
        values = [r.metric(f"{n}.{method}.error") for r in sweep[f"points-{points}"]]
        rows.setdefault(label, {})[head] = loose_spread(values)
by_row(rows, "relative error of the matrix")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("noise_and_sparsity")

# %% [markdown]
# Mean ± standard deviation of ten seeds; errors above 10 count as 10. By {eq}`eq-04-attenuation` a window
# that is solved from a noisy observation rewards a decay that is too fast. The estimators from
# differences and from the map regress on noisy states, so that what they fit is too small: the matrix
# itself, whose decay and rotation are too slow, or the map, whose logarithm has too fast a decay. Maximum
# likelihood is right, because it estimates the initial state too; so are learned starts. The gradient in
# the initial state, which the slides' adjoint computes and their loop throws away, is what the loop
# lacks. From a random start it is no help.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
loud = sweep["points-200"]
decay = {
    label: loose_spread([run.metric(f"n100.{m}.decay") for run in loud], 2)
    for m, (label, *_) in identification.LOOKS.items()
}
by_row({label: {"decay": x} for label, x in decay.items()}, "noise 0.1; true: 0.1")

# %% [markdown]
# ## Past the data
#
# For the spiral, extrapolation is a question of two numbers, decay and frequency. The recorded model that
# saw only the first two of the five turns, and started from their central differences, predicts the other
# three ({numref}`fig-04-beyond`):

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "First coordinate of the spiral: the truth (black, dashed), the observations of one seed that were used for training (dots, the first two turns, up to the vertical line), and what the models of ten seeds predict (blue), from the true initial state. Recorded: spiral_identification.", "name": "fig-04-beyond"}, "image": {"alt": "A decaying oscillation against time. Dots cover the first two periods. Ten thin lines follow the dashed curve in step over all five periods; the height of some differs from it by up to half in the later ones."}} tags=["remove-input"]
seen = spiral_identification.observations([0])[1][
    0, : spiral_identification.FIRST_PART, 0
]
walks = [
    spiral_identification.flow(
        run.tensors()["first-part"], spiral_identification.start(), len(times), False
    )[:, 0]
    for run in runs[:10]
]
identification.beyond(times, clean[:, 0], seen, walks)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
Markdown(
    f"The relative error is {loose_spread(spiral('first-part', 'fit'))} within the "
    f"data and {loose_spread(spiral('first-part', 'beyond'))} beyond ({len(runs)} "
    "seeds)."
)

# %% [markdown]
# A field with the right structure extrapolates.
#
# ## Lines of the listing

# %% jupyter={"source_hidden": true} tags=["remove-input"]
loop = results.one("training_loop", "listing")
w, b = loop.metric("windows"), loop.metric("batch")
FINDS = "what we find"
rows = {
    "at most 32 points": {
        FINDS: f"of 20,000 windows, {w['dropped']} hold more than 32"
    },
    "the window's ends": {
        FINDS: f"the first observation is {w['first']}; windows span "
        f"{w['shortest']:.2f} to {w['longest']:.2f} time units, not 1 to 5"
    },
    "np.int": {FINDS: f"{loop.metric('np_int')} in NumPy {loop.versions['numpy']}"},
    "retain_graph": {FINDS: f"{loop.metric('retain_graph')}, to the last bit"},
    "mini-batching": {
        FINDS: f"32 irregular windows, each over its own intervals: {b['own']:.0f} "
        "times the evaluations of the longest alone, equal to "
        f"{b['difference']:.0e}; "
        f"stopping at the union of all times: {b['union']:.0f} times; one adaptive "
        f"solve of 32 oscillators with shared steps: {b['adaptive']:.1f} times the "
        "mean"
    },
}
by_row(rows, "line or conclusion")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("training_loop")

# %% [markdown]
# A window of less than 5 time units cannot hold more than 32 points that are 0.158 apart. So every window
# is a complete stretch of an equally spaced series, and nothing about the times is irregular.
#
# ## Exercises
#
# ````{exercise} Half of Euler's step
# :label: ex-04-euler
#
# By how much is the decay of the spiral wrong if Euler's steps are half as long, with data of the true
# flow? And with Heun's method instead?
# ````
#
# ````{solution} ex-04-euler
# :class: dropdown
#
# By {eq}`eq-04-euler` the error of the matrix is $\tfrac12 h A^2$ to first order, and $A^2$ has
# $0.01 - 1 = -0.99$ on its diagonal: the decay is too large by $0.495\,h$, which is 0.0196 for
# $h = 0.0395$ and 0.0098 for half of it. A method of second order leaves $\tfrac16 h^2 A^3$, whose
# diagonal is $\tfrac16 h^2 \cdot 0.299$: less than $10^{-4}$.
# ````
#
# ````{exercise} Which start is bad?
# :label: ex-04-flat
#
# Take the scalar system $\dot z = a z$ with $a = -1$, one window of length 5 from $z = 1$, and no noise.
# Sketch the loss at time 5 alone as a function of the model's $\hat a$. Where is its gradient practically
# zero? What do short windows change?
# ````
#
# ````{solution} ex-04-flat
# :class: dropdown
#
# The loss is $(\mathrm e^{5 \hat a} - \mathrm e^{-5})^2$. For every $\hat a$ below about $-1$ it is flat:
# one decayed solution looks like another. For $\hat a > 0$ it is huge and steep. A window of length $\tau$
# has the gradient $2 \tau\, \mathrm e^{\hat a \tau} (\mathrm e^{\hat a \tau} - \mathrm e^{-\tau})$,
# largest relative to its curvature when $\tau$ is about the time constant. In the plane a rotation adds
# valleys: after half a turn, a field that turns the other way is at the same place.
# ````
#
# ````{exercise} The right unknowns
# :label: ex-04-unknowns
#
# With noise 0.1, train `fit_segments` on this page's data from `by_differences` for `longest=2` and for
# `longest=15`, with and without `learn_starts`. Which of the four mean errors of five seeds is largest, and
# why?
# ````
#
# ````{solution} ex-04-unknowns
# :class: dropdown
#
# ```python
# from nodebook.experiments.ch04_identification.identification import (
#     Matrices, as_array, fit_segments, noisy
# )
# from nodelib.training import Recipe
#
# seeds = range(5)
# loud = noisy(clean, 0.1, seeds)
# for longest in (2, 15):
#     for learn in (True, False):
#         field = Matrices(seeds)
#         spiral_identification.set_matrices(field, times, loud)
#         recipe = Recipe(500, 0.01)
#         fit_segments(field, times, loud, recipe, longest=longest, learn_starts=learn)
#         errors = [relative_error(as_array(m), true.numpy()) for m in field.matrix]
#         print(longest, learn, statistics.fmean(errors))
# ```
#
# Short windows from noisy starts are worst: by {eq}`eq-04-attenuation` the noise of the start weighs more,
# the less the window tells besides. Long windows with learned starts come close to maximum likelihood.
# ````

# %% jupyter={"source_hidden": true} tags=["checks", "hide-input"]
# What the text says, checked.
assert apart < 1e-12
assert 0.015 < relative_error(bent, true.numpy()) < 0.025
assert 0.18 < -bent[0, 0] / 0.1 - 1 < 0.22
assert w["dropped"] == 0
n100 = {
    m: [run.metric(f"n100.{m}.decay") for run in loud] for m in identification.LOOKS
}
assert statistics.fmean(n100["warm"]) > 0.2
assert abs(statistics.fmean(n100["shooting"]) - 0.1) < 0.01
assert abs(statistics.fmean(n100["trajectory"]) - 0.1) < 0.01
for variant, n in (
    ("points-200", "n100"),
    ("points-25", "n10"),
):  # said in the chapter
    trained, estimated = (
        statistics.fmean(run.metric(f"{n}.{m}.error") for run in sweep[variant])
        for m in ("warm", "differences")
    )
    assert trained < estimated
assert statistics.fmean(n100["differences"]) < 0.09
assert statistics.fmean(n100["logarithm"]) > 1
kept = {m: spiral(m, "recovered").count("found") for m in NAMES}
assert max(kept[m] for m in ("deck", "exact-gradient", "exact-data", "rk4")) < 15
assert kept["warm"] > 15
