"""Training: one loop for one network or many side by side, and what is drawn for its steps."""

from nodelib.training.loop import History, Recipe, train

__all__ = ["History", "Recipe", "train"]
