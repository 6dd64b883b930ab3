"""The ledger: what may stand in it, and how its claims are judged."""

import copy
from types import SimpleNamespace

import pytest
import yaml

from nodebook import paths
from nodebook.documents.formulas import FORMULAS
from nodebook.errors import LedgerError
from nodebook.evidence import (
    claims,
    ledger,
    limits,
    markup,
    recording,
    registry,
    rules,
    summaries,
)
from nodebook.evidence.results import Outcome
from nodelib import trace

CLAIM = {
    "id": "c1",
    "chapters": ["02"],
    "document": "000",
    "place": "slide 1",
    "statement": "It is three.",
    "kind": "number",
    "theirs": 3,
    "evidence": {"experiment": "toy", "variant": "a", "metric": "n"},
    "rule": {"equals": {}},
}
FRAME = {
    "documents": {"000": {"short": "slides", "title": "Slides", "language": "English"}},
    "chapters": {"02": "Adjoint", "03": "Checks"},
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nchapters:\n- file: notebooks/02_adjoint\n"
    )
    (tmp_path / "book").mkdir()
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    module = SimpleNamespace(VARIANTS=("a", "b"), SEEDS=(0,), NEEDS=())
    monkeypatch.setattr(registry, "names", lambda: ["toy"])
    monkeypatch.setattr(registry, "load", lambda name: module)
    return tmp_path


def write(*entries, **frame):
    text = yaml.safe_dump({**FRAME, **frame, "claims": list(entries)}, sort_keys=False)
    ledger.location().write_text(text)


def claim(**changes):
    changed = {**copy.deepcopy(CLAIM), **changes}
    return {key: value for key, value in changed.items() if value is not None}


def record(metrics, variant="a", seed=0):
    outcome = Outcome(metrics=metrics)
    times = {"command": "c", "wall_seconds": 0, "cpu_seconds": 0}
    return recording.record("toy", variant, seed, outcome, **times)


def verdict_of(**changes):
    write(claim(**changes))
    (loaded,) = claims.load()
    return claims.verdict(loaded)


METRICS = {
    "n": 3,
    "m": 4,
    "x": 109494,
    "share": 0.8277,
    "word": "yes",
    "flag": True,
    "good": {"relative_error": 1e-9, "classification": "holds"},
    "sign": {
        "relative_error": 2.0,
        "flipped_relative_error": 1e-9,
        "classification": "holds up to sign",
    },
    "term": {
        "relative_error": 0.4,
        "corrected_relative_error": 1e-9,
        "classification": "misses a term",
    },
    "bad": {"relative_error": 0.4, "corrected_relative_error": 0.1, "classification": "wrong"},
    "odd": {"relative_error": 0.4, "classification": "perhaps"},
}
FIX = {"corrected_to": "n"}


def fixed_by(metric):
    return {"formula": {"corrected_to": metric, "tolerance": 1e-6}}


