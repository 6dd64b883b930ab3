"""Sphinx extension: docstrings as the library's page shows them.

Docstrings are plain text in the style of Google's guide. Stars and bars outside of literals are
characters there (``*state``, ``|z|``), not marks of reStructuredText.
"""

import re

from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.+?``)")


def escape(
    app: Sphinx, what: str, name: str, target: object, options: object, lines: list[str]
) -> None:
    """Escape the characters of a docstring, in place, before its sections are read."""
    for number, line in enumerate(lines):
        parts = LITERAL.split(line)
        parts[::2] = [re.sub(r"([*|])", r"\\\1", part) for part in parts[::2]]
        lines[number] = "".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register ahead of napoleon, whose handler runs at priority 500."""
    app.connect("autodoc-process-docstring", escape, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
