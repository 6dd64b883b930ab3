"""Sphinx extension: the rows of the scorecard, which are HTML, as targets of links from any page.

So ``[a claim](#claim-001-label-s)`` in a chapter leads to its row, and a link to a claim that is
not there is an error of the build.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

PAGE = "book/scorecard"
TARGET = re.compile(r'id="((?:claim|scorecard)-[^"]+)"')


def note_targets(app: Sphinx, doctree: nodes.document) -> None:
    """Make every claim's row, and every chapter's place above them, known as a label."""
    if app.env.docname != PAGE:
        return
    domain = app.env.get_domain("std")
    for raw in doctree.findall(nodes.raw):
        for name in TARGET.findall(raw.astext()):
            domain.anonlabels[name] = PAGE, name
            domain.labels[name] = PAGE, name, name


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("doctree-read", note_targets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
