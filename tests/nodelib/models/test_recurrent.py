"""Recurrent cells beside the ODE that they become."""

import pytest
import torch

from nodelib.errors import ModelError
from nodelib.models.networks import Field
from nodelib.models.recurrent import KINDS, RecurrentModel
from nodelib.ode.solvers import solve

FIRST = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0))
GAPS = 0.2 + torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
def test_each_model_is_the_one_of_its_seed_and_of_its_trajectory(kind):
    model = RecurrentModel(kind, seeds=[3, 8])
    out = model(FIRST, GAPS)
    assert out.shape == (2, 3, 5, 2)
    alone = RecurrentModel(kind, seeds=[8])
    assert torch.allclose(alone(FIRST[1:], GAPS[1:])[0], out[1], atol=1e-6)
    assert torch.allclose(model(FIRST[:, :1], GAPS[:, :1]), out[:, :1], atol=1e-6)


@pytest.mark.parametrize(("kind", "cares"), [("rnn", False), ("rnn_gap", True), ("ode", True)])
def test_only_the_plain_map_ignores_the_interval(kind, cares):
    model = RecurrentModel(kind, seeds=[0, 1])
    assert torch.equal(model(FIRST, GAPS), model(FIRST, 2 * GAPS)) != cares


def test_short_steps_of_the_residual_cell_and_the_ode_cell_lead_to_one_solution():
    gaps = torch.full((1, 3, 1), 1.0, dtype=torch.float64)
    models = {kind: RecurrentModel(kind, seeds=[4]).double() for kind in ("residual", "ode")}
    h = models["ode"].encode(FIRST[:1].double())
    exact = solve(Field(models["ode"].f), h, [0.0, 1.0], rtol=1e-10, atol=1e-10).z[-1]
    for kind, tolerance in (("residual", 1e-3), ("ode", 1e-9)):
        walked = h
        for _ in range(200):
            walked = models[kind].step(walked, gaps[..., 0:1] / 200)
        assert torch.allclose(walked, exact, atol=tolerance), kind


def test_parts_are_shorter_steps():
    model = RecurrentModel("residual", seeds=[0, 1])
    split = (GAPS / 3).repeat_interleave(3, dim=-1)
    assert torch.allclose(model(FIRST, GAPS, parts=3), model(FIRST, split)[:, :, ::3], atol=1e-6)


def test_a_scaled_step_of_unit_length_is_the_map_and_of_the_residual_cell_any_step():
    model = RecurrentModel("rnn", seeds=[0, 1])
    ones = torch.ones_like(GAPS)
    scaled = model(FIRST, ones, model.scaled_step)
    assert torch.allclose(scaled, model(FIRST, ones), atol=1e-6)
    model = RecurrentModel("residual", seeds=[0, 1])
    assert torch.allclose(model(FIRST, GAPS, model.scaled_step), model(FIRST, GAPS), atol=1e-5)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ModelError, match="no kind 'lstm'; there are rnn"):
        RecurrentModel("lstm", seeds=[0])
