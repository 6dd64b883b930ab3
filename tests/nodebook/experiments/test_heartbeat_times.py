"""Steps of training of the printed networks of heartbeats, counted and timed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from nodebook.experiments.ch09_heartbeats import heartbeat_comparison, heartbeat_times
from nodelib.models.heartbeats import heartbeat_classifier
from nodelib.training.heartbeats import Beats

BEATS = torch.rand(3, 187, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 1, 2])


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """A batch of three beats."""
    monkeypatch.setattr(heartbeat_times, "batch", lambda: (BEATS.unsqueeze(1), CLASSES))


def test_the_printed_network_has_the_weights_of_ours():
    ours = heartbeat_classifier("ode-net", seed=1)
    printed = heartbeat_times.printed(ours, "1e-5")
    ours.body.settings = {"method": "dopri5", "rtol": 1e-5, "atol": 1e-5}
    assert torch.allclose(ours(BEATS), printed(BEATS.unsqueeze(1)), atol=1e-3)
    ours = heartbeat_classifier("resnet", seed=1)
    assert torch.allclose(ours(BEATS), heartbeat_times.printed(ours)(BEATS.unsqueeze(1)), atol=1e-5)


def test_a_finer_tolerance_takes_more_evaluations_in_both_passes():
    ours = heartbeat_classifier("ode-net", seed=0)
    coarse, fine = (
        heartbeat_times.counted(heartbeat_times.printed(ours, text)) for text in ("1e-1", "1e-3")
    )
    # the first step costs two evaluations, and every step six
    assert coarse[0] % 6 == fine[0] % 6 == 2
    assert coarse[0] < fine[0]
    assert coarse[1] < fine[1]


def test_more_work_takes_longer(monkeypatch):
    monkeypatch.setattr(heartbeat_times, "REPEATS", 3)
    small = nn.Sequential(nn.Flatten(), nn.Linear(187, 5))
    middle = [nn.Linear(2000, 2000) for _ in range(5)]
    large = nn.Sequential(nn.Flatten(), nn.Linear(187, 2000), *middle, nn.Linear(2000, 5))
    assert heartbeat_times.slower(small, large) > 2


@pytest.mark.parametrize(("variant", "least"), [("epoch", 13), ("epoch-rk4", 8)])
def test_an_epoch_is_every_whole_batch_once_and_its_start_is_found_again(
    monkeypatch, variant, least
):
    rng = np.random.default_rng(0)
    beats = Beats(rng.random((300, 187), np.float32), rng.integers(5, size=300))
    monkeypatch.setattr(heartbeat_times, "shown", lambda variant, which: beats)
    threads = torch.get_num_threads()
    found = heartbeat_times.epoch(heartbeat_times.EPOCHS[variant], seed=0)
    assert (found["steps"], torch.get_num_threads()) == (2, threads)
    assert found["minutes"] > 0
    assert found["nfe"] >= least
    again = heartbeat_times.rederive(SimpleNamespace(variant=variant, seed=0))
    assert again == {"nfe_at_start": found["nfe_at_start"]}


def test_the_interval_of_a_difference_draws_patients():
    patient = torch.arange(20).repeat_interleave(10).numpy()
    gain = torch.ones(200).numpy()
    assert heartbeat_comparison.interval(gain, patient) == [100.0, 100.0]
    gain[:100] = -1
    low, high = heartbeat_comparison.interval(gain, patient)
    assert low < -20
    assert high > 20