JUDGED = [
    ({"equals": {}}, 3, "n", "reproduced", "3"),
    ({"equals": {}}, 2, "n", "refuted", "3"),
    ({"equals": FIX}, 2, "n", "corrected", "3"),
    ({"equals": FIX}, 2, "m", "corrected", "4; corrected to 3"),
    ({"equals": FIX}, 3, "n", "reproduced", "3"),
    ({"equals": {}}, "yes", "word", "reproduced", "yes"),
    ({"equals": {}}, "no", "word", "refuted", "yes"),
    ({"rounds_to": {"significant": 2}}, 110000, "x", "reproduced", "109,494"),
    ({"rounds_to": {"significant": 3}}, 110000, "x", "refuted", "109,494"),
    ({"rounds_to": {"decimals": 3}}, 0.828, "share", "reproduced", "0.8277"),
    ({"rounds_to": {"decimals": 3}}, 0.827, "share", "refuted", "0.8277"),
    ({"within": {"tolerance": {"absolute": 1}}}, 2, "n", "reproduced", "3"),
    ({"within": {"tolerance": {"absolute": 0.5}}}, 2, "n", "refuted", "3"),
    ({"within": {"tolerance": {"relative": 0.5}}}, 2, "n", "reproduced", "3"),
    ({"within": {"tolerance": {"relative": 0.4}}}, 2, "n", "refuted", "3"),
    (
        {"within": {"tolerance": {"absolute": 0.5}, "in_part": {"absolute": 1}}},
        2,
        "n",
        "holds in part",
        "3",
    ),
    ({"no_worse": {"better": "lower", "tolerance": {"absolute": 0.5}}}, 4, "n", "exceeded", "3"),
    ({"no_worse": {"better": "lower", "tolerance": {"absolute": 1}}}, 4, "n", "reproduced", "3"),
    ({"no_worse": {"better": "lower", "tolerance": {"absolute": 0.5}}}, 2, "n", "refuted", "3"),
    ({"no_worse": {"better": "higher", "tolerance": {"absolute": 0.5}}}, 2, "n", "exceeded", "3"),
    ({"no_worse": {"better": "higher", "tolerance": {"absolute": 0.5}}}, 4, "n", "refuted", "3"),
    ({"at_most": {}}, 3, "n", "reproduced", "3"),
    ({"at_most": {}}, 2.9, "n", "refuted", "3"),
    ({"at_least": {}}, 3, "n", "reproduced", "3"),
    ({"at_least": {}}, 3.1, "n", "refuted", "3"),
    ({"at_most": {"limit": 3}}, "little", "n", "reproduced", "3"),
    ({"at_least": {"limit": 3.1}}, "much", "n", "refuted", "3"),
    ({"classification_is": {"value": "yes"}}, "it does", "word", "reproduced", "yes"),
    ({"classification_is": {"value": "no"}}, "it does", "word", "refuted", "yes"),
    (
        {"classification_is": {"value": "no", "in_part": ["yes"]}},
        "it does",
        "word",
        "holds in part",
        "yes",
    ),
    ({"classification_is": {"value": True}}, "it does", "flag", "reproduced", "yes"),
    ({"classification_is": {"value": False}}, "it does", "flag", "refuted", "yes"),
    ({"formula": {}}, "f", "good", "reproduced", "holds (relative error 1e-09)"),
    (
        fixed_by("sign.flipped_relative_error"),
        "f",
        "sign",
        "corrected",
        "holds up to sign (relative error 2, corrected 1e-09)",
    ),
    (
        fixed_by("term.corrected_relative_error"),
        "f",
        "term",
        "corrected",
        "misses a term (relative error 0.4, corrected 1e-09)",
    ),
    (
        {"formula": {}},
        "f",
        "sign",
        "refuted",
        "holds up to sign (relative error 2)",
    ),
    (
        fixed_by("bad.corrected_relative_error"),
        "f",
        "bad",
        "refuted",
        "wrong (relative error 0.4, of the correction 0.1)",
    ),
]


@pytest.mark.parametrize(("rule", "theirs", "metric", "kind", "ours"), JUDGED)
def test_each_rule_gives_its_verdicts(checkout, rule, theirs, metric, kind, ours):
    record(METRICS)
    evidence = {**CLAIM["evidence"], "metric": metric}
    found = verdict_of(rule=rule, theirs=theirs, evidence=evidence)
    assert (found.kind, found.ours) == (kind, ours)
    assert f"toy/a: {metric} (seed 0; " in found.evidence


def test_the_correction_is_shown_only_where_the_verdict_is_corrected(checkout):
    record(METRICS)
    changes = {"rule": fixed_by("sign.flipped_relative_error"), "theirs": "f", "correction": "-f"}
    sign = {**CLAIM["evidence"], "metric": "sign"}
    assert verdict_of(**changes, evidence=sign).ours.startswith("-f; as printed: holds up to sign")
    good = {**CLAIM["evidence"], "metric": "good"}
    assert verdict_of(**changes, evidence=good).ours == "holds (relative error 1e-09)"
    counted = {"rule": {"equals": FIX}, "theirs": 2, "correction": "three"}
    assert verdict_of(**counted).ours == "three; measured: 3"


