"""Two models in pairs."""

import pytest

from nodebook.figures.pairs import compared


def test_a_model_twice_as_wrong_on_every_seed_has_the_ratio_two():
    halves = [1.0 + k / 10 for k in range(10)]
    assert compared([2 * x for x in halves], halves) == "2.00 (10/10, p\xa0=\xa00.002)"


def test_values_without_a_partner_are_refused():
    with pytest.raises(ValueError, match="2 and 1 values"):
        compared([1.0, 2.0], [1.0])
