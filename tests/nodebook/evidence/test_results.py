"""Recorded runs: written whole or not at all, and read back as they were."""

import json
import math
import platform
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nodebook.errors import ResultsError
from nodebook.evidence import recording, registry, results
from nodebook.evidence.results import Outcome
from nodelib import trace
from nodelib.data.find.provenance import Provenance

TIMES = {"command": "python -m x", "wall_seconds": 1.5, "cpu_seconds": 2.5}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("format: jb-book\n")
    monkeypatch.setenv("NODELIB_ROOT", str(tmp_path))
    return tmp_path


def record(metrics=None, variant="plain", seed=0, **more):
    outcome = Outcome(metrics={"loss": 0.25} if metrics is None else metrics, **more)
    return recording.record("toy", variant, seed, outcome, **TIMES)


def test_a_run_comes_back_as_it_was_recorded(checkout):
    provenance = Provenance("mitdb", "a directory", "complete", "0" * 64, "All 48 records.")
    tensors = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}
    record(
        {"error": 0.1 + 0.2, "tiny": 5e-324, "n": 3, "name": "N", "each": [1.5, 2]},
        history={"loss": [1.0, 0.5]},
        tensors=tensors,
        parameters=8,
        nfe=26.5,
        data=[provenance],
    )
    run = results.one("toy", "plain")
    assert run.metrics == {
        "error": 0.1 + 0.2,
        "tiny": 5e-324,
        "n": 3,
        "name": "N",
        "each": [1.5, 2],
    }
    assert run.history == {"loss": [1.0, 0.5]}
    assert (run.parameters, run.nfe, run.wall_seconds, run.cpu_seconds) == (8, 26.5, 1.5, 2.5)
    assert run.data[0]["detail"] == "All 48 records."
    assert run.versions["torch"] == torch.__version__
    assert run.hardware["cores"] >= 1
    back = run.tensors()
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


def test_numpy_numbers_become_plain_ones(checkout):
    record({"a": np.float64(0.5), "b": np.int64(7), "c": np.array([[1, 2]]), "d": np.bool_(True)})
    assert results.one("toy", "plain").metrics == {"a": 0.5, "b": 7, "c": [[1, 2]], "d": True}


def test_tensors_that_share_memory_are_recorded(checkout):
    weight = torch.ones(4)
    record(tensors={"a": weight, "b": weight[:2]})
    assert torch.equal(results.one("toy", "plain").tensors()["b"], torch.ones(2))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_numbers_that_are_not_finite_are_refused_and_leave_nothing(checkout, bad):
    with pytest.raises(ResultsError, match=r"metrics\.a\.1 is"):
        record({"a": [0.0, bad]})
    assert not (checkout / "results").exists()


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"a": torch.ones(1)}, "metrics.a is a Tensor"),
        ({"a": {1: 2}}, "metrics.a has the key 1"),
        ({"a": object()}, "metrics.a is a object"),
    ],
)
def test_what_json_cannot_hold_is_refused(checkout, metrics, message):
    with pytest.raises(ResultsError, match=message):
        record(metrics)


@pytest.mark.parametrize("name", ["../out", "A", "", "a b", ".hidden"])
def test_names_that_are_no_plain_file_names_are_refused(checkout, name):
    with pytest.raises(ResultsError, match="variant"):
        record(variant=name)


def test_an_experiment_cannot_write_outside_its_folder(checkout):
    with pytest.raises(ResultsError, match=r"experiment '\.\./\.\./toy'"):
        recording.record("../../toy", "plain", 0, Outcome(metrics={"a": 1}), **TIMES)
    assert sorted(path.name for path in checkout.iterdir()) == ["_toc.yml"]


def test_an_empty_set_of_metrics_is_refused_and_leaves_no_file(checkout):
    with pytest.raises(ResultsError, match="metrics"):
        record({}, tensors={"w": torch.ones(1)})
    assert list((checkout / "results" / "toy").iterdir()) == []


