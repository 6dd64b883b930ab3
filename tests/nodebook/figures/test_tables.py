"""Tables of a page."""

import pandas as pd
import pytest

from nodebook.figures.tables import shown


@pytest.mark.parametrize(
    "cell",
    [
        "1,024",
        "0.5 ± 0.1",
        "−3",
        "12 %",
        "4 / 5",
        "1e\N{NON-BREAKING HYPHEN}03",
        "+0.02",
        "< 0.001",
        7,
    ],
)
def test_cells_of_numbers_make_a_table_of_numbers(cell):
    assert 'class="dataframe numbers"' in shown(pd.DataFrame({"a": [cell]})).data


def test_one_word_makes_a_table_of_words():
    table = pd.DataFrame({"a": ["1.0", "two"]})
    assert 'class="dataframe words"' in shown(table).data


def test_the_name_of_the_index_stands_in_the_only_row_of_heads():
    table = pd.DataFrame({"error": [0.5]}, index=pd.Index(["Euler"], name="method"))
    html = shown(table).data
    heads = html.split("</thead>")[0]
    assert heads.count("<tr") == 1
    assert "<th>method</th>" in heads
    assert "<th>error</th>" in heads
