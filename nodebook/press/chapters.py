"""The chapters of the book: which notebooks there are and what parameters they take."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import papermill as pm
import yaml

from nodebook import paths
from nodebook.errors import ExecutionError

PROFILES = ("quick", "full")
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

#: What jupytext raises on a file that is no notebook, by the part of it that is wrong.
UNREADABLE = (
    OSError,
    ValueError,
    AttributeError,
    KeyError,
    TypeError,
    yaml.YAMLError,
    jupytext.formats.JupytextFormatError,
    nbformat.ValidationError,
)


@dataclass(frozen=True)
class Chapter:
    """One notebook: its document name (``08_mitdb``) and its py:percent source."""

    name: str
    source: Path

    @property
    def number(self) -> str:
        """What begins the name: two digits, and a letter on a page behind a chapter (``02a``)."""
        return self.name.split("_")[0]

    def notebook(self) -> nbformat.NotebookNode:
        """The notebook read from its source, without outputs, with stable cell ids.

        Raises:
            ExecutionError: if the source is not readable as a notebook.
        """
        try:
            node = jupytext.read(self.source)
        except UNREADABLE as error:
            raise ExecutionError(
                f"{self.source.name}: cannot be read as a notebook: look at its header "
                f"({type(error).__name__}: {error})"
            ) from error
        node.metadata["kernelspec"] = dict(KERNEL)
        for index, cell in enumerate(node.cells):
            cell["id"] = f"{self.name.replace('_', '-')}-{index:03d}"
        return node


def all_chapters(folder: Path | None = None) -> list[Chapter]:
    """Every ``NN_name.py`` in the notebooks folder, and the pages behind, in reading order.

    A page behind a chapter is ``NNa_name.py``, the next one ``NNb_name.py``.
    """
    folder = folder or paths.root() / "notebooks"
    sources = sorted(p for p in folder.glob("*.py") if re.match(r"\d\d[a-z]?_\w+$", p.stem))
    return [Chapter(source.stem, source) for source in sources]


def select(only: Iterable[str], chapters: list[Chapter]) -> list[Chapter]:
    """The chapters that ``only`` names by number (``3``, ``03``, ``03a``) or name; all if empty.

    Raises:
        ExecutionError: if a name fits no chapter.
    """
    wanted = list(only)
    if not wanted:
        return chapters
    chosen = set()
    for name in wanted:
        number = name.zfill(2) if name.isdigit() else name
        found = [c for c in chapters if name == c.name or number == c.number]
        if not found:
            known = ", ".join(c.name for c in chapters) or "none"
            raise ExecutionError(f"no chapter is called {name!r}; there are: {known}")
        chosen.update(found)
    return [c for c in chapters if c in chosen]


def check_parameters(path: Path, parameters: dict[str, object]) -> None:
    """Refuse parameters that the notebook at ``path`` does not declare.

    papermill only logs an unknown name and runs on, so a misspelt one would go unnoticed.

    Raises:
        ExecutionError: naming the notebook, the parameter and those it takes.
    """
    declared = pm.inspect_notebook(str(path))
    unknown = sorted(set(parameters) - set(declared))
    if unknown:
        takes = ", ".join(sorted(declared)) or "none (it has no cell tagged 'parameters')"
        raise ExecutionError(
            f"{path.stem}: unknown parameter {', '.join(unknown)}; the notebook takes: {takes}"
        )
