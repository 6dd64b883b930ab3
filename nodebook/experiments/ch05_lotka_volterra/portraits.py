"""Panels of chapter 05's phase planes: the true field, and models on two test trajectories."""

import torch
from torch import Tensor

from nodebook.experiments.ch05_lotka_volterra import predator_prey
from nodebook.experiments.ch05_lotka_volterra.predator_prey import BEYOND, HORIZON, INTERVALS
from nodebook.experiments.ch05_lotka_volterra.predator_prey_models import Model
from nodebook.figures import phase_plane
from nodebook.figures.phase_plane import Field, Portrait
from nodelib.ode.gradients import odeint

SHOWN = (0, 3)
FINE = 10


def true_portrait() -> Portrait:
    """The true field."""
    field = phase_plane.true_field
    return Portrait("true field", field, _smooth(field), FINE * INTERVALS)


def portrait(title: str, model: Model) -> Portrait:
    """A single model, whose field is held or implied."""
    model = model.double()

    def field(states: Tensor) -> Tensor:
        return model.field(states[None])[0].detach()

    if model.question in ("node", "derivative"):
        return Portrait(title, field, _smooth(field), FINE * INTERVALS)
    starts = predator_prey.test_truth()[0, SHOWN]
    with torch.no_grad():
        walks = model.trajectories(starts[None], BEYOND * INTERVALS)[:, 0]
    return Portrait(title, field, walks, INTERVALS, dotted=True)


@torch.no_grad()
def _smooth(field: Field) -> Tensor:
    """Two test trajectories of a field at finer times than those of the observations."""
    t = torch.linspace(0, BEYOND * HORIZON, FINE * BEYOND * INTERVALS + 1, dtype=torch.float64)
    starts = predator_prey.test_truth()[0, SHOWN]
    return odeint(lambda _, z: field(z), starts, t, method="rk4")
