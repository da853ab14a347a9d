"""Results of Spark and maintenance in the same files: whichever commits first, the other goes on."""

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from delta.exceptions import ConcurrentDeleteReadException
from deltalake import DeltaTable
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from lakehouse.contracts import Contract, find_contract
from lakehouse.maintenance.run import Maintenance
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from lakehouse.storage.maintain import Layout, compact
from lakehouse_spark import conflicts
from lakehouse_spark.generations import SupersededError
from lakehouse_spark.results import Results
from tests.integration.conftest import REPOSITORY
from tests.integration.spark_queries import Run
from tests.integration.test_spark_transformation import BEGIN, Metrics, changed, minutes
from tests.waiting import wait_for

TABLE = "streaming.order_metrics"
STATUSES = ("placed", "paid", "shipped", "delivered")
#: Of each, at least so many happen in the test under load. A conflict is one that a batch had to be written again for.
MERGES, COMPACTIONS, CONFLICTS = 10, 10, 3
#: Their windows are of one day, of which nothing is late.
MOST_BATCHES = 80


@dataclass(frozen=True)
class Overtaken(Results):
    """The first ``times`` that it writes, maintenance commits between what it has read of the table and its commit."""

    times: int = 1
    attempts: list[int] = field(default_factory=list)

    def _write(self, rows: DataFrame, summary: Row, batch_id: int) -> None:
        self.attempts.append(batch_id)
        if len(self.attempts) <= self.times:
            rows = rows.where(_compacting(self.uri)("status"))
        super()._write(rows, summary, batch_id)


def _compacting(uri: str) -> Callable[[str], Column]:
    """True, and has the table compacted by whoever computes it: a task of the very command that writes."""
    root = str(Path(uri.removeprefix("file://")).parents[1])

    @F.udf("boolean", useArrow=False)
    def compacted(_: str) -> bool:
        compact(Catalog(root), TABLE, Layout(small_files=2))
        return True

    return compacted


@dataclass(frozen=True)
class Overtaking(Catalog):
    """Maintenance's own: whenever that has opened the table, one of ``batches`` is merged, while there are any."""

    batches: list[Callable[[], None]] = field(default_factory=list)

    def open(self, name: str, version: int | None = None) -> DeltaTable:
        table = super().open(name, version)
        if self.batches:
            self.batches.pop(0)()
        return table


def contract_with(**changes: object) -> Contract:
    shipped = find_contract(REPOSITORY / "streaming" / "contracts", TABLE).model_dump(exclude_none=True)
    return changed(shipped, changes)


def nothing() -> None:
    """May be written."""


