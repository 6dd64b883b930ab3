"""Texts of the ledger for pages: rows of Markdown tables, and HTML with typeset formulas."""

import html
import re

INLINE = re.compile(r"\$(?P<math>[^$]+)\$|`(?P<code>[^`]+)`")


def markdown_row(cells: tuple[str, ...]) -> str:
    """One line of a Markdown table."""
    escaped = (cell.replace("|", r"\|").replace("\n", " ") or "–" for cell in cells)
    return "| " + " | ".join(escaped) + " |"


def to_html(text: str) -> str:
    """Text that may hold ``$math$`` and `` `code` `` as HTML that MathJax typesets."""
    parts, end = [], 0
    for match in INLINE.finditer(text):
        parts.append(html.escape(text[end : match.start()]))
        if match["math"]:
            parts.append(
                f'<span class="math notranslate">\\({html.escape(match["math"])}\\)</span>'
            )
        else:
            parts.append(f"<code>{html.escape(match['code'])}</code>")
        end = match.end()
    return "".join([*parts, html.escape(text[end:])])
