"""What a model predicts at any time, from the events up to then."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.errors import ModelError
from nodelib.models.gru_ode.events import Events
from nodelib.models.gru_ode.model import GRUODEBayes


@dataclass(frozen=True)
class Prediction:
    """At Q times of each sample: ``mean`` and ``logvar`` (B, Q, F), ``h`` (B, Q, H)."""

    mean: Tensor
    logvar: Tensor
    h: Tensor


def predict(model: GRUODEBayes, events: Events, at: Tensor, *, jumped: bool = False) -> Prediction:
    """Predict at times between and after the events, without jumping there.

    Each time is reached from the last event before it in steps of its own. Times on a fine grid
    give the path of the state for a figure.

    Args:
        model: the model.
        events: what it sees; cut a series at the present to predict its future.
        at: times (B, Q), or (Q,) for all samples, in any order.
        jumped: whether an event at exactly the time counts already. By default it does not: the
            prediction is what was expected of it.

    Raises:
        ModelError: if a time is not finite or before the start; also as the model does.
    """
    batch = len(events.lengths)
    at = at.to(events.times.dtype)
    at = at.expand(batch, -1) if at.dim() == 1 else at
    if at.dim() != 2 or len(at) != batch:
        raise ModelError(f"the times have shape {tuple(at.shape)}: give (Q,) or ({batch}, Q)")
    wrong = (~at.isfinite() | (at < events.start[:, None])).nonzero()
    if len(wrong):
        k, q = wrong[0].tolist()
        raise ModelError(
            f"time {q} to predict at, of sample {k}, is not finite or lies before the start"
        )
    followed = model(events)
    return predict_from(model, events, followed.after, at, jumped=jumped)


def predict_from(
    model: GRUODEBayes, events: Events, after: Tensor, at: Tensor, *, jumped: bool = False
) -> Prediction:
    """``predict`` from states ``after`` that are known already (of ``Followed``)."""
    seen = (
        events.times[:, None, :] <= at[..., None]
        if jumped
        else (events.times[:, None, :] < at[..., None])
    )
    last = (seen & events.real[:, None, :]).sum(-1)
    clocks = torch.cat((events.start[:, None], events.times), 1)
    gaps = at - clocks.gather(1, last)
    h = after.gather(1, last.unsqueeze(-1).expand(-1, -1, after.shape[-1]))
    dt, count = model.stepping.plan(gaps)
    most = int(count.max()) if count.numel() else 0
    dt, count = (y.unsqueeze(-1).to(model.dtype) for y in (dt, count))
    h = model.flow(h, dt, count, most)
    mean, logvar = model.predict(h).chunk(2, -1)
    return Prediction(mean, logvar, h)
