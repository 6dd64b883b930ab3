"""The search for a deck's printed rows, and the lengths of recordings."""

import numpy as np
import pytest

from nodebook.evidence import results
from nodebook.experiments.ch08_mitdb import printed_rows, recording_lengths

SPANS = [484, 273, 226, 480, 298]


def test_a_printed_row_gives_whole_units():
    assert [printed_rows.smallest_denominator(row) for row in printed_rows.ROWS] == SPANS
    with pytest.raises(ValueError, match="no denominator up to 5"):
        printed_rows.smallest_denominator(printed_rows.ROWS[0], limit=5)


def test_a_row_that_lies_in_a_signal_is_found_where_it_is():
    rng = np.random.default_rng(0)
    signal = np.rint(rng.normal(size=400) * 100)
    at = np.array([2, 50, 200, 398])
    row = signal[203:218] - 17
    assert printed_rows.search(signal, at, row) == (0.0, 2)
    moved = row + np.eye(1, 15, 4)[0] * 3
    assert printed_rows.search(signal, at, moved) == (1.5, 2)
    assert printed_rows.search(signal, np.array([50]), row)[0] > 20


def test_no_printed_row_was_found_to_the_unit_among_all_beats():
    (run,) = results.read("printed_rows", "search")
    assert run.metric("beats") == 109_446
    distances = [run.metric(f"units.{k}") for k in range(5)]
    assert run.metric("found") == sum(distance <= 0.5 for distance in distances)
    assert [run.metric(f"span.{k}") for k in range(5)] == SPANS
    for k, distance in enumerate(distances):
        assert distance <= run.metric(f"next.{k}")


def test_lengths_are_described():
    assert recording_lengths.describe([2.0, 0.5]) == {
        "recordings": 2,
        "hours_min": 0.5,
        "hours_max": 2.0,
    }
