"""The model against the published cases of the reference, and further ones if there are."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nodelib.models.gru_ode import predict, walk
from tests.nodelib.models.gru_ode.cases import CaseError, named, read_case

HERE = Path(__file__).parents[3] / "golden"
FURTHER = os.environ.get("NODELIB_GOLDEN_DIR")
CASES = sorted(HERE.glob("*.npz")) + (sorted(Path(FURTHER).glob("*.npz")) if FURTHER else [])


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference relative to the largest entry; infinite between other shapes."""
    if ours.shape != theirs.shape:
        return float("inf")
    if not theirs.numel():
        return 0.0
    scale = float(theirs.abs().max())
    return float((ours.detach() - theirs).abs().max()) / (scale or 1.0)


def compared(case, run, loss) -> dict[str, float]:
    """Differences of end, losses, logits and all gradients."""
    arrays = case.arrays
    found = {
        "out_h": difference(run.h, arrays["out_h"]),
        "out_loss": difference(loss, arrays["out_loss"]),
        "out_loss_nll": difference(run.nll.sum(), arrays["out_loss_nll"]),
        "out_class_logit": difference(run.logits, arrays["out_class_logit"]),
    }
    case.model.zero_grad()
    loss.backward()
    # what the loss does not depend on has no gradient, and no array in the file
    own = named(case.model, lambda p: torch.zeros_like(p) if p.grad is None else p.grad)
    for name, gradient in own.items():
        expected = arrays.get(f"grad/{name}")
        if expected is None:
            assert not gradient.any(), f"{name} has a gradient, the reference has none"
        else:
            found[f"grad/{name}"] = difference(gradient, expected)
    of_parameters = {f"grad/{name}" for name in own}
    left_over = {key for key in arrays if key.startswith("grad/")} - of_parameters
    assert not left_over, f"gradients of what is no parameter: {sorted(left_over)}"
    return found


def refuse_far(path: Path, found: dict[str, float]) -> None:
    """Fail naming the file and what in it is off."""
    far = {name: d for name, d in found.items() if not d < 1e-8}
    assert not far, f"{path}: {far}"


def on_grid(case) -> bool:
    """Whether all times are multiples of the step, so that the union of times adds no steps."""
    steps = torch.cat((case.arrays["times"], case.arrays["T"][None])) / case.arrays["delta_t"]
    return bool(((steps - steps.round()).abs() < 1e-4).all())


def test_there_are_three_published_cases_and_some_where_a_folder_of_more_is_named():
    assert len(list(HERE.glob("*.npz"))) == 3
    assert not FURTHER or len(CASES) > 3, f"NODELIB_GOLDEN_DIR={FURTHER} has no .npz file"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_walk_over_the_union_of_times_is_the_reference(path, record_property):
    case = read_case(path)
    run = walk(case.model, case.events, until=case.until)
    found = compared(case, run, run.nll + case.mixing * run.kl)
    found["path_t"] = difference(run.times, case.arrays["path_t"])
    found["path_p"] = difference(run.predictions, case.arrays["path_p"])
    found["path_h"] = difference(run.states, case.arrays["path_h"])
    record_property("largest", max(found.values()))
    refuse_far(path, found)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_batched_model_is_the_reference_where_times_lie_on_the_grid(path):
    case = read_case(path)
    if not on_grid(case):
        pytest.skip("times that are no multiples of the step: the walk cuts other samples' steps")
    # The reference adds up its clock and ends by "while clock < T": by rounding it can take one
    # step more than T asks for. Its states are compared where its clock really ended.
    ended = case.arrays["path_t"][-1].expand_as(case.events.end)
    run = case.model(replace(case.events, end=ended))
    found = compared(case, run, run.loss(case.mixing))
    # every step of the path: the clock of the reference adds up steps, so events are snapped to
    at, events = case.arrays["path_t"], case.arrays["times"]
    near = (at[:, None] - events).abs().min(1)
    at = torch.where(near.values < 1e-6, events[near.indices], at)
    fresh = torch.cat((torch.tensor([True]), at[1:] != at[:-1]))
    for jumped, rows in ((False, fresh), (True, torch.cat((fresh[1:], fresh[:1])))):
        told = predict(case.model, case.events, at[rows], jumped=jumped)
        p = torch.cat((told.mean, told.logvar), -1)
        for name, ours in (("path_h", told.h), ("path_p", p)):
            found[f"{name} {jumped}"] = difference(ours.transpose(0, 1), case.arrays[name][rows])
    refuse_far(path, found)


@pytest.fixture
def published():
    """Arrays of one published case."""
    with np.load(HERE / "gru_ode_bayes_autonomous_min_euler.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize(
    ("change", "message"),
    [({"logvar": False}, "logvar"), ({"solver": "dopri5"}, "solver"), ({"depth": 3}, "depth")],
)
def test_a_case_with_unknown_settings_is_refused(published, tmp_path, change, message):
    config = json.loads(str(published["config"])) | change
    np.savez(tmp_path / "case.npz", **(published | {"config": np.array(json.dumps(config))}))
    with pytest.raises(CaseError, match=rf"case\.npz.*{message}"):
        read_case(tmp_path / "case.npz")


@pytest.mark.parametrize("key", ["mixing", "param/gru_obs.w_prep", "out_h", "config"])
def test_a_case_without_a_key_is_refused_by_file_and_key(published, tmp_path, key):
    del published[key]
    np.savez(tmp_path / "case.npz", **published)
    with pytest.raises(CaseError, match=rf"case\.npz.*{key.removeprefix('param/')}"):
        read_case(tmp_path / "case.npz")


def test_a_file_cut_short_or_an_array_of_another_shape_is_refused(published, tmp_path):
    path = tmp_path / "case.npz"
    np.savez(path, **(published | {"M": published["M"][:-1]}))
    with pytest.raises(CaseError, match=r"case\.npz: M has shape \(22, 2\), not \(23, 2\)"):
        read_case(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CaseError, match=r"case\.npz is no reference case"):
        read_case(path)
