"""Sphinx extension: bibliography entries are labelled as the text cites them, author and year."""

from collections.abc import Iterable, Iterator

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx


class AuthorYearLabels(BaseLabelStyle):
    """Labels such as "Chen et al., 2018", told apart by a letter where two would be equal."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """One label an entry, in order."""
        seen: dict[str, int] = {}
        for entry in sorted_entries:
            label = f"{authors(entry)}, {entry.fields.get('year', 'n.d.')}"
            count = seen[label] = seen.get(label, 0) + 1
            yield label if count == 1 else label + "abcdefghijklmnopqrstuvwxyz"[count - 1]


class AuthorYearStyle(PlainStyle):
    """pybtex's plain style, sorted by author, with author-year labels."""

    default_label_style = AuthorYearLabels


def authors(entry: Entry) -> str:
    """Last names as the text cites them: one, two, or the first "et al."."""
    names = [
        " ".join([*person.prelast_names, *person.last_names]) for person in entry.persons["author"]
    ]
    plain = [name.replace("{", "").replace("}", "") for name in names]
    if len(plain) > 2:
        return f"{plain[0]} et al."
    return " and ".join(plain)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the style known as ``author_year``."""
    register_plugin("pybtex.style.formatting", "author_year", AuthorYearStyle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