def part(theirs, rule=None, metric="n"):
    return {"metric": metric, "theirs": theirs, "rule": rule or {"equals": {}}}


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([part(3), part(4, metric="m")], "reproduced"),
        ([part(3), part(5, metric="m")], "holds in part"),
        ([part(2), part(5, metric="m")], "refuted"),
        ([part(2, {"equals": FIX}), part(5, {"equals": FIX})], "corrected"),
        ([part(2, {"equals": FIX}), part(5)], "refuted"),
    ],
)
def test_a_claim_of_several_parts_holds_as_far_as_they_do(checkout, parts, kind):
    record(METRICS)
    evidence = {"experiment": "toy", "variant": "a"}
    assert verdict_of(rule={"all_of": parts}, evidence=evidence).kind == kind


def test_the_parts_of_a_claim_are_shown_under_their_labels(checkout):
    record(METRICS)
    parts = [{**part(3), "label": "without noise"}, part(4, metric="m")]
    evidence = {"experiment": "toy", "variant": "a"}
    assert verdict_of(rule={"all_of": parts}, evidence=evidence).ours == "without noise: 3; 4"


@pytest.mark.parametrize(
    ("rule", "theirs", "kind", "ours"),
    [
        ({"sums_to": {"terms": [1, 2, 3]}}, 6, "reproduced", "6"),
        ({"sums_to": {"terms": [1, 2, 4]}}, 6, "corrected", "7"),
        (
            {"share_of": {"part": 72471, "whole": 87554, "decimals": 3}},
            0.828,
            "reproduced",
            "0.8277",
        ),
        (
            {"share_of": {"part": 72471, "whole": 87554, "decimals": 3}},
            0.827,
            "corrected",
            "0.8277",
        ),
    ],
)
def test_arithmetic_needs_no_evidence(checkout, rule, theirs, kind, ours):
    found = verdict_of(rule=rule, theirs=theirs, evidence=None)
    assert (found.kind, found.ours) == (kind, ours)
    assert found.evidence == "arithmetic on the document's own numbers"


def test_claims_that_are_not_tested_say_why(checkout):
    untested = {"evidence": None, "rule": None}
    found = verdict_of(status="opinion", reason="A judgement.", **untested)
    assert (found.kind, found.evidence) == ("opinion", "A judgement.")
    found = verdict_of(status="not testable here", reason="Needs a GPU.", **untested)
    assert (found.kind, found.evidence) == ("not testable here", "Needs a GPU.")
    found = verdict_of(status="open", chapters=["03"], **untested)
    assert (found.kind, found.evidence) == ("open", "to be tested in chapter 03")


def test_a_claim_is_open_until_its_evidence_is_recorded(checkout):
    assert verdict_of().kind == "open"
    record(METRICS, variant="b")
    assert verdict_of().kind == "open"
    record(METRICS)
    assert verdict_of().kind == "reproduced"


def test_several_seeds_are_shown_with_their_spread_and_number(checkout):
    for seed, value in enumerate([0.96, 0.97, 0.98]):
        record({"n": value, "k": 5, "word": "yes" if seed else "no"}, seed=seed)
    found = verdict_of(theirs=0.97, rule={"within": {"tolerance": {"absolute": 0.02}}}, unit="s")
    assert found.ours == "0.970 ± 0.010 s (n = 3)"
    assert found.kind == "reproduced"
    assert "seed 0, 1, 2" in found.evidence
    evidence = {**CLAIM["evidence"], "metric": "k"}
    assert verdict_of(theirs=5, evidence=evidence, unit="s").ours == "5 s (n = 3)"
    evidence = {**CLAIM["evidence"], "metric": "word"}
    found = verdict_of(rule={"classification_is": {"value": "yes"}}, evidence=evidence)
    assert (found.kind, found.ours) == ("holds in part", "yes in 2 of 3, no in 1")


