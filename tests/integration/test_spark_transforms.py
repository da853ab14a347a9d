"""The functions behind contracts, on static frames, against results computed by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from lakehouse.contracts import Contract, find_contract
from lakehouse_spark.functions import TransformError, load_function, transformed
from tests.integration.conftest import REPOSITORY

ORDER = "order_id string, customer_id string, amount_cents bigint, status string, event_time timestamp"
Order = tuple[str, str, int, str | None, datetime]


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 1, 1, hour, minute, second, tzinfo=UTC)


def contract_of(table: str) -> Contract:
    return find_contract(REPOSITORY / "streaming" / "contracts", table)


def computed(spark: SparkSession, table: str, orders: Sequence[Order], *columns: str) -> list[tuple[object, ...]]:
    """The named columns of what the contract's function makes of ``orders``, sorted."""
    frame = spark.createDataFrame([(*row[:4], row[4].astimezone(UTC)) for row in orders], ORDER)
    rows = transformed(frame, contract_of(table)).select(*columns).collect()
    return sorted(tuple(_utc(value) for value in row) for row in rows)


def _utc(value: object) -> object:
    """Python's Spark gives timestamps in this machine's zone, and without one."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


class TestOrderMetrics:
    WINDOW = ("window_start", "window_end", "status")

    def test_an_order_counts_in_the_five_windows_that_cover_it(self, spark: SparkSession) -> None:
        rows = computed(spark, "streaming.order_metrics", [("o-1", "c-1", 7, "paid", at(10, 7, 30))], *self.WINDOW)
        assert rows == [(at(10, minute), at(10, minute + 5), "paid") for minute in (3, 4, 5, 6, 7)]

    def test_a_window_has_its_first_moment_and_not_its_last(self, spark: SparkSession) -> None:
        rows = computed(spark, "streaming.order_metrics", [("o-1", "c-1", 7, "paid", at(10, 7))], "window_start")
        assert rows == [(at(10, minute),) for minute in (3, 4, 5, 6, 7)]

    def test_count_sum_and_average_are_by_window_and_status(self, spark: SparkSession) -> None:
        orders = [
            ("o-1", "c-1", 100, "paid", at(10, 0, 10)),
            ("o-2", "c-1", 201, "paid", at(10, 0, 50)),
            ("o-3", "c-2", 999, "shipped", at(10, 0, 20)),
            ("o-1", "c-1", 300, "paid", at(10, 4, 59)),
            ("o-4", "c-2", 50, None, at(10, 5, 0)),
        ]
        measures = ("window_start", "status", "order_count", "total_amount_cents", "average_amount_cents")
        rows = computed(spark, "streaming.order_metrics", orders, *measures)
        assert [row for row in rows if row[0] == at(10, 0)] == [
            (at(10, 0), "paid", 3, 601, pytest.approx(601 / 3)),
            (at(10, 0), "shipped", 1, 999, 999.0),
        ]
        assert [row for row in rows if row[0] == at(10, 1)] == [
            (at(10, 1), "paid", 1, 300, 300.0),
            (at(10, 1), "unknown", 1, 50, 50.0),
        ]

    def test_each_row_says_when_it_was_computed(self, spark: SparkSession) -> None:
        before = datetime.now(UTC)
        rows = computed(spark, "streaming.order_metrics", [("o-1", "c-1", 7, "paid", at(10, 7))], "processed_at")
        assert all(isinstance(moment, datetime) and abs((moment - before).total_seconds()) < 300 for (moment,) in rows)


def renamed(function: str) -> Contract:
    contract = contract_of("streaming.order_metrics")
    assert contract.transform is not None
    return contract.model_copy(update={"transform": contract.transform.model_copy(update={"function": function})})


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(TransformError, match=r"names the module 'nowhere\.orders', which does not import"):
        load_function(renamed("nowhere.orders:metrics"))


def test_a_function_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(TransformError, match=r"has no function 'metrics'\. Functions: order_metrics"):
        load_function(renamed("lakehouse_spark.transforms.order_metrics:metrics"))


def test_a_function_that_makes_other_columns_is_told_which(spark: SparkSession) -> None:
    contract = contract_of("streaming.order_metrics")
    columns = [*contract.columns[:-1], contract.columns[-1].model_copy(update={"name": "computed_at"})]
    columns[3] = columns[3].model_copy(update={"type": "string"})
    orders = spark.createDataFrame([], ORDER)
    with pytest.raises(TransformError) as error:
        transformed(orders, contract.model_copy(update={"columns": tuple(columns)}))
    assert "order_count: expected string, got bigint" in str(error.value)
    assert "computed_at: expected timestamp, got no such column" in str(error.value)


class TestCustomerSessions:
    SESSION = ("customer_id", "window_start", "window_end", "event_count", "order_count", "placed_amount_cents")

    def test_events_up_to_the_gap_apart_are_one_session(self, spark: SparkSession) -> None:
        orders = [
            ("o-1", "c-1", 100, "placed", at(10, 0)),
            ("o-1", "c-1", 100, "paid", at(10, 30)),
            ("o-2", "c-1", 250, "placed", at(10, 50)),
        ]
        assert computed(spark, "streaming.customer_sessions", orders, *self.SESSION) == [
            ("c-1", at(10, 0), at(11, 20), 3, 2, 350)
        ]

    def test_an_event_after_the_gap_begins_another_and_each_customer_has_their_own(self, spark: SparkSession) -> None:
        orders = [
            ("o-1", "c-1", 100, "placed", at(10, 0)),
            ("o-1", "c-1", 100, "paid", at(10, 30, 1)),
            ("o-2", "c-2", 7, None, at(10, 10)),
        ]
        assert computed(spark, "streaming.customer_sessions", orders, *self.SESSION) == [
            ("c-1", at(10, 0), at(10, 30), 1, 1, 100),
            ("c-1", at(10, 30, 1), at(11, 0, 1), 1, 1, 0),
            ("c-2", at(10, 10), at(10, 40), 1, 1, 0),
        ]


class TestOrdersDeduplicated:
    def test_an_event_that_was_sent_twice_is_there_once(self, spark: SparkSession) -> None:
        event = ("o-1", "c-1", 100, "placed", at(10, 0))
        orders = [event, event, ("o-1", "c-1", 100, "paid", at(10, 1)), ("o-2", "c-1", 5, "placed", at(10, 0))]
        frame = spark.createDataFrame(orders, ORDER).selectExpr("*", "'USD' AS currency", "event_time AS created_at")
        rows = transformed(frame, contract_of("streaming.orders_deduplicated")).select("order_id", "status").collect()
        assert sorted(map(tuple, rows)) == [("o-1", "paid"), ("o-1", "placed"), ("o-2", "placed")]
