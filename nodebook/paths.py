"""Where the project's folders are."""

import os
from pathlib import Path

from nodelib.errors import NodelibError


def root() -> Path:
    """Top folder of the checkout (the one that holds ``_toc.yml``).

    ``NODELIB_ROOT`` overrides it; otherwise it is the folder that holds the installed package,
    which is why the project is installed in place (``pip install -e .``).

    Raises:
        NodelibError: if that folder is not a checkout of the book.
    """
    top = Path(os.environ.get("NODELIB_ROOT") or Path(__file__).resolve().parents[1])
    if not (top / "_toc.yml").is_file():
        raise NodelibError(
            f"{top} is not a checkout of the book (no _toc.yml in it): "
            "install with 'pip install -e .' inside a clone, or set NODELIB_ROOT to one"
        )
    return top


def results() -> Path:
    """Folder of the recorded runs."""
    return root() / "results"


def measurements() -> Path:
    """Folder of the recorded measurements of speed."""
    return results() / "bench"


def build() -> Path:
    """Folder for everything that can be made again."""
    return root() / "_build"
