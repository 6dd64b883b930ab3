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
# # The audit of the formulas
#
# Sixteen of the 69 formulas about the adjoint method that four documents print do not hold as they stand. This page evaluates all
# of them, as printed, on one system, now, and says by rule which hold.

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

from nodebook.documents.formulas.system import System
from nodebook.evidence import recorded
from nodebook.experiments.ch02_adjoint import adjoint_formulas
from nodebook.figures import adjoint as drawn
from nodebook.figures import plotting
from nodebook.figures.formula_tables import faulty, verdict_table
from nodebook.figures.sources import source
from nodebook.figures.verdicts import tally

# %% tags=["parameters"]
profile = "quick"  # the runs of this chapter are recorded again from page 02
seed = 0  # draws the system on which the formulas are evaluated

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
plotting.use_style()
audited = recorded.runs("adjoint_formulas", "audit")

# %% [markdown]
# ## How
#
# Four of the five documents print formulas about this method, and they do not agree. Letters
# differ, the sign of the adjoint differs, integrals run in both directions. A reader cannot tell a
# convention from a mistake by looking. So we evaluate.
#
# Each formula is read under the definitions of its own document. If a slide defines
# $a = -\partial L / \partial z$, then that is what $a$ is in the formulas that follow. Where a
# formula is an identity for any multiplier, the multiplier and the variations are arbitrary smooth
# functions. The other side of each formula comes from forward sensitivities {eq}`eq-02-forward`,
# from automatic differentiation, or from the complex step, never from an adjoint. The code is in
# `nodebook.documents.formulas`, one short function per formula.
#
# The verdict is a rule. With relative errors below $10^{-7}$, a formula
#
# - **holds** if the two sides agree as printed;
# - **holds up to sign** if they agree once the sign is turned;
# - **misses a term** if adding one term makes them agree; which term to try is our proposal, and
#   the numbers decide;
# - is **wrong** otherwise.
#
# Definitions are not judged: a letter may mean what its author says. Formulas that only approximate,
# such as Euler's steps, are judged by their limit on ever finer grids. Backpropagation through
# blocks is evaluated on a network of eight blocks, each with parameters of its own, against
# forward-mode differentiation.
#
# The following cell evaluates all formulas, now, on the system above. The recorded runs do the same
# on this system and on two with other parameters, states and times, so that a verdict does not
# hang on one lucky case; the tables show the worst of them too.

# %%
system = System(seed)
verdicts = adjoint_formulas.verdicts(system)
print(len(verdicts), "formulas evaluated")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("adjoint_formulas")

# %% [markdown]
# ## Silveira de Oliveira

# %% jupyter={"source_hidden": true} tags=["remove-input"]
verdict_table("000", verdicts, audited)

# %% [markdown]
# Silveira de Oliveira's proof is right from end to end. The slide before it prints the integral with
# its limits exchanged and no minus sign. The slide does not define $\vec\lambda$, and with
# $\vec\lambda = -\partial L/\partial\vec z$ its formula would hold. We read it with the end value
# of the proof, the only one that the document prints. Then the deck contradicts itself: with
# the slide's formula, gradient descent would climb.

# %% [markdown]
# ## Zurlo and Facci

# %% jupyter={"source_hidden": true} tags=["remove-input"]
verdict_table("001", verdicts, audited)

# %% [markdown]
# Zurlo and Facci change the sign of $a$ between their first and second slide. Under the new sign the
# gradient in $\theta$ is right. The gradients in $z(t_0)$ and $t_0$ lack their boundary terms,
# which are exactly what a backward solve starts from; compare {eq}`eq-02-t0-integral`. The
# gradient in $t_1$ has $\partial f / \partial t$ where $f$ belongs. The augmented adjoint mixes
# both signs: it takes $a_\theta$ and $a_t$ with a plus and keeps $a$ with a minus.
#
# Its listing, the class `ODEAdjoint`, returns correct gradients in the initial state and the
# parameters, for losses at any times. Its time gradients are another matter. The last has the wrong
# sign, those between count the rest of the trajectory, and the first subtracts a product with
# `f_i`, which is left over from the loop and belongs to another time. Even the right index would
# not help: $z(t_0)$ is given, and does not move with $t_0$. Where only the last state enters the loss,
# the product is zero and the result is right, which may be why nobody noticed.

