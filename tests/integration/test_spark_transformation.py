"""A transform as a streaming query, against a real broker: what is late, what is repeated, what is lost."""

import json
import re
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from deltalake import write_deltalake
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.contracts import Contract, find_contract
from lakehouse.local.kafka import ensure_topics
from lakehouse.settings import Settings
from lakehouse.storage.create import create_tables
from lakehouse_spark.broker import TopicOffsets
from lakehouse_spark.compatibility import IncompatibleCheckpointError
from lakehouse_spark.faults import FaultPoint, Faults
from lakehouse_spark.generations import AnotherSourceError, Generations, SupersededError
from lakehouse_spark.query import LostTableError, Outcome, Plan
from lakehouse_spark.stateful import UnboundedStateError
from lakehouse_spark.takeover import UnfinishedRowsError
from lakehouse_spark.transforms.order_metrics import order_metrics
from tests.integration.conftest import REPOSITORY
from tests.integration.spark_queries import Run, Stage
from tests.waiting import wait_for

MODULE = "tests.integration.test_spark_transformation"
#: Of yesterday, as the broker deletes what is older than its retention by the time the events say.
BEGIN = (datetime.now(UTC) - timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)


class Metrics(Stage):
    """The query of `streaming.order_metrics` over a topic of its own, but for ``changes`` of its contract."""

    def __init__(
        self, spark: SparkSession, settings: Settings, table: str = "streaming.order_metrics", **changes: object
    ) -> None:
        shipped = find_contract(REPOSITORY / "streaming" / "contracts", table)
        values = shipped.model_dump(exclude_none=True)
        values["source"] |= {"topic": f"transformation-{uuid.uuid4().hex[:8]}", "columns_of": None}
        values["transform"]["trigger"] = "1 second"
        super().__init__(spark, settings, changed(values, changes))

    def change(self, **changes: object) -> None:
        self.use(changed(self.contract.model_dump(exclude_none=True), changes))

    def produce(self, *orders: tuple[timedelta, str, int]) -> None:
        """Orders at a distance from BEGIN, with a status and an amount, all into partition 0."""
        columns = ("order_id", "customer_id", "amount_cents", "status", "event_time")
        rows = (("o", "c", cents, status, (BEGIN + offset).isoformat()) for offset, status, cents in orders)
        self.produce_events(*(dict(zip(columns, row, strict=True)) for row in rows))

    def produce_events(self, *events: dict[str, object]) -> None:
        """Events as they are, taken by the broker when they happened."""
        for event in events:
            moment = int(datetime.fromisoformat(str(event["event_time"])).timestamp() * 1000)
            self.send(json.dumps(event).encode(), timestamp=moment)

    def count(self, window: int, status: str = "paid") -> int:
        """Orders of the window that starts ``window`` minutes after BEGIN; 0 where there is no row."""
        start = BEGIN + timedelta(minutes=window)
        found = self.rows(
            "SELECT order_count FROM streaming.order_metrics "
            f"WHERE window_start = TIMESTAMPTZ '{start.isoformat()}' AND status = '{status}'"
        )
        assert len(found) <= 1
        return int(str(found[0][0])) if found else 0

    def run_over(self, *orders: tuple[timedelta, str, int]) -> None:
        """Produces ``orders`` and runs the query until it has read them all."""
        self.produce(*orders)
        self.run_until(self.caught_up, "all orders to be read")

    def caught_up(self) -> bool:
        """Whether all of partition 0 was read."""
        with TopicOffsets(self.settings.kafka, self.contract.source.topic) as topic:
            end = topic.end([0])
        return (self.checkpoint.committed_offsets() or {}).get(0) == end[0]

    def pass_over(self, *orders: tuple[timedelta, str, int]) -> None:
        """As ``run_over``, and until what is behind their watermark is late: Spark holds it against the batch after."""
        self.produce(*orders)
        self.run_until(
            lambda: self.caught_up() and self.settled(), "all orders to be read, and their watermark to hold"
        )

    def settled(self) -> bool:
        """Whether the newest batch was computed with the watermark that it left to the next."""
        batch = self.checkpoint.committed_batch()
        planned, committed = (self.checkpoint.read(f"{log}/{batch}") or "" for log in ("offsets", "commits"))
        watermark = json.loads(committed.splitlines()[1])["nextBatchWatermarkMs"]
        return bool(json.loads(planned.splitlines()[1])["batchWatermarkMs"] == watermark)