# Three values with this mean have the standard error 1 / sqrt(3), so that two of it are 1.155.
AROUND = [-1, 0, 1]
TOLERANT = {"tolerance": {"absolute": 2}, "in_part": {"absolute": 5}}
UNSURE = [
    ({"at_most": {}}, 10, 8.8, "reproduced"),
    ({"at_most": {}}, 10, 8.9, "not decided"),
    ({"at_most": {}}, 10, 11.1, "not decided"),
    ({"at_most": {}}, 10, 11.2, "refuted"),
    ({"at_least": {}}, 10, 11.2, "reproduced"),
    ({"at_least": {}}, 10, 10.1, "not decided"),
    ({"at_least": {}}, 10, 8.8, "refuted"),
    ({"within": {"tolerance": {"absolute": 2}}}, 10, 10.8, "reproduced"),
    ({"within": {"tolerance": {"absolute": 2}}}, 10, 10.9, "not decided"),
    ({"within": {"tolerance": {"absolute": 2}}}, 10, 13.2, "refuted"),
    ({"within": {"tolerance": {"absolute": 0.1}}}, 10, 10, "not decided"),
    ({"within": {"tolerance": {"absolute": 0.1}}}, 10, 10.2, "not decided"),
    ({"within": TOLERANT}, 10, 11.9, "holds in part"),
    ({"within": TOLERANT}, 10, 14.5, "not decided"),
    ({"rounds_to": {"significant": 1}}, 10, 13.8, "reproduced"),
    ({"rounds_to": {"significant": 1}}, 10, 14, "not decided"),
    ({"no_worse": {"better": "lower", **TOLERANT}}, 10, 6.8, "exceeded"),
    ({"no_worse": {"better": "lower", **TOLERANT}}, 10, 7.5, "reproduced"),
    ({"no_worse": {"better": "lower", **TOLERANT}}, 10, 14.5, "not decided"),
    ({"no_worse": {"better": "higher", **TOLERANT}}, 10, 5.5, "not decided"),
]


@pytest.mark.parametrize(("rule", "theirs", "mean", "kind"), UNSURE)
def test_nothing_is_decided_by_less_than_two_standard_errors(checkout, rule, theirs, mean, kind):
    for seed, offset in enumerate(AROUND):
        record({"n": mean + offset}, seed=seed)
    assert verdict_of(rule=rule, theirs=theirs).kind == kind


def test_a_limit_on_a_scale_of_logarithms_asks_the_geometric_mean(checkout):
    for seed, value in enumerate([1e4, 1e5, 1e6]):
        record({"n": value, "zero": 0.0}, seed=seed)
    assert verdict_of(rule={"at_least": {}}, theirs=100).kind == "not decided"
    found = verdict_of(rule={"at_least": {"scale": "log"}}, theirs=100)
    assert (found.kind, found.ours) == ("reproduced", "1.0e+05 (1.0e+04 to 1.0e+06, n = 3)")
    assert verdict_of(rule={"at_least": {"scale": "log"}}, theirs=1e4).kind == "not decided"
    for seed, value in enumerate([0.5, 2.0, 32.0]):
        record({"n": value, "zero": 0.0}, seed=seed)
    found = verdict_of(rule={"at_least": {"scale": "log"}}, theirs=100)
    assert found.ours == "3.2 (0.50 to 32, n = 3)"
    evidence = {**CLAIM["evidence"], "metric": "zero"}
    with pytest.raises(LedgerError, match="scale log needs positive numbers"):
        verdict_of(rule={"at_least": {"scale": "log"}}, theirs=1, evidence=evidence)


def test_words_of_several_seeds_are_counted_the_asked_one_first(checkout):
    for seed in range(20):
        record({"found": "matched" if seed < 5 else "missed", "same": True}, seed=seed)
    evidence = {**CLAIM["evidence"], "metric": "found"}
    found = verdict_of(rule={"classification_is": {"value": "matched"}}, evidence=evidence)
    assert (found.kind, found.ours) == ("holds in part", "matched in 5 of 20, missed in 15")
    evidence = {**CLAIM["evidence"], "metric": "same"}
    found = verdict_of(rule={"classification_is": {"value": True}}, evidence=evidence)
    assert (found.kind, found.ours) == ("reproduced", "yes (n = 20)")


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (["low", "unsure"], "holds in part"),
        (["high", "unsure"], "not decided"),
        (["unsure", "unsure"], "not decided"),
        (["low", "high", "unsure"], "holds in part"),
    ],
)
def test_a_part_that_is_not_decided_leaves_open_what_it_can_change(checkout, parts, kind):
    for seed, offset in enumerate(AROUND):
        record({"low": offset, "unsure": 5.5 + offset, "high": 10 + offset}, seed=seed)
    rule = {"all_of": [part(5, {"at_most": {}}, metric=metric) for metric in parts]}
    evidence = {"experiment": "toy", "variant": "a"}
    assert verdict_of(rule=rule, evidence=evidence).kind == kind


