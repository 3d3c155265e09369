"""A seed chooses the order; every row has its turn, and every source its share."""

from collections import Counter

import pytest

from anygen.training.data.order import PERIOD, Schedule, apportioned, permuted


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 17, 1000])
def test_an_order_has_every_row_once(count):
    assert sorted(permuted(i, count, "key") for i in range(count)) == list(range(count))


def test_another_key_is_another_order_and_neighbours_are_parted():
    orders = [[permuted(i, 1000, key) for i in range(1000)] for key in ("a", "b")]
    same = sum(one == other for one, other in zip(*orders, strict=True))
    assert same < 10  # of two random orders one row is expected to be at one place
    neighbours = sum(abs(a - b) == 1 for a, b in zip(orders[0], orders[0][1:], strict=False))
    assert neighbours < 12


def test_a_place_in_an_order_of_a_thousand_million_rows_is_found_at_once():
    count = 10**9
    places = {permuted(i, count, "key") for i in range(100)}
    assert len(places) == 100
    assert all(0 <= place < count for place in places)


def test_sources_get_their_share_and_each_of_their_rows_in_turn():
    schedule = Schedule((0.5, 0.3, 0.2), key="3")
    visits = [schedule.visit(row) for row in range(2 * PERIOD)]
    counts = Counter(visit.source for visit in visits)
    assert [counts[source] / len(visits) for source in range(3)] == pytest.approx(
        [0.5, 0.3, 0.2], abs=0.002
    )
    for source in range(3):
        numbers = [visit.number for visit in visits if visit.source == source]
        assert numbers == list(range(counts[source]))
    sources = [visit.source for visit in visits]
    assert sources[:PERIOD] != sources[PERIOD:]
    assert len(set(sources[:20])) == 3


def test_the_smallest_share_gets_a_row_and_none_is_lost():
    assert apportioned([1e-9, 1.0], 1000) == [1, 999]
    assert sum(apportioned([1, 1, 1], 1000)) == 1000
    assert apportioned([5, 3, 2], 13) == [6, 4, 3]
    assert apportioned([5, 0, 5], 10) == [5, 0, 5]
