"""Numbers as text: spreads over seeds, medians and powers of ten."""

import pytest

from nodebook.figures import text

VALUES = (1.0, 2.0, 4.5)  # mean 2.5, deviation 1.8027756...


def test_a_spread_is_mean_and_sample_deviation_on_one_line():
    assert text.spread(VALUES, 2) == "2.50\u00a0±\u00a01.80"


def test_a_loose_spread_may_break_before_the_deviation_only():
    assert text.loose_spread(VALUES, 1) == "2.5 ±\u00a01.8"


@pytest.mark.parametrize(
    ("factor", "expected"), [(1, "+2.50\u00a0±\u00a01.80"), (-1, "−2.50\u00a0±\u00a01.80")]
)
def test_a_difference_has_its_sign(factor, expected):
    assert text.signed_spread([factor * x for x in VALUES]) == expected


def test_tiny_numbers_keep_significant_digits_and_do_not_break_at_the_minus():
    assert text.small_spread([x * 1e-9 for x in VALUES]) == "2.5e\u201109 ±\u00a02e\u201109"


def test_the_middle_is_a_median_with_its_range():
    assert text.middle(VALUES, 1) == "2.0 (1.0–4.5)"


def test_a_power_of_ten_does_not_break_at_the_minus():
    assert text.power(0.00123, 2) == "1.23e\u201103"


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0.012345, "0.0123"), (-2.0, "−2"), (1.5e-9, "1.5e\u201109"), (-3e20, "−3e+20")],
)
def test_significant_digits_have_a_true_minus_and_do_not_break(number, expected):
    assert text.significant(number) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [([], "none"), ([1], "1"), ([1, 2], "1 and 2"), (range(3), "0, 1 and 2")],
)
def test_items_are_listed_as_in_a_sentence(items, expected):
    assert text.listed(items) == expected
