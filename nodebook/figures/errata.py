"""The page of errata: what does not hold as a document prints it, and what should stand there."""

from nodebook.documents.formulas import FORMULAS
from nodebook.evidence import anchors, claims, ledger, limits, results, scorecard
from nodebook.evidence.claims import Verdict
from nodebook.evidence.ledger import Claim
from nodebook.evidence.markup import to_html
from nodebook.evidence.scorecard_table import Pairs, symbol

WRONG = (
    limits.CORRECTED,
    limits.REFUTED,
    limits.IN_PART,
    claims.REFUTED_BY_READING,
)
"""Verdicts under which a claim that has a correction is an erratum."""

COLUMNS = ("Place", "As printed", "Should be", "Numbers")


def entries(pairs: Pairs) -> list[tuple[Claim, Verdict]]:
    """The claims that do not hold and for which it is known what should stand there."""
    return [
        (claim, verdict)
        for claim, verdict in pairs
        if not claim.extension
        and (verdict.kind == limits.CORRECTED or (verdict.kind in WRONG and claim.correction != ""))
    ]


def render(pairs: Pairs) -> str:
    """The page in MyST Markdown: its frame in ``book/errata.md`` with a table for each document.

    Raises:
        ResultsError: if the formulas' run of seed 0 is not recorded.
    """
    run = results.one("adjoint_formulas", "audit", 0)
    parts = []
    for name, document in ledger.read().documents.items():
        own = [pair for pair in entries(pairs) if pair[0].document == name]
        parts.append(f"## Document {name}: {document['title']}")
        noun = "entry" if len(own) == 1 else "entries"
        parts.append(f"{len(own)} {noun} {{cite}}`doc{name}`.")
        if own:
            rows = "\n".join(_row(claim, verdict, run) for claim, verdict in own)
            head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
            parts.append(
                scorecard.raw(
                    f'<table class="errata"><thead><tr>{head}</tr></thead>\n'
                    f"<tbody>\n{rows}\n</tbody></table>"
                )
            )
    return scorecard.fill("errata", {"errata": "\n\n".join(parts)})


def _row(claim: Claim, verdict: Verdict, run: results.Run) -> str:
    formula = next((one for one in FORMULAS if one.id == claim.id), None)
    printed, corrected = claim.theirs_text(), claim.correction or verdict.ours
    numbers = verdict.ours
    if formula and formula.correction:
        printed, corrected = f"${formula.statement}$", f"${formula.correction}$"
        numbers = _numbers(formula.quantity, formula.id, run)
    elif verdict.kind == limits.CORRECTED and claim.correction:
        numbers = verdict.ours.removeprefix(f"{claim.correction}; ")
    note = formula.note if formula else claim.note
    place = (
        f'<a href="scorecard.html#{anchors.of_claim(claim.id)}">{symbol(verdict.kind)} '
        f"{to_html(claim.statement)}</a>"
        f'<br><span class="second">{to_html(claim.place)}</span>'
    )
    noted = f'{to_html(corrected)}<br><span class="second">{to_html(note)}</span>'
    cells = (place, to_html(printed), noted if note else to_html(corrected), to_html(numbers))
    labelled = zip(COLUMNS, cells, strict=True)
    body = "".join(f'<td data-label="{label}">{cell}</td>' for label, cell in labelled)
    return f'<tr id="erratum-{claim.id}">{body}</tr>'


def _numbers(quantity: str, name: str, run: results.Run) -> str:
    """Both values of a formula on the system of seed 0, and the errors, largest of all seeds."""
    runs = results.read(run.experiment, run.variant)

    def value(key: str) -> str:
        return ", ".join(f"{x:.5g}" for x in run.metric(f"{name}.{key}"))

    def worst(key: str) -> float:
        return max(one.metric(f"{name}.{key}") for one in runs)

    return (
        f"{quantity}: printed {value('printed')}; right {value('reference')}. Relative error "
        f"{worst('relative_error'):.2g}, corrected {worst('corrected_relative_error'):.0e}"
    )
