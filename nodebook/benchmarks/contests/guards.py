"""What each guard of a differentiated solve costs: the same solve and gradient with it and without.

A guard is what finds a wrong use (see ``nodelib.ode.gradients``); none can be switched off by a
user. Here each is replaced, for the time of a measurement, by what does nothing. The ratios are
those of processor time, which another process on the machine moves less than time on the clock.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from nodebook.benchmarks.contests.gradients import Network
from nodebook.benchmarks.harness import Contest
from nodelib.models.conv.small_maps import CHANNELS, SIDE, ConvField
from nodelib.ode import adjoint, checkpointing, solvers, steps
from nodelib.ode.gradients import odeint
from nodelib.training.memory import keep_freed_memory

MODULES = (adjoint, checkpointing, solvers, steps)
"""Where the guards are used."""


class Bare:
    """A field that is only counted."""

    def __init__(self, f: Callable[[Tensor, Tensor], Tensor], z0: Tensor) -> None:
        self.f, self.nfe = f, 0
        self.dtype, self.device = z0.dtype, z0.device

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        """The field's value."""
        self.nfe += 1
        return self.f(t, z)


class Unwatched:
    """A field that is not searched."""

    def __init__(self, f: Callable[[Tensor, Tensor], Tensor], *_: Any) -> None:
        self.f = f

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        """The field's value."""
        return self.f(t, z)

    def warn_of_lost(self) -> None:
        """Nothing is known to be lost."""


def _nothing(*_: Any, **__: Any) -> dict:
    return {}


def _within(*_: Any) -> nullcontext:
    return nullcontext()


GUARDS: Mapping[str, Mapping[str, Any]] = {
    "copies and checks of values": {"CountedField": Bare, "spare": lambda z: z},
    "search for unlisted tensors": {"WatchedField": Unwatched},
    "comparison of what is redone": {"digest": _nothing, "check_same": _nothing},
    "attributes of modules": {
        "attributes_of": _nothing,
        "settled": _nothing,
        "check_attributes": _nothing,
    },
    "random numbers, buffers, hooks": {
        "generator_states": lambda device: (),
        "generators_at": _within,
        "buffers_kept": _within,
        "hooks_silent": _within,
    },
}
"""By what each guard is replaced, by the names that the modules of the solvers know it by."""


@contextmanager
def without(*guards: str) -> Iterator[None]:
    """The solvers without these guards."""
    replaced = {name: new for guard in guards for name, new in GUARDS[guard].items()}
    patches = [
        mock.patch.object(module, name, new)
        for module in MODULES
        for name, new in replaced.items()
        if hasattr(module, name)
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()


def contests() -> list[Contest]:
    """Each guard, and all together, on a small network with many steps and on maps of MNIST.

    Freed memory is kept: to be given anew what the maps take would cost more than any guard.
    """
    keep_freed_memory()
    draw = torch.Generator().manual_seed(1)
    small = (Network(), torch.randn(64, 2, generator=draw), 4.0)
    maps = (ConvField(), torch.randn(SIDE**2, 64, CHANNELS, generator=draw), 1.0)
    works = {
        "small network": (*small, {"method": "dopri5", "rtol": 1e-6, "atol": 1e-8}),
        "MNIST field": (*maps, {"method": "rk4", "options": {"num_steps": 2}}),
    }
    made = []
    for work, (field, z0, end, settings) in works.items():
        for mode in ("checkpoint", "adjoint"):
            whole = functools.partial(gradient, field, z0, end, grad=mode, **settings)
            for names in (*((name,) for name in GUARDS), tuple(GUARDS)):
                peer = f"without {names[0] if len(names) == 1 else 'any guard'}"
                bare = functools.partial(unguarded, names, whole)
                made.append(Contest(f"{work}, {mode}", peer, whole, bare, fine=True))
    return made


def gradient(field: nn.Module, z0: Tensor, end: float, **settings: Any) -> tuple[Tensor, ...]:
    """Gradients in z0 and the parameters of the summed squares of a solve from 0 to ``end``."""
    z0 = z0.clone().requires_grad_()
    z = odeint(field, z0, [0.0, end], **settings)
    return torch.autograd.grad(z[-1].square().sum(), (z0, *field.parameters()))


def unguarded(guards: Sequence[str], work: Callable[[], object]) -> object:
    """What ``work`` gives without these guards."""
    with without(*guards):
        return work()
