"""Closed windows of both engines against what DuckDB makes of the orders, on real Delta tables."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.agreement.streams import CONTRACTS, SLIDING, TUMBLING, Order, Windows, arrive, at, commit_at, found

from lakehouse.agreement import Agreement, Difference, compare, trials
from lakehouse.storage import Catalog

#: An order every ten seconds for an hour, none of them late.
IN_ORDER = [Order(n, 10 * n, cents=n, status=("paid", None)[n % 2]) for n in range(360)]


def test_windows_that_every_engine_counted_alike_agree(tmp_path: Path) -> None:
    agreements = found(tmp_path, IN_ORDER)
    assert set(agreements) == {SLIDING, TUMBLING}
    for agreement in agreements.values():
        assert agreement.differences == ()
        assert agreement.windows > 10


def test_only_windows_that_the_slowest_has_closed_are_compared(tmp_path: Path) -> None:
    # The newest order is of second 3590; Spark's newest window begins at 3540, and its watermark is 600 behind.
    agreements = found(tmp_path, IN_ORDER)
    assert {agreement.until for agreement in agreements.values()} == {at(2940)}
    # The first window of each may be half: its engine may have begun amid it.
    assert {agreement.begin for agreement in agreements.values()} == {at(300)}


def test_what_is_in_the_late_table_explains_a_window_exactly(tmp_path: Path) -> None:
    orders = [*IN_ORDER[:130], Order(130, 700, 7, "paid"), *IN_ORDER[131:]]
    agreement = found(tmp_path, orders)[TUMBLING]
    [difference] = agreement.differences
    assert (difference.window_start, difference.late, difference.explained) == (at(600), (7,), True)


def test_a_window_that_lacks_more_than_its_late_orders_is_not_explained(tmp_path: Path) -> None:
    def lose(_: Windows, tumbling: Windows) -> None:
        tumbling[600, "paid"].pop()

    orders = [*IN_ORDER[:130], Order(130, 700, 7, "paid"), *IN_ORDER[131:]]
    [difference] = found(tmp_path, orders, tamper=lose)[TUMBLING].unexplained
    assert (difference.events - difference.counted, difference.late) == (2, (7,))


def test_an_order_that_spark_dropped_behind_its_watermark_explains_its_windows(tmp_path: Path) -> None:
    orders = [*IN_ORDER[:200], Order(200, 900, 7, "paid"), *IN_ORDER[201:]]
    agreement = found(tmp_path, orders)[SLIDING]
    assert {difference.window_start for difference in agreement.differences} == {at(s) for s in range(660, 901, 60)}
    assert agreement.unexplained == ()


def test_a_window_that_one_engine_has_and_no_order_makes_is_not_explained(tmp_path: Path) -> None:
    def invent(sliding: Windows, _: Windows) -> None:
        sliding[1200, "cancelled"] = [5]

    [difference] = found(tmp_path, IN_ORDER, tamper=invent)[SLIDING].unexplained
    assert (difference.status, difference.events, difference.counted) == ("cancelled", 0, 1)


def test_an_order_that_only_an_engine_has_read_so_far_is_left_for_later(tmp_path: Path) -> None:
    def ahead(_: Windows, tumbling: Windows) -> None:
        tumbling[600, "cancelled"] = [5]

    # The newest order in the table of orders arrived at second 359.
    assert found(tmp_path / "later", IN_ORDER, tamper=ahead, made=at(360))[TUMBLING].differences == ()
    [difference] = found(tmp_path / "before", IN_ORDER, tamper=ahead, made=at(359))[TUMBLING].unexplained
    assert (difference.status, difference.events, difference.counted) == ("cancelled", 0, 1)


def test_an_order_counted_twice_is_not_explained(tmp_path: Path) -> None:
    def double(sliding: Windows, _: Windows) -> None:
        sliding[1200, "paid"].append(sliding[1200, "paid"][0])

    [difference] = found(tmp_path, IN_ORDER, tamper=double)[SLIDING].unexplained
    assert difference.counted == difference.events + 1


def test_a_window_whose_order_may_be_under_way_is_left_for_later(tmp_path: Path) -> None:
    # It arrives after the engines' last commits, by its timestamp: they cannot have it yet.
    straggler = Order(10**9, 700, 7, "paid")
    agreements = found(tmp_path, [*IN_ORDER, straggler])
    assert all(agreement.differences == () for agreement in agreements.values())


def test_a_table_that_nobody_has_written_yet_keeps_no_other_from_being_compared(tmp_path: Path) -> None:
    found(tmp_path, IN_ORDER)
    shutil.rmtree(tmp_path / TUMBLING.replace(".", "/"))
    [trial] = trials(CONTRACTS)
    [agreement] = compare(Catalog(str(tmp_path)), trial)
    assert (agreement.table, agreement.differences) == (SLIDING, ())


def sparse(
    root: Path, monkeypatch: pytest.MonkeyPatch, freshness: timedelta, committed: datetime
) -> dict[str, Agreement]:
    """Eight hours with an order a minute, each arriving as it happens, by a contract of that freshness."""
    commit_at(monkeypatch, committed)
    contracts = [
        contract.model_copy(update={"freshness": freshness}) if contract.table == SLIDING else contract
        for contract in CONTRACTS
    ]
    return found(root, [Order(60 * n, 60 * n) for n in range(480)], contracts=contracts)


def test_a_slow_contract_has_its_windows_looked_at_when_they_have_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreements = sparse(tmp_path, monkeypatch, timedelta(hours=1), at(479 * 60))
    assert set(agreements) == {SLIDING, TUMBLING}
    for agreement in agreements.values():
        # Three hours to settle in, and one before that.
        assert agreement.until - agreement.begin == timedelta(hours=4)
        assert agreement.windows >= 10
        assert agreement.differences == ()


def test_where_no_window_has_settled_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sparse(tmp_path, monkeypatch, timedelta(minutes=1), at(0)) == {}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    behind=st.lists(st.integers(0, 1500), min_size=150, max_size=300),
    step=st.integers(5, 20),
    batch=st.integers(1, 40),
    lost=st.integers(0, 10**6),
)
def test_whatever_the_disorder_late_orders_explain_all_and_a_lost_one_is_found(
    tmp_path_factory: pytest.TempPathFactory, behind: list[int], step: int, batch: int, lost: int
) -> None:
    # Most orders are in time, some are behind by up to 25 minutes.
    times = [max(n * step - (late if late % 5 == 0 else late % 20), 0) for n, late in enumerate(behind)]
    agreements = found(tmp_path_factory.mktemp("stream"), arrive(times), batch)
    assert all(agreement.unexplained == () for agreement in agreements.values())
    if TUMBLING not in agreements:
        return

    def lose(_: Windows, tumbling: Windows) -> None:
        # One that Flink has counted: nothing but a defect can lose it, and the late table does not have it.
        begin, until = ((moment - at(0)).total_seconds() for moment in (agreement.begin, agreement.until))
        closed = sorted(key for key in tumbling if begin <= key[0] and key[0] + 300 <= until)
        if closed:
            tumbling[closed[lost % len(closed)]].pop()
            tampered.append(True)

    agreement, tampered = agreements[TUMBLING], []
    again = found(tmp_path_factory.mktemp("stream"), arrive(times), batch, lose)[TUMBLING]
    assert len(again.unexplained) == len(tampered)


@pytest.mark.parametrize(
    ("counted", "cents", "explained"),
    [
        (3, 60, True),
        (2, 50, True),
        (2, 30, True),
        (1, 20, True),
        (2, 5, False),
        (1, 10, False),
        (0, 0, False),
        (4, 70, False),
    ],
)
def test_which_of_those_that_may_be_late_were_is_told_by_number_and_sum(
    counted: int, cents: int, explained: bool
) -> None:
    # Orders of 10, 20 and 30 cents, of which those of 10 and 30 may have been too late.
    late = Difference(at(0), at(300), "paid", 3, counted, 60, cents, late=(10, 30), certain=False)
    assert late.explained is explained
