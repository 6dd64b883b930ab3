"""What do the two models of document 000's table compute? Asked of rhythms of mitdb.

Both are rebuilt in ``nodebook.documents.ecg_deck``, untrained, in double precision, beside the
faithful model with the same weights. A batch is one chunk of each of eight records: 512 beats with
R-R interval, class and QRS duration, scaled as in the repository (R-R and QRS to mean 0 and
deviation 1), age and sex.

Metrics, each for ``full``, ``baseline`` and ``faithful`` where it applies; a change is the largest
over the largest output:

- ``reached``: change of the states before later events if the first half of all values changes by 1
- ``order``: change of the logits if the events' values are shuffled among the times; ``order_kind``
  says whether it counts: "matters" or "does not"
- ``batch``: change of the logits of a sample in its batch, against alone
- ``state``: largest entry of the state that is classified; ``state_half``: after half of the events
- ``jumps``: how often the sum of the jumps is in that state
- ``idle``: share of the parameters to which the classification sends no gradient
- ``solver``: share of the gradient's norm that belongs to the flow between the beats
- ``adjoint``: relative error of the flow's gradient by ``torchdiffeq.odeint_adjoint`` with Euler's
  method, as in the listing, against backpropagation through the same steps, for the first 128
  beats of two records
- ``steps.union``: of the listing's solve for the batch; ``steps.own``: beats of a sample
- ``euler``: change of the states before the events if every step is halved
"""

import numpy as np
import torch
import torchdiffeq
from torch import Tensor
from torch.nn.functional import cross_entropy

from nodebook.documents.ecg_deck import DeckModel, baseline, full
from nodebook.documents.formulas.verdicts import relative_error
from nodebook.evidence import results
from nodelib import data
from nodelib.data import rhythms
from nodelib.models.gru_ode import Events, GRUODEBayes, Sizes, Stepping, pad_events
from nodelib.seeds import generator

VARIANTS = ("deck",)
SEEDS = (0, 1, 2)
NEEDS = ("mitdb",)
TOLERANCE = {"*": 1e-3}

RECORDS = ("100", "106", "119", "200", "203", "208", "222", "233")
SIZES = Sizes(
    features=7, hidden=64, p_hidden=32, prep_hidden=32, cov=3, cov_hidden=16, class_hidden=64,
    classes=3,
)  # fmt: skip
EXACT = 1e-9
FEW, SHORT = 2, 128
"""Samples and events for the comparison of two gradients, which is slow over more."""


def parts(seed: int) -> GRUODEBayes:
    """The untrained parts, which serve all three models."""
    stepping = Stepping("euler", steps=1)
    return GRUODEBayes(
        SIZES, stepping, full=True, impute=True, seed=seed, dtype=torch.float64
    )  # fmt: skip


def batch_of(seed: int) -> Events:
    """One chunk of each record, drawn by the seed."""
    database = data.mitdb(allow_standin=False)
    rng = np.random.default_rng(seed)
    chunks = []
    for name in RECORDS:
        whole = rhythms.chunks(rhythms.events(database.record(name)))[:-1]
        chunks.append(whole[rng.integers(len(whole))])
    scaled = [0, 6]
    seen = np.concatenate([c.values for c in chunks])[:, scaled]
    mean, deviation = seen.mean(0), seen.std(0)
    series = []
    for chunk in chunks:
        values = chunk.values.copy()
        values[:, scaled] = (values[:, scaled] - mean) / deviation
        series.append(tuple(torch.from_numpy(y) for y in (chunk.time, values, chunk.mask)))
    age = torch.tensor([[(c.age or 60) / 20 - 3, c.sex == "M", c.sex == "F"] for c in chunks])
    return pad_events(series, covariates=age.double())


def logits(of: DeckModel | GRUODEBayes, events: Events) -> Tensor:
    """Logits of any of the three."""
    return of(events).logits


def before(of: DeckModel | GRUODEBayes, events: Events) -> Tensor:
    """What is predicted before each event, (B, L, 2F)."""
    answer = of(events)
    return answer.before if isinstance(of, GRUODEBayes) else of.model.predict(answer.before)


def changed(events: Events, values: Tensor) -> Events:
    """The same events with other values."""
    return Events(events.times, values * events.observed, *[
        getattr(events, name) for name in ("observed", "lengths", "start", "end", "covariates")
    ])  # fmt: skip


