"""Pictures of the scorecard: verdicts by document, which is also the filter; ours over theirs."""

import html
import math
import statistics
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from nodebook.evidence import anchors, claims
from nodebook.evidence.claims import Verdict
from nodebook.evidence.ledger import Claim, Ledger
from nodebook.evidence.scorecard_table import HEADLINE, OURS, Pairs, symbol
from nodebook.evidence.summaries import is_number, standard_error

COMPARED = {"within", "no_worse", "rounds_to", "equals"}
"""Rules under which a number of the document is a value, not a limit of ours."""
DECADES = 1.0
"""The axis goes from a tenth to ten times theirs."""


def address(**chosen: str) -> str:
    """The end of a link to the scorecard that shows only some claims: ``#chapter=03``."""
    return "#" + urlencode(chosen)


def verdicts(book: Ledger, pairs: Pairs) -> str:
    """A bar for each document with a part for each verdict; every part is a link to its claims."""
    rows = []
    for key, source in (*book.sources.items(), ("", {"short": "all"})):
        chosen = {"document": key} if key else {}
        own = [verdict for claim, verdict in pairs if key in ("", claim.document)]
        if not own:
            continue
        parts = "".join(
            f'<a class="part" data-verdict="{kind}" style="flex-grow: {number}" '
            f'href="{html.escape(address(**chosen, verdict=kind))}" '
            f'aria-label="{source["short"]}: {number} {kind}" title="{number} {kind}">'
            f"{symbol(kind)}&nbsp;{number}</a>"
            for kind, number in claims.count(own).items()
        )
        name = f"{key} {source['short']}" if key in book.documents else source["short"]
        label = f'<a href="{html.escape(address(**chosen))}">{html.escape(name)}</a>'
        rows.append(
            f'<div class="bar"><span class="name">{label} <small>{len(own)}</small></span>'
            f'<span class="parts">{parts}</span></div>'
        )
    legend = "".join(
        f'<a class="part" data-verdict="{kind}" href="{html.escape(address(verdict=kind))}">'
        f"{symbol(kind)} {kind}</a>"
        for kind in claims.count(verdict for _, verdict in pairs)
    )
    for kind in (HEADLINE, OURS):
        legend += f'<a class="part" href="{html.escape(address(kind=kind))}">{kind}</a>'
    return (
        '<nav class="scorecard-picture" aria-label="Claims by document and verdict">\n'
        + "\n".join(rows)
        + f'\n<div class="legend">{legend}</div>\n</nav>'
    )


def comparison(pairs: Pairs, values: Callable[[Claim], Sequence[float]]) -> str:
    """Numbers of the documents beside ours: the ratio with two standard errors, on one scale.

    ``values`` gives a claim's measured numbers.
    """
    rows = []
    for claim, verdict in pairs:
        if claim.rule is None or not claim.evidence or not claim.rule.keys() & COMPARED:
            continue
        if not is_number(claim.theirs) or claim.theirs <= 0 or claim.extension:
            continue
        if ours := [value for value in values(claim) if is_number(value)]:
            rows.append(_dot(claim, verdict, ours))
    ticks = "".join(
        f'<span style="left: {_place(tick):.1f}%">{text}</span>'
        for tick, text in (
            (0.1, "a tenth"),
            (0.5, "half"),
            (1, "theirs"),
            (2, "twice"),
            (10, "ten"),
        )
    )
    axis = (
        f'<div class="dot axis"><span></span><span class="track">{ticks}</span><span></span></div>'
    )
    return f'<div class="scorecard-dots">\n{axis}\n' + "\n".join(rows) + "\n</div>"


def _dot(claim: Claim, verdict: Verdict, ours: Sequence[float]) -> str:
    mean, margin = statistics.fmean(ours), 2 * standard_error(ours)
    low, middle, high = (
        _place(value / claim.theirs) for value in (mean - margin, mean, mean + margin)
    )
    name = f"{claim.document}: {claim.statement}"
    return (
        f'<div class="dot"><a href="#{anchors.of_claim(claim.id)}" '
        f'title="{html.escape(claim.statement)}">'
        f"{symbol(verdict.kind)} {html.escape(name)}</a>"
        f'<span class="track" data-verdict="{verdict.kind}"><i style="left: {low:.1f}%; '
        f'width: {high - low:.1f}%"></i><b style="left: {middle:.1f}%"></b></span>'
        f"<span>{mean / claim.theirs:.3g}</span></div>"
    )


def _place(ratio: float) -> float:
    """Where a ratio stands on the axis, in per cent; what is beyond it stands at its end."""
    if ratio <= 0:
        return 0.0
    return 50 + 50 * max(-1.0, min(1.0, math.log10(ratio) / DECADES))
