import gc
import resource

import pytest
import torch
from torch import nn

from nodelib.ode.gradients import MODES, odeint

MODE = pytest.mark.parametrize("mode", MODES)
GRID = {"method": "euler", "options": {"num_steps": 1}}


def tensors():
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def grown(work):
    """Tensors and MiB of peak memory that 1,000 runs leave behind, after some to warm up."""
    for _ in range(20):
        work()
    before, peak = tensors(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        work()
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    return tensors() - before, more / 1024


def field():
    return nn.Sequential(nn.Linear(16, 16), nn.Tanh())


@MODE
@pytest.mark.filterwarnings("ignore:The continuous adjoint with Euler")
def test_a_thousand_training_steps_leave_nothing_behind(mode):
    net, z0 = field(), torch.randn(256, 16)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)

    def step():
        optimiser.zero_grad()
        z = odeint(lambda t, z: net(z), z0, [0.0, 1.0], grad=mode, params=net.parameters(), **GRID)
        z[-1].square().mean().backward()
        optimiser.step()

    left, mib = grown(step)
    # One activation kept for each step would be 1,000 tensors and 16 MiB.
    assert left < 5
    assert mib < 8


@MODE
@pytest.mark.filterwarnings("ignore:The continuous adjoint with Euler")
def test_a_thousand_solves_leave_nothing_behind(mode):
    net, z0 = field(), torch.randn(256, 16)
    params = list(net.parameters())
    left, mib = grown(
        lambda: odeint(lambda t, z: net(z), z0, [0.0, 1.0], grad=mode, params=params, **GRID)
    )
    assert left < 5
    assert mib < 8
