"""Document 000's listings of GRU-ODE-Bayes, rebuilt and measured on small random numbers.

The loop is our walk over a batch; the vectorised listing is rebuilt from what the slide prints: the
state starts from h(0), all times are merged and sorted, and the solver runs over them once. Its
parts that are cut ("...") cannot be measured. Weights are the same in both, in double precision.

Metrics:

- ``vectorised.shape``: "times, batch, hidden" if the states have the shape that the slide says
- ``vectorised.solves``: calls of the solver; ``vectorised.evaluations_for_an_interval``: how often
  the field is called in turn for each interval, from the loop inside the solver
- ``vectorised.against_loop``: largest difference from the loop's states just before the events,
  over the largest state; ``vectorised.without_jumps``: the same, without the loop's jumps;
  ``vectorised.model``: "the same" or "another"
- ``loop.moved_by_values``: largest change of the loop's states if every value changes by 1; the
  listing's solve has no place where a value could enter
- ``ode_step.euler``: the printed step against ``h + dt f(h)``; ``ode_step.prediction_used``:
  largest change of it if p changes by 1, without imputation; ``ode_step.whole_gap_error``: relative
  error of one Euler step over a gap of 1, against many; ``ode_step.half``: of two steps, over that
- ``between.flow``: the loop between two events against ``odeint``; ``between.jump``: at an event,
  against ``torch.nn.GRUCell``; with ``relative_error`` and ``classification``
- ``adjoint.growth``: nodes of the graph of twice the events, over those of the events
- ``rnn.parameters``: "shared" if a GRU has as many numbers for twice the events
- ``python.share``: share of a forward walk of one series that is not spent in PyTorch's operators
  (by its profiler, which slows both); ``python.batch_64``: time of 64 series over that of one;
  ``python.overhead``: share of the time of one that does not grow with the number of series
- ``chunks.undefined``: names; ``chunks.raises``; ``chunks.last_share``: events of the last chunk of
  records of random length, over the size; ``chunks.uniform``: share of records of which all chunks
  have one length; ``chunks.short_is_shifted``: whether a short record begins at 0, as chunks do;
  ``chunks.covered``: share of the events that are in some chunk
"""

import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from nodebook.documents import chunk_listing
from nodebook.documents.formulas.verdicts import relative_error
from nodebook.evidence import results
from nodebook.experiments.ch10_gru_ode.side_by_side import Choices, GRUODEBayes
from nodelib.data.sporadic import DoubleOU, Sampling
from nodelib.models.sporadic import SporadicGRU
from nodelib.ode.gradients import odeint
from nodelib.seeds import generator

VARIANTS = ("listings",)
SEEDS = (0, 1, 2)
NEEDS = ()
TOLERANCE = {"*relative_error": 1e3, "*": 1e-4}

BATCH, EVENTS, HOLDS = 4, 6, 1e-8
FINE = Choices(solver="rk4", steps=8)


def model_of(seed: int, choices: Choices = FINE) -> GRUODEBayes:
    """One untrained network in double precision, with a random h(0)."""
    model = GRUODEBayes(choices, 2, [seed]).double()
    with torch.no_grad():
        model.start.copy_(torch.randn(model.start.shape, generator=generator(seed)).double() / 2)
    return model


def batch_of(seed: int, count: int, events: int = EVENTS) -> tuple[Tensor, ...]:
    """Series of one network, all of their events seen, in double precision."""
    series = DoubleOU().draw(count, Sampling(seen=events, ahead=0), (seed, 9))
    arrays = (series.times, series.x, series.mask, series.seen)
    return tuple(torch.from_numpy(a)[None] for a in arrays)


def loop(model: GRUODEBayes, batch: tuple[Tensor, ...], jumps: bool = True) -> Tensor:
    """States just before each event, (S, B, E, H), one event after the other."""
    times, x, mask, _ = batch
    h, now, states = model.start.expand(-1, times.shape[1], -1), 0.0, []
    for k in range(times.shape[2]):
        h = model.flow(h, (times[:, :, k] - now).unsqueeze(-1))
        now = times[:, :, k]
        states.append(h)
        if jumps:
            h = model.jump(h, model.head(h), x[:, :, k], mask[:, :, k])
    return torch.stack(states, 2)


