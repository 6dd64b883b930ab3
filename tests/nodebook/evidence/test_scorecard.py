"""The scorecard page, its pictures and table, and the README's rows."""

import re

import pytest
import yaml

from nodebook import paths
from nodebook.errors import LedgerError
from nodebook.evidence import (
    anchors,
    claims,
    ledger,
    recording,
    registry,
    rule_words,
    scorecard,
    scorecard_picture,
    scorecard_table,
)
from nodebook.evidence.results import Outcome
from nodebook.press import scorecard_targets

PAGE = """# %% [markdown]
# # Adjoint
# ## What $O(1)$ costs

# %%
source("toy", "a")
"""
MARKERS = [f"<!-- {part} -->" for part in ("picture", "totals", "comparison", "table")]
FRAME = "# Scorecard\n\nWords.\n\n" + "\n\n".join(MARKERS) + "\n"
LEDGER = {
    "documents": {
        "000": {"short": "slides", "title": "Some slides", "language": "English"},
        "001": {"short": "notes", "title": "Some notes", "language": "English"},
    },
    "papers": {"chen": {"short": "Chen et al.", "title": "A paper", "language": "English"}},
    "chapters": {"02": "Adjoint", "08": "Data", "09": "Empty"},
    "claims": [
        {
            "id": "sum",
            "chapters": ["02"],
            "document": "000",
            "place": "slide 1",
            "statement": "The sum of $a < b$ is six.",
            "original": "<seis>",
            "kind": "number",
            "theirs": 6,
            "note": "A note.",
            "headline": True,
            "rule": {"sums_to": {"terms": [1, 2, 3]}},
        },
        {
            "id": "again",
            "chapters": ["02"],
            "document": "000",
            "place": "slide 2",
            "statement": "The error is small.",
            "kind": "number",
            "theirs": 4,
            "evidence": {"experiment": "toy", "variant": "a", "metric": "n"},
            "rule": {"within": {"tolerance": {"absolute": 1}}},
        },
        {
            "id": "same",
            "chapters": ["02", "08"],
            "document": "chen",
            "place": "table 1",
            "statement": "The error is small.",
            "kind": "number",
            "theirs": 4,
            "evidence": {"experiment": "toy", "variant": "a", "metric": "n"},
            "rule": {"within": {"tolerance": {"absolute": 1}}},
        },
        {
            "id": "stricter",
            "chapters": ["08"],
            "document": "001",
            "place": "page 1",
            "statement": "It is smaller.",
            "kind": "number",
            "theirs": 1,
            "extension": True,
            "evidence": {"experiment": "toy", "variant": "a", "metric": "n"},
            "rule": {"at_most": {}},
        },
        {
            "id": "later",
            "chapters": ["08"],
            "document": "001",
            "place": "page 1",
            "statement": "Later.",
            "kind": "qualitative",
            "theirs": "later",
            "headline": True,
            "status": "open",
        },
    ],
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n- chapters:\n  - file: notebooks/02_adjoint\n"
    )
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "02_adjoint.py").write_text(PAGE)
    (tmp_path / "book" / "scorecard.md").write_text(FRAME)
    (tmp_path / "book" / "claims.yml").write_text(yaml.safe_dump(LEDGER))
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    monkeypatch.setattr(registry, "names", lambda: ["toy"])
    times = {"command": "c", "wall_seconds": 0, "cpu_seconds": 0}
    for seed, value in enumerate((1.9, 2.0, 2.1)):
        recording.record("toy", "a", seed, Outcome(metrics={"n": 2 * value}), **times)
    return tmp_path


def row(page, name):
    return re.search(rf'<tr role="row" id="claim-{name}".*</tr>', page)[0]


def test_the_table_has_one_row_a_claim_with_what_its_filters_ask(checkout):
    page = scorecard.render()
    assert page.startswith("# Scorecard\n\nWords.\n")
    assert page.count('<tr role="row" id="claim-') == 5
    for attribute in (
        'data-document="chen"',
        'data-chapter="02|08"',
        'data-verdict="reproduced"',
        'data-kind="number"',
        'data-basis="measurement"',
    ):
        assert attribute in row(page, "same")
    assert 'data-kind="number|question of ours"' in row(page, "stricter")
    assert 'data-kind="number|headline"' in row(page, "sum")
    assert 'data-basis="arithmetic"' in row(page, "sum")
    assert 'data-basis="nothing"' in row(page, "later")
    assert not [marker for marker in MARKERS if marker in page]