def test_an_interrupted_write_keeps_the_old_run_and_no_half_file(checkout, monkeypatch):
    path = record({"loss": 1.0})
    before = path.read_bytes()

    def full_disk(self, *_args, **_kwargs):
        self.open("w").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_text", full_disk)
    with pytest.raises(ResultsError, match=r"could not be written.*No space left"):
        record({"loss": 2.0}, tensors={"w": torch.ones(3)})
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_recording_again_without_weights_removes_the_old_weights(checkout):
    path = record(tensors={"w": torch.ones(1)})
    assert path.with_suffix(".safetensors").is_file()
    record()
    assert not path.with_suffix(".safetensors").exists()


def test_the_file_is_readable_and_its_bytes_depend_on_the_run_alone(checkout, monkeypatch):
    monkeypatch.setattr(recording.surroundings, "commit", lambda: ("a" * 40, False))
    metrics = {"z": 1, "a": {"deep": [1, 2, 3]}}
    lines = record(metrics).read_text().splitlines()
    assert '    "z": 1,' in lines
    assert '      "deep": [1, 2, 3]' in lines
    again = record(metrics).read_text().splitlines()
    assert [line for line in again if '"date"' not in line] == [
        line for line in lines if '"date"' not in line
    ]


def test_runs_are_selected_by_variant_and_seed(checkout):
    for variant, seed in [("b", 10), ("b", 9), ("a", 0)]:
        record(variant=variant, seed=seed)
    assert [(run.variant, run.seed) for run in results.read("toy")] == [
        ("a", 0),
        ("b", 9),
        ("b", 10),
    ]
    assert [run.seed for run in results.read("toy", "b")] == [9, 10]
    assert [run.variant for run in results.read("toy", seed=0)] == ["a"]
    assert results.read("other") == []
    assert results.experiments() == ["toy"]


def test_a_run_that_is_not_recorded_is_named_with_its_remedy(checkout):
    with pytest.raises(ResultsError, match=r"plain-seed3\.json is missing.*nodelib record toy"):
        results.one("toy", "plain", 3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda entry: entry.pop("commit"), "'commit' is a required property"),
        (lambda entry: entry.update(verdict="good"), "'verdict' was unexpected"),
        (lambda entry: entry.update(seed=-1), "seed: -1"),
        (lambda entry: entry.update(format=2), "format: 1 was expected"),
        (lambda entry: entry.update(variant="other"), "give the file its own name back"),
        (lambda entry: entry["hardware"].update(host="h"), "hardware.*'host' was unexpected"),
    ],
)
def test_a_malformed_file_is_named_with_the_field(checkout, damage, message):
    path = record()
    entry = json.loads(path.read_text())
    damage(entry)
    path.write_text(json.dumps(entry))
    with pytest.raises(ResultsError, match=message) as caught:
        results.read("toy")
    assert str(path) in str(caught.value)


def test_a_number_that_is_not_finite_is_refused_in_reading_too(checkout):
    path = record()
    path.write_text(path.read_text().replace("0.25", "NaN"))
    with pytest.raises(ResultsError, match="NaN is no JSON number"):
        results.read("toy")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metrics": {"a": NaN}}', "null"])
def test_a_file_that_is_no_run_at_all_is_refused(checkout, text):
    path = record()
    path.write_text(text)
    with pytest.raises(ResultsError, match=r"no readable JSON|no recorded run"):
        results.read("toy")


def test_missing_and_tampered_weights_are_told_apart(checkout):
    path = record(tensors={"w": torch.ones(2)}).with_suffix(".safetensors")
    run = results.one("toy", "plain")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ResultsError, match="SHA-256 differs"):
        run.tensors()
    path.unlink()
    with pytest.raises(ResultsError, match=r"plain-seed0\.safetensors is missing"):
        run.tensors()


def test_metrics_are_found_by_dotted_names(checkout):
    record({"a": {"b": [1, {"c": 2}]}, "x.y": {"z": 3}, "x": {"q": 4}})
    run = results.one("toy", "plain")
    found = [run.metric(name) for name in ("a.b.0", "a.b.1.c", "x.y.z", "x.q")]
    assert found == [1, 2, 3, 4]
    for absent in ("a.c", "a.b.2", "a.b.0.d", "x.y.q"):
        with pytest.raises(ResultsError, match="no metric"):
            run.metric(absent)
    with pytest.raises(ResultsError, match=r"no metric 'a\.b\.1\.d'; near it: a\.b\.1\.c"):
        run.metric("a.b.1.d")


