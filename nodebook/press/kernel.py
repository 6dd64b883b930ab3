"""The kernel that executes a chapter: this Python, without the user's own settings.

A kernelspec called ``python3`` may be anybody's; a user's IPython profile, start-up file or
``matplotlibrc`` would change what a page shows. So the kernel is started from here, as
``python -m nodebook.press.launch``, with an environment of its own.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec

#: Variables of the user's that would change a page. A Jupyter server sets the last one for its
#: kernels, and every kernel below it would take that notebook's name for its own.
DROPPED = ("MPLBACKEND", "PYTHONSTARTUP", "PYTHONINSPECT", "JPY_SESSION_NAME")


class OwnKernelManager(AsyncKernelManager):
    """Starts the kernel of this very Python, whatever kernelspecs are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """How to start it; no installed kernelspec is looked up."""
        argv = [sys.executable, "-m", "nodebook.press.launch", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


@contextmanager
def environment(folder: Path) -> Iterator[None]:
    """The environment of a kernel: settings and caches that it needs lie under ``folder``.

    Raises:
        OSError: if the folder cannot be written.
    """
    own = {
        "IPYTHONDIR": folder / "ipython",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "MATPLOTLIBRC": folder / "matplotlibrc",
    }
    if not _writable(os.environ.get("MPLCONFIGDIR")):
        own["MPLCONFIGDIR"] = folder / "matplotlib"
    folder.mkdir(parents=True, exist_ok=True)
    own["MATPLOTLIBRC"].write_text("", encoding="utf-8")
    before = dict(os.environ)
    os.environ.update({name: str(path) for name, path in own.items()})
    for name in DROPPED:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _writable(configured: str | None) -> bool:
    """Whether Matplotlib can keep its list of fonts where it would look for it."""
    if configured:
        return os.access(configured, os.W_OK)
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
    return os.access(home, os.W_OK)
