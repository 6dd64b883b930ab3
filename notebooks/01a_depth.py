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
# # Depth: plain and residual networks
#
# Why add the input at all? Because without the sum, more layers can make a network *worse*, also
# on the images it is trained on. This page builds both kinds of network, lets you see it happen in
# seconds, and looks for the reason.

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
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nodebook.evidence import recorded, registry
from nodebook.experiments.ch01_residual import (
    backpropagated_blocks,
    chain_rule,
    depth_training,
)
from nodebook.figures import depth as drawn
from nodebook.figures import plotting, residual
from nodebook.figures.sources import source
from nodebook.figures.verdicts import tally
from nodelib import data

# %% tags=["parameters"]
profile = "quick"  # "full" first records the runs below again (hours)
seed = 0  # draws the initial weights and the batches

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Error against depth: mean and standard deviation over five seeds, after 1,000 steps of training. Above: training images. Below: test images.", "name": "fig-01-degradation"}, "image": {"alt": "Two panels, training and test error in percent on a logarithmic scale against 2 to 64 layers. Plain and bare networks rise to eighty and ninety percent as depth grows; residual networks stay between one and two percent on training images and fall slightly from five percent on test images."}} tags=["remove-input"]
plotting.use_style()
registry.renew(profile, "depth_training", "first_gradients", "backpropagated_blocks")
deep = recorded.runs("depth_training")
DEPTHS = depth_training.DEPTHS
drawn.degradation(deep, DEPTHS)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("depth_training")

# %% [markdown]
# What the page finds:
#
# 1. **Plain networks degrade.** With 64 layers they mistake eight of ten *training* images, although a good
#    solution exists and is easily written down. That is not overfitting.
# 2. **Neither the sum nor the normalisation alone keeps the gradient level; the two together do.**
# 3. **These residual networks do not become ODEs by training.** Their blocks come to
#    resemble each other, in part, and not more so with depth.

# %% [markdown]
# ## Build it

# %% [markdown]
# The knobs: **change one and run again**.

# %% tags=["knobs"]
width = 20  # units of every layer
depths = (2, 12, 40)  # layers
rate = 0.01  # learning rate of Adam
updates = 100  # steps of training, 128 digits each
clip = 1.0  # longest gradient that is let through

# %% jupyter={"source_hidden": true} tags=["remove-cell"]
torch.set_num_threads(1)  # networks as small as these lose time by sharing it
mnist = data.mnist()
digits = depth_training.Digits.of(mnist, slice(0, 3_000), slice(3_000, 4_000))
images, labels = digits.train

# %% [markdown]
# The state after a first affine map is $h$. With batch normalisation $N$, a block is
#
# $$
# \begin{aligned}
# \text{plain: } h &\mapsto W \operatorname{relu}(N(h)), \\
# \text{residual: } h &\mapsto h + W \operatorname{relu}(N(h)) .
# \end{aligned}
# $$ (eq-01-blocks)
#
# They differ by "$h\, +$" and nothing else. Initial weights have variance $2 / \text{width}$, as He et
# al. proposed for such layers.


# %%
class Network(nn.Module):
    """Ten scores of a digit of 14 x 14 pixels, after ``depth`` layers."""

    def __init__(self, depth, residual):
        super().__init__()
        self.residual = residual
        self.first = nn.Linear(14 * 14, width)
        self.blocks = nn.ModuleList()
        for _ in range(depth - 1):
            block = nn.Sequential(
                nn.BatchNorm1d(width, affine=False),
                nn.ReLU(),
                nn.Linear(width, width),
            )
            nn.init.normal_(block[-1].weight, std=(2 / width) ** 0.5)
            nn.init.zeros_(block[-1].bias)
            self.blocks.append(block)
        self.last = nn.Sequential(nn.ReLU(), nn.Linear(width, 10))

    def forward(self, x):
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h) if self.residual else block(h)
        return self.last(h)


# %% [markdown]
# The loop, the same for all of them:


# %%
def train(network):
    """Per cent of the training images that are mistaken after training."""
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for _ in range(updates):
        drawn = torch.randint(len(labels), (128,))
        loss = cross_entropy(network(images[drawn]), labels[drawn])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimiser.step()
    with torch.no_grad():
        wrong = network(images).argmax(1) != labels
    return 100 * wrong.float().mean().item()


