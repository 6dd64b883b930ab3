"""Weights of the page's model of chapter 10, in the study's and in the library's."""

import pytest
import torch
from torch import nn

from nodebook.experiments.ch10_gru_ode import by_hand, sporadic_study
from nodelib.errors import ModelError
from nodelib.models.gru_ode import Stepping


def written(hidden=5, prep=3):
    """A module with the parameters that the page's model has, and no code."""
    model = nn.Module()
    model.start = nn.Parameter(torch.zeros(1, hidden))
    model.head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 4))
    model.flow, model.jump = nn.Module(), nn.Module()
    model.flow.gates = nn.Linear(hidden, 2 * hidden)
    model.flow.candidate = nn.Linear(hidden, hidden)
    model.jump.weight = nn.Parameter(torch.randn(2, 4, prep))
    model.jump.bias = nn.Parameter(torch.randn(2, prep))
    model.jump.cell = nn.GRUCell(2 * prep, hidden)
    return model


def test_weights_of_the_study_fit_the_pages_model():
    hidden, prep = sporadic_study.HIDDEN, sporadic_study.BASE.prep
    study = sporadic_study.build("ode_bayes", [0])
    weights = {name: value.detach()[0] for name, value in study.named_parameters()}
    model = written(hidden, prep)
    model.load_state_dict(by_hand.from_study(weights))
    h = torch.randn(3, hidden)
    torch.testing.assert_close(model.head(h), study.head(h[None])[0])
    torch.testing.assert_close(model.flow.gates(h), study.gates(h[None])[0])


def test_the_library_takes_them_without_biases_of_the_flow():
    model, stepping = written(), Stepping("euler", steps=2)
    with pytest.raises(ModelError, match=r"flow\.gates\.bias is not zero"):
        by_hand.in_library(model, stepping, 0.1)
    for bias in (model.flow.gates.bias, model.flow.candidate.bias):
        nn.init.zeros_(bias)
    found = by_hand.in_library(model, stepping, 0.1)
    h = torch.randn(4, 5)
    z, r = torch.sigmoid(model.flow.gates(h)).chunk(2, -1)
    slope = (1 - z) * (torch.tanh(model.flow.candidate(r * h)) - h)
    torch.testing.assert_close(found.field(h), slope)
    torch.testing.assert_close(found.predict(h), model.head(h))
    nn.init.ones_(model.start)
    with pytest.raises(ModelError, match="start is not zero"):
        by_hand.in_library(model, stepping, 0.1)
