"""Neural ODEs, reproduced and audited: the library behind the book."""

from nodelib.gradients import odeint

__all__ = ["odeint"]
__version__ = "0.1.0"