live = {}
for kind in ("plain", "residual"):
    for depth in depths:
        torch.manual_seed(seed)
        live[kind, depth] = train(Network(depth, kind == "residual"))
        print(f"{kind:8s} {depth:2d} layers: {live[kind, depth]:.1f} % wrong")

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Live: training error after 100 steps, one network each, at one learning rate.", "name": "fig-01-live"}, "image": {"alt": "Training error in percent against 2, 12 and 40 layers. Plain networks, triangles, rise steeply to eighty percent or more; residual ones, circles, stay low."}} tags=["remove-input"]
drawn.live(live, mnist.provenance)
plt.show()

# %% [markdown]
# ## Trained longer, and tuned
#
# A short training at one rate proves little. So the recorded networks get 10,000 digits of MNIST
# {cite}`lecun1998gradient`, five seeds, and 1,000 steps of Adam, each gradient clipped at norm 1, the
# rate rising to a peak and falling to zero. The peak is, for each kind and depth, the best of four
# on 5,000 other digits. The 10,000 test digits were looked at once, after that
# ({numref}`fig-01-degradation`). A third kind, *bare*, has PyTorch's default initial weights
# (variance $1 / (3\, \text{width})$) and no normalisation.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
drawn.errors(deep, DEPTHS)

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("depth_training")

# %% [markdown]
# In Bu's quotation of He et al. {cite}`he2016deep`, the accuracy of plain networks "gets saturated and then
# degrades rapidly" with depth, and this is "not caused by overfitting". It is plain to see: from
# their best depth to 64 layers the training error rises by 78 percentage points, the test error by
# 75. A network that cannot fit its training images is not overfitting.
#
# The other half, that residual networks gain from depth, holds in part. They do not degrade like
# that. But their training error does not keep falling: nearly level up to 32 layers, it is
# 1.6 % with 64, where the rate chosen is the largest on offer. What falls, in the mean and at every doubling, is the
# test error, from 5.30 % to 5.00 %; each step is smaller than the spread. He et al. saw it fall up
# to 110 layers, with 64,000 steps of training instead of 1,000.
#
# ### The solution by construction
#
# A deeper network could copy the shallower one and let its other layers do nothing. Take the trained
# plain network of four layers, and put 60 layers behind its last whose matrix is the identity and whose
# normalisation does nothing. What `relu` has let through is not negative, so another `relu` leaves
# it alone:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
drawn.construction(deep, depth_training.SHALLOW, DEPTHS[-1])

# %% [markdown]
# The number of mistakes is exactly the same. The constructed solution is real, and training from a
# random start does not find it, nor anything near it in 1,000 steps. In a residual network it is no
# construction at all: identity is what a block with $W = 0$ does.

# %% [markdown]
# ## What stands in the way
#
# The quotation names the obstacle of older networks, gradients that vanish or explode, and says that
# initialisation and normalisation have largely dealt with it. {numref}`fig-01-gradients` looks at
# the networks before training, and leaves out one thing at a time.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Norm of the loss gradient in the first square matrix before training: geometric mean and range of five seeds. Bare: default initial weights, no normalisation N. The others have He's initial weights; dashed, without N.", "name": "fig-01-gradients"}, "image": {"alt": "Log-log plot of a gradient norm against 4 to 64 layers. The bare networks fall to about ten to the minus twenty-seven, the plain ones rise to about forty thousand, the residual ones stay near a fifth. Without normalisation the plain ones fall to under a hundredth and the residual ones rise to about a billion."}} tags=["remove-input"]
stripped = recorded.runs("first_gradients", "unnormalised")
drawn.gradients(deep, stripped, DEPTHS[1:])
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("first_gradients")

# %% [markdown]
# - **Bare** gradients vanish, and their *initial weights* are to blame: with He's, and still no
#   normalisation, the plain network of 64 layers has a gradient that is small and alive.
# - **Plain with N** explodes, as mean-field theory says of batch normalisation
#   {cite}`yang2019meanfield`.
# - **The sum without N** explodes as well: a product of 63 factors, each the identity plus a random
#   matrix of order one.
# - **The sum with N inside the branch** is level. The state grows with the blocks
#   behind it, normalisation divides by that, and so block $k$ is the identity plus something of
#   size about $1/\sqrt k$ {cite}`de2020batch`: ever smaller steps, whose product need neither
#   collapse nor explode.
#
# He et al. themselves checked that their plain networks, with N, have gradients of healthy size, and did
# not think that vanishing gradients were the cause of degradation. Ours explode instead; 20 units and dense
# layers are another network than theirs.

