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
# # Lessons
#
# Eleven chapters took five documents and two papers at their word. This page puts what came out beside
# what they conclude, says when a neural ODE is the right tool, and what it cost to find out.

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
import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from nodebook.evidence import claims, recorded, registry
from nodebook.figures import lessons, plotting
from nodebook.figures.sources import source
from nodebook.figures.tables import shown
from nodebook.figures.verdicts import chosen, tally

plotting.use_style()

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # "full" makes one run of each chapter again, in a clone (minutes)
seed = 0  # nothing on this page is drawn

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
pd.options.display.max_colwidth = None
registry.renew(profile, "recorded_again")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
judged = claims.judged()
counts = claims.count(verdict for _, verdict in judged)
held = sum(
    counts.get(kind, 0)
    for kind in ("reproduced", "exceeded", "confirmed by reading")
)
fallen = sum(
    counts.get(kind, 0) for kind in ("corrected", "refuted", "refuted by reading")
)
formulas = [
    result.ours
    for claim, result in judged
    if claim.kind == "formula" and result.kind == "corrected"
]
signs = sum("holds up to sign" in ours for ours in formulas)
terms = sum("misses a term" in ours for ours in formulas)
in_part, open_yet = counts["holds in part"], counts["not decided"]
Markdown(f"""What the book finds, in three lines:

1. Of {len(judged)} statements {held} hold as they stand and {fallen} do not;
   {in_part} hold in part, {open_yet} are left undecided by the spread over seeds.
2. {len(formulas)} formulas fell, {signs} of them by a sign and {terms} by a term
   that is missing; others by the end of an interval.
3. A neural ODE was the better tool where a *flow* was wanted. For pictures,
   heartbeats and rhythms it was level with something simpler, or behind it.""")

# %% [markdown]
# ## When is a neural ODE the right tool?
#
# {numref}`fig-12-decision` is the book in one picture. Each answer names the simpler thing to try
# beside the neural ODE, since in every chapter that was the measure.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "For a reader with a problem: start at the top. The answers are what the named chapters found on their data, and no law.", "name": "fig-12-decision"}, "image": {"alt": "A chain of four questions from the top down, each with an arrow to the right for yes. Known equation: fit its numbers by least squares. A class of a picture or series: a ResNet or trees on simple statistics, an ODE where memory is lacking. The whole state measured often: a neural ODE on short windows beside a network for the derivative. Times of their own: a recurrent network told the gaps, then GRU-ODE-Bayes. If none: a recurrent network, then a latent ODE."}} tags=["remove-input"]
lessons.decision()
plt.show()

# %% [markdown]
# The numbers behind it, recorded (mean ± standard deviation over the seeds, where there are several):

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(lessons.behind())

# %% [markdown]
# Two reasons to take an ODE do not show in such a table. **Memory**: checkpoints or the adjoint
# train a block of any depth in the memory of a few states ({doc}`03_gradient_checks`), and a trained
# block can be solved with fewer steps afterwards ({doc}`07_mnist`). **Meaning**: a field can be drawn,
# its fixed points found, its orbits continued ({doc}`05_lotka_volterra`); a map from now to next has
# none of that.
#
# ## What the documents conclude
#
# ### Silveira de Oliveira (000)
#
# Six lessons end the slides on GRU-ODE-Bayes. *Elegant theory does not guarantee success*: true of what was run, and for another
# reason than given. Its vectorised model never sees an observation ({doc}`10_gru_ode_bayes`), its classes
# are databases, and with the few validation records that it had, 62.0 % is what one answer to all of
# them scores ({doc}`11_gru_ode_ecg`). A bias towards continuous dynamics can be measured only where the
# dynamics are told of the beats; that page does. *Simple baselines are essential*: this book would sign
# that, in bold. *Hardware depends on the problem*: measured, and the cause lies in how the times of a
# batch are joined. *The right tool for the right problem*: see the figure.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
chosen(
    "000-not-useful",
    "000-simple-baselines",
    "000-small-operations",
    "000-right-tool",
    "000-vectorised-same-model",
    "000-perfect-for-sporadic",
)

# %% [markdown]
# ### Zurlo and Facci (001)
#
# They list five pros and four cons. The trade-off between speed and memory is real, and milder than it
# sounds: checkpoints cost one more forward pass. "Can adjust errors" is true of the solution and
# changes hardly an answer. "No advantage on regular samples" holds on heartbeats by their protocol; on
# the spiral the spread leaves it open. Uniqueness asks less than Lipschitz continuity.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
chosen(
    "001-parametrize",
    "001-trade-off",
    "001-adjusts-errors",
    "001-regular-heartbeats",
    "001-regular-sampling",
    "001-mini-batching",
    "001-lipschitz",
)

