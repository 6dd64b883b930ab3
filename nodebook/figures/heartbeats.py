"""The figures of chapter 09, one function each."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from nodebook.figures import plotting
from nodelib.data import aami
from nodelib.data.heartbeats import FS, LENGTH, Heartbeats
from nodelib.models.heartbeats import HeartbeatClassifier
from nodelib.seeds import generator

EXAMPLES = 5
AUDITED = (
    (plotting.BLACK, ":"),
    (plotting.GREEN, "--"),
    (plotting.GREEN, ":"),
    (plotting.ORANGE, "-."),
    (plotting.BLUE, "-"),
    (plotting.VERMILION, "-"),
)
"""Colour and dashes of the classifiers of ``audit``."""
NETWORKS = {"resnet": ("ResNet", plotting.BLUE), "ode-net": ("ODE-Net", plotting.VERMILION)}


def classes(beats: Heartbeats, *, seed: int) -> Figure:
    """Five beats of each class, drawn at random, over the mean of the class and its spread."""
    rng = np.random.default_rng(seed)
    figure, axes = plt.subplots(2, 3, figsize=(6.4, 4.2), sharex=True, sharey=True)
    seconds = np.arange(LENGTH) / FS
    for label, (name, ax) in enumerate(zip(aami.CLASSES, axes.flat, strict=False)):
        own = beats.x[beats.y == label]
        colour = plotting.CLASS_COLOURS[name]
        ax.set(title=f"{name}: {len(own):,} beats")
        if not len(own):
            continue
        middle, spread = own.mean(0), own.std(0)
        ax.fill_between(seconds, middle - spread, middle + spread, color=colour, alpha=0.25, lw=0)
        for beat in own[rng.permutation(len(own))[:EXAMPLES]]:
            ax.plot(seconds, beat, color="black", linewidth=0.5, alpha=0.7)
        ax.plot(seconds, middle, color=colour, linewidth=2.2)
    axes[1, 2].set_axis_off()
    axes[0, 2].tick_params(labelbottom=True)
    for ax in (axes[1, 0], axes[1, 1], axes[0, 2]):
        ax.set_xlabel("time (s)")
    for ax in axes[:, 0]:
        ax.set(ylabel="scaled voltage", ylim=(-0.1, 1.05))
    plotting.mark_source(figure, beats.provenance)
    return figure


def live_losses(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Losses of a short training, by network."""
    figure, ax = plt.subplots(figsize=(6.4, 2.8))
    for kind, values in losses.items():
        name, colour = NETWORKS[kind]
        ax.plot(np.arange(1, len(values) + 1), values, color=colour, label=name)
    ax.axhline(np.log(5), color="black", linestyle=":", linewidth=1)
    ax.text(len(values), np.log(5), "guessing", va="bottom", ha="right", fontsize=9)
    ax.set(xlabel="step", ylabel="loss", ylim=(0, None))
    ax.legend()
    return figure


def epochs(ours: Mapping[str, Sequence[Sequence[float]]], theirs: Mapping[str, Sequence]) -> Figure:
    """Loss on the test beats after each epoch: ours, a line for each seed, and the printed ones."""
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.9), sharey=True)
    for ax, (kind, (name, colour)) in zip(axes, NETWORKS.items(), strict=True):
        count = np.arange(1, len(theirs[kind]) + 1)
        ax.plot(count, theirs[kind], color="black", marker="s", linestyle="--", label="deck")
        for number, run in enumerate(ours[kind]):
            ax.plot(count, run, color=colour, marker="o", label="" if number else "ours")
        ax.set(title=name, xlabel="epoch", xticks=count, ylim=(0, 0.25))
        ax.legend()
    axes[0].set_ylabel("loss on the test beats")
    return figure


