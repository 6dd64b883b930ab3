"""When a recorded number and one derived again count as the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodebook.evidence import registry, tolerance
from nodebook.evidence.tolerance import FLOOR, RELATIVE, Tolerance


@pytest.mark.parametrize(("recorded", "got"), [(1e-16, 3e-16), (0.0, -4e-13), (1e-13, 0.0)])
def test_rounding_where_the_exact_value_is_zero_is_no_difference(recorded, got):
    assert tolerance.agree(recorded, got, None)
    assert tolerance.agree(recorded, got, Tolerance(relative=1e-9))


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e6])
def test_above_the_floor_the_relative_tolerance_decides(size):
    assert tolerance.agree(size, size * (1 + RELATIVE / 2), None)
    assert not tolerance.agree(size, size * (1 + 3e-3), None)
    assert tolerance.agree(size, size * (1 + 3e-3), Tolerance(1e-2))


def test_the_floor_is_an_absolute_distance_and_can_be_declared():
    assert not tolerance.agree(0.0, 2 * FLOOR, None)
    assert tolerance.agree(0.0, 2 * FLOOR, Tolerance(absolute=1e-10))
    assert not tolerance.agree(0.0, 1e-13, Tolerance(absolute=0.0))


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_it_does_not_matter_which_of_two_numbers_was_recorded(a, b):
    assert tolerance.agree(a, b, None) == tolerance.agree(b, a, None)


@pytest.mark.parametrize(
    ("recorded", "got"), [(3, 4), (True, False), (True, 1), ("a", "b"), ("1", 1), (None, 0.0)]
)
def test_counts_answers_and_texts_must_be_equal(recorded, got):
    assert not tolerance.agree(recorded, got, None)
    assert tolerance.agree(recorded, recorded, None)


def test_a_count_moves_only_where_the_experiment_lets_it():
    assert not tolerance.agree(100, 101, None)
    assert tolerance.agree(100, 101, Tolerance(0.02))
    assert not tolerance.agree(True, False, Tolerance(10.0))


def test_the_first_pattern_that_fits_decides_and_a_number_is_a_relative_tolerance():
    declared = {"loss.*": Tolerance(0.1, 0.2), "loss": 0.3, "*": 0.4}
    assert tolerance.find("loss.a", declared) == Tolerance(0.1, 0.2)
    assert tolerance.find("loss", declared) == Tolerance(0.3, FLOOR)
    assert tolerance.find("other", declared) == Tolerance(0.4, FLOOR)
    assert tolerance.find("other", {"loss*": 0.1}) is None


@pytest.mark.parametrize("name", registry.names())
def test_what_an_experiment_declares_are_tolerances_by_pattern(name):
    for pattern, value in getattr(registry.load(name), "TOLERANCE", {}).items():
        assert isinstance(pattern, str)
        assert isinstance(value, int | float | Tolerance)