def test_the_fingerprint_follows_the_recorded_files(checkout):
    nothing = results.fingerprint("toy")
    path = record(tensors={"w": torch.ones(2)})
    first = results.fingerprint("toy")
    assert first != nothing
    assert results.fingerprint("toy") == first
    weights = path.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    second = results.fingerprint("toy")
    assert second != first
    path.rename(path.with_name("plain-seed1.json"))
    assert results.fingerprint("toy") not in (first, second)


def test_reading_is_noted_with_the_fingerprint(checkout, monkeypatch):
    target = checkout / "trace.jsonl"
    monkeypatch.setenv("NODELIB_TRACE", str(target))
    record()
    results.read("toy")
    assert trace.read(target) == [
        {"kind": "results", "name": "toy", "fingerprint": results.fingerprint("toy")}
    ]


def test_the_provenance_line_says_when_what_and_how_long(checkout, monkeypatch):
    monkeypatch.setattr(recording.surroundings, "commit", lambda: ("abcdef0" + "1" * 33, True))
    record(data=[Provenance("mitdb", "d", "complete", "0" * 64, "")], seed=4)
    run = results.one("toy", "plain", 4)
    line = run.provenance_line()
    assert f"recorded {run.date[:10]} at commit abcdef0 with changes, seed 4" in line
    assert "data mitdb (complete)" in line
    assert line.endswith("1.5 s")


def test_a_record_says_which_gpu_it_was_trained_on_and_nothing_of_the_cpu_alone(checkout):
    record(seed=1, devices={"cpu": 9})
    assert results.one("toy", "plain", 1).devices == {}
    record(seed=2, devices={"NVIDIA X": 3, "cpu": 4})
    run = results.one("toy", "plain", 2)
    assert run.devices == {"NVIDIA X": 3, "cpu": 4}
    assert ", trained on NVIDIA X and cpu" in run.provenance_line()


def test_no_recorded_file_names_this_computer(checkout, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "some-host-name")
    text = record().read_text()
    assert "some-host-name" not in text
    assert str(checkout) not in text


def fake_experiment(monkeypatch, **more):
    module = SimpleNamespace(
        VARIANTS=("a", "b"),
        SEEDS=(0, 1),
        NEEDS=(),
        run=lambda variant, seed: Outcome(metrics={"value": f"{variant}{seed}"}),
    )
    vars(module).update(more)
    monkeypatch.setattr(registry, "load", lambda name: module)
    return module


def test_an_experiment_is_recorded_for_each_variant_and_seed(checkout, monkeypatch):
    fake_experiment(monkeypatch)
    written = registry.record("toy")
    assert [path.name for path in written] == [
        "a-seed0.json",
        "a-seed1.json",
        "b-seed0.json",
        "b-seed1.json",
    ]
    run = results.one("toy", "b", 1)
    assert run.metrics == {"value": "b1"}
    assert run.command == "nodelib record toy --variant b --seed 1"


def test_an_unknown_variant_is_refused_by_name(checkout, monkeypatch):
    fake_experiment(monkeypatch)
    with pytest.raises(ResultsError, match="no variant c; it has a, b"):
        registry.record("toy", ["c"])


def test_an_experiment_without_its_data_is_not_recorded(checkout, monkeypatch):
    fake_experiment(monkeypatch, NEEDS=("heart",))
    partial = SimpleNamespace(provenance=SimpleNamespace(completeness="partial"))
    monkeypatch.setattr(registry.data, "heart", lambda allow_standin: partial, raising=False)
    with pytest.raises(ResultsError, match=r"needs the complete data set heart.*data fetch heart"):
        registry.record("toy")
    assert results.experiments() == []


def test_every_experiment_in_the_package_keeps_to_the_registry():
    for name in registry.names():
        module = registry.load(name)
        assert module.VARIANTS
        assert module.SEEDS
        if hasattr(module, "run_together"):
            assert callable(module.run_together)
            assert callable(module.rederive)
        else:
            assert callable(module.run)


def test_an_unknown_experiment_is_refused_by_name():
    with pytest.raises(ResultsError, match="there is no experiment 'nothing'"):
        registry.load("nothing")


def test_everything_recorded_in_this_checkout_reads():
    for name in results.experiments():
        for run in results.read(name):
            assert run.metrics
            run.tensors()
