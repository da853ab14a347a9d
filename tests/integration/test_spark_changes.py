"""What a changed function means for its checkpoint, and which functions keep state for ever: told by their plans."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.contracts import Contract, find_contract
from lakehouse_spark.checkpoint import Checkpoint
from lakehouse_spark.compatibility import Change, changes, made_with, remember
from lakehouse_spark.stateful import UnboundedStateError, refuse_unbounded_state
from tests.integration.conftest import REPOSITORY

Function = Callable[[DataFrame], DataFrame]
TEN_MINUTES, FIVE_MINUTES = "window(event_time, 10 minutes)", "window(event_time, 5 minutes)"


@pytest.fixture
def contract() -> Contract:
    return find_contract(REPOSITORY / "streaming" / "contracts", "streaming.order_metrics")


@pytest.fixture
def computed(spark: SparkSession, contract: Contract) -> Callable[[Function], DataFrame]:
    """What a function makes of a stream of orders with the contract's watermark."""

    def computed(function: Function) -> DataFrame:
        blank = [F.lit(None).cast(column.type.value).alias(column.name) for column in contract.event_columns]
        return function(spark.readStream.format("rate").load().select(blank).withWatermark("event_time", "10 minutes"))

    return computed


@pytest.fixture
def between(
    spark: SparkSession, contract: Contract, computed: Callable[[Function], DataFrame], tmp_path: Path
) -> Callable[[Function, Function], list[Change]]:
    """How one function differs from the one that a checkpoint was made with."""
    checkpoint = Checkpoint(spark, str(tmp_path / "checkpoint"), "orders.events")
    (tmp_path / "checkpoint" / "offsets").mkdir(parents=True)
    (tmp_path / "checkpoint" / "offsets" / "0").write_text('v1\n{}\n{"orders.events":{"0":1}}')

    def between(before: Function, after: Function) -> list[Change]:
        remember(checkpoint, made_with(contract, computed(before)))
        return changes(checkpoint, made_with(contract, computed(after)))

    return between


def counted(window: str, slide: str | None = None) -> Function:
    return lambda orders: orders.groupBy(F.window("event_time", window, slide), "status").count()


class TestChangedFunctions:
    def test_the_same_function_has_no_change_though_spark_numbers_its_columns_anew(
        self, between: Callable[[Function, Function], list[Change]]
    ) -> None:
        assert between(counted("5 minutes", "1 minute"), counted("5 minutes", "1 minute")) == []

    @pytest.mark.parametrize(
        ("before", "after", "was", "becomes"),
        [
            (counted("5 minutes"), counted("10 minutes"), FIVE_MINUTES, TEN_MINUTES),
            (
                counted("5 minutes", "1 minute"),
                counted("5 minutes", "150 seconds"),
                "window(event_time, 5 minutes every 1 minute)",
                "window(event_time, 5 minutes every 150 seconds)",
            ),
            (
                counted("5 minutes"),
                lambda orders: counted("5 minutes")(orders.withColumn("status", F.upper("status"))),
                f"{FIVE_MINUTES}, status]",
                f"{FIVE_MINUTES}, upper(status)]",
            ),
            (
                lambda orders: orders.groupBy(F.window("event_time", "5 minutes")).agg(F.sum("amount_cents")),
                lambda orders: (
                    orders.withColumn("amount_cents", F.col("amount_cents") * 2)
                    .groupBy(F.window("event_time", "5 minutes"))
                    .agg(F.sum("amount_cents"))
                ),
                "sum(amount_cents)",
                "sum((amount_cents * cast(2 as bigint)))",
            ),
        ],
        ids=["window", "slide", "column of a group", "column of a sum"],
    )
    def test_windows_groups_and_sums_in_its_code_are_unsafe_wherever_they_are_computed(
        self,
        between: Callable[[Function, Function], list[Change]],
        before: Function,
        after: Function,
        was: str,
        becomes: str,
    ) -> None:
        [change] = [change for change in between(before, after) if change.unsafe]
        assert change.what == "groups and sums"
        assert was in change.before
        assert becomes in change.after

    @pytest.mark.parametrize(
        ("after", "shown"),
        [
            (lambda orders: counted("5 minutes")(orders.where("amount_cents > 5")), "+ Filter (amount_cents > "),
            (lambda orders: counted("5 minutes")(orders).withColumn("shop", F.lit("web")), "+ shop = web"),
            (lambda orders: counted("5 minutes")(orders).where("count > 1"), "+ Filter (count > "),
        ],
        ids=["filter below", "column above", "filter above"],
    )
    def test_what_keeps_the_state_is_shown_with_what_it_means_for_rows_that_are_there(
        self, between: Callable[[Function, Function], list[Change]], after: Function, shown: str
    ) -> None:
        [change] = between(counted("5 minutes"), after)
        assert change.unsafe is None
        assert str(change).startswith("function: rows from now on are computed differently")
        assert "`transform.generation`" in str(change)
        assert shown in str(change)


class TestUnboundedState:
    @pytest.mark.parametrize(
        ("function", "remedy"),
        [
            (lambda orders: orders.groupBy("customer_id").agg(F.sum("amount_cents")), "Group by a window"),
            (lambda orders: orders.groupBy(F.date_trunc("hour", "event_time")).count(), "Group by a window"),
            (lambda orders: orders.dropDuplicates(["order_id"]), "Use dropDuplicatesWithinWatermark"),
            (lambda orders: orders.select("order_id").distinct(), "Use dropDuplicatesWithinWatermark"),
            (lambda orders: orders.alias("a").join(orders.alias("b"), F.expr("a.order_id = b.order_id")), "Bound how"),
        ],
        ids=["sum of a customer", "hour", "duplicates by id", "distinct", "join"],
    )
    def test_keys_without_an_event_time_are_refused_though_there_is_a_watermark(
        self, computed: Callable[[Function], DataFrame], contract: Contract, function: Function, remedy: str
    ) -> None:
        with pytest.raises(UnboundedStateError, match="keeps state for ever") as error:
            refuse_unbounded_state(computed(function), contract)
        assert remedy in str(error.value)

    @pytest.mark.parametrize(
        "function",
        [
            counted("5 minutes", "1 minute"),
            lambda orders: orders.dropDuplicates(["order_id", "event_time"]),
            lambda orders: orders.dropDuplicatesWithinWatermark(["order_id"]),
            lambda orders: orders.alias("a").join(
                orders.alias("b"),
                F.expr(
                    "a.order_id = b.order_id "
                    "AND a.event_time BETWEEN b.event_time AND b.event_time + INTERVAL 5 MINUTES"
                ),
            ),
        ],
        ids=["window", "duplicates by time", "duplicates within the watermark", "join"],
    )
    def test_what_the_watermark_ends_is_taken(
        self, computed: Callable[[Function], DataFrame], contract: Contract, function: Function
    ) -> None:
        refuse_unbounded_state(computed(function), contract)

    def test_looking_rows_up_in_a_table_keeps_no_state(
        self, spark: SparkSession, computed: Callable[[Function], DataFrame], contract: Contract
    ) -> None:
        rates = spark.createDataFrame([("EUR", 1.1)], "currency string, rate double")
        joined = computed(lambda orders: orders.join(rates, "currency"))
        refuse_unbounded_state(joined, contract)
        assert made_with(contract, joined)["groups and sums"] == ""
