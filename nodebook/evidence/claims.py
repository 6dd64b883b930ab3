"""Claims judged: what the documents say, by rules against recorded runs.

No verdict on a claim that is tested is written anywhere: each is computed from the evidence that
the claim names. Only what is decided by reading, and claims that are not tested, have a word of
their own in the ledger.
"""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nodebook.errors import LedgerError, ResultsError
from nodebook.evidence import ledger, registry, results, rules
from nodebook.evidence.ledger import Claim
from nodelib import trace

CONFIRMED_BY_READING, REFUTED_BY_READING = "confirmed by reading", "refuted by reading"
OPINION, NOT_TESTABLE, OPEN = "opinion", "not testable here", "open"
KINDS = (
    rules.REPRODUCED,
    rules.EXCEEDED,
    CONFIRMED_BY_READING,
    rules.IN_PART,
    rules.NOT_DECIDED,
    rules.CORRECTED,
    rules.REFUTED,
    REFUTED_BY_READING,
    OPINION,
    NOT_TESTABLE,
    OPEN,
)
UNTESTED = (OPINION, NOT_TESTABLE, OPEN)
SYMBOLS = dict(zip(KINDS, "✓▲☑◐≈✎✗☒◇∅…", strict=True))

FORMULA, ARITHMETIC, MEASURED, READING = "formula", "arithmetic", "measurement", "reading"
BASES = (FORMULA, ARITHMETIC, MEASURED, READING)
"""What verdicts rest on: a formula evaluated, the document's own numbers, runs, a text."""


@dataclass(frozen=True)
class Verdict:
    """The computed verdict: one of ``KINDS``, our value as text, and what it rests on."""

    kind: str
    ours: str
    evidence: str


@dataclass(frozen=True)
class Row:
    """One claim as shown: texts that may hold ``$math$`` and `` `code` ``."""

    id: str
    claim: str
    place: str
    theirs: str
    paper: str
    ours: str
    verdict: str
    symbol: str


def load(path: Path | None = None) -> list[Claim]:
    """All claims of the ledger (see ``ledger.read``)."""
    return list(ledger.read(path).claims)


def verdict(
    claim: Claim,
    again: Callable[[results.Run], results.Run] = lambda run: run,
    read: Callable[..., list[results.Run]] = results.read,
) -> Verdict:
    """Judge a claim by its rule against what is recorded.

    A claim with evidence of which nothing is recorded yet is open. ``again`` may give a run other
    metrics than the recorded ones, to see what would become of the verdict; ``read`` reads runs.

    Raises:
        LedgerError: naming the claim, if its evidence has no such variant or metric, or its rule
            does not fit the evidence.
        ResultsError: if a recorded run is malformed.
    """
    if claim.status:
        if claim.status == OPEN:
            return Verdict(OPEN, "", f"to be tested in chapter {' and '.join(claim.chapters)}")
        return Verdict(claim.status, "", claim.reason)
    if claim.reading:
        confirmed = claim.reading["found"] == "confirmed"
        kind = CONFIRMED_BY_READING if confirmed else REFUTED_BY_READING
        return Verdict(kind, claim.reading["passage"], "by reading")
    if claim.evidence is None:
        finding = _judge(claim, lambda name: [])
        return Verdict(finding.kind, finding.ours, "arithmetic on the document's own numbers")
    runs = [again(run) for run in _runs(claim, read)]
    if not runs:
        return Verdict(OPEN, "", f"nothing recorded yet of {claim.evidence['experiment']}")
    finding = _judge(claim, lambda name: [run.metric(name) for run in runs])
    ours = finding.ours
    if finding.kind == rules.CORRECTED and claim.correction:
        ours = (
            f"{claim.correction}; {'as printed' if 'formula' in claim.rule else 'measured'}: {ours}"
        )
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


def measured(claim: Claim, read: Callable[..., list[results.Run]] = results.read) -> list[Any]:
    """The recorded values that a claim's own rule looks at; empty without evidence or a metric."""
    if not claim.evidence or "metric" not in claim.evidence:
        return []
    if "formula" in claim.rule:
        return []
    runs = _runs(claim, read)
    asked = rules.quotients(
        lambda name: [run.metric(name) for run in runs], claim.evidence.get("over")
    )
    return asked(claim.evidence["metric"])


def basis(claim: Claim) -> str:
    """What the verdict on a claim rests on, one of ``BASES``; empty if it is not tested."""
    if claim.status:
        return ""
    if claim.reading:
        return READING
    if claim.evidence is None:
        return ARITHMETIC
    return FORMULA if claim.kind == "formula" else MEASURED


def reader() -> Callable[..., list[results.Run]]:
    """A ``results.read`` that reads the files of an experiment once, for many claims."""
    every = functools.cache(results.read)

    def read(experiment: str, variant: str | None = None) -> list[results.Run]:
        return [run for run in every(experiment) if variant in (None, run.variant)]

    return read


def judged(chapter: str | None = None) -> list[tuple[Claim, Verdict]]:
    """The claims of a chapter, or all of them, each with its verdict."""
    book, read = ledger.read(), reader()
    if chapter is None:
        return [(claim, verdict(claim, read=read)) for claim in book.claims]
    trace.note("claims", chapter, fingerprint(chapter))
    return [(claim, verdict(claim, read=read)) for claim in book.of_chapter(chapter)]


def as_json() -> list[dict[str, Any]]:
    """Every claim with its verdict, as plain JSON."""
    return [{**asdict(claim), "verdict": asdict(result)} for claim, result in judged()]


def count(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Counts by verdict, in the order of ``KINDS``, without the zeros."""
    counts = Counter(result.kind for result in verdicts)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def row(claim: Claim, result: Verdict, sources: Mapping[str, Mapping[str, str]]) -> Row:
    """One line of a table of claims; ``sources`` are the ledger's documents and papers."""
    return Row(
        id=claim.id,
        claim=claim.statement,
        place=f"{claim.document} ({sources[claim.document]['short']}), {claim.place}",
        theirs=claim.theirs_text(),
        paper=claim.paper_text(),
        ours=result.ours,
        verdict=result.kind,
        symbol=SYMBOLS[result.kind],
    )


def _runs(claim: Claim, read: Callable[..., list[results.Run]]) -> list[results.Run]:
    experiment, variant = claim.evidence["experiment"], claim.evidence.get("variant")
    runs = read(experiment, variant)
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
    evidence = claim.evidence or {}
    asked = rules.quotients(values, evidence.get("over"))
    try:
        return rules.judge(claim.rule, claim.theirs, evidence.get("metric"), asked, claim.unit)
    except ResultsError as error:
        raise LedgerError(f"{ledger.location()}: {claim}, field evidence: {error}") from error
    except LedgerError as error:
        raise LedgerError(f"{ledger.location()}: {claim}, field rule: {error}") from error


def _evidence_line(claim: Claim, runs: list[results.Run]) -> str:
    seeds = ", ".join(str(run.seed) for run in runs)
    metric = " over ".join(filter(None, map(claim.evidence.get, ("metric", "over"))))
    return (
        f"{runs[0].experiment}/{runs[0].variant}"
        + (f": {metric}" if metric else "")
        + f" (seed {seeds}; {max(run.date for run in runs)[:10]})"
    )
