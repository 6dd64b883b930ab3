"""Where the book shows what a claim rests on."""

import docutils.core
import jupytext
import pytest
from myst_parser.parsers.docutils_ import Parser

from nodebook import paths
from nodebook.evidence import ledger, registry, scorecard, shown

PAGE = """# %% [markdown]
# # A page

# %%
source("toy", "before-any-heading")

# %% [markdown]
# ## First
#
# ```python
# ## not a heading
# ```

# %%
source("toy", "a", "b")

# %%
recorded.mean("toy", "c", "n")

# %% [markdown]
# ### What $O(1)$ costs

# %%
digits.source(
    "toy", *(kind for kind in kinds if kind), "x"
)
"""


@pytest.fixture
def places(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "02_adjoint.py").write_text(PAGE)
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    monkeypatch.setattr(registry, "names", lambda: ["toy"])
    return shown.places(["book/intro", "notebooks/02_adjoint"])


def claim(variant, chapters=("02",)):
    evidence = {"experiment": "toy", "variant": variant, "metric": "n"}
    return ledger.Claim("c", chapters, "000", "p", "s", "number", 1, evidence=evidence)


def test_a_claim_is_shown_under_the_headings_whose_lines_name_its_runs(places):
    found = shown.of(claim("a"), places)
    assert [place.target for place in found] == [
        "notebooks/02_adjoint.html#first",
        "notebooks/02_adjoint.html#what-o-1-costs",
    ]
    assert [place.title for place in shown.of(claim("c"), places)] == ["What $O(1)$ costs"]


def test_without_such_a_line_it_is_shown_where_the_code_first_names_the_experiment(places):
    mentions = {"toy": tuple(place for place in places["toy"] if not place.said)}
    assert [place.title for place in shown.of(claim("c"), mentions)] == ["First"]


def test_other_chapters_count_where_its_own_show_nothing(places):
    assert shown.of(claim("a", ("07",)), places) == shown.of(claim("a"), places)
    assert shown.of(ledger.Claim("c", (), "", "", "", "", ""), places) == ()


def headings():
    return sorted(
        {place for of in shown.places(scorecard.pages()).values() for place in of},
        key=lambda place: (place.target, place.variants, place.said),
    )


def test_every_anchor_is_the_one_that_its_heading_gets_on_the_page():
    known = {}
    for place in headings():
        if place.page not in known:
            cells = jupytext.read(paths.root() / f"{place.page}.py").cells
            text = "\n\n".join(c.source for c in cells if c.cell_type == "markdown")
            settings = {"myst_enable_extensions": ["dollarmath", "colon_fence"], "report_level": 5}
            tree = docutils.core.publish_doctree(text, parser=Parser(), settings_overrides=settings)
            known[place.page] = {
                name
                for section in tree.findall(lambda n: n.tagname == "section")
                for name in section["ids"]
            }
        assert place.target.partition("#")[2] in known[place.page], place
    assert len(known) > 20