def test_a_metric_may_be_taken_over_another_of_the_same_run(checkout):
    for seed, value in enumerate([2.0, 3.0]):
        record({"n": value, "base": 2 * value, "zero": 0}, seed=seed)
    evidence = {**CLAIM["evidence"], "over": "base"}
    found = verdict_of(rule={"at_most": {}}, theirs=0.5, evidence=evidence)
    assert (found.kind, found.ours) == ("reproduced", "0.5 (n = 2)")
    assert "toy/a: n over base (seed 0, 1" in found.evidence
    parts = [{**part(0.5, {"at_most": {}}), "over": "base"}, part(2, {"at_least": {}})]
    both = {"experiment": "toy", "variant": "a"}
    assert verdict_of(rule={"all_of": parts}, evidence=both).kind == "holds in part"
    with pytest.raises(LedgerError, match="zero in a run"):
        verdict_of(rule={"at_most": {}}, evidence={**CLAIM["evidence"], "over": "zero"})


def test_what_is_about_a_text_is_decided_by_reading(checkout):
    reading = {"found": "confirmed", "passage": "“so it is” (page 1)"}
    found = verdict_of(evidence=None, rule=None, reading=reading)
    assert found == claims.Verdict("confirmed by reading", "“so it is” (page 1)", "by reading")
    reading = {"found": "refuted", "passage": "“so it is not” (page 1)"}
    assert verdict_of(evidence=None, rule=None, reading=reading).kind == "refuted by reading"


@pytest.mark.parametrize(
    ("changes", "basis"),
    [
        ({}, "measurement"),
        ({"kind": "formula"}, "formula"),
        ({"evidence": None, "rule": {"sums_to": {"terms": [1, 2]}}}, "arithmetic"),
        (
            {"evidence": None, "rule": None, "reading": {"found": "refuted", "passage": "p"}},
            "reading",
        ),
        ({"evidence": None, "rule": None, "status": "open"}, ""),
    ],
)
def test_every_claim_knows_what_its_verdict_rests_on(checkout, changes, basis):
    write(claim(**changes))
    assert claims.basis(claims.load()[0]) == basis


def test_a_paper_behind_the_documents_may_be_claimed_of(checkout):
    paper = {"paper": {"short": "Chen et al.", "title": "A paper", "language": "English"}}
    write(claim(document="paper"), papers=paper)
    record(METRICS)
    sources = ledger.read().sources
    assert list(sources) == ["000", "paper"]
    (pair,) = claims.judged("02")
    assert claims.row(*pair, sources).place == "paper (Chen et al.), slide 1"