# %% [markdown]
# ## Weights of their own
#
# Page {doc}`01_residual_networks` passes from blocks to an ODE with *shared* weights. Zurlo and Facci,
# and Bu, write $f(z_t, \theta_t)$ with weights that change from block to block, and pass to an ODE
# all the same. For that $\theta_t$ has to become a function of $t$. If the weights of successive
# blocks have nothing to do with each other, there is no such function. Random linear blocks with
# independent weights and steps $1/n$ do have a limit, but it forgets all individual weights. It is
# the ODE of their *mean*, approached only as $n^{-1/2}$, as averages are. The relative distance
# from it:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
residual.own_weights(recorded.runs("depth_limit"), (10, 100, 1000, 10_000))

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("depth_limit")

# %% [markdown]
# With steps of $1/\sqrt n$, the scale at which independent initial weights matter, the limit is a
# *stochastic* differential equation instead {cite}`cohen2021scaling`.
#
# ### Is the trained residual network an ODE?
#
# If its blocks were the steps of an ODE whose field changes smoothly with depth, the matrices of
# neighbouring blocks would be alike: the cosine between them near 1.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
drawn.similarity(deep, DEPTHS[2:])

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("depth_training")

# %% [markdown]
# Training moves it from 0 to between 0.38 and 0.58. The blocks come to resemble each other, more
# than independent weights could and less than the steps along a smooth path of weights would. Nor
# does the likeness grow with depth; it goes with the learning rate that was chosen. So *these*
# networks, trained like this from a random start, are not discretised ODEs. The cosine is a crude
# measure: it mostly says how far training has moved the weights from their noise.
# In other regimes smoothness in depth does appear {cite}`sander2022residual`. The neural ODE makes it a
# rule: one field for all depths.

# %% [markdown]
# ## Backpropagation through T blocks
#
# Before the continuous case ({doc}`02_adjoint`), the discrete one. The Russian review writes a
# network of blocks $h_{i+1} = g_i(h_i, \theta_i)$, $i = 0, \dots, T-1$, and the gradient of the loss
# as products of Jacobian matrices:
#
# $$
# \begin{aligned}
# \nabla_{\theta_{T-1}} \mathcal L &= \frac{\partial \mathcal L}{\partial h_T}
# \frac{\partial g_{T-1}}{\partial \theta_{T-1}}, \\
# \nabla_{\theta_i} \mathcal L &= \frac{\partial \mathcal L}{\partial h_T}
# \frac{\partial g_{T-1}}{\partial h_{T-1}} \\
# &\quad {} \cdot \frac{\partial g_{T-2}}{\partial h_{T-2}} \cdots
# \frac{\partial g_i}{\partial \theta_i} .
# \end{aligned}
# $$ (eq-01-chain)
#
# As a program this is a loop from the last block to the first that carries one row:


# %%
def products(blocks, x, loss):
    """The gradient in each block's parameters, each product from the left."""
    h = chain_rule.states(blocks, x)  # the input of each block, and the output
    row = torch.func.jacrev(loss)(h[-1].detach())
    gradients = []
    for block, before in zip(reversed(blocks), reversed(h[:-1]), strict=True):
        theta = chain_rule.parameters(block)
        jacobians = torch.func.jacrev(chain_rule.with_parameters, argnums=(1, 2))
        by_theta, by_state = jacobians(block, theta, before.detach())
        gradients.append(row @ by_theta)
        row = row @ by_state
    return gradients[::-1]


chain, x = backpropagated_blocks.network(seed)
by_products = products(chain, x, backpropagated_blocks.loss)
by_autograd = chain_rule.automatic(chain, x, backpropagated_blocks.loss)
pairs = zip(by_products, by_autograd, strict=True)
apart = [(a - b).norm().item() for a, b in pairs]
print("distance from autograd, block by block:", apart)

# %% [markdown]
# It is exactly automatic differentiation, also in the recorded runs
# of five networks. The order matters for the cost. From the left it is a row times a matrix each
# time, and the five Jacobian matrices of these blocks take 228 multiplications; from the right it is matrix times
# matrix, and takes 1,062. That is all there is to *reverse* mode. Chapter 02 lets the steps shrink: the row
# becomes the adjoint. One slip on the way: the review collects the parameters as $\{\theta_0, \dots,
# \theta_T\}$. With $T$ blocks, counted from 0, there is no $\theta_T$.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
source("backpropagated_blocks")