# %% [markdown]
# ### The Russian review (002)
#
# It names two advantages, memory and extrapolation, and adds that quality is better. Memory holds for the
# block and in part for a whole classifier. Extrapolation holds where the data are a flow (spirals)
# and fails where they are not (an electrocardiogram). The quality is *not* better by its own table.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
chosen(
    "002-memory-constant",
    "002-classifier-memory",
    "002-past-t1-spirals",
    "002-past-t1-ecg",
    "002-quality-fewer",
    "002-lower-error",
)

# %% [markdown]
# ### Seong (003)
#
# The discussion is two sentences, and both hold: running backwards can lose the trajectory, and
# checkpoints mend that. The listing beside the table, though, is not the network of its O(1) row.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
chosen(
    "003-reconstruction-error",
    "003-checkpointing",
    "003-odeblock-memory",
    "003-irregular-times",
    "003-latent-ode",
)

# %% [markdown]
# ### Bu (004)
#
# The derivation holds up to a sign. The summary of four steps leaves the state out of the way back; who
# programs it as printed gets a wrong gradient ({doc}`02b_audit`).

# %% jupyter={"source_hidden": true} tags=["remove-input"]
chosen(
    "004-memory-constant",
    "004-efficient-backprop",
    "004-better-results",
    "004-stacking",
)

# %% [markdown]
# ### Chen et al. 2018
#
# The errors on MNIST are met. The table of latent ODEs is met in part. Its errors are reached with more training
# on larger batches, and then only where training spirals were observed. Who is ahead depends on how one trains
# ({doc}`06d_longer_training`).

# %% jupyter={"source_hidden": true} tags=["remove-input"]
chosen(
    "003-mnist-rknet",
    "chen-table2-ode-30",
    "chen-table2-order-30",
    "chen-table2-order-100",
)

# %% [markdown]
# ## Ask the ledger yourself
#
# Every verdict is computed when it is asked for. These are the knobs: **change one and run again.**

# %% tags=["knobs"]
document = "004"  # "000" to "004", or "chen"
kinds = ("corrected", "refuted", "refuted by reading")  # verdicts to list

# %%
for claim, verdict in claims.judged():
    if claim.document == document and verdict.kind in kinds:
        print(f"{claim.id} ({verdict.kind}, chapter {claim.chapters[0]})")
        print(f"    {claim.statement}")

# %% [markdown]
# ## What the book could not decide
#
# Some statements are about machines, files and figures that are not at hand. The others wait for more
# seeds or for a training that is still to come.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
count = lessons.untestable()
Markdown(f"{count} statements are not testable here. Undecided or open are:")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(lessons.undecided())

# %% [markdown]
# ## What it cost
#
# All recorded runs, on two cores or one. Some networks of chapters 09 and 11 were trained on a GPU, in
# part or in whole; of these runs only the rest is counted:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(lessons.hours())

# %% [markdown]
# ## Made again
#
# For each chapter one recorded run was made again in a clean clone, by the command in its file, and every
# number set against the recorded one:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shown(lessons.again())

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("recorded_again")

# %% [markdown]
# On the same model of processor nothing but rounding differs, trained weights included. On another one a
# training ends elsewhere, and its numbers lie within one or two of the spreads that the seeds have. That
# is why verdicts rest on several seeds.

# %% [markdown]
# ## Reproducibility statement
#
# After the checklist of {cite}`pineau2021improving`, for everything that the book records.
#
# - **Models and algorithms.** Each chapter builds its model on the page; the faster version that made the
#   recorded runs is in `nodelib`, and a cell shows that both give the same numbers. Cost and memory
#   are counted in {doc}`03_gradient_checks`, {doc}`07_mnist` and {doc}`11_gru_ode_ecg`.
# - **Theory.** Every formula is evaluated against finite differences, complex steps or an independent
#   solver, with the relative error in its row ({doc}`02b_audit`).
# - **Data.** MNIST and five PhysioNet databases, by name, version and SHA-256; what a row holds, how
#   beats are cut and labelled, which records are left out: {doc}`08_mitdb`. Synthetic data come from
#   code and a seed. Where data are missing the page says what stands in for them.
# - **Splits.** Settings are chosen on validation data and the test data are used once; where they
#   were seen earlier, the page says so ({doc}`07a_choices`). Patients do not straddle a split unless the page
#   studies exactly that ({doc}`09_heartbeats`).
# - **Code.** Library, experiments, tests and pages are one repository. `requirements.lock` pins every
#   package; `make book` and `make test` are all that is needed.
# - **Weights.** Trained networks are recorded beside their numbers as safetensors, with a
#   checksum; `nodelib verify` computes the numbers again and judges every claim a second time.
# - **Choices.** The settings that were tried and how one was chosen stand in the experiment's
#   docstring and in the tables of 05a, 07a and {doc}`10_gru_ode_bayes`; baselines have the same budget.
# - **Runs and spread.** The number of seeds stands at each number. ± is the standard deviation over
#   seeds; intervals of ECG scores come from drawing *patients*. A verdict within two standard errors of
#   its limit is "not decided".
# - **Cost.** Wall and processor time, processor and memory are in each run's file and on {doc}`../book/runs`.
#
# ## Verdicts

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("12")