READ = {"evidence": None, "rule": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "reproduced"}, "'verdict' was unexpected"),
        ({"ours": 3}, "'ours' was unexpected"),
        ({"status": "reproduced", "evidence": None, "rule": None}, "'reproduced' is not one of"),
        ({"status": "open"}, "nothing of the others"),
        ({"reading": {"found": "confirmed", "passage": "p"}}, "nothing of the others"),
        (
            {"evidence": None, "rule": None, "reading": {"found": "perhaps", "passage": "p"}},
            "perhaps",
        ),
        ({"evidence": None, "rule": None, "reading": {"found": "confirmed"}}, "'passage' is a req"),
        ({"status": "opinion", "evidence": None, "rule": None}, "needs either"),
        ({"evidence": None}, "needs either"),
        ({"rule": None}, "needs either"),
        ({"evidence": None, "rule": None}, "needs either"),
        ({"rule": {"eval": "x > 3"}}, "field rule: .*'eval' was unexpected"),
        ({"rule": {"equals": {}, "at_most": {}}}, "field rule"),
        ({"rule": {"within": {}}}, "field rule.within: 'tolerance' is a required"),
        ({"rule": {"within": {"tolerance": {"absolute": "1 + 1"}}}}, "tolerance.absolute"),
        ({"rule": {"formula": {"corrected_to": "x"}}}, "field rule.formula: 'tolerance'"),
        ({"kind": "vague"}, "field kind"),
        ({"statement": ""}, "field statement"),
        ({"statement": None}, "'statement' is a required"),
        ({"document": 0}, "field document"),
        ({"id": "C 1"}, "field id"),
        ({"chapters": []}, "field chapters"),
        ({"document": "009"}, "field document: '009' is not declared"),
        ({"chapters": ["12"]}, "field chapters: '12' is not declared"),
        ({"evidence": {"experiment": "other", "metric": "n"}}, "there is no experiment 'other'"),
    ],
)
def test_an_entry_that_does_not_fit_is_refused_with_claim_line_and_field(
    checkout, changes, message
):
    write(claim(id="first"), claim(**changes))
    with pytest.raises(LedgerError, match=message) as caught:
        claims.load()
    line = ledger.location().read_text().splitlines().index("- id: " + claim(**changes)["id"]) + 1
    assert f"(line {line})" in str(caught.value)
    assert claim(**changes)["id"] in str(caught.value)


def test_an_id_that_stands_twice_is_refused(checkout):
    write(claim(), claim(id="c2"), claim())
    with pytest.raises(LedgerError, match=r"claim 'c1' \(line \d+\), field id: stands twice"):
        claims.load()


def test_a_key_that_stands_twice_is_refused(checkout):
    write(claim())
    text = ledger.location().read_text().replace("  theirs: 3\n", "  theirs: 3\n  theirs: 4\n")
    ledger.location().write_text(text)
    with pytest.raises(LedgerError, match="'theirs' stands twice"):
        claims.load()


@pytest.mark.parametrize("text", ["", "[]", "a: [", "claims: 3", "claims: []"])
def test_a_file_that_is_no_ledger_is_refused_by_name(checkout, text):
    ledger.location().write_text(text)
    with pytest.raises(LedgerError, match=r"claims\.yml is no"):
        claims.load()


def test_a_missing_ledger_is_named(checkout):
    with pytest.raises(LedgerError, match=r"claims\.yml is missing"):
        claims.load()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evidence": {**CLAIM["evidence"], "metric": "none"}}, "evidence: .* no metric 'none'"),
        ({"evidence": {"experiment": "toy", "metric": "n"}}, "name the variant"),
        ({"evidence": {**CLAIM["evidence"], "variant": "z"}}, "no variant 'z'; it has a, b"),
        ({"evidence": {"experiment": "toy", "variant": "a"}}, "rule equals needs"),
        ({"rule": {"equals": {"corrected_to": "none"}}, "theirs": 2}, "no metric 'none'"),
        ({"rule": {"at_most": {}}, "theirs": "three"}, "theirs is 'three'"),
        ({"evidence": {**CLAIM["evidence"], "metric": "word"}}, "expects 3, but .* 'yes'"),
        (
            {
                "rule": {"within": {"tolerance": {"absolute": 1}}},
                "evidence": {**CLAIM["evidence"], "metric": "word"},
            },
            "the metric is 'yes'",
        ),
        ({"rule": {"formula": {}}}, "evidence: .*no metric 'n.classification'"),
        (
            {"rule": {"formula": {}}, "evidence": {**CLAIM["evidence"], "metric": "odd"}},
            "is 'perhaps', no classification",
        ),
    ],
)
def test_a_rule_that_does_not_fit_its_evidence_is_refused(checkout, changes, message):
    record(METRICS)
    record(METRICS, variant="b")
    with pytest.raises(LedgerError, match=message) as caught:
        verdict_of(**changes)
    assert "claim 'c1' (line 10)" in str(caught.value)


def test_every_verdict_has_its_own_symbol():
    assert len(set(claims.SYMBOLS.values())) == len(claims.KINDS) == 11


