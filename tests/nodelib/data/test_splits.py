"""Divisions of heartbeats by blocks of time and by patient."""

import numpy as np
import pytest

from nodelib.data.splits import by_patient, by_time_block
from nodelib.errors import DataError

RECORD = np.repeat(["100", "101", "200"], 60)
SECONDS = np.tile(np.arange(60) * 10.0, 3)


def test_a_block_of_time_is_all_training_or_all_test():
    train, test = by_time_block(RECORD, SECONDS, length=60, test_share=0.2, seed=0)
    assert sorted([*train, *test]) == list(range(180))
    blocks = [{(RECORD[k], SECONDS[k] // 60) for k in part} for part in (train, test)]
    assert not blocks[0] & blocks[1]
    # two of the ten blocks of every record
    assert len(blocks[1]) == 6
    assert {name for name, _ in blocks[1]} == {"100", "101", "200"}


def test_a_patient_is_all_training_or_all_test():
    train, test = by_patient(RECORD, test_share=0.34, seed=0)
    assert not set(RECORD[train]) & set(RECORD[test])
    assert len(set(RECORD[test])) == 1
    assert len(train) + len(test) == 180


def test_another_seed_draws_others():
    first, second = (
        by_time_block(RECORD, SECONDS, length=60, test_share=0.2, seed=seed)[1] for seed in (0, 1)
    )
    assert not np.array_equal(first, second)


def test_what_cannot_be_divided_is_refused():
    with pytest.raises(DataError, match="record 100 has beats in 1 block of 9999 s"):
        by_time_block(RECORD, SECONDS, length=9999, test_share=0.2, seed=0)
    with pytest.raises(DataError, match="beats of 1 patient"):
        by_patient(RECORD[:10], test_share=0.2, seed=0)