class Vectorised:
    """What the slide prints, in our words: one solve from h(0) over all times; it counts calls."""

    def __init__(self, model: GRUODEBayes) -> None:
        self.model, self.solves, self.calls = model, 0, 0

    def field(self, t: Tensor, h: Tensor) -> Tensor:
        """The continuous cell."""
        self.calls += 1
        return self.model.slope(h)

    def __call__(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """All times, merged, and the states at them (times, batch, hidden)."""
        merged = torch.unique(torch.cat((times.new_zeros(1), times.flatten())))
        h = self.model.start.expand(-1, times.shape[1], -1)
        self.solves += 1
        states = odeint(
            self.field, h, merged, method="rk4", grad="backprop", options={"step_size": 0.05}
        )
        return merged, states[:, 0]

    def before_events(self, times: Tensor) -> Tensor:
        """Its states at each series' own times, (1, B, E, H)."""
        merged, states = self(times)
        place = torch.searchsorted(merged, times[0])
        return states[place, torch.arange(times.shape[1])[:, None]][None]


def holds(ours: Tensor, theirs: Tensor, limit: float) -> dict[str, object]:
    """Relative error, and whether it is below the limit."""
    error = relative_error(ours, theirs)
    return {"relative_error": error, "classification": "holds" if error < limit else "wrong"}


@torch.no_grad()
def vectorised(seed: int) -> dict[str, dict]:
    """The vectorised listing beside the loop."""
    model, batch = model_of(seed), batch_of(seed, BATCH)
    times, x, mask, seen = batch
    listing = Vectorised(model)
    merged, states = listing(times)
    expected = (BATCH * EVENTS + 1, BATCH, model.choices.hidden)
    solves, calls = listing.solves, listing.calls / (len(merged) - 1)
    own = listing.before_events(times)
    moved = (times, x + 1, mask, seen)
    return {
        "vectorised": {
            "shape": "times, batch, hidden" if tuple(states.shape) == expected else "another",
            "solves": solves,
            "evaluations_for_an_interval": calls,
            "against_loop": (gap := relative_error(own, loop(model, batch))),
            "without_jumps": relative_error(own, loop(model, batch, jumps=False)),
            "model": "the same" if gap < HOLDS else "another",
        },
        "loop": {"moved_by_values": relative_error(loop(model, moved), loop(model, batch))},
    }


@torch.no_grad()
def ode_step(seed: int) -> dict[str, dict]:
    """The printed step, the flow between events, and the jump."""
    one, model = model_of(seed, Choices(steps=1)), model_of(seed)
    times, x, mask, _ = batch_of(seed, BATCH)
    h, gap = torch.randn(1, BATCH, 24, generator=generator(seed, 1)).double(), times[:, :, :1]
    p, unit = one.head(h), torch.ones_like(gap)
    step = one.flow(h, gap)
    exact = odeint(lambda t, y: model.slope(y), h, torch.tensor([0.0, 1.0]).double(),
                   method="dopri5", rtol=1e-10, atol=1e-12, grad="backprop")[-1]  # fmt: skip
    whole, halves = one.flow(h, unit), one.flow(one.flow(h, unit / 2), unit / 2)
    used = mask[:, :, 0]
    cell = nn.GRUCell(one.cell.from_input.sizes[0], 24).double()
    cell.weight_ih.copy_(one.cell.from_input.layers[0].weight[0].T)
    cell.weight_hh.copy_(one.cell.from_state.layers[0].weight[0].T)
    cell.bias_ih.copy_(one.cell.from_input.layers[0].bias[0])
    cell.bias_hh.copy_(one.cell.from_state.layers[0].bias[0])
    mean, log_variance = p.chunk(2, -1)
    told = torch.stack((x[:, :, 0], mean, log_variance, (x[:, :, 0] - mean)
                        / torch.exp(log_variance / 2)), -1)  # fmt: skip
    inner = torch.einsum("sbfk,sfkq->sbfq", told, one.weight) + one.bias[:, None]
    inputs = (torch.relu(inner) * used.unsqueeze(-1)).flatten(2)
    return {
        "ode_step": {
            "euler": holds(step, h + gap * one.slope(h), HOLDS),
            "prediction_used": relative_error(h + gap * one.slope(h, p + 1), step),
            "whole_gap_error": (error := relative_error(whole, exact)),
            "half": relative_error(halves, exact) / error,
        },
        "between": {
            "flow": holds(model.flow(h, unit), exact, 1e-5),
            "jump": holds(one.jump(h, p, x[:, :, 0], used)[0], cell(inputs[0], h[0]), HOLDS),
        },
    }


def graph_nodes(result: Tensor) -> int:
    """Operations that autograd has kept for a result."""
    found, todo = set(), [result.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in found:
            found.add(node)
            todo += [following for following, _ in node.next_functions]
    return len(found)


def shared(seed: int) -> dict[str, dict]:
    """Graphs and parameters for some events and for twice as many."""
    kept, counts = [], []
    for events in (EVENTS, 2 * EVENTS):
        batch = batch_of(seed, BATCH, events)
        kept.append(graph_nodes(model_of(seed, Choices()).walk(*batch)[0].sum()))
        gru = SporadicGRU("gap", 2, 24, [seed]).double()
        gru(*batch)
        counts.append(gru.count)
    same = "shared" if counts[0] == counts[1] else "one set a step"
    return {"adjoint": {"growth": kept[1] / kept[0]}, "rnn": {"parameters": same}}


@torch.no_grad()
def python_share(seed: int) -> dict[str, dict]:
    """Where the time of a forward walk goes; CPU time of this process."""
    model, one, many = model_of(seed, Choices()), batch_of(seed, 1, 32), batch_of(seed, 64, 32)
    seconds: dict[int, list[float]] = {1: [], 64: []}
    for _ in range(15):
        for size, batch in ((1, one), (64, many)):
            begun = time.process_time()
            model.walk(*batch)
            seconds[size].append(time.process_time() - begun)
    shares = []
    for _ in range(5):
        with profile(activities=[ProfilerActivity.CPU]) as watched:
            begun = time.perf_counter()
            model.walk(*one)
            spent = time.perf_counter() - begun
        operators = sum(event.self_cpu_time_total for event in watched.key_averages()) / 1e6
        shares.append(1 - operators / spent)
    ratio = float(np.median(seconds[64]) / np.median(seconds[1]))
    overhead = 1 - (ratio - 1) / 63  # time = overhead + series * arithmetic
    return {"python": {"share": float(np.median(shares)), "batch_64": ratio,
                       "overhead": overhead}}  # fmt: skip


def chunked(seed: int) -> dict[str, dict]:
    """The chunk listing on records of random length."""
    rng, size, overlap = np.random.default_rng(seed), 512, 64
    uniform, last, covered = [], [], []
    for n in rng.integers(size + 1, 20 * size, 200):
        found = chunk_listing.chunks(np.arange(5.0, 5.0 + n), size, overlap)
        lengths = [len(part) for part in found]
        uniform.append(len(set(lengths)) == 1)
        last.append(lengths[-1] / size)
        covered.append((sum(lengths) - overlap * (len(lengths) - 1)) / n)
    short = chunk_listing.chunks(np.arange(5.0, 25.0), size, overlap)
    names = chunk_listing.undefined_names()
    return {
        "chunks": {
            "undefined": ", ".join(names),
            "undefined_count": len(names),
            "raises": chunk_listing.what_it_raises({"id": "1"}),
            "uniform": float(np.mean(uniform)),
            "last_share": float(np.mean(last)),
            "covered": float(np.mean(covered)),
            "short_is_shifted": "yes" if short[0][0] == 0 else "no",
        }
    }


def rederive(run: results.Run) -> dict[str, object]:
    """All metrics but the times."""
    seed = run.seed
    return {**vectorised(seed), **ode_step(seed), **shared(seed), **chunked(seed)}


def run(variant: str, seed: int) -> results.Outcome:
    """Measure every part."""
    parts = (vectorised, ode_step, shared, python_share, chunked)
    return results.Outcome(metrics={key: v for part in parts for key, v in part(seed).items()})
