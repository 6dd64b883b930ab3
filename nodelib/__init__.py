"""Neural ODEs, reproduced and audited: the library behind the book.

``odeint(f, z0, t)`` solves ``dz/dt = f(t, z)``, differentiable in the state, the times and the
parameters; ``integrate`` does the same and also says what it cost. What they refuse is a
``SolverError``, one of the ``NodelibError``s, each with one clear message.
"""

from importlib import import_module
from typing import Any

from nodelib.errors import NodelibError, SolverError

__version__ = "0.1.0"
__all__ = ["NodelibError", "SolverError", "integrate", "odeint"]


def __getattr__(name: str) -> Any:
    """The solvers, imported when they are asked for: most commands need no PyTorch."""
    if name in ("integrate", "odeint"):
        return getattr(import_module("nodelib.ode.gradients"), name)
    raise AttributeError(f"module 'nodelib' has no attribute {name!r}")
