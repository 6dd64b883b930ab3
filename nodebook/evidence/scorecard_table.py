"""The scorecard's one table: a compact row a claim, its details folded in the row.

Without JavaScript it is a plain table; ``book/_static/scorecard.js`` sorts and filters it by the
attributes that the rows carry.
"""

import html
from collections.abc import Mapping, Sequence

from nodebook.evidence import anchors, claims, rule_words, shown
from nodebook.evidence.claims import Verdict
from nodebook.evidence.ledger import Claim, Ledger
from nodebook.evidence.markup import to_html
from nodebook.evidence.shown import Place

Pairs = Sequence[tuple[Claim, Verdict]]

COLUMNS = ("Statement", "Document", "Chapter", "Theirs", "Ours", "Verdict")
FILTERS = ("document", "chapter", "verdict", "kind", "basis")
OURS, HEADLINE = "question of ours", "headline"
LABELS = {"basis": "judged by"}


def table(
    book: Ledger, pairs: Pairs, pages: Mapping[str, str], places: Mapping[str, Sequence[Place]]
) -> str:
    """All claims as an HTML table.

    ``pages`` are the chapters' pages, by number; ``places`` is where experiments are shown.
    """
    head = "".join(f'<th scope="col" role="columnheader">{column}</th>' for column in COLUMNS)
    rows = "\n".join(
        _row(book, claim, verdict, _links(claim, pages, places)) for claim, verdict in pairs
    )
    return (
        '<table class="scorecard" role="table" id="all-claims">\n'
        "<caption>Every claim; open one for its place, its rule and its evidence</caption>\n"
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{rows}\n</tbody>\n</table>'
    )


def filters(book: Ledger, pairs: Pairs) -> str:
    """The controls above the table, hidden until the script takes them up."""
    values = {
        name: dict.fromkeys(v for pair in pairs for v in facet(name, *pair)) for name in FILTERS
    }
    names = {
        "document": {key: _document(book, key) for key in book.sources},
        "chapter": {key: f"{key} {title}" for key, title in book.chapters.items()},
        "verdict": {kind: f"{claims.SYMBOLS[kind]} {kind}" for kind in claims.KINDS},
    }
    selects = []
    for name in FILTERS:
        known = names.get(name) or {value: value for value in values[name]}
        options = "".join(
            f'<option value="{html.escape(value)}">{html.escape(text)}</option>'
            for value, text in known.items()
            if value in values[name]
        )
        label = LABELS.get(name, name)
        selects.append(
            f'<label>{label} <select name="{name}"><option value="">all</option>{options}'
            "</select></label>"
        )
    search = '<label>words <input type="search" name="q" placeholder="adjoint, GRU, …"></label>'
    reset = '<button type="reset">Show all</button>'
    count = f'<output role="status">{len(pairs)} claims</output>'
    return (
        '<form class="scorecard-filters" hidden aria-label="Filter the claims">'
        f"{''.join(selects)}{search}{reset}{count}</form>"
    )


def facet(name: str, claim: Claim, verdict: Verdict) -> tuple[str, ...]:
    """The values of a claim by which the filter ``name`` finds it."""
    return {
        "document": (claim.document,),
        "chapter": claim.chapters,
        "verdict": (verdict.kind,),
        "kind": (
            claim.kind,
            *((OURS,) if claim.extension else ()),
            *((HEADLINE,) if claim.headline else ()),
        ),
        "basis": (claims.basis(claim) or "nothing",),
    }[name]


def _row(book: Ledger, claim: Claim, verdict: Verdict, links: str) -> str:
    data = "".join(
        f' data-{name}="{html.escape("|".join(facet(name, claim, verdict)))}"' for name in FILTERS
    )
    order = claims.KINDS.index(verdict.kind)
    cells = (
        ("", _statement(book, claim, verdict, links), f' data-sort="{claim.id}"'),
        ("document", html.escape(_document(book, claim.document)), ""),
        ("chapter", ", ".join(claim.chapters), ""),
        ("theirs", to_html(claim.theirs_text()), ""),
        ("ours", to_html(verdict.ours) or "–", ""),
        ("verdict", f"{symbol(verdict.kind)} {verdict.kind}", f' data-sort="{order:02d}"'),
    )
    body = "".join(
        f'<td role="cell" class="{name or "statement"}"{extra}>{content}</td>'
        for name, content, extra in cells
    )
    return f'<tr role="row" id="{anchors.of_claim(claim.id)}"{data}>{body}</tr>'


def symbol(kind: str) -> str:
    """A verdict's mark, which a screen reader passes over."""
    return f'<span aria-hidden="true">{claims.SYMBOLS[kind]}</span>'


def _document(book: Ledger, key: str) -> str:
    short = book.sources[key]["short"]
    return f"{key} {short}" if key in book.documents else short


def _statement(book: Ledger, claim: Claim, verdict: Verdict, links: str) -> str:
    mark = ' <span class="ours-mark">ours</span>' if claim.extension else ""
    entries = [
        ("place", f"{_document(book, claim.document)}, {claim.place}"),
        ("in its words", claim.original),
        ("paper", claim.paper_text()),
        ("asked for", rule_words.describe(claim)),
        ("should be", claim.correction),
        ("note", claim.note),
        ("evidence", verdict.evidence),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{to_html(text)}</dd>" for name, text in entries if text)
    if claim.evidence and verdict.kind != claims.OPEN:
        anchor = anchors.of_experiment(claim.evidence["experiment"])
        listed += f'<dt>runs</dt><dd><a href="runs.html#{anchor}">when, on what, how long</a></dd>'
    if links:
        listed += f"<dt>shown in</dt><dd>{links}</dd>"
    return (
        f"<details><summary>{to_html(claim.statement)}{mark}</summary>"
        f'<dl>{listed}<dt>entry</dt><dd><a href="#{anchors.of_claim(claim.id)}">'
        f"<code>{claim.id}</code></a></dd></dl></details>"
    )


def _links(claim: Claim, pages: Mapping[str, str], places: Mapping[str, Sequence[Place]]) -> str:
    """Links to where the evidence is shown, or else to the claim's chapters."""
    targets = {place.target: f"{place.number}, {place.title}" for place in shown.of(claim, places)}
    targets = targets or {
        f"{pages[one]}.html": f"chapter {one}" for one in claim.chapters if one in pages
    }
    return "; ".join(
        f'<a href="../{html.escape(target)}">{to_html(text)}</a>'
        for target, text in targets.items()
    )