def changed(values: dict[str, object], changes: dict[str, object]) -> Contract:
    """The contract of ``values`` with ``changes``; a part is changed where both give it. None takes a value away."""
    merged = dict(values)
    for name, value in changes.items():
        before = values.get(name)
        merged[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    for part, given in merged.items():
        if isinstance(given, dict):
            merged[part] = {key: value for key, value in given.items() if value is not None}
    return Contract.model_validate(merged)


def swapped(metrics: Metrics) -> bool:
    """Whether the present generation has put its rows into the table."""
    query_id = json.loads(metrics.checkpoint.read("metadata") or "{}").get("id")
    return metrics.catalog.open("streaming.order_metrics").transaction_version(f"spark:{query_id}") is not None


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.fixture
def make_metrics(spark: SparkSession, own_settings: Settings) -> Callable[..., Metrics]:
    return lambda **changes: Metrics(spark, own_settings, **changes)


def test_a_window_is_updated_while_its_orders_arrive_and_stays_one_row(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics()
    metrics.run_over((minutes(0), "paid", 100), (minutes(1), "paid", 200), (minutes(1), "shipped", 1))
    assert (metrics.count(0), metrics.count(0, "shipped"), metrics.count(1)) == (2, 1, 1)
    metrics.run_over((minutes(2), "paid", 300))
    assert (metrics.count(0), metrics.count(0, "shipped"), metrics.count(1)) == (3, 1, 2)
    assert metrics.rows(
        "SELECT total_amount_cents, average_amount_cents FROM streaming.order_metrics "
        f"WHERE window_start = TIMESTAMPTZ '{BEGIN.isoformat()}' AND status = 'paid'"
    ) == [(600, 200.0)]


def test_an_order_inside_the_watermark_counts_and_one_beyond_it_does_not(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics()
    metrics.pass_over((minutes(0), "paid", 1), (minutes(30), "paid", 1))
    # The watermark is at 20 minutes now: a window that ends behind it is still open.
    metrics.run_over((minutes(20.01), "paid", 1), (minutes(19.99), "paid", 1))
    assert metrics.count(20) == 1
    assert metrics.count(16) == 2
    # Of the second order's windows, that from 15 to 20 minutes is over.
    assert metrics.count(15) == 0
    metrics.run_over((minutes(14.9), "paid", 1))
    assert metrics.count(10) == 0


def test_what_is_late_is_counted_since_the_application_began(
    make_metrics: Callable[..., Metrics], spark: SparkSession
) -> None:
    metrics = make_metrics()
    metrics.pass_over((minutes(0), "paid", 1), (minutes(30), "paid", 1))
    with Run(spark, metrics) as run:
        for late in (5, 10):
            metrics.produce((minutes(0), "paid", 1))
            wait_for(
                lambda late=late: run.query().late_rows == late or run.ended(), f"{late} late rows", 300, run.query
            )
    assert run.error is None


def test_invalid_events_are_left_out_as_in_the_table_that_ingests_them(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics()
    metrics.run_over((minutes(0), "paid", -5), (minutes(0), "paid", 5))
    assert metrics.count(0) == 1


def test_events_of_another_shape_in_mid_stream_count_as_far_as_the_contract_takes_them(
    make_metrics: Callable[..., Metrics],
) -> None:
    metrics = make_metrics()
    metrics.run_over((minutes(0), "paid", 1))
    event = {"order_id": "o", "customer_id": "c", "amount_cents": 1, "status": "paid", "event_time": BEGIN.isoformat()}
    metrics.produce_events(
        {**event, "channel": "web"},
        {key: value for key, value in event.items() if key != "status"},
        {key: value for key, value in event.items() if key != "amount_cents"},
        {**event, "amount_cents": "1"},
    )
    metrics.run_over((minutes(0), "paid", 1))
    # A new field is passed over and an optional one may be missing; a required one may not, nor change its type.
    assert (metrics.count(0), metrics.count(0, "unknown")) == (3, 1)


def test_a_merge_is_pruned_to_its_windows_and_statuses_by_bounds_that_the_files_have(
    make_metrics: Callable[..., Metrics],
) -> None:
    metrics = make_metrics()
    metrics.run_over((minutes(0), "paid", 1), (minutes(0), "shipped", 1))
    metrics.run_over((minutes(8), "paid", 1))
    table = metrics.catalog.open("streaming.order_metrics")
    merge = next(entry for entry in table.history() if entry["operation"] == "MERGE")
    predicate = re.sub(r"#\d+", "#0", str(merge["operationParameters"]["predicate"]))
    first, last = (f"{BEGIN + minutes(minute):%Y-%m-%d %H:%M:%S}" for minute in (4, 8))
    for literal in (f"window_start#0 >= {first}", f"window_start#0 <= {last}", "status#0 = paid"):
        assert literal in predicate
    bounds = pa.table(table.get_add_actions(flatten=True)).select(["partition.status", "min.window_start"]).to_pylist()
    assert len(bounds) == 3
    assert all(row["min.window_start"] is not None for row in bounds)


def test_a_lost_checkpoint_computes_anew_what_the_topic_holds_and_keeps_what_is_older(
    make_metrics: Callable[..., Metrics],
) -> None:
    metrics = make_metrics()
    # The last one has the windows of the others be over.
    metrics.run_over(*((minutes(minute), "paid", 1) for minute in (0, 2, 10, 40)))
    assert (metrics.count(0), metrics.count(8)) == (2, 1)
    shutil.rmtree(metrics.query.checkpoint_location)
    metrics.expire_before(1)
    # Windows from the first event held on are whole, those before keep what they had.
    metrics.run_over((minutes(11), "paid", 1))
    assert (metrics.count(0), metrics.count(2), metrics.count(8)) == (2, 1, 2)


def test_a_lost_table_is_not_filled_from_where_its_checkpoint_stands(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics()
    metrics.run_over((minutes(0), "paid", 1))
    shutil.rmtree(metrics.catalog.uri("streaming.order_metrics"))
    for _attempt in ("the first", "the one after it, which finds what the first has left"):
        with pytest.raises(LostTableError, match="delete the checkpoint"):
            metrics.query.start()


def test_expired_events_stop_the_query_and_the_error_names_their_offsets(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics()
    metrics.run_over((minutes(0), "paid", 1))
    metrics.produce((minutes(1), "paid", 1), (minutes(2), "paid", 1))
    metrics.expire_before(2)
    error = metrics.error()
    assert f"{metrics.contract.source.topic}[0] offsets 1 to 1 (1 events) expired before they were read" in error
    assert "compute anew all that the topic still holds" in error


def test_append_writes_a_window_once_and_only_when_the_watermark_has_passed_it(
    make_metrics: Callable[..., Metrics],
) -> None:
    metrics = make_metrics(transform={"mode": "append"})
    metrics.run_over((minutes(0), "paid", 1), (minutes(4), "paid", 1))
    assert metrics.count(0) == 0
    metrics.produce((minutes(16), "paid", 1))
    metrics.run_until(lambda: metrics.count(0) > 0, "the first window to be final")
    assert metrics.count(0) == 2
    # Final is a window that ended at or before the watermark, which stands at 6 minutes.
    assert (metrics.count(1), metrics.count(2)) == (1, 0)


def test_a_session_is_written_once_when_no_event_can_join_it_any_more(make_metrics: Callable[..., Metrics]) -> None:
    stage = make_metrics(table="streaming.customer_sessions")
    sessions = "SELECT window_start, window_end, event_count, placed_amount_cents FROM streaming.customer_sessions"
    stage.run_over((minutes(0), "placed", 7), (minutes(35), "paid", 7))
    assert stage.rows(sessions) == []
    # It comes between the two, in another batch, and joins them. The watermark stands at 25 minutes.
    stage.run_over((minutes(26), "placed", 5))
    assert stage.rows(sessions) == []
    stage.produce((minutes(200), "paid", 1))
    stage.run_until(lambda: stage.rows(sessions) != [] and stage.settled(), "the session to be over")
    joined = [(BEGIN, BEGIN + minutes(65), 3, 12)]
    assert stage.rows(sessions) == joined
    # Behind the watermark, which stands at 190 minutes.
    stage.run_over((minutes(10), "placed", 9))
    stage.produce((minutes(400), "paid", 1))
    stage.run_until(lambda: len(stage.rows(sessions)) > 1, "the next session")
    assert stage.rows(f"{sessions} ORDER BY 1") == [*joined, (BEGIN + minutes(200), BEGIN + minutes(230), 1, 0)]


def test_an_event_that_is_sent_again_within_the_watermark_is_there_once(make_metrics: Callable[..., Metrics]) -> None:
    stage = make_metrics(table="streaming.orders_deduplicated")
    first, second = (minutes(0), "placed", 7), (minutes(1), "placed", 7)
    stage.run_over(first, first, second)
    stage.run_over(first, second, (minutes(2), "paid", 7))
    stored = stage.rows("SELECT event_time, status FROM streaming.orders_deduplicated ORDER BY 1")
    assert stored == [(BEGIN, "placed"), (BEGIN + minutes(1), "placed"), (BEGIN + minutes(2), "paid")]


STATUSES = [
    {"name": "status", "type": "string", "required": True},
    {"name": "newest", "type": "timestamp", "required": True},
    {"name": "orders", "type": "bigint", "required": True},
]


def ranking(**transform: object) -> dict[str, object]:
    """A contract without windows: the newest order of each status."""
    kept = {"function": "tests.integration.spark_functions:by_status", "window": None, "slide": None, **transform}
    return {"transform": kept, "columns": STATUSES, "keys": ["status"], "partition_by": [],
            "event_time": {"column": "newest", "watermark": None}}  # fmt: skip


def test_complete_replaces_the_table_by_the_whole_result(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics(**ranking(mode="complete", max_rows=2))
    metrics.run_over((minutes(0), "paid", 1), (minutes(0), "shipped", 1))
    metrics.run_over((minutes(1), "paid", 1))
    assert metrics.rows("SELECT status, orders FROM streaming.order_metrics ORDER BY 1") == [
        ("paid", 2),
        ("shipped", 1),
    ]


def test_complete_refuses_a_result_beyond_its_bound(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics(**ranking(mode="complete", max_rows=2))
    metrics.produce((minutes(0), "paid", 1), (minutes(0), "shipped", 1), (minutes(0), "placed", 1))
    assert "has 3 rows, and `max_rows` allows 2" in metrics.error()
    assert metrics.rows("SELECT * FROM streaming.order_metrics") == []


def test_a_complete_result_is_computed_anew_beside_the_one_there_is(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics(**ranking(mode="complete", max_rows=2))
    metrics.run_over((minutes(0), "paid", 1), (minutes(0), "shipped", 1))
    shutil.rmtree(metrics.query.checkpoint_location)
    metrics.run_over((minutes(1), "paid", 1))
    metrics.run_until(lambda: swapped(metrics), "the result")
    assert metrics.rows("SELECT status, orders FROM streaming.order_metrics ORDER BY 1") == [
        ("paid", 2),
        ("shipped", 1),
    ]


def test_state_is_kept_by_rocksdb_with_a_log_of_changes(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics()
    metrics.run_over((minutes(0), "paid", 1))
    kept = Path(metrics.query.checkpoint_location) / "state" / "0"
    # A snapshot (.zip) would hold the whole state; a changelog is what one batch changed.
    assert sorted({file.suffix for file in kept.glob("[0-9]*/[0-9]*")}) == [".changelog"]
    providers = [line for line in (kept.parent.parent / "offsets" / "0").read_text().splitlines() if "conf" in line]
    assert "RocksDBStateStoreProvider" in providers[0]


def test_state_that_no_watermark_ends_is_refused_before_anything_is_read(make_metrics: Callable[..., Metrics]) -> None:
    metrics = make_metrics(**ranking(mode="update"))
    with pytest.raises(UnboundedStateError, match=r"keeps state \(Aggregate\) without a watermark"):
        metrics.query.start()


class TestChanges:
    """What a changed contract or function means for the checkpoint of the query."""

    @pytest.fixture
    def metrics(self, make_metrics: Callable[..., Metrics]) -> Metrics:
        """One order at BEGIN and one ten minutes later were read."""
        metrics = make_metrics()
        metrics.run_over((minutes(0), "paid", 1), (minutes(10), "paid", 1))
        return metrics

    def test_nothing_changed_nothing_is_told(self, metrics: Metrics) -> None:
        assert metrics.query.plan() == Plan("streaming.order_metrics", Outcome.GOES_ON)

    def test_a_longer_watermark_goes_on_in_place(self, metrics: Metrics) -> None:
        metrics.change(event_time={"watermark": "30 minutes"})
        [change] = metrics.query.plan().changes
        assert str(change) == "watermark: was 10 minutes, is 30 minutes"
        metrics.run_over((minutes(0), "paid", 1))
        assert metrics.count(0) == 2

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            (
                {"transform": {"window": "10 minutes"}},
                "window: was 5 minutes, is 10 minutes (the state holds windows of",
            ),
            ({"transform": {"slide": "5 minutes"}}, "slide: was 1 minute, is 5 minutes (the state holds windows with"),
            ({"transform": {"mode": "append"}}, "mode: was update, is append (rows that were written in the one mode"),
            ({"keys": ["window_start", "status", "order_count"]}, "keys: was window_start, status, is window_start"),
            (
                {"source": {"topic": "another"}},
                "is another (the offsets of one source mean nothing in another)",
            ),
            (
                {"transform": {"function": f"{MODULE}:by_amount"}},
                "groups and sums: was Aggregate [window(event_time, 5 minutes every 1 minute), coalesce",
            ),
        ],
    )
    def test_what_the_checkpoint_cannot_follow_is_refused_with_both_ways_on(
        self, metrics: Metrics, changed: dict[str, object], reason: str
    ) -> None:
        metrics.change(**changed)
        for asked in (metrics.query.plan, metrics.query.start):
            with pytest.raises(IncompatibleCheckpointError) as error:
                asked()
            assert reason in str(error.value)
            assert "change it back" in str(error.value)
            assert "`generation: 2`" in str(error.value)

    def test_a_filter_goes_on_in_place_and_is_told_with_what_it_means(self, metrics: Metrics) -> None:
        metrics.change(transform={"function": f"{MODULE}:large_orders"})
        [function, plan] = metrics.query.plan().changes
        assert str(function).startswith("function: was lakehouse_spark.transforms.order_metrics")
        assert "rows from now on are computed differently" in str(plan)
        assert "    + Filter (amount_cents >= cast(100 as bigint))" in str(plan).splitlines()
        metrics.run_over((minutes(10), "paid", 99), (minutes(10), "paid", 100))
        assert (metrics.count(0), metrics.count(10)) == (1, 2)
        assert metrics.query.plan().changes == ()

    def test_another_number_of_shuffle_partitions_is_refused(self, metrics: Metrics, spark: SparkSession) -> None:
        spark.conf.set("spark.sql.shuffle.partitions", "3")
        try:
            with pytest.raises(IncompatibleCheckpointError, match="shuffle partitions: was 2, is 3"):
                metrics.query.plan()
        finally:
            spark.conf.set("spark.sql.shuffle.partitions", "2")

    def test_a_new_generation_replaces_the_windows_that_the_topic_can_still_tell(self, metrics: Metrics) -> None:
        metrics.run_over((minutes(40), "paid", 1))
        metrics.expire_before(1)
        metrics.change(transform={"window": "2 minutes", "slide": "2 minutes", "generation": 2})
        assert metrics.query.plan() == Plan("streaming.order_metrics", Outcome.COMPUTES_ANEW)
        metrics.run_until(lambda: metrics.caught_up() and metrics.count(10) == 1, "the new windows")
        lengths = metrics.rows(
            "SELECT window_start, date_diff('minute', window_start, window_end) FROM streaming.order_metrics ORDER BY 1"
        )
        # Of the order that is gone the old windows stay; of the other none but the new one.
        old = [(BEGIN + minutes(start), 5) for start in (-4, -3, -2, -1, 0, 6, 7, 8, 9)]
        assert lengths == [*old, (BEGIN + minutes(10), 2), (BEGIN + minutes(40), 2)]

    def versions(self, metrics: Metrics, sql: str) -> list[list[tuple[object, ...]]]:
        """What ``sql`` finds in each version of the table since it had rows."""
        newest = metrics.catalog.open("streaming.order_metrics").version()
        seen = []
        for version in range(1, newest + 1):
            rows = metrics.catalog.open("streaming.order_metrics", version).to_pyarrow_table()
            seen.append(duckdb.sql(sql.replace("TABLE", "rows")).fetchall() if rows else [])
        return seen

    @pytest.mark.parametrize("mode", ["update", "append"])
    def test_readers_of_the_table_never_see_it_without_rows_while_a_generation_computes_it(
        self, make_metrics: Callable[..., Metrics], mode: str
    ) -> None:
        one_by_one = {"max_offsets_per_trigger": 1, "catch_up_offsets_per_trigger": 1}
        metrics = make_metrics(transform={"mode": mode}, source=one_by_one)
        metrics.produce(*((minutes(minute), "paid", 1) for minute in (0, 1, 2, 20, 40)))
        # In append, the last windows that are final end at 30 minutes.
        metrics.run_until(lambda: metrics.caught_up() and metrics.count(20) == 1, "the first generation")
        before = metrics.rows("SELECT window_start, order_count FROM streaming.order_metrics ORDER BY 1")
        first = metrics.catalog.open("streaming.order_metrics").version()
        metrics.change(transform={"generation": 2})
        metrics.run_until(lambda: metrics.caught_up() and swapped(metrics), "the second generation")
        windows = "SELECT window_start, order_count FROM TABLE ORDER BY 1"
        since = self.versions(metrics, windows)[first - 1 :]
        assert len(since) >= 2
        # Three orders in batches of one: no version shows a window with less than it had.
        assert [rows == since[0] for rows in since] == [True] * len(since)
        assert metrics.rows("SELECT window_start, order_count FROM streaming.order_metrics ORDER BY 1") == before
        # What was beside the table goes with the swap.
        assert not (Path(metrics.query.checkpoint_location) / "rows").exists()

    def test_a_generation_goes_on_behind_the_swap(self, metrics: Metrics) -> None:
        metrics.change(transform={"generation": 2})
        metrics.run_until(lambda: metrics.caught_up() and swapped(metrics), "the second generation")
        metrics.run_over((minutes(10), "paid", 1))
        assert (metrics.count(0), metrics.count(10)) == (1, 2)

    @pytest.mark.parametrize(("point", "has_new_rows"), [("between-commits", False), ("after-commit", True)])
    def test_a_swap_that_ends_half_way_is_done_once(
        self, metrics: Metrics, monkeypatch: pytest.MonkeyPatch, point: str, has_new_rows: bool
    ) -> None:
        metrics.change(transform={"generation": 2})
        failed: list[FaultPoint] = []

        def fail_once(_faults: Faults, reached: FaultPoint) -> None:
            if reached == point and not failed:
                failed.append(reached)
                raise RuntimeError(f"failed at {point}")

        monkeypatch.setattr(Faults, "reached", fail_once)
        assert f"failed at {point}" in metrics.error()
        assert swapped(metrics) is has_new_rows
        # Spark repeats the batch, of which the one or the other commit is there already.
        metrics.run_until(metrics.caught_up, "the repeated batch")
        assert swapped(metrics)
        assert (metrics.count(0), metrics.count(10)) == (1, 1)

    def test_windows_that_are_open_stay_open_where_retention_has_emptied_a_partition(
        self, make_metrics: Callable[..., Metrics]
    ) -> None:
        metrics = make_metrics()
        metrics.produce((minutes(0), "paid", 1))
        order = {"order_id": "o", "customer_id": "c", "amount_cents": 1, "status": "paid"}
        old = {**order, "event_time": (BEGIN - timedelta(days=1)).isoformat()}
        metrics.send(json.dumps(old).encode(), partition=1)
        metrics.run_until(lambda: metrics.caught_up() and metrics.count(0) == 1, "the first generation")
        metrics.expire_before(1, partition=1)
        metrics.change(transform={"generation": 2})
        metrics.run_over((minutes(1), "paid", 1))
        metrics.run_until(lambda: swapped(metrics), "the second generation")
        assert (metrics.count(0), metrics.count(1)) == (2, 1)

    @pytest.mark.parametrize("mode", ["update", "append"])
    def test_windows_that_are_open_stay_open_where_such_a_partition_has_got_an_event_since(
        self, make_metrics: Callable[..., Metrics], mode: str
    ) -> None:
        metrics = emptied(make_metrics, mode)
        metrics.change(transform={"generation": 2})
        metrics.produce((minutes(1), "paid", 1))
        metrics.run_until(lambda: metrics.caught_up() and swapped(metrics), "the second generation")
        assert (metrics.count(-60), metrics.count(0), metrics.count(1)) == (1, 2, 1)

    @pytest.mark.parametrize("mode", ["update", "append"])
    def test_a_generation_that_could_not_finish_open_windows_is_refused_and_the_one_before_finishes_them(
        self, make_metrics: Callable[..., Metrics], mode: str
    ) -> None:
        metrics = emptied(make_metrics, mode)
        # The size deletes too: the age of what is gone tells nothing any more.
        topic = ConfigResource(ConfigResource.Type.TOPIC, metrics.contract.source.topic)
        topic.add_incremental_config(
            ConfigEntry("retention.bytes", "1000000000", incremental_operation=AlterConfigOpType.SET)
        )
        admin = AdminClient({"bootstrap.servers": metrics.settings.kafka_bootstrap_servers})
        for result in admin.incremental_alter_configs([topic]).values():
            result.result(30)
        metrics.change(transform={"generation": 2})
        for asked in (metrics.query.plan, metrics.query.start):
            with pytest.raises(UnfinishedRowsError, match=r"go on until the table has rows that are .* newer"):
                asked()
        metrics.change(transform={"generation": 1})
        metrics.produce((minutes(1), "paid", 1))
        metrics.run_until(lambda: metrics.caught_up() and metrics.count(0) == 2, "the open window")

    def test_a_generation_that_another_took_over_from_does_not_come_back(self, metrics: Metrics) -> None:
        metrics.change(transform={"generation": 2})
        metrics.run_until(metrics.caught_up, "the second generation")
        metrics.change(transform={"generation": 1})
        with pytest.raises(SupersededError, match=r"generation 2 has taken the table over from generation 1"):
            metrics.query.start()

    def test_a_generation_that_runs_writes_no_more_when_another_has_taken_over(self, metrics: Metrics) -> None:
        running = metrics.query.start()
        try:
            # As a second application does, which has the next generation already.
            Generations(metrics.query.spark, metrics.settings, later(metrics.contract)).supersede()
            metrics.produce((minutes(10), "paid", 1))
            wait_for(lambda: not running.isActive, "the query to end", 300, lambda: running.lastProgress)
        finally:
            running.stop()
        assert isinstance(metrics.query.errors[-1], SupersededError)
        assert metrics.count(10) == 1

    def test_a_generation_over_another_topic_deletes_nothing(self, metrics: Metrics) -> None:
        before = metrics.rows("FROM streaming.order_metrics ORDER BY ALL")
        another = f"{metrics.contract.source.topic}-other"
        metrics.change(source={"topic": another}, transform={"generation": 2})
        ensure_topics(metrics.settings, [metrics.contract])
        for asked in (metrics.query.plan, metrics.query.start):
            with pytest.raises(AnotherSourceError, match=rf"is .*{another}.*move the table away"):
                asked()
        assert metrics.rows("FROM streaming.order_metrics ORDER BY ALL") == before
        # Neither way back is closed: the old generation goes on, and a new one over the old topic begins.
        topic = another.removesuffix("-other")
        metrics.change(source={"topic": topic}, transform={"generation": 1})
        metrics.run_over((minutes(10), "paid", 1))
        assert metrics.count(10) == 2
        metrics.change(transform={"generation": 2})
        metrics.run_until(lambda: metrics.caught_up() and swapped(metrics), "the second generation")
        assert (metrics.count(0), metrics.count(10)) == (1, 2)

    def test_a_complete_result_that_cannot_be_computed_again_goes_on_in_its_generation(
        self, make_metrics: Callable[..., Metrics]
    ) -> None:
        metrics = make_metrics(**ranking(mode="complete", max_rows=2))
        metrics.run_over((minutes(0), "paid", 1), (minutes(0), "paid", 1))
        metrics.expire_before(1)
        metrics.change(transform={"generation": 2})
        for asked in (metrics.query.plan, metrics.query.start):
            with pytest.raises(LostTableError, match="is one complete result"):
                asked()
        metrics.change(transform={"generation": 1})
        metrics.run_over((minutes(1), "paid", 1))
        assert metrics.rows("SELECT status, orders FROM streaming.order_metrics") == [("paid", 3)]

    def test_a_generation_that_has_written_nothing_yet_does_not_come_back_either(
        self, make_metrics: Callable[..., Metrics]
    ) -> None:
        metrics = make_metrics()
        metrics.change(transform={"generation": 2})
        metrics.run_over((minutes(0), "paid", 1))
        metrics.change(transform={"generation": 1})
        with pytest.raises(SupersededError):
            metrics.query.start()


def emptied(make_metrics: Callable[..., Metrics], mode: str) -> Metrics:
    """One order at BEGIN, of windows that are open, and one an hour before; and a partition without its first event,
    which holds one that was not read yet.
    """
    metrics = make_metrics(transform={"mode": mode})
    order = {"order_id": "o", "customer_id": "c", "amount_cents": 1, "status": "shipped"}
    old, new = ({**order, "event_time": (BEGIN + offset).isoformat()} for offset in (minutes(-60), minutes(30)))
    metrics.send(json.dumps(old).encode(), partition=1)
    metrics.produce((minutes(-60), "paid", 1), (minutes(0), "paid", 1))
    metrics.run_until(lambda: metrics.caught_up() and metrics.count(-60) == 1, "the first generation")
    metrics.expire_before(1, partition=1)
    metrics.send(json.dumps(new).encode(), partition=1)
    return metrics


def later(contract: Contract) -> Contract:
    return changed(contract.model_dump(exclude_none=True), {"transform": {"generation": 2}})


def large_orders(orders: DataFrame, contract: Contract) -> DataFrame:
    return order_metrics(orders.where("amount_cents >= 100"), contract)


def by_amount(orders: DataFrame, contract: Contract) -> DataFrame:
    """The columns of order_metrics, of other sums: its state has another shape."""
    window = F.window("event_time", "5 minutes", "1 minute").alias("window")
    largest = F.max("amount_cents").alias("total_amount_cents")
    grouped = orders.groupBy(window, F.coalesce("status", F.lit("unknown")).alias("status"))
    return grouped.agg(F.count(F.lit(1)).alias("order_count"), largest).select(
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "status",
        "order_count",
        "total_amount_cents",
        F.lit(0.0).alias("average_amount_cents"),
        F.call_function("events.read_at").alias("processed_at"),
    )


class TestTableAsSource:
    """`streaming.order_metrics` of the rows of `raw.orders`, and not of the topic."""

    @pytest.fixture
    def metrics(self, make_metrics: Callable[..., Metrics]) -> Metrics:
        metrics = make_metrics(source={"topic": "orders.events", "table": "raw.orders"})
        create_tables(metrics.catalog, find_contract(REPOSITORY / "streaming" / "contracts", "raw.orders"))
        return metrics

    def add(self, metrics: Metrics, *orders: tuple[timedelta, str, int]) -> None:
        rows = [
            {
                "order_id": "o",
                "customer_id": "c",
                "amount_cents": cents,
                "status": status,
                "currency": "USD",
                "event_time": BEGIN + offset,
                "created_at": BEGIN,
                "kafka_timestamp": BEGIN,
                "ingested_at": BEGIN,
                "kafka_topic": "orders.events",
                "kafka_partition": 0,
                "kafka_offset": 0,
            }
            for offset, status, cents in orders
        ]
        table = metrics.catalog.open("raw.orders")
        schema = pa.schema(table.schema())
        write_deltalake(table, pa.Table.from_pylist(rows, schema=schema), mode="append")

    def test_rows_that_are_there_and_rows_that_come_count_once(self, metrics: Metrics) -> None:
        self.add(metrics, (minutes(0), "paid", 1), (minutes(1), "paid", 1))
        metrics.run_until(lambda: metrics.count(0) == 2, "the rows that were there")
        self.add(metrics, (minutes(2), "paid", 1))
        metrics.run_until(lambda: metrics.count(0) == 3, "the row that came")

    def test_what_was_not_read_yet_is_told_in_versions_rows_and_seconds(
        self, metrics: Metrics, spark: SparkSession
    ) -> None:
        self.add(metrics, (minutes(0), "paid", 1))
        metrics.change(transform={"trigger": "10 days"})
        with Run(spark, metrics) as run:
            wait_for(lambda: run.query().lag_versions == 0 or run.ended(), "all to be read", 120, run.query)
            assert (run.query().lag_messages, metrics.count(0)) == (0, 1)
            self.add(metrics, (minutes(0), "paid", 1))
            self.add(metrics, (minutes(0), "paid", 1), (minutes(1), "paid", 1))
            metrics.catalog.open("raw.orders").optimize.compact()
            # The next trigger comes in days, as they are counted from 1970, and compaction is nothing to be read.
            wait_for(lambda: run.query().lag_versions == 2 or run.ended(), "the lag", 60, run.query)
            told = run.application.progress()["streaming.order_metrics"]
            query = run.query()
        assert run.error is None
        assert (query.lag_messages, told.lag_messages, told.lag_versions) == (3, 3, 2)
        assert query.behind_seconds is not None
        assert query.behind_seconds > 0
        assert metrics.count(0) == 1

    def test_a_generation_over_a_table_that_was_created_again_deletes_nothing(self, metrics: Metrics) -> None:
        self.add(metrics, (minutes(0), "paid", 1))
        metrics.run_until(lambda: metrics.count(0) == 1, "the row")
        shutil.rmtree(metrics.catalog.uri("raw.orders"))
        create_tables(metrics.catalog, find_contract(REPOSITORY / "streaming" / "contracts", "raw.orders"))
        metrics.change(transform={"generation": 2})
        for asked in (metrics.query.plan, metrics.query.start):
            with pytest.raises(AnotherSourceError, match=r"table_id was .* and is .*move the table away"):
                asked()
        assert metrics.count(0) == 1

    def test_a_batch_reads_about_as_many_rows_as_the_contract_allows(self, metrics: Metrics) -> None:
        for minute in range(4):
            self.add(metrics, (minutes(minute), "paid", 1))
        metrics.change(source={"max_offsets_per_trigger": 1, "catch_up_offsets_per_trigger": 1})
        metrics.run_until(lambda: metrics.count(0) == 4, "all rows")
        batches = metrics.checkpoint.committed_batch()
        assert batches is not None
        assert batches >= 3

    def test_a_row_that_changes_stops_the_query(self, metrics: Metrics) -> None:
        self.add(metrics, (minutes(0), "paid", 1))
        metrics.run_until(lambda: metrics.count(0) == 1, "the row")
        metrics.catalog.open("raw.orders").delete("status = 'paid'")
        assert "a row of raw.orders was changed (delete)" in metrics.error()
        assert metrics.count(0) == 1
