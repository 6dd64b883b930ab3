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
# # Inside a trained network
#
# Behind {doc}`07_mnist`: what the evaluations of a trained network buy, which way a digit takes
# through it, which digits are mistaken, and what noise does. Where nothing else is said, the
# networks are those that are backpropagated through Dormand-Prince for 8 epochs.

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
import torch
from IPython.display import Markdown
from sklearn.decomposition import PCA

from nodebook.evidence import recorded, results
from nodebook.experiments.ch07_mnist import mnist, mnist_robustness, mnist_solvers
from nodebook.figures import digit_controls, digit_tables, plotting
from nodebook.figures.sources import source
from nodebook.figures.tables import shown
from nodelib import data
from nodelib.models.conv.small_maps import CHANNELS, SIDE

plotting.use_style()

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # chapter 07 says what "full" starts
seed = 0

# %% [markdown]
# ## What an evaluation costs, and what it buys
#
# Figure 3 of the paper {cite}`chen2018neural` has four panels. {numref}`fig-07-cost` has three of
# them for our networks; the fourth, on the backward pass, is {numref}`fig-07-backward` of the
# chapter.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Above: distance of the final maps from the exact ones, relative to the way they have come, against the evaluations of a forward pass, for tolerances from 0.1 (left) to 0.00001. Middle: time of a forward pass of 500 images through the ODE block. Below: evaluations of the forward pass during training, the first 8 epochs and the 8 after the grey line, at the tolerance 0.01.", "name": "fig-07-cost"}, "image": {"alt": "Three panels, three lines of seeds in each. Above, the relative distance falls from about 0.01 to 0.0001 as the evaluations rise from 20 to about 70. In the middle, milliseconds rise in a straight line with the evaluations. Below, twice the evaluations fall from 26 to 20 and rise again to between 22 and 26."}} tags=["remove-input"]
digit_controls.costs(mnist_solvers.TOLERANCES[:-1], mnist.PLAN.epochs)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("mnist_solvers")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
first = recorded.mean("mnist", "ode-net", "nfe.first")
last = recorded.mean("mnist", "ode-net", "nfe.last")
later = recorded.mean("mnist", "ode-net.continued", "nfe.last")
Markdown(
    f"""The first two panels are as in the paper: a smaller tolerance costs
evaluations and brings the solution closer, and the time is proportional to the
evaluations. The third is not quite. The evaluations go from {first:.1f} in the
first epoch to {last:.1f} in the 8th and {later:.1f} in the 16th. But they do not
simply grow: both times they fall to the least that the solver takes while the
learning rate is high, and rise as it falls."""
)

# %% [markdown]
# ## Every network with every solver
#
# The next table has some settings of {numref}`fig-07-solvers`, and the same for the RK-Nets that
# were trained with two steps of RK4 and never heard of a tolerance. "Otherwise" counts the test
# digits whose class is not that of the most exact solve.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
asked = {
    "ode-net": (
        "tolerance.1e-1",
        "tolerance.1e-2",
        "euler.1",
        "euler.2",
        "euler.16",
        "rk4.2",
    ),
    "rk-net": mnist_solvers.FEW,
}
shown(digit_tables.other_solvers(asked))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
otherwise = recorded.mean("mnist_solvers", "rk-net", "other.rk4.2")
more = {
    name: recorded.mean("mnist_solvers", "ode-net.continued", f"errors.{name}") / 100
    for name in ("tolerance.1e-1", "tolerance.1e-6", "rk4.2", "euler.1")
}
Markdown(
    f"""The RK-Nets of RK4 were not fitted to their two steps: solved exactly, they
give {otherwise:.0f} of 10,000 digits another class. After 16 epochs it is the same
for those of Dormand-Prince: {more["tolerance.1e-1"]:.2f} % at 0.1,
{more["tolerance.1e-6"]:.2f} % at $10^{{-6}}$, {more["rk4.2"]:.2f} % with two steps
of RK4, {more["euler.1"]:.1f} % with one of Euler's method."""
)

# %% [markdown]
# ## The way of a digit
#
# A network with an ODE has states between the ends of its block. {numref}`fig-07-paths` follows
# fifty digits through a recorded one, live: the mean of each map over its pixels, 64 numbers,
# projected on the two directions in which the final ones differ most.

# %%
digits = data.mnist()
network = mnist.restored(results.one("mnist", "ode-net", 0))
network.body.settings = {"method": "dopri5", "rtol": 1e-3, "atol": 1e-3}
labels = digits.test_labels
chosen = np.concatenate([np.flatnonzero(labels == k)[:5] for k in range(10)])
with torch.no_grad():
    start = network.maps(torch.from_numpy(digits.test_images[chosen]) / 255)
    states = network.body.states(start, tuple(np.linspace(0, 1, 21)))
means = states.mean(1).numpy()
plane = PCA(2).fit(means[-1])


def detour(path):
    """Median length of paths (times, digits, numbers) over that of their chords."""
    length = np.linalg.norm(np.diff(path, axis=0), axis=-1).sum(0)
    return np.median(length / np.linalg.norm(path[-1] - path[0], axis=-1))


# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Mean maps of five digits of each class from t = 0 (small dot) to t = 1 (label), in the plane of the first two principal components of the states at t = 1. A recorded network, seed 0.", "name": "fig-07-paths"}, "image": {"alt": "Curves that begin close together near the middle and run outwards, most of them nearly straight, to ends that are labelled with their digit; digits of one class end near one another."}} tags=["hide-input"]
planar = np.stack([plane.transform(state) for state in means])
digit_controls.paths(planar, labels[chosen])
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
whole = states.permute(0, 2, 1, 3).flatten(2).numpy()
off = recorded.mean("mnist_solvers", "ode-net", "change.euler.2")
Markdown(
    f"""In the 64 means the paths of these digits are {detour(means):.2f} times as
long as the way from start to end, in the median, and {detour(whole):.2f} times in
all {SIDE**2 * CHANNELS:,} numbers of the state. That is nearly straight, but length
hardly sees a turn: an arc 1.03 times as long as its chord turns by about 50
degrees. Two steps of Euler's method end {off:.0%} of the way from where they should
(recorded), and the classification forgives most of it."""
)

# %% [markdown]
# (Curves that are asked to be straight can be solved in few evaluations {cite}`finlay2020train`; nothing asked for it
# here. Where MNIST's test set was not at hand, the digits are from its training set, which the
# network has seen.)
#
# ## What is mistaken
#
# Nine recorded networks, three ResNets and three of each RK-Net, agree on which digits are hard.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "The test digits that most of the nine networks mistake: the label, the class that most of those gave it, and how many of the nine erred.", "name": "fig-07-mistaken"}, "image": {"alt": "Four rows of four badly written digits, each with its label, an arrow, the wrong class that it was given, and the number of networks that erred."}} tags=["remove-input"]
hard = results.one("mnist_mistaken", "mistakes")
digit_controls.mistaken(hard.tensors()["images"].numpy(), hard.history)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("mnist_mistaken", "mistakes")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
hard_later = results.one("mnist_mistaken", "mistakes.continued")
Markdown(
    f"""In all they mistake {hard.metric("mistaken")} of the 10,000 test digits at
least once, and {hard.metric("by_all")} of them all nine mistake; the mean network
errs on {hard.metric("mean"):.0f}. After 16 epochs these are
{hard_later.metric("mistaken")}, {hard_later.metric("by_all")} and
{hard_later.metric("mean"):.0f}."""
)

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Which digit was taken for which: mistakes of the nine networks, added up.", "name": "fig-07-confusion"}, "image": {"alt": "Table of ten rows, the label, and ten columns, the class that was given, with the numbers of mistakes; the diagonal is empty."}} tags=["remove-input"]
digit_controls.confusion(hard.metric("confusion"))
plt.show()

# %% [markdown]
# ## Disturbed digits
#
# No document claims anything about this; it is an exploration. {numref}`fig-07-disturbed` shows
# the recorded networks on test digits with noise, of which they had seen none in training, and
# with shifts, of which they had seen up to two pixels.
# (Most digits have a margin of four pixels: beyond that a shift cuts pieces off.)

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Errors of the recorded networks on 2,000 test digits: with Gaussian noise of a standard deviation, of pixels between 0 and 1 (above), and shifted by some pixels in one of eight directions (below). Means and ranges of three seeds.", "name": "fig-07-disturbed"}, "image": {"alt": "Two panels of error in percent on a logarithmic axis, against the standard deviation of noise from 0 to 0.5 and against a shift of 1 to 6 pixels, with a line for each of MLP, ResNet and the two RK-Nets. All rise. Above, from 0.2 on, the RK-Nets lie above the ResNet, with wide bars, and at the end above the MLP; below, the MLP lies far above the three others, which lie together."}} tags=["remove-input"]
digit_controls.disturbed(mnist_robustness.AMOUNTS)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("mnist_robustness", "disturbed")

# %% [markdown]
# All convolutional networks tolerate shifts equally well, far better than the MLP, but not noise.
# From 0.2 on the two networks with an ODE err more often than the ResNet in every seed, by little
# in one and several times as often in another, and at 0.5 more often than the MLP. An ODE block
# is no protection by itself. Why the seeds differ so much was not looked into; nothing in the
# training asks for any behaviour under noise.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
KINDS = ("resnet", "rk-net", "ode-net", "mlp")
noise, shift, noise_later = (
    [recorded.mean("mnist_robustness", v, f"error.{k}.{what}") for k in KINDS]
    for v, what in (
        ("disturbed", "noise.0.3"),
        ("disturbed", "shift.4"),
        ("disturbed.continued", "noise.0.3"),
    )
)
Markdown(
    f"""At a noise of 0.3 the ResNets err on {noise[0]:.1f} %, the RK-Nets on
{noise[1]:.1f} % (RK4) and {noise[2]:.1f} % (Dormand-Prince) and the MLPs on
{noise[3]:.1f} %; shifted by four pixels, on {shift[0]:.1f} %, {shift[1]:.1f} %,
{shift[2]:.1f} % and {shift[3]:.1f} %. After 16 epochs the first three err on
{noise_later[0]:.1f} %, {noise_later[1]:.1f} % and {noise_later[2]:.1f} % at a noise
of 0.3."""
)

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
assert 1 < detour(means) < 1.2
assert len(hard.history) == 16
assert hard.metric("networks") == 9
assert abs(last - first) < 3
