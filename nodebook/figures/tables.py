"""The tables of a page: one row of heads, and numbers right-aligned."""

import re
from collections.abc import Mapping

import pandas as pd
from IPython.display import HTML

NUMERIC = re.compile(r"[-+−<\d.,%± /e\N{NON-BREAKING HYPHEN}\N{NO-BREAK SPACE}]+")


def shown(table: pd.DataFrame) -> HTML:
    """A table as HTML with the name of its index in the only row of heads.

    Where it holds numbers only, also with a spread, a unit of per cent or a power of ten, its
    class is "numbers", and the style sheet of the book aligns it right; otherwise it is "words".
    """
    numbers = all(NUMERIC.fullmatch(str(value)) for value in table.to_numpy().flat)
    named = table.rename_axis(index=None, columns=table.index.name)
    return HTML(named.to_html(classes="numbers" if numbers else "words", border=0))


def by_row(rows: Mapping[str, Mapping[str, str]], corner: str) -> HTML:
    """``shown`` of rows by name, each with its cells by head; ``corner`` names the rows."""
    return shown(pd.DataFrame.from_dict(rows, orient="index").fillna("–").rename_axis(corner))