def test_what_a_row_folds_names_place_rule_note_evidence_and_where_it_is_shown(checkout):
    page = scorecard.render()
    first = row(page, "sum")
    assert r'<span class="math notranslate">\(a &lt; b\)</span>' in first
    for text in (
        "<dd>000 slides, slide 1</dd>",
        "<dd>&lt;seis&gt;</dd>",
        "<dd>the terms sum to 6</dd>",
        "<dd>A note.</dd>",
        '<a href="../notebooks/02_adjoint.html">chapter 02</a>',
        '<a href="#claim-sum">',
    ):
        assert text in first
    target = "../notebooks/02_adjoint.html#what-o-1-costs"
    assert rf'<a href="{target}">02, What <span' in row(page, "again")
    assert '<a href="runs.html#runs-toy">' in row(page, "again")
    assert "runs.html" not in first
    assert "toy/a: n (seed 0, 1, 2" in row(page, "again")
    assert "chapter 08" not in row(page, "same"), "it has no page"


def test_the_places_that_pages_link_to_are_there(checkout):
    page = scorecard.render()
    assert f'<span id="{anchors.of_chapter("02")}"></span>' in page
    assert f'id="{anchors.of_claim("sum")}"' in page
    found = scorecard_targets.TARGET.findall(page)
    assert {"claim-sum", "claim-later", "scorecard-08"} <= set(found)
    assert len(found) == 5 + 3


def test_the_filters_offer_only_what_some_claim_has(checkout):
    page = scorecard.render()
    form = re.search(r"<form.*</form>", page)[0]
    assert form.startswith('<form class="scorecard-filters" hidden')
    assert '<option value="open">… open</option>' in form
    assert '<option value="chen">Chen et al.</option>' in form
    assert "refuted</option>" in form
    assert "corrected</option>" not in form
    assert '<option value="09">' not in form


def test_every_part_of_a_bar_shows_its_claims(checkout):
    pairs = claims.judged()
    picture = scorecard_picture.verdicts(ledger.read(), pairs)
    assert '<a class="part" data-verdict="open" style="flex-grow: 1" ' in picture
    assert 'href="#document=001&amp;verdict=open" aria-label="notes: 1 open"' in picture
    assert 'href="#verdict=reproduced" aria-label="all: 3 reproduced"' in picture
    assert '<a class="part" href="#kind=headline">headline</a>' in picture
    assert 'href="#document=chen">Chen et al.</a> <small>1</small>' in picture


def test_an_address_shows_a_chapters_claims():
    assert scorecard_picture.address(chapter="03") == "#chapter=03"
    assert scorecard_picture.address(verdict="holds in part") == "#verdict=holds+in+part"


def test_ours_stands_over_theirs_with_its_interval(checkout):
    page = scorecard.render()
    dots = re.findall(r'<div class="dot"><a href="#claim-(\w+)".*', page)
    assert dots == ["again", "same"], "neither limits nor questions of ours"
    dot = re.search(r'<div class="dot"><a href="#claim-again".*', page)[0]
    left, width, middle = map(
        float,
        re.search(r"<i style=\"left: (.*?)%; width: (.*?)%.*<b style=\"left: (.*?)%", dot).groups(),
    )
    assert (left, width, middle) == (48.7, 2.5, 50.0)
    assert dot.endswith("<span>1</span></div>")


@pytest.mark.parametrize(("ratio", "place"), [(1, 50), (10, 100), (1000, 100), (0.1, 0), (-1, 0)])
def test_what_is_beyond_the_axis_stands_at_its_end(ratio, place):
    assert scorecard_picture._place(ratio) == place