def flow_gradients(model: GRUODEBayes, events: Events) -> tuple[Tensor, Tensor]:
    """Gradient in the flow's parameters of the mean square state: adjoint, backpropagation."""
    merged = torch.unique(torch.cat((events.start[:1], events.times[:FEW, :SHORT].flatten())))
    params = [*model.cell.parameters(), *model.predict.parameters()]
    found = []
    for adjoint in (True, False):
        first = model.initial(events).detach()[:FEW]

        def field(t: Tensor, h: Tensor) -> Tensor:
            return model.field(h)

        if adjoint:
            path = torchdiffeq.odeint_adjoint(
                field, first, merged, method="euler", adjoint_params=tuple(params)
            )
        else:
            path = torchdiffeq.odeint(field, first, merged, method="euler")
        gradients = torch.autograd.grad(path.square().mean(), params)
        found.append(torch.cat([g.flatten() for g in gradients]))
    return found[0], found[1]


def run(variant: str, seed: int) -> results.Outcome:
    """Ask every question of the three models."""
    model, events = parts(seed), batch_of(seed)
    models = {"full": full(model), "baseline": baseline(model), "faithful": model}
    metrics: dict[str, dict] = {
        key: {} for key in ("reached", "order", "order_kind", "batch", "state", "state_half")
    }
    half = events.times.shape[1] // 2
    moved = events.values.clone()
    moved[:, :half] += 1
    order = torch.randperm(events.times.shape[1], generator=generator(seed))
    shuffled = Events(events.times, events.values[:, order], events.observed[:, order], *[
        getattr(events, name) for name in ("lengths", "start", "end", "covariates")
    ])  # fmt: skip
    fewer = Events(events.times[:, :half], events.values[:, :half], events.observed[:, :half],
                   events.lengths.clamp(max=half), events.start, events.times[:, half - 1],
                   events.covariates)  # fmt: skip
    with torch.no_grad():
        for name, of in models.items():
            plain = logits(of, events)
            later = [before(of, e)[:, half:] for e in (changed(events, moved), events)]
            metrics["reached"][name] = relative_error(*later)
            metrics["order"][name] = (by := relative_error(logits(of, shuffled), plain))
            metrics["order_kind"][name] = "does not" if by < EXACT else "matters"
            metrics["state"][name] = float(of(events).h.abs().max())
            metrics["state_half"][name] = float(of(fewer).h.abs().max())
            joined = full(model, together=True) if name == "full" else of
            alone = logits(joined, events.sample(0))
            metrics["batch"][name] = relative_error(logits(joined, events)[:1], alone)
        answers = {name: models[name](events) for name in ("full", "baseline")}
        metrics["jumps"] = {
            name: float(((a.h - a.end) / a.deltas.sum(1)).median()) for name, a in answers.items()
        }
        fine = GRUODEBayes(
            SIZES, Stepping("euler", steps=2), full=True, impute=True, seed=seed,
            dtype=torch.float64,
        )  # fmt: skip
        metrics["euler"] = {"faithful": relative_error(model(events).before, fine(events).before)}
    metrics["idle"], metrics["solver"] = shares(models, model, events)
    adjoint, exact = flow_gradients(model, events)
    metrics["adjoint"] = {"error": float((adjoint - exact).norm() / exact.norm())}
    metrics["steps"] = {
        "union": len(torch.unique(torch.cat((events.start, events.times.flatten())))) - 1,
        "own": int(events.lengths.max()),
    }
    provenance = data.mitdb(allow_standin=False).provenance
    return results.Outcome(metrics=metrics, data=[provenance])


def shares(models: dict, model: GRUODEBayes, events: Events) -> tuple[dict, dict]:
    """Parameters without a gradient of the classification, and the flow's share of its norm."""
    idle, flow = {}, {}
    target = torch.arange(len(events.lengths)) % SIZES.classes
    named = dict(model.named_parameters())
    for name, of in models.items():
        loss = cross_entropy(logits(of, events), target)
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        found = {
            key: torch.zeros_like(p) if g is None else g
            for (key, p), g in zip(named.items(), gradients, strict=True)
        }
        none = sum(g.numel() for g in found.values() if not g.any())
        idle[name] = none / sum(p.numel() for p in named.values())
        squares = {key: float(g.square().sum()) for key, g in found.items()}
        inside = sum(v for key, v in squares.items() if key.startswith("cell."))
        flow[name] = (inside / sum(squares.values())) ** 0.5
    return idle, flow
