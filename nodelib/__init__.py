"""Neural ODEs, reproduced and audited: the library behind the book."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["integrate", "odeint"]


def __getattr__(name: str) -> Any:
    """``odeint`` and ``integrate``, imported when asked for: most commands need no PyTorch."""
    if name in __all__:
        from nodelib.ode import gradients

        return getattr(gradients, name)
    raise AttributeError(f"module 'nodelib' has no attribute {name!r}")
