"""The pages by document: a document's outline with the verdict at each of its statements."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from nodebook import paths
from nodebook.errors import LedgerError
from nodebook.evidence import anchors, claims
from nodebook.evidence.claims import Verdict
from nodebook.evidence.ledger import Claim, Ledger
from nodebook.evidence.markup import to_html
from nodebook.evidence.scorecard import raw
from nodebook.evidence.scorecard_table import Pairs, symbol

FOLDER = "book/documents"


@dataclass(frozen=True)
class Section:
    """A section of a document: title as printed, gist in our words, and its claims."""

    title: str
    gist: str
    pairs: tuple[tuple[Claim, Verdict], ...]


def read(book: Ledger) -> Mapping[str, list[dict]]:
    """The outlines of ``book/outlines.yml``, by document.

    Raises:
        LedgerError: if the file is missing, or has no outline of a document or paper.
    """
    path = paths.root() / "book" / "outlines.yml"
    if not path.is_file():
        raise LedgerError(f"{path} is missing: restore it from the repository")
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if missing := [name for name in book.sources if name not in found]:
        raise LedgerError(f"{path} has no outline of {', '.join(missing)}: add one")
    return found


def sections(outline: Sequence[Mapping], pairs: Pairs) -> tuple[list[Section], list[Claim]]:
    """The sections in order, each with its claims; and the claims whose place fits none."""
    held: list[list[tuple[Claim, Verdict]]] = [[] for _ in outline]
    homeless = []
    for claim, verdict in pairs:
        fits = [
            (len(start), -index)
            for index, section in enumerate(outline)
            for start in section["places"]
            if claim.place.startswith(start)
        ]
        if fits:
            held[-max(fits)[1]].append((claim, verdict))
        else:
            homeless.append(claim)
    made = [
        Section(one["title"], one["gist"], tuple(own))
        for one, own in zip(outline, held, strict=True)
    ]
    return made, homeless


def page(book: Ledger, name: str, pairs: Pairs) -> str:
    """The page of a document or paper in MyST Markdown; what fits no section stands at the end."""
    own = [pair for pair in pairs if pair[0].document == name]
    found, homeless = sections(read(book)[name], own)
    if homeless:
        rest = tuple(pair for pair in own if pair[0] in homeless)
        found.append(Section("Elsewhere", "in places that the outline does not name", rest))
    source = book.sources[name]
    counts = ", ".join(
        f"{number} {kind}" for kind, number in claims.count(verdict for _, verdict in own).items()
    )
    label = f"Document {name}" if name in book.documents else "The paper"
    cite = f"doc{name}" if name in book.documents else "chen2018neural"
    parts = [
        f"# {label}: {source['short']}",
        raw('<link rel="stylesheet" href="../../_static/scorecard.css">'),
        f"{source['title']} {{cite}}`{cite}`, in {source['language']}. Its outline, from the top, "
        f"with our verdict on each statement: {len(own)} entries, {counts}. "
        "A verdict leads to its row of the {doc}`/book/scorecard`, with rule and evidence. "
        "Formulas are in the letters of the document ($t_0$, $z$): {doc}`/book/notation` has all.",
    ]
    for section in found:
        if section.pairs:
            parts.append(f"## {section.title}\n\n{section.gist[0].upper()}{section.gist[1:]}.")
            items = "\n".join(_item(*pair) for pair in section.pairs)
            parts.append(raw(f'<ul class="outline-claims">\n{items}\n</ul>'))
    return "\n\n".join(parts) + "\n"


def _item(claim: Claim, verdict: Verdict) -> str:
    mark = ' <span class="ours-mark">ours</span>' if claim.extension else ""
    ours = f" Ours: {to_html(verdict.ours)}" if verdict.ours else ""
    return (
        f'<li data-verdict="{verdict.kind}">'
        f'<a href="../scorecard.html#{anchors.of_claim(claim.id)}">'
        f"{symbol(verdict.kind)} {verdict.kind}</a>"
        f"<div>{to_html(claim.statement)}{mark}<br>"
        f'<span class="second">{html.escape(claim.place)}. Theirs: '
        f"{to_html(claim.theirs_text())}.{ours}</span></div></li>"
    )
