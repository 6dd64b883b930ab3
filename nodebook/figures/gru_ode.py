"""The figures of chapter 10: a state that flows and jumps, and what its parts are worth."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from nodebook.figures import plotting
from nodelib.data.sporadic import DoubleOU, SporadicSeries

JUST = 1e-4
"""Just before and just after an event, in units of time."""


@torch.no_grad()
def predicted_at(model, scale, series: SporadicSeries, queries: np.ndarray):
    """Mean and standard deviation (Q, F) at times, from the seen events before each.

    ``series`` holds one series; ``scale`` has its mean, deviation and ``tensors`` (see the
    experiment).
    """
    times, x, mask, seen = (part[None] for part in scale.tensors(series))
    events = [(float(t), k) for k, t in enumerate(times[0, 0]) if seen[0, 0, k]]
    h, now, told = model.start, 0.0, []
    for q in queries:
        while events and events[0][0] < q:
            at, k = events.pop(0)
            h = model.flow(h, torch.full((1, 1, 1), at - now))
            h, now = model.jump(h, model.head(h), x[:, :, k], mask[:, :, k]), at
        told.append(model.head(model.flow(h, torch.full((1, 1, 1), float(q) - now)))[0, 0])
    mean, log_variance = torch.stack(told).double().chunk(2, -1)
    deviation = scale.deviation
    return scale.mean + deviation * mean.numpy(), deviation * (log_variance / 2).exp().numpy()


def known_at(process: DoubleOU, series: SporadicSeries, queries: np.ndarray):
    """The same of the exact filter; both are of a measured value, with its noise."""
    own = series.seen[0]
    times = np.concatenate([series.times[0, own], queries])
    order = np.argsort(times, kind="stable")
    blank = np.zeros((len(queries), 2))
    x = np.concatenate([series.x[0, own], blank])[order]
    mask = np.concatenate([series.mask[0, own], blank > 0])[order]
    merged = SporadicSeries(
        times[order][None], x[None], mask[None], np.isin(order, np.arange(own.sum()))[None]
    )
    mean, variance = process.filter(merged)
    place = np.argsort(order)[own.sum() :]
    return mean[0, place], np.sqrt(variance[0, place])


def flow_and_jumps(model, scale, process: DoubleOU, series: SporadicSeries) -> Figure:
    """Predicted mean and 2-sigma band of both components of one series, and the exact ones."""
    end = series.times.max()
    fine = np.linspace(0.01, end, 240)
    at = series.times[0, series.seen[0]]
    queries = np.unique(np.concatenate([fine, at - JUST, at + JUST]))
    figure, axes = plt.subplots(2, 1, figsize=(7.2, 4.8), sharex=True)
    ours, exact = predicted_at(model, scale, series, queries), known_at(process, series, queries)
    for f, ax in enumerate(axes):
        mean, deviation = ours[0][:, f], ours[1][:, f]
        ax.fill_between(
            queries, mean - 2 * deviation, mean + 2 * deviation, color=plotting.SKY, alpha=0.35
        )
        ax.plot(queries, mean, color=plotting.BLUE, label="GRU-ODE-Bayes, mean and 2 s.d.")
        for sign, label in ((-2, "exact filter, 2 s.d."), (2, None)):
            edge = exact[0][:, f] + sign * exact[1][:, f]
            ax.plot(queries, edge, "--", color=plotting.BLACK, linewidth=0.8, label=label)
        for chosen, marker, label in (
            (series.seen[0], "o", "seen"),
            (~series.seen[0], "x", "to be predicted"),
        ):
            which = chosen & series.mask[0, :, f]
            ax.plot(
                series.times[0, which],
                series.x[0, which, f],
                marker,
                color=plotting.VERMILION,
                label=label,
            )
        ax.set_ylabel(f"component {f + 1}")
    axes[1].set_xlabel("time")
    axes[0].legend(ncols=2, fontsize=8)
    return figure


def ablations(excess: Mapping[str, Sequence[float]]) -> Figure:
    """Nats above the exact filter of each variant: a dot for a seed, a bar for the mean."""
    figure, ax = plt.subplots(figsize=(7.2, 3.4))
    names = list(excess)
    for row, name in enumerate(names):
        colour = plotting.BLUE if row == 0 else plotting.GREEN
        ax.barh(row, np.mean(excess[name]), color=colour, alpha=0.35)
        ax.plot(excess[name], [row] * len(excess[name]), "o", color=colour, markersize=4)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlabel("nats a value above the exact filter (less is better)")
    return figure


def learning(losses: Sequence[float]) -> Figure:
    """Training loss against the step."""
    figure, ax = plt.subplots(figsize=(5.6, 2.6))
    ax.plot(losses, color=plotting.BLUE)
    ax.set(xlabel="training step", ylabel="loss", yscale="symlog")
    return figure