# %% [markdown]
# ## Exercises
#
# ```{exercise} Seeds enough
# :label: ex-12-seeds
#
# A verdict is decided if the mean is more than two standard errors from its limit. If mean and spread
# stay what they are, how many seeds would decide whether an ODE block errs less on MNIST
# (`002-lower-error`, limit 0), and whether the latent ODE beats the recurrent network with all 100 points
# after 4,000 steps (the first part of `chen-table2-order-100`, limit 1)?
# ```
#
# ```{solution-start} ex-12-seeds
# :class: dropdown
# ```

# %%
by_id = {claim.id: claim for claim in claims.load()}
needed = {}
ratios = recorded.measured("latent_budgets", "with-times", "ratio.short.100.truth")
for name, found, limit in (
    ("002-lower-error", claims.measured(by_id["002-lower-error"]), 0.0),
    ("chen-table2-order-100", ratios, 1.0),
):
    measured = np.array(found)
    distance = abs(measured.mean() - limit)
    needed[name] = int(np.ceil((2 * measured.std(ddof=1) / distance) ** 2))
    print(f"{name}: {len(measured)} seeds now, about {needed[name]} needed")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} A harsher judge
# :label: ex-12-judge
#
# The heartbeat ResNet exceeds the printed accuracy of 0.974. Had the deck printed 0.98, 0.986, or 0.99:
# what would the verdict be? (A claim is a dataclass; `claims.verdict` judges any.)
# ```
#
# ```{solution-start} ex-12-judge
# :class: dropdown
# ```

# %%
harsher = {}
for theirs in (0.974, 0.98, 0.986, 0.99):
    claim = dataclasses.replace(by_id["001-resnet-accuracy"], theirs=theirs)
    harsher[theirs] = claims.verdict(claim).kind
    print(f"{theirs}: {harsher[theirs]}")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Read next
#
# {cite}`kidger2021neural` for the whole field; the {doc}`scorecard <../book/scorecard>` for every
# statement; the {doc}`library <../book/library>` for a project of your own.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
kind = {claim.id: verdict.kind for claim, verdict in judged}
assert held > fallen
assert kind["000-vectorised-same-model"] == "refuted"
assert kind["001-trade-off"] == kind["001-adjusts-errors"] == "reproduced"
assert kind["001-regular-heartbeats"] == "reproduced"
assert (kind["001-regular-sampling"], kind["001-lipschitz"]) == (
    "not decided",
    "corrected",
)
assert kind["002-classifier-memory"] == "holds in part"
assert (kind["002-past-t1-spirals"], kind["002-past-t1-ecg"]) == (
    "reproduced",
    "refuted",
)
assert kind["003-reconstruction-error"] == kind["003-checkpointing"] == "reproduced"
assert kind["003-odeblock-memory"] == "refuted"
assert kind["chen-table2-ode-30"] == kind["chen-table2-order-30"] == "holds in part"
assert needed["002-lower-error"] > 3
assert (harsher[0.974], harsher[0.99]) == ("exceeded", "refuted")
better = recorded.measured("lotka_volterra", "several", "node.relu.field.on")
worse = recorded.measured("lotka_volterra", "several", "derivative.relu.field.on")
assert max(better) < np.mean(worse)
assert min(signs, terms) > 1
again = recorded.runs("recorded_again")
assert len(again) == 11
assert max(recorded.values(again, "spreads")) < 2
for run in again:
    if run.metric("processor") == "same":
        assert (
            run.metric("largest"),
            run.metric("weights") in ("equal", "none"),
        ) == (0, True)
