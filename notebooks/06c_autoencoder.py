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
# # A variational autoencoder of digits
#
# The bound {eq}`eq-06-elbo` without an ODE: the preliminary of Seong's slides {cite}`doc003`. An
# encoder gives a Gaussian for a code of ten numbers, a decoder gives each pixel's probability of
# being on. Both have one hidden layer of 96 units, which is small, so the bound below is no record.

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
import torch

# The book's own, with the autoencoder and its training: `vae_digits`.
from nodebook.evidence import recorded, results
from nodebook.experiments.ch06_latent import vae_digits
from nodebook.figures import image_rows, plotting, sources
from nodebook.figures.tables import by_row
from nodebook.figures.text import loose_spread
from nodelib import data
from nodelib.training import Recipe

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # as in chapter 06, which records; this page only reads
seed = 0  # draws the samples of the first figure

# %% [markdown]
# What it finds:
#
# 1. **A hundred and fifty steps already give digits**; ten passes over MNIST give sharper ones.
# 2. **Reconstructions keep their label**, as the nearest training image has it, in 86 of 100 images.
#    The images themselves do so in 93.
# 3. **The bound is loose by about three nats**, at least.
#
# Live, a small autoencoder is trained for 150 steps:

# %%
torch.set_num_threads(1)  # networks this small only wait for a second thread
digits = data.mnist()
print(digits.provenance.detail)
recipe = Recipe(150, 3e-3, "one-cycle")
live, history = vae_digits.fit(digits.train_images, [seed], recipe)
losses = history.of()
begun, ended = -losses[:20].mean(), -losses[-20:].mean()
print(f"bound, nats an image: {begun:.0f} at first, {ended:.0f} at last")

# %% [markdown]
# The recorded ones have seen the 60,000 training images for 10 epochs ({numref}`fig-06-vae`).

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Variational autoencoders of digits. From above: images on which the live model has not been trained; what the live model makes of them; what a recorded one makes of them; images that the recorded one decodes from codes drawn from the prior. Where the digits are stand-ins, they are from MNIST's training set, and the recorded model has seen them. Live, and recorded: vae_digits, seed 0.", "name": "fig-06-vae"}, "image": {"alt": "Four rows of eight small grey images of digits. The first row shows binary images that were held back, the second blurred digits of the live model, the third sharper reconstructions by the recorded model, the fourth samples that mostly look like handwritten digits, some between two digits."}} tags=["remove-input"]
plotting.use_style()
runs = results.read("vae_digits", "mnist")
best = vae_digits.alone(runs[0].tensors())
held_out = vae_digits.binary(digits.test_images)[None, :8]
draw = torch.randn(
    1, 8, vae_digits.LATENT, generator=torch.Generator().manual_seed(seed)
)
with torch.no_grad():
    rows = {
        "held back": held_out[0],
        "live": live.decode(live.encode(held_out)[0])[0],
        "recorded": best.decode(best.encode(held_out)[0])[0],
        "samples": best.decode(draw)[0],
    }
image_rows.rows(rows, digits.provenance)
plt.show()

# %% [markdown]
# The recorded figures are of the 10,000 test images, made binary. The **importance-weighted bound**
# averages the weights of 50 draws before the logarithm {cite}`burda2016importance`; on average it lies
# between the evidence lower bound and the likelihood, so it says how loose the former is at least.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
names = {
    "elbo": "evidence lower bound (nats an image)",
    "reconstruction": "of it: expected log-likelihood",
    "divergence": "of it: divergence, to be subtracted",
    "elbo_same": "evidence lower bound, first 2,000 images",
    "importance": "importance-weighted bound, the same images",
    "independent": "pixels independent, each with its own mean",
}
means = {m: fmean(recorded.values(runs, m)) for m in (*names, "label_kept")}
rows = {
    text: {"mean ± s.d.": loose_spread(recorded.values(runs, m), 2)}
    for m, text in names.items()
}
kept = 100 * means["label_kept"]
before = 100 * runs[0].metric("label_kept_before")
rows["reconstruction has its digit's own label (%)"] = {"mean ± s.d.": f"{kept:.1f}"}
rows["the binary image itself has (%)"] = {"mean ± s.d.": f"{before:.1f}"}
by_row(rows, f"test images, {len(runs)} seeds")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("vae_digits")

# %% [markdown]
# The last two rows ask for the nearest of 10,000 training images: does it have the label of the test
# image? The last is what that question scores without any autoencoder.

# %% jupyter={"source_hidden": true} tags=["checks", "hide-input"]
# What the text says, checked.
assert ended > begun + 50
assert round(kept) == 86
assert round(before) == 93
assert 2.5 < means["importance"] - means["elbo_same"] < 3.5
