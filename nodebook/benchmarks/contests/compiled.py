"""The gradient of a compiled solve against torchdiffeq's and, where it is installed, diffrax's.

A field 2-50-2 in single precision, 100 output times on [0, 25], tolerances 1e-5, for one, 64 and
1,024 states: forward and backward together, the loss the sum of squares of all outputs. Compiling
is not part of it. diffrax chooses its steps by another error estimate, and so takes fewer. The
adjoint of torchdiffeq is left out: solved backwards, this field runs away. With ReLU it would run
away forwards too; there the state is drawn back to zero, which keeps it below 4.
"""

import functools
from collections.abc import Callable

import torch
import torchdiffeq

from nodebook.benchmarks import diffrax_peer
from nodebook.benchmarks.contests.gradients import gradient
from nodebook.benchmarks.gradient_problems import ACTIVATIONS, Autonomous, starts
from nodebook.benchmarks.harness import Contest
from nodelib.ode.gradients import odeint

BATCHES = (1, 64, 1024)
TOLERANCE = 1e-5
TOLERANCES = {"rtol": TOLERANCE, "atol": TOLERANCE}


def contests() -> list[Contest]:
    """The compiled solve against each peer, for each activation and number of states."""
    times = torch.linspace(0.0, 25.0, 100)
    made = []
    for activation in ACTIVATIONS:
        field = Autonomous(activation)
        for batch in BATCHES:
            z0 = starts(batch)
            run = functools.partial(
                gradient, field=field, z0=z0, times=times, tolerances=TOLERANCES
            )
            ours = functools.partial(run, functools.partial(odeint, compile=True))
            peers: dict[str, Callable[[], object]] = {
                "torchdiffeq odeint": functools.partial(run, torchdiffeq.odeint)
            }
            if diffrax_peer.version():
                peers["diffrax, compiled"] = diffrax_peer.trajectory_gradient(field, z0, times)(
                    TOLERANCE
                )
            name = f"gradient, compiled, {activation}, states: {batch}"
            made += [Contest(name, peer, ours, theirs) for peer, theirs in peers.items()]
    return made