@torch.no_grad()
def flow(
    network: HeartbeatClassifier, beats: Heartbeats, *, seed: int, each: int = 8, times: int = 21
) -> Figure:
    """The 64 channel means of a few beats of each class on their way through the ODE block.

    Projected onto the two directions in which all of these states vary most.
    """
    random = generator(seed)
    chosen, labels = [], []
    for label in range(len(aami.CLASSES)):
        own = torch.from_numpy(np.flatnonzero(beats.y == label))
        chosen += own[torch.randperm(len(own), generator=random)[:each]].tolist()
    labels = beats.y[chosen]
    clock = tuple(np.linspace(0, 1, times))
    states = network.body.states(network.maps(torch.from_numpy(beats.x[chosen])), clock).mean(1)
    plane = PCA(2).fit(states.flatten(0, 1).numpy())
    paths = plane.transform(states.flatten(0, 1).numpy()).reshape(times, len(chosen), 2)
    figure, ax = plt.subplots(figsize=(6.4, 4.6))
    for number, label in enumerate(labels):
        name = aami.CLASSES[label]
        first = number == 0 or labels[number - 1] != label
        colour = plotting.CLASS_COLOURS[name]
        ax.plot(*paths[:, number].T, color=colour, linewidth=1.2, label=name if first else "")
        ax.plot(*paths[0, number], color=colour, marker="o", markersize=3, markerfacecolor="white")
        ax.plot(*paths[-1, number], color=colour, marker="o", markersize=4)
    shares = 100 * plane.explained_variance_ratio_
    ax.set(
        xlabel=f"first direction ({shares[0]:.0f} % of the variance)",
        ylabel=f"second direction ({shares[1]:.0f} %)",
    )
    figure.legend(title="class", ncols=5, loc="outside lower center")
    plotting.mark_source(figure, beats.provenance)
    return figure


def audit(scores: Mapping[str, Mapping[str, tuple[float, float]]]) -> Figure:
    """Accuracy and mean F1 of classifiers (by name) under several divisions of the beats.

    The first has all divisions; a line leaves out those that its classifier does not have.
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 4.0), sharey=True)
    divisions = list(next(iter(scores.values())))
    for (name, found), (colour, dashes) in zip(scores.items(), AUDITED, strict=True):
        places = [divisions.index(division) for division in found]
        look = {"color": colour, "linestyle": dashes, "marker": "o", "markersize": 4}
        for number, ax in enumerate(axes):
            ax.plot(places, [pair[number] for pair in found.values()], label=name, **look)
    for ax, title in zip(axes, ("accuracy", "mean F1 of N, S, V, F"), strict=True):
        ax.set(title=title, ylim=(0, 1.02))
        ax.set_xticks(range(len(divisions)), divisions, rotation=35)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def dropped(accuracy: Mapping[str, Mapping[int, Sequence[float]]], always: float) -> Figure:
    """Accuracy of each network against the share of dropped samples, a dot for each seed.

    ``always`` is that of the answer N.
    """
    figure, ax = plt.subplots(figsize=(5.6, 3.0))
    for kind, found in accuracy.items():
        name, colour = NETWORKS[kind]
        plotting.means_and_seeds(ax, found, "o", color=colour, label=name)
    ax.axhline(always, color="black", linestyle=":", linewidth=1, label="always N")
    ax.set(xlabel="samples dropped (%)", ylabel="accuracy", ylim=(None, 1.0))
    ax.set_xticks(list(found))
    ax.legend()
    return figure


def confusion(tables: Mapping[str, Sequence[Sequence[int]]]) -> Figure:
    """Confusion matrices, each row in percent of the beats of its class."""
    figure, axes = plt.subplots(1, len(tables), figsize=(3.2 * len(tables), 3.2))
    for ax, (title, counts) in zip(np.atleast_1d(axes), tables.items(), strict=True):
        counts = np.asarray(counts)
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(share):
            colour = "white" if value > 0.6 else "black"
            ax.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour)
        ax.set(title=title, xlabel="answered", ylabel="class")
        ax.set_xticks(range(len(counts)), aami.CLASSES)
        ax.set_yticks(range(len(counts)), aami.CLASSES)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    return figure


def mistakes(
    db, beats: Heartbeats, rows: Sequence[int], answers: Sequence[int], *, around: float = 2.0
) -> Figure:
    """Beats on ECG paper with their neighbours and annotations; the title says what was answered.

    ``rows`` are numbers of beats in the set; what the set has of each is shaded.
    """
    figure, axes = plt.subplots(len(rows), 1, figsize=(6.4, 2.4 * len(rows)))
    for ax, row, answer in zip(np.atleast_1d(axes), rows, answers, strict=True):
        record = db.record(beats.record[row])
        column = record.leads.index("MLII") if "MLII" in record.leads else 0
        at = beats.sample[row] / record.fs
        plotting.plot_ecg(
            ax,
            record.signals[:, column],
            record.fs,
            start=max(0.0, at - around),
            stop=at + around,
            samples=record.samples,
            symbols=record.symbols,
        )
        length = np.flatnonzero(beats.x[row])[-1] / FS  # zeros follow
        ax.axvspan(at, at + length, color=plotting.YELLOW, alpha=0.35, lw=0)
        truth, given = aami.CLASSES[beats.y[row]], aami.CLASSES[answer]
        ax.set_title(f"record {record.name}: a beat of class {truth}, taken for {given}")
    plotting.mark_source(figure, beats.provenance)
    return figure