class TestOneBatch:
    @pytest.fixture
    def catalog(self, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
        """The table with a window in each of two files, as two batches left it."""
        # Its workers compact: they are of this Python, which has what that takes.
        monkeypatch.setattr(spark.sparkContext, "pythonExec", sys.executable)
        catalog = Catalog(str(tmp_path))
        create_tables(catalog, contract_with())
        spark.sparkContext.setLocalProperty("sql.streaming.queryId", "query")
        for batch, hour in enumerate((1, 2)):
            Results(contract_with(), catalog.spark_uri(TABLE)).write(counts(spark, {hour: 1}), batch, nothing)
        yield catalog
        spark.sparkContext.setLocalProperty("sql.streaming.queryId", None)

    @pytest.fixture(params=["update", "complete"])
    def overtaken(self, request: pytest.FixtureRequest, catalog: Catalog) -> Overtaken:
        transform = {"mode": request.param, "max_rows": 100 if request.param == "complete" else None}
        return Overtaken(contract_with(transform=transform), catalog.spark_uri(TABLE))

    def test_it_is_written_on_the_files_of_a_compaction_that_came_first(
        self, spark: SparkSession, catalog: Catalog, overtaken: Overtaken
    ) -> None:
        overtaken.write(counts(spark, {1: 1, 2: 5, 3: 1}), 2, nothing)
        assert overtaken.attempts == [2, 2]
        *before, written = operations(catalog)
        assert before == ["CREATE TABLE", "MERGE", "MERGE", "OPTIMIZE"]
        assert written in ("MERGE", "WRITE")
        assert held(catalog) == {1: 1, 2: 5, 3: 1}

    def test_one_that_was_stored_after_all_is_not_stored_again(
        self, spark: SparkSession, catalog: Catalog, overtaken: Overtaken
    ) -> None:
        class Unheard(Overtaken):
            def _write(self, rows: DataFrame, summary: Row, batch_id: int) -> None:
                super()._write(rows, summary, batch_id)
                if len(self.attempts) == 1:
                    raise ConcurrentDeleteReadException("its answer was lost")

        unheard = Unheard(overtaken.contract, overtaken.uri, times=0)
        unheard.write(counts(spark, {1: 1, 2: 5}), 2, nothing)
        assert unheard.attempts == [2, 2]
        assert len(operations(catalog)) == 4
        assert held(catalog) == {1: 1, 2: 5}

    def test_it_is_not_written_where_a_later_generation_came_first(
        self, spark: SparkSession, catalog: Catalog, overtaken: Overtaken
    ) -> None:
        def verify() -> None:
            if overtaken.attempts:
                raise SupersededError("generation 2 has taken the table over")

        with pytest.raises(SupersededError):
            overtaken.write(counts(spark, {2: 5}), 2, verify)
        assert operations(catalog) == ["CREATE TABLE", "MERGE", "MERGE", "OPTIMIZE"]

    def test_it_ends_the_query_where_others_come_first_each_time(
        self, spark: SparkSession, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Never(Results):
            def _write(self, rows: DataFrame, summary: Row, batch_id: int) -> None:
                raise ConcurrentDeleteReadException("another commit")

        monkeypatch.setattr(conflicts, "_LONGEST_PAUSE_SECONDS", 0.0)
        with pytest.raises(ConcurrentDeleteReadException):
            Never(contract_with(), catalog.spark_uri(TABLE)).write(counts(spark, {2: 5}), 2, nothing)
        assert held(catalog) == {1: 1, 2: 1}

    @pytest.mark.parametrize(("merges", "yielded"), [(2, ()), (4, ("status=paid",))])
    def test_maintenance_tries_again_after_a_merge_and_yields_to_many(
        self, spark: SparkSession, catalog: Catalog, merges: int, yielded: tuple[str, ...]
    ) -> None:
        def merge(batch: int) -> None:
            Results(contract_with(), catalog.spark_uri(TABLE)).write(counts(spark, {2: batch}), batch, nothing)

        # One when it looks for what to compact, the others while it does.
        batches = [partial(merge, batch) for batch in range(2, 2 + merges)]
        done = compact(Overtaking(catalog.root, batches=batches), TABLE, Layout(small_files=2))
        assert done.yielded == yielded
        assert operations(catalog)[-1] == ("MERGE" if yielded else "OPTIMIZE")
        assert held(catalog) == {1: 1, 2: 1 + merges}


def counts(spark: SparkSession, by_hour: dict[int, int]) -> DataFrame:
    """Results of one status: how many orders a window has, by the hour that it begins at."""
    rows = [(BEGIN.replace(hour=hour).isoformat(), count) for hour, count in by_hour.items()]
    start = F.col("start").cast("timestamp")
    return spark.createDataFrame(rows, "start string, order_count bigint").select(
        start.alias("window_start"),
        (start + F.expr("INTERVAL 5 MINUTES")).alias("window_end"),
        F.lit("paid").alias("status"),
        "order_count",
        F.col("order_count").alias("total_amount_cents"),
        F.lit(1.0).alias("average_amount_cents"),
        F.lit(datetime.now(UTC).isoformat()).cast("timestamp").alias("processed_at"),
    )


def held(catalog: Catalog) -> dict[int, int]:
    rows = catalog.open(TABLE).to_pyarrow_table().select(["window_start", "order_count"]).to_pylist()
    found = {row["window_start"].astimezone(UTC).hour: row["order_count"] for row in rows}
    assert len(found) == len(rows), rows
    return dict(sorted(found.items()))


def operations(catalog: Catalog) -> list[str]:
    """What was committed, the oldest first."""
    return [entry["operation"] for entry in reversed(catalog.open(TABLE).history())]


class Orders:
    """Orders of one batch after the other, and the windows that they make."""

    def __init__(self) -> None:
        self.random = random.Random(7)
        self.batches = 0
        self.windows: Counter[tuple[datetime, str]] = Counter()

    def batch(self) -> list[tuple[timedelta, str, int]]:
        """Of every other status a window beyond all others, which makes a file; of the rest one that is there."""
        made = []
        for number, status in enumerate(STATUSES):
            newest = 10 * self.batches
            minute = newest if (number + self.batches) % 2 else self.random.randrange(newest + 1)
            made.append((minutes(minute), status, 1))
            for start in range(minute - 4, minute + 1):
                self.windows[BEGIN + minutes(start), status] += 1
        self.batches += 1
        return made


def test_maintenance_and_a_query_that_merges_without_pause_lose_and_double_nothing(
    spark: SparkSession,
    own_settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", logger=conflicts.__name__)
    merging, merge = threading.Event(), Results._merge

    def told(results: Results, rows: DataFrame, summary: Row, batch_id: int) -> None:
        merging.set()
        merge(results, rows, summary, batch_id)

    monkeypatch.setattr(Results, "_merge", told)
    metrics = Metrics(
        spark,
        own_settings,
        source={"max_offsets_per_trigger": len(STATUSES), "catch_up_offsets_per_trigger": len(STATUSES)},
        event_time={"watermark": "1 day"},
        maintenance={"small_files": 2},
    )
    orders = Orders()

    def merges() -> int:
        return operations(metrics.catalog).count("MERGE") if metrics.catalog.exists(TABLE) else 0

    def enough() -> bool:
        done = operations(metrics.catalog)
        count, turns = Counter(done), sum(first != then for first, then in pairwise(done))
        repeated = sum(record.name == conflicts.__name__ for record in caplog.records)
        return min(count["MERGE"], turns) >= MERGES and count["OPTIMIZE"] >= COMPACTIONS and repeated >= CONFLICTS

    def failed() -> bool:
        return run.ended() or run.query().failures_in_all > 0

    with Run(spark, metrics) as run:
        metrics.produce(*orders.batch())
        wait_for(lambda: merges() > 0 or failed(), "a first batch", 300, run.query)
        with maintaining(metrics, merging):
            while not enough() and orders.batches < MOST_BATCHES:
                # Two ahead: one batch follows the other at once.
                while orders.batches < merges() + 2:
                    metrics.produce(*orders.batch())
                wait_for(lambda: merges() >= orders.batches - 1 or failed(), "a batch", 120, run.query)
                assert not failed(), run.query()
            wait_for(lambda: metrics.caught_up() or failed(), "all orders to be read", 120, run.query)
        assert not failed(), run.query()
    assert run.error is None
    assert enough(), (operations(metrics.catalog), caplog.messages)
    rows = metrics.rows(f"SELECT epoch_us(window_start), status, order_count FROM {TABLE} ORDER BY ALL")
    expected = [(int(start.timestamp() * 1e6), status, count) for (start, status), count in orders.windows.items()]
    assert rows == sorted(expected)


@contextmanager
def maintaining(metrics: Metrics, merging: threading.Event) -> Iterator[None]:
    """Maintains the table whenever a merge has looked at it and runs its first job: they race for the same files."""
    stop = threading.Event()
    jobs = metrics.query.spark.sparkContext.statusTracker()

    def maintain() -> None:
        maintenance = Maintenance(metrics.settings, [metrics.contract])
        while not stop.is_set():
            if not merging.wait(1):
                continue
            merging.clear()
            wait_for(lambda: bool(jobs.getActiveJobsIds()) or stop.is_set(), "a job of the merge", 120)
            maintenance.maintain(TABLE, dry_run=False)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(maintain)
        try:
            yield
        finally:
            stop.set()
            running.result(120)
