"""The device of a training, as the environment names it."""

import pytest
import torch

from nodebook import devices
from nodebook.errors import ResultsError


def test_networks_are_trained_on_the_cpu_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("NODELIB_DEVICE", raising=False)
    assert devices.training() == torch.device("cpu")
    monkeypatch.setenv("NODELIB_DEVICE", "")
    assert devices.training() == torch.device("cpu")


def test_what_is_named_is_taken(monkeypatch):
    monkeypatch.setenv("NODELIB_DEVICE", "meta")
    assert devices.training() == torch.device("meta")


@pytest.mark.parametrize("name", ["tpu-9", "mps" if not torch.backends.mps.is_available() else ""])
def test_a_device_that_is_not_here_is_one_message(monkeypatch, name):
    monkeypatch.setenv("NODELIB_DEVICE", name or "xpu:7")
    with pytest.raises(ResultsError, match=f"NODELIB_DEVICE={name or 'xpu:7'}: .*give cpu or cuda"):
        devices.training()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_message(monkeypatch):
    monkeypatch.setenv("NODELIB_DEVICE", "cuda")
    with pytest.raises(ResultsError, match="NODELIB_DEVICE=cuda"):
        devices.training()
