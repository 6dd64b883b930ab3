"""The reference walk: all samples step over the union of their times.

At each time of the union the samples observed there jump. Slow, and what a sample's state is at an
event depends on whom it is batched with, where times are not multiples of the step; kept to hold
the batched model against published numbers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.errors import ModelError
from nodelib.models.gru_ode.events import Events
from nodelib.models.gru_ode.losses import gaussian_kl, gaussian_nll
from nodelib.models.gru_ode.model import GRUODEBayes
from nodelib.models.gru_ode.stepping import SLACK


@dataclass(frozen=True)
class Walk:
    """Where a walk ended, its two losses, and its path: each step and each jump, in order.

    ``h`` (B, H), ``logits`` (B, classes), ``nll`` and ``kl`` sums over the batch; ``times`` (n,),
    ``states`` (n, B, H) and ``predictions`` (n, B, 2F), the start first.
    """

    h: Tensor
    logits: Tensor
    nll: Tensor
    kl: Tensor
    times: Tensor
    states: Tensor
    predictions: Tensor


def walk(model: GRUODEBayes, events: Events, *, until: float, exact: bool = False) -> Walk:
    """Walk the union of times from 0 in steps of the model's ``delta_t``, to ``until``.

    Steps are taken while the clock is more than a thousandth of a step short of the next time, and
    are not cut: where times are no multiples of the step, the clock runs ahead of them and is not
    set back, as in the reference. With ``exact`` the last step before a time is cut to end there.

    Raises:
        ModelError: if the model has no ``delta_t`` or its solver is adaptive.
    """
    delta = model.stepping.delta_t
    if delta is None or model.stepping.adaptive:
        raise ModelError("the walk over the union of times takes fixed steps: give delta_t")
    model.check(events)
    h, clock = model.initial(events), 0.0
    joint = model.jump.joint_weight()
    path = [(clock, h, model.predict(h))]
    nll = kl = h.new_zeros(())
    times = events.times[events.real].unique().tolist()
    for time in [*times, None]:
        goal = until if time is None else time
        slack = 0.0 if time is None or exact else SLACK * delta
        while clock < goal - slack:
            length = min(delta, goal - clock) if exact else delta
            dt = torch.full_like(h[:, :1], length)
            h = model.stepping.advance(model.field, h, dt, torch.ones_like(dt), 1)
            clock += length
            path.append((clock, h, model.predict(h)))
        if time is None:
            break
        sample, row = (events.real & (events.times == time)).nonzero().T
        x = events.values[sample, row].to(model.dtype)
        observed = events.observed[sample, row].to(model.dtype)
        mean, logvar = path[-1][2][sample].chunk(2, -1)
        nll = nll + gaussian_nll(x, mean, logvar, observed).sum()
        jumped = model.jump(h[sample], x, observed, mean, logvar, joint)
        h = h.index_put((sample,), jumped)
        p = model.predict(h)
        kl = kl + gaussian_kl(x, *p[sample].chunk(2, -1), observed, model.noise).sum()
        path.append((time, h, p))
    clocks, states, predictions = zip(*path, strict=True)
    return Walk(
        h,
        model.classify(h),
        nll,
        kl,
        torch.tensor(clocks, dtype=torch.float64),
        torch.stack(states),
        torch.stack(predictions),
    )
