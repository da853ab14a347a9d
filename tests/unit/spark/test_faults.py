"""The switch by which tests have the application killed."""

import os
from collections.abc import Callable

import pytest

from lakehouse.errors import LakehouseError
from lakehouse_spark.faults import FaultPoint, Faults


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes the kills that would have come."""
    sent: list[int] = []
    note: Callable[[int, int], None] = lambda _group, number: sent.append(number)  # noqa: E731
    monkeypatch.setattr(os, "killpg", note)
    return sent


def test_it_comes_once_at_its_point_and_in_its_turn(kills: list[int]) -> None:
    faults = Faults("raw.orders", "after-commit:raw.orders:2")
    for _ in range(4):
        faults.reached(FaultPoint.BEFORE_COMMIT)
        faults.reached(FaultPoint.AFTER_COMMIT)
    assert kills == [9]


def test_another_table_and_no_wish_are_left_alone(kills: list[int]) -> None:
    for wanted in ("", "after-commit:raw.others:1"):
        Faults("raw.orders", wanted).reached(FaultPoint.AFTER_COMMIT)
    assert kills == []


@pytest.mark.parametrize("wanted", ["after-commit", "later:raw.orders:1", "after-commit:raw.orders:once"])
def test_what_is_no_fault_is_refused_with_the_points_there_are(wanted: str) -> None:
    with pytest.raises(LakehouseError, match="Points: before-commit, between-commits, after-commit"):
        Faults("raw.orders", wanted)
