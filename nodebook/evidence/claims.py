"""Claims judged: what the documents say, by rules against recorded runs.

No verdict on a claim that is tested is written anywhere: each is computed from the evidence that
the claim names. Only claims that are not tested have a status of their own in the ledger.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nodebook.errors import LedgerError, ResultsError
from nodebook.evidence import ledger, registry, results, rules
from nodebook.evidence.claim_table import ClaimTable, Row
from nodebook.evidence.ledger import Claim
from nodelib import trace

OPINION, NOT_TESTABLE, OPEN = "opinion", "not testable here", "open"
KINDS = (
    rules.REPRODUCED,
    rules.EXCEEDED,
    rules.CORRECTED,
    rules.REFUTED,
    rules.IN_PART,
    OPINION,
    NOT_TESTABLE,
    OPEN,
)


SYMBOLS = dict(zip(KINDS, "✓▲✎✗◐◇∅…", strict=True))


@dataclass(frozen=True)
class Verdict:
    """The computed verdict: one of ``KINDS``, our value as text, and what it rests on."""

    kind: str
    ours: str
    evidence: str


def load(path: Path | None = None) -> list[Claim]:
    """All claims of the ledger (see ``ledger.read``)."""
    return list(ledger.read(path).claims)


def verdict(claim: Claim, again: Callable[[results.Run], results.Run] = lambda run: run) -> Verdict:
    """Judge a claim by its rule against what is recorded.

    A claim with evidence of which nothing is recorded yet is open. ``again`` may give a run other
    metrics than the recorded ones, to see what would become of the verdict.

    Raises:
        LedgerError: naming the claim, if its evidence has no such variant or metric, or its rule
            does not fit the evidence.
        ResultsError: if a recorded run is malformed.
    """
    if claim.status:
        if claim.status == OPEN:
            return Verdict(OPEN, "", f"to be tested in chapter {' and '.join(claim.chapters)}")
        return Verdict(claim.status, "", claim.reason)
    if claim.evidence is None:
        finding = _judge(claim, lambda name: [])
        return Verdict(finding.kind, finding.ours, "arithmetic on the document's own numbers")
    runs = [again(run) for run in _runs(claim)]
    if not runs:
        return Verdict(OPEN, "", f"nothing recorded yet of {claim.evidence['experiment']}")
    finding = _judge(claim, lambda name: [run.metric(name) for run in runs])
    ours = finding.ours
    if finding.kind == rules.CORRECTED and claim.correction:
        ours = f"{claim.correction}; as printed: {ours}"
    return Verdict(finding.kind, ours, _evidence_line(claim, runs))


def fingerprint(chapter: str) -> str:
    """Hash of a chapter's claims and of everything recorded of the experiments they name."""
    claims = ledger.read().of_chapter(chapter)
    named = sorted({claim.evidence["experiment"] for claim in claims if claim.evidence})
    content = {
        "claims": [{**asdict(claim), "line": None} for claim in claims],
        "results": {name: results.fingerprint(name) for name in named},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def judged(chapter: str | None = None) -> list[tuple[Claim, Verdict]]:
    """The claims of a chapter, or all of them, each with its verdict."""
    book = ledger.read()
    if chapter is None:
        return [(claim, verdict(claim)) for claim in book.claims]
    trace.note("claims", chapter, fingerprint(chapter))
    return [(claim, verdict(claim)) for claim in book.of_chapter(chapter)]


def as_json() -> list[dict[str, Any]]:
    """Every claim with its verdict, as plain JSON."""
    return [{**asdict(claim), "verdict": asdict(result)} for claim, result in judged()]


def summary() -> dict[str, int]:
    """Counts of all claims by verdict."""
    return count(result for _, result in judged())


def count(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Counts by verdict, in the order of ``KINDS``, without the zeros."""
    counts = Counter(result.kind for result in verdicts)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def table(chapter: str) -> ClaimTable:
    """The claims that a chapter ("02") tests, with their verdicts, as a table for its page."""
    documents = ledger.read().documents
    caption = f"The claims that chapter {chapter} tests, and their verdicts"
    return ClaimTable(caption, tuple(row(*pair, documents) for pair in judged(chapter)))


def row(claim: Claim, result: Verdict, documents: Mapping[str, Mapping[str, str]]) -> Row:
    """One line of a table of claims."""
    return Row(
        id=claim.id,
        claim=claim.statement,
        original=claim.original,
        note=claim.note,
        place=f"{claim.document} ({documents[claim.document]['short']}), {claim.place}",
        theirs=claim.theirs_text(),
        paper=claim.paper_text(),
        ours=result.ours,
        verdict=result.kind,
        symbol=SYMBOLS[result.kind],
        evidence=result.evidence,
    )


def _runs(claim: Claim) -> list[results.Run]:
    experiment, variant = claim.evidence["experiment"], claim.evidence.get("variant")
    runs = results.read(experiment, variant)
    if not runs:
        known = registry.load(experiment).VARIANTS
        if variant is not None and variant not in known:
            raise LedgerError(
                f"{ledger.location()}: {claim}, field evidence.variant: experiment {experiment!r} "
                f"has no variant {variant!r}; it has {', '.join(known)}"
            )
    elif len(variants := {run.variant for run in runs}) > 1:
        raise LedgerError(
            f"{ledger.location()}: {claim}, field evidence: name the variant that is meant, "
            f"recorded are {', '.join(sorted(variants))}"
        )
    return runs


def _judge(claim: Claim, values: rules.Values) -> rules.Finding:
    metric = claim.evidence.get("metric") if claim.evidence else None
    try:
        return rules.judge(claim.rule, claim.theirs, metric, values, claim.unit)
    except ResultsError as error:
        raise LedgerError(f"{ledger.location()}: {claim}, field evidence: {error}") from error
    except LedgerError as error:
        raise LedgerError(f"{ledger.location()}: {claim}, field rule: {error}") from error


def _evidence_line(claim: Claim, runs: list[results.Run]) -> str:
    seeds = ", ".join(str(run.seed) for run in runs)
    metric = claim.evidence.get("metric")
    return (
        f"{runs[0].experiment}/{runs[0].variant}"
        + (f": {metric}" if metric else "")
        + f" (seed {seeds}; {max(run.date for run in runs)[:10]})"
    )
