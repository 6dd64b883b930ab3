"""The registry of experiments: one run at a time, or all seeds side by side."""

from types import SimpleNamespace

import pytest
import torch

from nodebook.errors import ResultsError
from nodebook.evidence import claims, registry, results, verification
from nodebook.evidence.results import Outcome


@pytest.fixture
def together(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("format: jb-book\n")
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    calls = []

    def run_together(variant, seeds):
        calls.append((variant, tuple(seeds)))
        return {
            seed: Outcome(metrics={"sum": 3.0 * seed}, tensors={"w": torch.full((3,), float(seed))})
            for seed in seeds
        }

    module = SimpleNamespace(
        VARIANTS=("a", "b"),
        SEEDS=(0, 1, 2),
        NEEDS=(),
        run_together=run_together,
        rederive=lambda run: {"sum": run.tensors()["w"].sum().item()},
        calls=calls,
    )
    monkeypatch.setattr(registry, "load", lambda name: module)
    monkeypatch.setattr(registry, "names", lambda: ["toy"])
    return module


def test_all_seeds_of_a_variant_are_run_at_once_and_recorded_one_by_one(together):
    paths = registry.record("toy")
    assert together.calls == [("a", (0, 1, 2)), ("b", (0, 1, 2))]
    assert [path.name for path in paths] == [f"{v}-seed{k}.json" for v in "ab" for k in range(3)]
    run = results.one("toy", "b", 2)
    assert run.metric("sum") == 6.0
    assert run.together == 3
    assert run.command.endswith("toy --variant b --seed 0 --seed 1 --seed 2")
    assert run.provenance_line().endswith("s (3 runs side by side)")


def test_a_part_of_the_seeds_can_be_recorded(together):
    registry.record("toy", ["a"], [2])
    assert together.calls == [("a", (2,))]
    assert results.one("toy", "a", 2).together == 1


def test_runs_that_were_made_side_by_side_verify_from_their_weights(together):
    registry.record("toy", ["a"])
    assert {check.status for check in verification.verify("toy")} == {"same"}
    together.rederive = lambda run: {"sum": -1.0}
    # seed 0 and 1 and 2 sum to 0, 3 and 6: none is -1
    assert {check.status for check in verification.verify("toy")} == {"differs"}


@pytest.mark.parametrize("name", registry.names())
def test_every_variant_and_seed_is_recorded_from_committed_code(name):
    module, runs = registry.load(name), results.read(name)
    if not runs:
        named = [claim.evidence["experiment"] for claim in claims.load() if claim.evidence]
        assert name not in named
        pytest.skip("nothing of it is recorded yet, and no claim rests on it")
    assert {(run.variant, run.seed) for run in runs} == {
        (variant, seed) for variant in module.VARIANTS for seed in module.SEEDS
    }
    assert not any(run.modified for run in runs)


@pytest.mark.parametrize(
    ("has", "lacks"),
    [
        (("VARIANTS", "SEEDS", "NEEDS"), "run"),
        (("VARIANTS", "SEEDS", "NEEDS", "run_together"), "rederive"),
        (("VARIANTS", "NEEDS", "run"), "SEEDS"),
    ],
)
def test_a_module_that_lacks_something_is_named(monkeypatch, has, lacks):
    module = SimpleNamespace(**dict.fromkeys(has))
    monkeypatch.setattr(registry.importlib, "import_module", lambda name: module)
    with pytest.raises(ResultsError, match=f"does not define {lacks}$"):
        registry.load("gradient_memory")
