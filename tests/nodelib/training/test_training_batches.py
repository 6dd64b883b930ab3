"""The order in which a training visits its examples."""

import torch

from nodelib.seeds import generator
from nodelib.training.batches import shuffled


def test_every_epoch_visits_every_example_once_and_in_another_order():
    rows = shuffled(20, 5, seed=0)
    epochs = [torch.cat([rows(step) for step in range(k, k + 4)]) for k in (0, 4)]
    assert [sorted(epoch.tolist()) for epoch in epochs] == [list(range(20))] * 2
    assert not torch.equal(*epochs)


def test_what_fills_no_batch_is_left_out():
    rows = shuffled(19, 5, seed=0)
    found = torch.cat([rows(step) for step in range(3)])
    assert len(found) == len(set(found.tolist())) == 15
    assert len(rows(3)) == 5


def test_a_step_has_the_same_rows_whatever_came_before():
    onwards, again = shuffled(20, 5, seed=3), shuffled(20, 5, seed=3)
    found = [onwards(step) for step in range(10)]
    assert all(torch.equal(again(step), found[step]) for step in (9, 2, 6))
    assert not torch.equal(shuffled(20, 5, seed=4)(0), found[0])


def test_the_orders_are_those_of_the_recorded_trainings():
    order = torch.randperm(100, generator=generator(2, 10**9 + 1))
    assert torch.equal(shuffled(100, 32, seed=2)(4), order[32:64])