def test_the_claims_of_a_chapter_are_judged(checkout):
    record(METRICS)
    write(claim(), claim(id="c2", chapters=["03"]))
    assert [(one.id, result.kind) for one, result in claims.judged("02")] == [("c1", "reproduced")]


def test_formulas_and_code_in_a_text_are_marked_up_and_the_rest_is_escaped():
    assert markup.to_html("With $a < b$, `x` & <b>.") == (
        r'With <span class="math notranslate">\(a &lt; b\)</span>, <code>x</code> '
        "&amp; &lt;b&gt;."
    )


def test_a_pipe_does_not_break_a_markdown_table():
    assert markup.markdown_row(("$|a|$ or b", "")) == r"| $\|a\|$ or b | – |"


def test_an_unknown_chapter_is_refused(checkout):
    write(claim())
    with pytest.raises(LedgerError, match="no chapter '99'; it has 02, 03"):
        claims.judged("99")


def test_the_fingerprint_follows_claims_and_evidence_of_the_chapter_only(checkout):
    write(claim(), claim(id="c2", chapters=["03"]))
    first = claims.fingerprint("02")
    write(claim(), claim(id="c3", chapters=["03"], statement="Other."))
    assert claims.fingerprint("02") == first
    write(claim(id="c0", chapters=["03"]), claim())
    assert claims.fingerprint("02") == first
    record(METRICS)
    second = claims.fingerprint("02")
    assert second != first
    write(claim(theirs=4))
    assert claims.fingerprint("02") not in (first, second)


def test_showing_a_chapter_is_noted(checkout, monkeypatch):
    record(METRICS)
    write(claim())
    monkeypatch.setenv("NODELIB_TRACE", str(checkout / "trace"))
    claims.judged("02")
    notes = {note["kind"]: note for note in trace.read(checkout / "trace")}
    assert notes["claims"]["fingerprint"] == claims.fingerprint("02")
    assert notes["results"]["name"] == "toy"


def test_claims_as_json_carry_their_verdicts(checkout):
    record(METRICS)
    write(claim())
    (entry,) = claims.as_json()
    assert entry["id"] == "c1"
    assert entry["verdict"]["kind"] == "reproduced"
    assert entry["verdict"]["ours"] == "3"


def test_the_book_has_a_ledger_whose_every_claim_can_be_judged():
    pairs = claims.judged()
    assert len(pairs) > 100
    assert {entry.document for entry, _ in pairs} == set(ledger.read().sources)
    for entry, verdict in pairs:
        assert verdict.kind in claims.KINDS
        assert verdict.evidence
        assert bool(verdict.ours) != (verdict.kind in claims.UNTESTED), entry


def test_nothing_that_chapters_02_and_08_test_is_left_open():
    for chapter in ("02", "08"):
        left = [entry.id for entry, verdict in claims.judged(chapter) if verdict.kind == "open"]
        assert left == []
    assert (paths.root() / "book" / "claims.yml").is_file()


def test_every_formula_that_chapter_02_evaluates_is_a_claim():
    claimed = [
        entry.evidence["metric"]
        for entry in claims.load()
        if entry.evidence and entry.evidence["experiment"] == "adjoint_formulas"
    ]
    assert sorted(claimed) == sorted(formula.id for formula in FORMULAS)


def test_every_corrected_formula_says_what_should_have_been_printed():
    for entry, verdict in claims.judged("02"):
        if verdict.kind == "corrected":
            assert entry.correction, entry.id


def test_the_vocabulary_of_the_schema_is_that_of_the_rules():
    schema = ledger._validator().schema["$defs"]["rule"]["properties"]
    assert set(schema) == {*limits.OF_MEAN, *rules.OF_EACH, *rules.ARITHMETIC, "formula", "all_of"}


def test_small_means_are_written_with_a_power_of_ten():
    assert summaries.summarise([1e-5, 2e-5, 3e-5]) == "(2.0 ± 1.0)e-5 (n = 3)"
    assert summaries.summarise([0.1, 0.2, 0.3]) == "0.20 ± 0.10 (n = 3)"
