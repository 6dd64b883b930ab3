"""The registry of experiments: one run at a time, or all seeds side by side."""

import errno
import re
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from nodebook import cli
from nodebook.errors import ResultsError
from nodebook.evidence import claims, recording, registry, results, verification
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


def test_a_variant_that_is_planned_once_is_recorded_with_the_first_seed(together):
    together.ONCE = ("b",)
    registry.record("toy")
    assert together.calls == [("a", (0, 1, 2)), ("b", (0,))]
    registry.record("toy", ["b"], [2])
    assert together.calls[2:] == [("b", (2,))]


def test_nothing_is_run_where_nothing_can_be_written(together, monkeypatch):
    def full(dir):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(recording.tempfile, "TemporaryFile", full)
    with pytest.raises(ResultsError, match=r"cannot be written \(Read-only .*nothing was run"):
        registry.record("toy")
    assert together.calls == []


def test_profile_full_records_again_and_says_what_it_starts(together, capsys):
    registry.renew("quick", "toy")
    assert together.calls == []
    assert capsys.readouterr().out == ""
    registry.renew("full", "toy")
    assert together.calls == [("a", (0, 1, 2)), ("b", (0, 1, 2))]
    assert capsys.readouterr().out.startswith("profile full: recording toy again")


def test_runs_that_were_made_side_by_side_verify_from_their_weights(together):
    registry.record("toy", ["a"])
    assert {check.status for check in verification.verify("toy")} == {"same"}
    together.rederive = lambda run: {"sum": -1.0}
    # seed 0 and 1 and 2 sum to 0, 3 and 6: none is -1
    assert {check.status for check in verification.verify("toy")} == {"differs"}


@pytest.mark.parametrize("name", registry.names())
def test_every_variant_and_seed_is_recorded_from_committed_code(name):
    module, runs = registry.load(name), results.read(name)
    planned = {
        (variant, seed) for variant in module.VARIANTS for seed in registry.planned(name, variant)
    }
    assert not any(run.modified for run in runs)
    if getattr(module, "UNFINISHED", False):
        assert {(run.variant, run.seed) for run in runs} < planned, "finished: drop UNFINISHED"
        return
    if not runs:
        named = [claim.evidence["experiment"] for claim in claims.load() if claim.evidence]
        assert name not in named
        pytest.skip("nothing of it is recorded yet, and no claim rests on it")
    assert {(run.variant, run.seed) for run in runs} == planned


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
    monkeypatch.setattr(registry, "chapters", lambda: {"ch03_gradients": ("gradient_memory",)})
    monkeypatch.setattr(registry.importlib, "import_module", lambda name: module)
    with pytest.raises(ResultsError, match=f"does not define {lacks}$"):
        registry.load("gradient_memory")


@pytest.mark.parametrize("listing", ["SAMPLE", "ONCE"])
def test_a_list_with_what_is_no_variant_is_refused(monkeypatch, listing):
    has = {"VARIANTS": ("a",), "SEEDS": (0,), "NEEDS": (), "run": None, listing: ("a", "b")}
    module = SimpleNamespace(**has)
    monkeypatch.setattr(registry, "chapters", lambda: {"ch03_gradients": ("gradient_memory",)})
    monkeypatch.setattr(registry.importlib, "import_module", lambda name: module)
    with pytest.raises(ResultsError, match=rf"{listing} what is not among its VARIANTS: b$"):
        registry.load("gradient_memory")


TOY = """
from nodebook.evidence.results import Outcome

VARIANTS, SEEDS, NEEDS = ("a", "b"), (0, 1), ()


def run(variant, seed):
    return Outcome(metrics={"sum": 3.0 * seed})
"""


@pytest.fixture
def chapters(tmp_path, monkeypatch, request):
    """Writes packages of chapters, each with what it lists and the modules it has."""
    (tmp_path / "_toc.yml").write_text("format: jb-book\n")
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    package = "toys_" + re.sub(r"\W", "_", request.node.name)
    monkeypatch.setattr(registry, "PACKAGE", package)

    def written(**listed):
        for chapter, names in listed.items():
            folder = tmp_path / package / chapter
            folder.mkdir(parents=True)
            (tmp_path / package / "__init__.py").touch()
            (folder / "__init__.py").write_text(f"EXPERIMENTS = {tuple(names)!r}\n")
            (folder / "toy.py").write_text(TOY)
        return package

    return written


def test_chapters_list_their_experiments(chapters):
    package = chapters(ch01_one=["toy"], ch02_two=[])
    assert registry.chapters() == {"ch01_one": ("toy",), "ch02_two": ()}
    assert registry.names() == ["toy"]
    assert registry.load("toy").__name__ == f"{package}.ch01_one.toy"


def test_a_listed_experiment_that_has_no_module_is_named_with_its_chapter(chapters):
    chapters(ch01_one=["toy", "gone"])
    with pytest.raises(ResultsError, match=r"ch01_one lists an experiment 'gone', but has no mod"):
        registry.load("gone")


def test_an_import_that_fails_inside_an_experiment_is_not_taken_for_its_absence(chapters, tmp_path):
    package = chapters(ch01_one=["toy"])
    (tmp_path / package / "ch01_one" / "toy.py").write_text("import no_such_package\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        registry.load("toy")


def test_an_experiment_that_two_chapters_list_is_refused(chapters):
    chapters(ch01_one=["toy"], ch02_two=["toy"])
    with pytest.raises(ResultsError, match=r"'toy' is listed by .*ch01_one and by .*ch02_two"):
        registry.names()


def test_the_recorded_command_repeats_the_run(chapters):
    chapters(ch01_one=["toy"])
    registry.record("toy", ["b"], [1])
    assert results.one("toy", "b", 1).command == "nodelib record toy --variant b --seed 1"


def test_the_command_line_records_what_it_is_told_to(chapters):
    chapters(ch01_one=["toy"])
    done = CliRunner().invoke(cli.app, ["record", "toy", "--variant", "b", "--seed", "1"])
    assert done.exit_code == 0
    assert done.stdout.strip().endswith("results/toy/b-seed1.json")
    assert [(run.variant, run.seed) for run in results.read("toy")] == [("b", 1)]
    done = CliRunner().invoke(cli.app, ["record", "toy"])
    assert len(done.stdout.split()) == len(results.read("toy")) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["other"], "there is no experiment 'other'; there are toy"),
        (["toy", "--variant", "c"], "experiment 'toy' has no variant c; it has a, b"),
    ],
)
def test_the_command_line_refuses_what_it_does_not_know_and_records_nothing(
    chapters, words, message
):
    chapters(ch01_one=["toy"])
    done = CliRunner().invoke(cli.app, ["record", *words])
    assert done.exit_code == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
    assert results.experiments() == []
