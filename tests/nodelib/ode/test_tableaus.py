import itertools
import math
from collections import Counter

import numpy as np
import pytest

from nodelib.errors import SolverError
from nodelib.ode import tableaus

ALL = pytest.mark.parametrize("tableau", tableaus.TABLEAUS.values(), ids=lambda tab: tab.name)
EMBEDDED = pytest.mark.parametrize(
    "tableau",
    [tab for tab in tableaus.TABLEAUS.values() if tab.embedded],
    ids=lambda tab: tab.name,
)


def rooted_trees(order):
    """All rooted trees with ``order`` vertices, each a sorted tuple of its subtrees."""
    if order == 1:
        return [()]
    smaller = {k: rooted_trees(k) for k in range(1, order)}
    return sorted(_forests(order - 1, smaller))


def _forests(vertices, smaller):
    if vertices == 0:
        return {()}
    found = set()
    for size in range(1, vertices + 1):
        for tree, rest in itertools.product(smaller[size], _forests(vertices - size, smaller)):
            found.add(tuple(sorted((tree, *rest))))
    return found


def vertices(tree):
    return 1 + sum(vertices(child) for child in tree)


def density(tree):
    return vertices(tree) * math.prod(density(child) for child in tree)


def stage_weights(tree, a):
    """The vector of elementary weights: product over the children of ``a`` times theirs."""
    product = np.ones(len(a))
    for child in tree:
        product = product * (a @ stage_weights(child, a))
    return product


def worst_condition(tableau, weights, order):
    """Largest violation of ``sum_i b_i phi_i(tree) = 1 / density(tree)`` up to ``order``."""
    a = np.zeros((tableau.stages, tableau.stages))
    for i, row in enumerate(tableau.a):
        a[i, : len(row)] = row
    return max(
        abs(np.dot(weights, stage_weights(tree, a)) - 1 / density(tree))
        for size in range(1, order + 1)
        for tree in rooted_trees(size)
    )


def test_rooted_trees_are_counted_as_in_the_literature():
    counts = Counter({order: len(rooted_trees(order)) for order in range(1, 7)})
    assert counts == {1: 1, 2: 1, 3: 2, 4: 4, 5: 9, 6: 20}


@ALL
def test_rows_of_a_sum_to_the_nodes(tableau):
    assert len(tableau.a) == len(tableau.b) == len(tableau.c)
    assert [len(row) for row in tableau.a] == list(range(tableau.stages))
    np.testing.assert_allclose([sum(row) for row in tableau.a], tableau.c, atol=2e-14)


@ALL
def test_order_conditions_hold_up_to_the_order_and_not_beyond(tableau):
    assert worst_condition(tableau, tableau.b, tableau.order) < 2e-14
    assert worst_condition(tableau, tableau.b, tableau.order + 1) > 1e-5


@EMBEDDED
def test_embedded_solution_has_its_order_and_no_more(tableau):
    assert worst_condition(tableau, tableau.embedded, tableau.embedded_order) < 2e-14
    assert worst_condition(tableau, tableau.embedded, tableau.embedded_order + 1) > 1e-5


@EMBEDDED
def test_error_weights_are_the_difference_and_sum_to_zero(tableau):
    np.testing.assert_allclose(np.add(tableau.b_error, tableau.embedded), tableau.b, atol=1e-16)
    assert abs(sum(tableau.b_error)) < 1e-14


@ALL
def test_first_same_as_last_is_recognised(tableau):
    assert tableau.fsal == (tableau.name in {"bosh3", "dopri5", "tsit5"})


@ALL
def test_without_error_keeps_the_solution_at_least_cost(tableau):
    plain = tableau.without_error
    assert plain.embedded is None
    assert plain.b_error is None
    assert plain.stages == tableau.stages - tableau.fsal
    assert worst_condition(plain, plain.b, tableau.order) < 2e-14


def test_tsitouras_meets_the_published_last_embedded_weight():
    assert tableaus.TSITOURAS.embedded[-1] == 1 / 66


def test_unknown_method_lists_the_known_ones():
    with pytest.raises(SolverError, match=r"'rk5'.*euler.*rk4_38.*tsit5"):
        tableaus.find("rk5")
