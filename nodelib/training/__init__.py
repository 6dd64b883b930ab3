"""Training: one loop for one network or many side by side, and what is drawn for its steps."""

from nodelib.training.history import History
from nodelib.training.loop import train
from nodelib.training.recipe import Recipe

__all__ = ["History", "Recipe", "train"]