# %% [markdown]
# ## The Russian review

# %% jupyter={"source_hidden": true} tags=["remove-input"]
verdict_table("002", verdicts, audited)

# %% [markdown]
# The review is the most detailed, and its main formulas hold, backpropagation included. What
# fails are indices and signs on the way. Three of its six entries are one slip: the ends of the
# block are numbered 1 and 2 in one list and two problems, 0 and 1 everywhere else. Read literally,
# the interval of problem (\*) does not contain its own start.
#
# Two signs in its appendix are wrong, though the result printed after them is right: that of the
# last term of the rewritten derivative, which vanishes once $\lambda(t_1) = 0$ is chosen, and that
# of the substitution, which as printed would give the adjoint the opposite end value to the one on
# the next line.
#
# Its Euler recurrences are approximations, so they are judged by their limit on ever finer grids.
# {numref}`fig-02-euler` shows what the misprinted index costs: the error does not fall at all.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Error of the Euler recurrences of the review against the number of steps. With the point meant, the error halves as the number of steps doubles; with the index as printed in the recurrence for the parameters, $(i-1)/n$, it stays.", "name": "fig-02-euler"}, "image": {"alt": "Log-log plot against the number of steps from 32 to 1024. Two falling lines of slope minus one for the adjoint and for the parameter gradient with the corrected index, and a flat line near an error of one for the index as printed."}} tags=["remove-input"]
drawn.euler_recurrences(audited[0])
plt.show()

# %% [markdown]
# ## Bu

# %% jupyter={"source_hidden": true} tags=["remove-input"]
verdict_table("004", verdicts, audited)

# %% [markdown]
# Every formula of Bu's note holds, the limits of its equation 4 included: the integral from
# $t_1$ to $t_0$ with a minus sign is the one from $t_0$ to $t_1$ with a plus.
#
# ## The sixteen
#
# They are formulas, not blunders. One formula stands on two slides, three are lines of one listing,
# four are slips of an index or an interval, and five are a sign. The other two are time gradients of
# Zurlo and Facci. {doc}`../book/errata` prints each with its corrected form and both numbers.
#
# Two decisions of ours count. Equation (8) of the review, Euler's method, is judged here for its step, which
# holds; that its *range* of $i$ goes one step too far is judged apart, on the page of
# [chapter 01](#claim-002-euler-grid). Counted here, it would be the seventeenth. And Silveira de Oliveira's slide that defines no $\vec\lambda$ is
# read with the sign of the proof that follows it.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("02")

# %% [markdown]
# ## An exercise
#
# :::{exercise}
# :label: ex-02-listing
#
# Which line of Zurlo and Facci's listing makes the adjoint jump? Its line
# `adj_t[i_t] = adj_t[i_t] - dLdt_i` serves two purposes at once. Separate them, so that the
# gradients in all times come out right, that in the first also when the loss looks at $z(t_0)$.
# :::
#
# :::{solution} ex-02-listing
# :class: dropdown
#
# The jump is `adj_z += dLdz_i`. The listing carries $a_t$ of {eq}`eq-02-route-001` back in
# `adj_t`, and for that `- dLdt_i` is right: at every observation $a_t$ jumps by
# $-\nabla L_i^{\mathsf T} f_i$. But the same entry is returned. Keep the carried value in a variable
# of its own, `a_t = a_t - dLdt_i`, solve back with it, and return `dLdt_i` alone in
# `adj_t[i_t]`.
# What has been carried to $t_0$ is the gradient in the first time and goes into `adj_t[0]`; the
# lines that compute and subtract `dLdt_0` go.
# :::

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
assert len(verdicts) == 69
assert len(faulty(audited[0])) == 16
assert [f.document for f in faulty(audited[0])].count("004") == 0