def test_the_totals_count_apart_what_says_less(checkout):
    words, *lines = scorecard.totals(claims.judged()).splitlines()
    assert words.startswith("The ledger holds 5 claims. 1 of them are stricter or further")
    assert "Of the others, 1 say again" in words
    assert lines[1] == "| Judged by | ✓ reproduced | ✗ refuted | … open | all |"
    assert "| recorded runs and counts | 2 | 0 | 0 | 2 |" in lines
    assert "| the document’s own numbers | 1 | 0 | 0 | 1 |" in lines
    assert "| questions of ours | 0 | 1 | 0 | 1 |" in lines


@pytest.mark.parametrize(
    ("rule", "theirs", "words"),
    [
        ({"at_most": {}}, 0.5, "at most 0.5"),
        ({"at_least": {"scale": "log"}}, 100, "at least 100 (geometric mean)"),
        ({"at_most": {"limit": 2}}, "little", "at most 2"),
        ({"equals": {}}, 3, "equal to 3 in every run"),
        ({"rounds_to": {"decimals": 2}}, 0.6, "rounds to 0.6 in 2 decimals"),
        (
            {"within": {"tolerance": {"relative": 0.1}, "in_part": {"absolute": 2}}},
            5,
            "within 10 % of 5, in part within 2",
        ),
        (
            {"no_worse": {"better": "lower", "tolerance": {"absolute": 0.05}}},
            0.42,
            "within 0.05 of 0.42; exceeded if lower by more",
        ),
        (
            {"classification_is": {"value": True, "in_part": ["nearly"]}},
            "yes",
            "“yes” in every run, in part “nearly”",
        ),
        (
            {
                "all_of": [
                    {"label": "a", "metric": "m", "theirs": 1, "rule": {"at_most": {}}},
                    {"metric": "n", "theirs": 2, "rule": {"at_least": {}}},
                ]
            },
            "both",
            "a: at most 1; n: at least 2",
        ),
    ],
)
def test_a_rule_is_said_in_words(rule, theirs, words):
    assert rule_words._rule(rule, theirs) == words


def test_every_rule_of_the_ledger_has_words():
    for claim in claims.load():
        assert bool(rule_words.describe(claim)) == bool(claim.rule), claim.id


def test_the_headline_holds_the_marked_claims_that_are_decided(checkout):
    lines = scorecard.headline().splitlines()
    assert lines[2:] == ["| The sum of $a < b$ is six. | 000 | 6 | 6 | ✓ reproduced |"]


@pytest.mark.parametrize("text", ["# Scorecard\n", FRAME + MARKERS[0]])
def test_a_frame_without_one_place_for_each_part_is_refused(checkout, text):
    (checkout / "book" / "scorecard.md").write_text(text)
    with pytest.raises(LedgerError, match=r"scorecard\.md must hold"):
        scorecard.render()


def test_a_missing_frame_is_named(checkout):
    (checkout / "book" / "scorecard.md").unlink()
    with pytest.raises(LedgerError, match=r"scorecard\.md is missing"):
        scorecard.render()


def test_the_verdicts_are_explained_on_the_page():
    frame = (paths.root() / "book" / "scorecard.md").read_text(encoding="utf-8")
    for kind, symbol in claims.SYMBOLS.items():
        assert f"| {symbol} {kind} |" in frame


def test_every_verdict_has_a_colour():
    css = (paths.root() / "book" / "_static" / "scorecard.css").read_text(encoding="utf-8")
    for kind in claims.KINDS:
        assert f'[data-verdict="{kind}"]' in css


def test_the_scripts_lie_with_the_book_and_tablesort_with_its_licence():
    static = paths.root() / "book" / "_static"
    frame = (paths.root() / "book" / "scorecard.md").read_text(encoding="utf-8")
    scripts = re.findall(r'<script src="\.\./_static/(.*?)"', frame)
    assert scripts == ["tablesort/tablesort.min.js", "scorecard.js"]
    assert all((static / script).is_file() for script in scripts)
    assert "free of charge" in (static / "tablesort" / "LICENCE").read_text()
    assert scorecard_table.FILTERS == ("document", "chapter", "verdict", "kind", "basis")
