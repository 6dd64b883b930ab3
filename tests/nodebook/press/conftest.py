"""A small checkout with chapters of its own, so that runs and failures are quick to provoke."""

import textwrap
from pathlib import Path

import pytest

HEADER = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A chapter

# %% tags=["parameters"]
profile = "quick"
seed = 0

"""


class Checkout:
    """A folder that ``nodelib.paths.root`` accepts, and the means to add chapters to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.out = root / "_build" / "executed"

    def add(self, name: str, code: str) -> None:
        """Add a chapter whose cells are ``code``."""
        source = HEADER + textwrap.dedent(code)
        (self.root / "notebooks" / f"{name}.py").write_text(source, encoding="utf-8")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for folder in ("notebooks", "book", "nodelib", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/intro\n")
    (tmp_path / "requirements.lock").write_text("numpy==2\n")
    (tmp_path / "nodelib" / "thing.py").write_text("x = 1\n")
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    return Checkout(tmp_path)
