"""Sphinx extension: the edit button of a chapter opens its ``.py``, not the executed notebook."""

from sphinx.application import Sphinx


def point_at_source(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object
) -> None:
    """Tell the theme that a notebook page is written in its paired ``.py``."""
    if context.get("page_source_suffix") == ".ipynb":
        context["page_source_suffix"] = ".py"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register ahead of the theme, whose own handlers run at priority 500."""
    app.connect("html-page-context", point_at_source, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
