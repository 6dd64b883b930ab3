"""Sphinx extension: what the buttons above a chapter lead to.

The edit button opens its ``.py``, not the executed notebook. The download button offers the
notebook with the outputs of this build, without outputs, and as ``.py``.
"""

from sphinx.application import Sphinx

EXTRA = "extra"
"""Folder of the layout whose content Sphinx copies as it is to the top of the rendered book."""


def point_at_source(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object
) -> None:
    """Tell the theme that a notebook page is written in its paired ``.py``."""
    if context.get("page_source_suffix") == ".ipynb":
        context["page_source_suffix"] = ".py"
        context["executed_notebook"] = context["sourcename"]


def offer_downloads(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object
) -> None:
    """Offer a chapter with its outputs, without them, and as ``.py``; the theme offers one file."""
    if "executed_notebook" not in context:
        return
    pathto = context["pathto"]
    (group,) = (b for b in context["header_buttons"] if b.get("label") == "download-buttons")
    files = {
        "with outputs, .ipynb": f"{pathto('_sources', 1)}/{context['executed_notebook']}",
        "without outputs, .ipynb": pathto(f"{pagename}.ipynb", 1),
        "source, .py": pathto(f"{pagename}.py", 1),
    }
    kept = [b for b in group["buttons"] if b["label"] == "download-pdf-button"]
    group["buttons"] = [_link(text, url) for text, url in files.items()] + kept


def _link(text: str, url: str) -> dict[str, str]:
    label = "download-source-button"
    return {"type": "link", "url": url, "text": text, "icon": "fas fa-file", "label": label}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register around the theme, whose own handlers run at priorities 500 and 501."""
    app.connect("html-page-context", point_at_source, priority=400)
    app.connect("html-page-context", offer_downloads, priority=502)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
