"""Offsets that a table holds, compared with a set of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.observability.offsets import Held

batches = st.lists(st.lists(st.integers(0, 80), max_size=30), max_size=10)


def add(held: Held, *offsets: int) -> list[int]:
    """Those of ``offsets`` that were new."""
    given_offsets = np.array(offsets, dtype=np.int64)
    return given_offsets[held.add(given_offsets)].tolist()


@given(batches, st.integers(0, 40))
def test_it_tells_new_offsets_and_the_first_that_is_missing(batches: list[list[int]], begin: int) -> None:
    held, seen = Held(), set(range(begin))
    held.start_at(begin)
    for batch in batches:
        fresh = add(held, *batch)
        assert sorted(o for o in fresh if o >= begin) == sorted(o for o in set(batch) - seen if o >= begin)
        seen |= set(batch)
        assert held.following == next(offset for offset in range(begin, 100) if offset not in seen)
        assert held == Held.from_json(held.as_json())


@given(batches)
def test_nothing_is_said_before_the_beginning_is_known(batches: list[list[int]]) -> None:
    held = Held()
    for batch in batches:
        add(held, *batch)
    assert held.following is None
    held.start_at(0)
    seen = {offset for batch in batches for offset in batch}
    assert held.following == next(offset for offset in range(100) if offset not in seen)


def test_a_hole_without_messages_can_be_closed() -> None:
    held = Held()
    held.start_at(0)
    add(held, 0, 1, 4, 5)
    assert held.following == 2
    held.close(2, 4)
    assert held.following == 6
    assert held.ranges == [(0, 6)]


def test_twice_in_one_batch_is_once_new() -> None:
    assert add(Held(), 3, 3, 4) == [3, 4]


def test_of_very_many_holes_the_oldest_are_given_up() -> None:
    held = Held()
    held.start_at(0)
    add(held, *range(0, 5000, 2))
    assert len(held.ranges) == 1000
    assert held.ranges[-1] == (4998, 4999)
    assert held.following == 5000 - 2 * 999 - 1
    # Quarantine had every other event of a batch, and then comes the table.
    assert held.add(np.arange(1, 5000, 2)).all()
    assert held.ranges == [(3000, 5000)]
    assert not held.add(np.array([3000, 4999])).any()
