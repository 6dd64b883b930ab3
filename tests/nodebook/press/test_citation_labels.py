from pybtex.database import parse_string

from nodebook.press.citation_labels import AuthorYearLabels

ENTRIES = r"""
@misc{a, author = {Bu, Yingzi}, year = {2024}}
@misc{b, author = {Zurlo, Dario and Facci, Matteo}, year = {n.d.}}
@misc{c, author = {De Brouwer, Edward and Simm, Jaak and Arany, Adam}, year = {2019}}
@misc{d, author = {{Silveira de Oliveira}, Gabriel}, title = {No year}}
@misc{e, author = {Bu, Yingzi}, year = {2024}}
"""


def test_labels_name_authors_and_year_as_the_text_does():
    entries = parse_string(ENTRIES, "bibtex").entries.values()
    assert list(AuthorYearLabels().format_labels(entries)) == [
        "Bu, 2024",
        "Zurlo and Facci, n.d.",
        "De Brouwer et al., 2019",
        "Silveira de Oliveira, n.d.",
        "Bu, 2024b",
    ]
