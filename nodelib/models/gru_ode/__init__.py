"""GRU-ODE-Bayes (De Brouwer et al. 2019) for series observed at irregular times.

Between observations the state flows by a GRU-ODE, at each it jumps by a GRU step; from the state
come mean and log-variance of every feature.

    events = pad_events([(times, values, mask), ...], end=10.0)       # one entry a sample
    model = GRUODEBayes(Sizes(features=2, hidden=32), Stepping("euler", delta_t=0.1), seed=0)
    followed = model(events)
    (followed.loss(mixing=1e-4) / followed.count.sum()).backward()
    ahead = predict(model, events, torch.linspace(0, 12, 241))        # ahead.mean, ahead.logvar

``GRUODEBayes(..., compile=True)`` compiles the walk over the events: worth it for long trainings.

Data: ``pad_events`` (lists), ``make_events`` (padded tensors), ``merge_simultaneous``; both give
``Events``, checked. Model: ``GRUODEBayes(Sizes(...), Stepping(...), full=, impute=, noise=, seed=,
dtype=)``; called on events it gives ``Followed`` (``h``, ``logits``, ``nll``, ``kl``, ``count``,
``before``, ``after``, ``loss(mixing)``). ``Stepping(solver, steps=n)`` takes n steps in every gap,
``Stepping(solver, delta_t=d)`` steps of at most d, and ``Stepping("dopri5", adaptive=True, rtol=,
atol=)`` as many as the tolerance asks. ``predict`` gives ``Prediction`` (``mean``, ``logvar``,
``h``) at any times. Parts: ``GRUODECell`` and its ``slope``, ``GRUBayes``, ``gaussian_nll``,
``gaussian_kl``.
``walk`` is the reference computation over the union of times.
"""

from nodelib.models.gru_ode.cells import GRUODECell, slope
from nodelib.models.gru_ode.events import Events, make_events, merge_simultaneous, pad_events
from nodelib.models.gru_ode.jump import GRUBayes
from nodelib.models.gru_ode.losses import gaussian_kl, gaussian_nll
from nodelib.models.gru_ode.model import Followed, GRUODEBayes, Sizes
from nodelib.models.gru_ode.prediction import Prediction, predict, predict_from
from nodelib.models.gru_ode.stepping import Stepping
from nodelib.models.gru_ode.walk import Walk, walk

__all__ = [
    "Events",
    "Followed",
    "GRUBayes",
    "GRUODEBayes",
    "GRUODECell",
    "Prediction",
    "Sizes",
    "Stepping",
    "Walk",
    "gaussian_kl",
    "gaussian_nll",
    "make_events",
    "merge_simultaneous",
    "pad_events",
    "predict",
    "predict_from",
    "slope",
    "walk",
]