# %% [markdown]
# ## What the documents say
#
# Bu's quotations of He et al. hold here but one, in part: residual networks do not gain on their
# *training* images from depth. The review's $\{\theta_0, \dots, \theta_T\}$ is corrected.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
tally("01")

# %% [markdown]
# ## Exercises
#
# ````{exercise} A block that cannot degrade
# :label: ex-01-zero
#
# Start every $W$ of the residual blocks at zero. What is the network before training, at any depth?
# Does it train better with 40 layers? Why would zero be a bad start for the plain network?
# ````
#
# ````{solution-start} ex-01-zero
# :class: dropdown
# ````

# %%
from_zero = {}
for kind in ("plain", "residual"):
    torch.manual_seed(seed)
    network = Network(depths[-1], kind == "residual")
    for block in network.blocks:
        nn.init.zeros_(block[-1].weight)
    from_zero[kind] = train(network)
    print(f"{kind:8s} {depths[-1]} layers from zero: {from_zero[kind]:.1f} % wrong")

# %% [markdown]
# Every residual block is the identity, so the network begins as one of a single layer at every
# depth: the constructed solution is the start. The gradient in $W$ is not zero, since
# $\operatorname{relu}(N(h))$ is not. In a plain network $W = 0$ cuts the input off, all
# gradients before it vanish, and nothing is learned but how frequent each digit is.
#
# ````{solution-end}
# ````
#
# ````{exercise} Without normalisation
# :label: ex-01-without
#
# Replace `nn.BatchNorm1d` by `nn.Identity()` in both networks of 40 layers. Predict from
# {numref}`fig-01-gradients` which of them trains, then run it.
# ````
#
# ````{solution-start} ex-01-without
# :class: dropdown
# ````

# %%
without = {}
for kind in ("plain", "residual"):
    torch.manual_seed(seed)
    network = Network(depths[-1], kind == "residual")
    for block in network.blocks:
        block[0] = nn.Identity()
    without[kind] = train(network)
    print(f"{kind:8s} {depths[-1]} layers, no N: {without[kind]:.1f} % wrong")

# %% [markdown]
# Neither comes near the residual network with normalisation. The dashed line of the sum without N
# explodes; clipping holds the steps finite but not in a useful direction. The plain network's
# gradient is alive, and it still learns slowly: a level gradient is needed, and not all.
#
# ````{solution-end}
# ````
#
# ## Read next
#
# {doc}`01b_flows` shows what adding the input cannot do once the steps are short. The
# degradation of plain networks is from {cite}`he2016deep`.

# %% jupyter={"source_hidden": true} tags=["checks", "remove-cell"]
# What the text says, asserted: a run that falsifies a sentence fails the build.
mean = partial(recorded.mean, "depth_training", "depth")
bare_mean = partial(recorded.mean, "first_gradients", "unnormalised")
usual = (seed, width, depths) == (0, 20, (2, 12, 40))
usual = usual and (rate, updates, clip) == (0.01, 100, 1.0)
if usual and mnist.provenance.completeness == "complete":
    assert live["plain", 40] > 60
    assert live["residual", 40] < 25
    assert from_zero["residual"] < live["residual", 40]
    assert from_zero["plain"] > 85
    assert min(without.values()) > 40
assert [f"{mean(m):.0f}" for m in ("rise.plain", "test_rise.plain")] == ["78", "75"]
assert f"{mean('train_error.residual.64'):.1f}" == "1.6"
test = [mean(f"test_error.residual.{d}") for d in DEPTHS]
assert sorted(test, reverse=True) == test
assert [f"{test[0]:.2f}", f"{test[-1]:.2f}"] == ["5.30", "5.00"]
assert mean("train_error.plain.64") > 75
assert all(recorded.values(deep, "constructed.same"))
alike = [mean(f"similarity.{d}") for d in DEPTHS[2:]]
assert [f"{min(alike):.2f}", f"{max(alike):.2f}"] == ["0.38", "0.58"]
assert 1e-3 < bare_mean("gradient.plain.64") < 0.1
assert bare_mean("gradient.residual.64") > 1e6
chained = recorded.runs("backpropagated_blocks")
assert max(apart) == 0 == max(recorded.values(chained, "earlier.relative_error"))
assert chained[0].metric("from_left") == 228
assert chained[0].metric("from_right") == 1062
