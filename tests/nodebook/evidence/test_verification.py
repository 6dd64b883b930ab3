"""Verification: what is recorded must come out again."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch
import yaml

from nodebook import paths
from nodebook.errors import ResultsError
from nodebook.evidence import claims, ledger, registry, results, tolerance, verification
from nodebook.evidence.results import Outcome
from nodebook.evidence.verification import Check
from nodelib.errors import ChecksumError, OfflineError

TIMES = {"command": "python -m x", "wall_seconds": 0.0, "cpu_seconds": 0.0}


def weights_sum(variant, seed):
    """An experiment whose metrics can be computed from its weights."""
    weight = torch.arange(1.0, 4.0) * (seed + 1)
    metrics = {"sum": float(weight.sum()), "count": 3, "kind": variant, "seconds": 0.5}
    return Outcome(metrics=metrics, tensors={"w": weight}, parameters=3)


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("format: jb-book\n")
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    module = SimpleNamespace(VARIANTS=("a", "b"), SEEDS=(0, 1), NEEDS=(), run=weights_sum)
    monkeypatch.setattr(registry, "load", lambda name: module)
    monkeypatch.setattr(registry, "names", lambda: ["toy"])
    return module


def edit(path, change):
    entry = json.loads(path.read_text())
    change(entry)
    path.write_text(json.dumps(entry))


def test_runs_that_come_out_again_are_the_same(module):
    registry.record("toy")
    checks = verification.verify(whole=True)
    assert [(check.variant, check.seed, check.status) for check in checks] == [
        ("a", 0, "same"),
        ("a", 1, "same"),
        ("b", 0, "same"),
        ("b", 1, "same"),
    ]
    assert checks[0].compared == 6
    assert verification.verify("toy") == checks


def test_by_default_the_first_seed_of_each_variant_is_derived_again_and_files_are_read(module):
    _, further, *_ = registry.record("toy")
    checks = verification.verify()
    assert [(check.variant, check.seed, check.status) for check in checks] == [
        ("a", 0, "same"),
        ("a", 1, "files whole"),
        ("b", 0, "same"),
        ("b", 1, "files whole"),
    ]
    assert verification.summary(checks, []) == (
        "4 recorded runs: 2 same, of 2 more only the files (numbers with --all); "
        "12 values compared; every verdict the same"
    )
    further.with_suffix(".safetensors").write_bytes(b"other")
    assert verification.verify()[1].status == "differs"


def test_of_an_experiment_with_a_sample_that_is_derived_again_and_with_only_or_all_the_rest(module):
    registry.record("toy")
    module.SAMPLE = ("b",)
    derived = [(check.variant, check.seed) for check in verification.verify() if check.derived]
    assert derived == [("b", 0)]
    for checks in (verification.verify("toy"), verification.verify(whole=True)):
        assert all(check.status == "same" for check in checks)


def test_a_tampered_metric_differs_and_is_named_with_both_values(module):
    registry.record("toy")
    edit(paths.results() / "toy" / "a-seed1.json", lambda e: e["metrics"].update(sum=12.0001))
    bad = [check for check in verification.verify("toy") if check.status == "differs"]
    assert [(check.variant, check.seed) for check in bad] == [("a", 1)]
    assert bad[0].differences == (verification.Difference("sum", 12.0001, 12.0),)


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["metrics"].update(kind="z"),
        lambda e: e["metrics"].update(count=4),
        lambda e: e["metrics"].update(count="3"),
        lambda e: e["metrics"].update(more=1),
        lambda e: e["metrics"].pop("sum"),
        lambda e: e.update(parameters=4),
    ],
)
def test_any_kind_of_tampering_is_seen(module, change):
    (path,) = registry.record("toy", ["a"], [0])
    edit(path, change)
    (check,) = verification.verify("toy")
    assert check.status == "differs"
    assert len(check.differences) == 1


def test_tampered_weights_differ_even_where_the_metrics_do_not(module):
    (path,) = registry.record("toy", ["a"], [0])
    weights = path.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    (check,) = verification.verify("toy")
    assert check.status == "differs"
    assert "SHA-256 differs" in check.reason


def test_metrics_are_derived_from_the_recorded_weights_where_the_experiment_can(module):
    def rederive(run):
        return {"sum": float(run.tensors()["w"].sum())}

    module.rederive = rederive
    (path,) = registry.record("toy", ["a"], [0])
    module.run = None
    (check,) = verification.verify("toy")
    assert (check.status, check.compared, check.left) == ("same", 1, ("count", "kind", "seconds"))
    edit(path, lambda e: e["metrics"].update(sum=5.0))
    (check,) = verification.verify("toy")
    assert check.differences == (verification.Difference("sum", 5.0, 6.0),)


def test_a_metric_that_was_never_recorded_is_a_difference(module):
    module.rederive = lambda run: {"new": 1}
    registry.record("toy", ["a"], [0])
    (check,) = verification.verify("toy")
    assert check.differences == (verification.Difference("new", "nothing", 1),)


def test_tolerance_is_tight_unless_the_experiment_says_otherwise(module):
    (path,) = registry.record("toy", ["a"], [0])
    edit(path, lambda e: e["metrics"].update(sum=6.0 * (1 + 1e-8), count=3, seconds=0.6))
    module.TOLERANCE = {"seconds": float("inf")}
    (check,) = verification.verify("toy")
    assert [d.metric for d in check.differences] == ["sum"]
    module.TOLERANCE = {"sec*": float("inf"), "sum": 1e-7}
    (check,) = verification.verify("toy")
    assert check.status == "same"


def test_whole_numbers_must_be_equal():
    recorded, got = {"n": 10**12, "m": [1, 2]}, {"n": 10**12 + 1, "m": [1, 2]}
    differences = verification.compare(recorded, got, {})
    assert differences == [verification.Difference("n", 10**12, 10**12 + 1)]
    assert verification.compare(recorded, got, {"n": 1e-9}) == []


@pytest.mark.parametrize("state", ["partial", "absent"])
def test_a_run_cannot_be_checked_without_its_data_and_says_how_to_get_it(
    module, monkeypatch, state
):
    def heart(allow_standin):
        if state == "absent":
            raise OfflineError("no heart here")
        return SimpleNamespace(provenance=SimpleNamespace(completeness=state))

    (path,) = registry.record("toy", ["a"], [0])
    monkeypatch.setattr(registry.data, "heart", heart, raising=False)
    module.NEEDS = ("heart",)
    (check,) = verification.verify("toy")
    assert check.status == "cannot be checked here"
    assert "heart" in check.reason
    assert "nodelib data fetch heart" in check.reason
    path.with_suffix(".safetensors").unlink()
    (check,) = verification.verify("toy")
    assert check.status == "differs"


def test_a_name_of_which_nothing_is_recorded_is_refused(module):
    registry.record("toy", ["a"], [0])
    with pytest.raises(ResultsError, match="nothing is recorded of an experiment 'other'"):
        verification.verify("other")


def test_a_run_whose_experiment_is_gone_is_an_error(module, monkeypatch):
    registry.record("toy", ["a"], [0])
    monkeypatch.setattr(registry, "names", lambda: ["another"])
    with pytest.raises(ResultsError, match="belongs to experiment 'toy', which is gone"):
        verification.verify("toy")


def test_a_run_of_a_variant_that_is_gone_is_an_error(module):
    registry.record("toy", ["a"], [0])
    module.VARIANTS = ("b",)
    with pytest.raises(ResultsError, match=r"variant 'a'.*does not have"):
        verification.verify("toy")


def test_a_malformed_run_is_an_error(module):
    (path,) = registry.record("toy", ["a"], [0])
    path.write_text("{")
    with pytest.raises(ResultsError, match="no readable JSON"):
        verification.verify("toy")
    assert results.experiments() == ["toy"]


def test_damaged_data_is_reported_and_not_taken_for_absent(module, monkeypatch):
    def heart(allow_standin):
        raise ChecksumError("heart/100.dat is damaged")

    registry.record("toy", ["a"], [0])
    monkeypatch.setattr(registry.data, "heart", heart, raising=False)
    module.NEEDS = ("heart",)
    with pytest.raises(ChecksumError, match="damaged"):
        verification.verify("toy")


def test_what_belongs_to_the_processor_is_shown_and_decides_nothing(module):
    module.BY_PROCESSOR = ("bits.*",)
    module.run = lambda variant, seed: Outcome(metrics={"bits": {"tenth": True}, "n": 1})
    (path,) = registry.record("toy", ["a"], [0])
    edit(path, lambda e: e["metrics"].update(bits={"tenth": False}))
    (check,) = verification.verify("toy")
    assert check.status == "same"
    assert check.by_processor == (verification.Difference("bits.tenth", False, True),)
    module.BY_PROCESSOR = ()
    (check,) = verification.verify("toy")
    assert check.status == "differs"


@pytest.mark.parametrize("bits", [{}, {"tenth": "True"}, {"tenth": True, "other": False}])
def test_what_belongs_to_the_processor_must_be_there_and_of_its_type(module, bits):
    module.BY_PROCESSOR = ("bits.*",)
    module.run = lambda variant, seed: Outcome(metrics={"bits": {"tenth": True}, "n": 1})
    (path,) = registry.record("toy", ["a"], [0])
    edit(path, lambda e: e["metrics"].update(bits=bits))
    assert verification.verify("toy")[0].status == "differs"


def test_no_claim_rests_on_what_belongs_to_the_processor():
    read = []
    for claim in claims.load():
        if not claim.evidence:
            continue
        experiment = claim.evidence["experiment"]
        runs = results.read(experiment, claim.evidence.get("variant"))
        if not runs:
            continue
        used = []

        def again(run, used=used):
            looked = Watched(run.metrics)
            used.append(looked)
            return dataclasses.replace(run, metrics=looked)

        claims.verdict(claim, again)
        patterns = getattr(registry.load(experiment), "BY_PROCESSOR", ())
        names = {name for looked in used for name in looked.seen}
        read += names
        assert not [name for name in names if tolerance.fits(name, patterns)], claim.id
    assert "scaled_bits.power_of_two" in read, "the watch sees what rules look up"


class Watched(dict):
    """Metrics that remember which of them were looked up."""

    def __init__(self, metrics):
        super().__init__(metrics)
        self.seen = set()

    def __getitem__(self, key):
        self.seen.add(key)
        return super().__getitem__(key)


@pytest.fixture
def claim_on_sum(module):
    """A ledger with one claim: the sum is six, within a tenth."""
    entry = {
        "id": "c1",
        "chapters": ["01"],
        "document": "000",
        "place": "slide 1",
        "statement": "It is six.",
        "kind": "number",
        "theirs": 6,
        "evidence": {"experiment": "toy", "variant": "a", "metric": "sum"},
        "rule": {"within": {"tolerance": {"absolute": 0.1}}},
    }
    frame = {
        "documents": {"000": {"short": "s", "title": "S", "language": "English"}},
        "chapters": {"01": "One"},
        "claims": [entry],
    }
    ledger.location().parent.mkdir()
    ledger.location().write_text(yaml.safe_dump(frame))
    return module


def test_verdicts_are_computed_again_from_what_was_derived(claim_on_sum):
    (path,) = registry.record("toy", ["a"], [0])
    assert verification.other_verdicts(verification.verify("toy")) == []
    edit(path, lambda e: e["metrics"].update(sum=7.0))
    claim_on_sum.TOLERANCE = {"sum": 1.0}
    checks = verification.verify("toy")
    assert [check.status for check in checks] == ["same"], "the tolerance is too wide to see it"
    others = verification.other_verdicts(checks)
    assert others == [verification.OtherVerdict("c1", "refuted", "reproduced")]
    assert verification.summary(checks, others).endswith("1 verdicts change")


def test_what_is_not_derived_again_keeps_its_recorded_value_in_the_verdict(claim_on_sum):
    claim_on_sum.rederive = lambda run: {"count": 3}
    registry.record("toy", ["a"], [0])
    assert verification.other_verdicts(verification.verify("toy")) == []


def test_a_group_of_metrics_may_be_derived_in_part(claim_on_sum):
    grouped = Outcome(metrics={"test": {"sum": 6.0, "loss": 0.5}, "sum": 6.0})
    claim_on_sum.run = lambda variant, seed: grouped
    claim_on_sum.rederive = lambda run: {"test": {"sum": 7.0}}
    registry.record("toy", ["a"], [0])
    text = ledger.location().read_text()
    ledger.location().write_text(text.replace("metric: sum", "metric: test.loss"))
    (check,) = verification.verify("toy")
    assert check.differences == (verification.Difference("test.sum", 6.0, 7.0),)
    assert check.left == ("test.loss", "sum")
    assert verification.other_verdicts([check]) == []


def test_the_summary_counts_every_kind():
    checks = [
        Check("e", "v", 0, "same", 5, left=("rate",)),
        Check("e", "v", 1, "same", 5, by_processor=(verification.Difference("b", 1, 2),)),
        Check("e", "v", 2, "differs", 5),
        Check("e", "v", 3, "cannot be checked here"),
    ]
    assert verification.summary(checks, []) == (
        "4 recorded runs: 2 same, 1 differs, 1 cannot be checked here; 15 values compared, "
        "1 other on this processor, as declared; of 1 runs some metrics were not derived again; "
        "every verdict the same"
    )


def test_weights_that_are_missing_are_named(module):
    (path,) = registry.record("toy", ["a"], [0])
    path.with_suffix(".safetensors").unlink()
    (check,) = verification.verify("toy")
    assert check.status == "differs"
    assert "a-seed0.safetensors is missing" in check.reason


def test_a_part_is_derived_again_by_default_and_everything_if_asked(module):
    module.rederive = lambda run: {"sum": float(run.tensors()["w"].sum())}
    module.rederive_all = lambda run: {"sum": 6.0, "count": 3, "kind": run.variant}
    module.PART = "the sum"
    registry.record("toy", ["a"], [0])
    (partly,), (whole,) = verification.verify("toy"), verification.verify(whole=True)
    assert (partly.compared, partly.part, whole.compared, whole.part) == (1, "the sum", 3, "")
    assert "1 runs were looked at in part (all of them with --all)" in verification.summary(
        [partly], []
    )
    assert "in part" not in verification.summary([whole], [])


def test_data_that_several_experiments_need_are_looked_for_once(module, monkeypatch):
    asked = []
    monkeypatch.setattr(registry, "is_complete", lambda need: asked.append(need) or True)
    monkeypatch.setattr(results, "experiments", lambda: ["toy", "toy"])
    registry.record("toy", ["a"], [0])
    module.NEEDS = ("heart",)
    assert [task.missing for task in verification.plan()] == [(), ()]
    assert asked == ["heart"]
