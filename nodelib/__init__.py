"""Neural ODEs, reproduced and audited: the library behind the book."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["odeint"]


def __getattr__(name: str) -> Any:
    """``nodelib.odeint``, imported when it is asked for: most commands need no PyTorch."""
    if name == "odeint":
        from nodelib.ode.gradients import odeint

        return odeint
    raise AttributeError(f"module 'nodelib' has no attribute {name!r}")
