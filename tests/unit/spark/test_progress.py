"""What is read of Spark's report of a trigger, and what Prometheus is told of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql.streaming.query import StreamingQuery

from lakehouse_spark.metrics import QueryCollector, exposition
from lakehouse_spark.progress import Progress, late_rows_since, parsed
from lakehouse_spark.status import ApplicationStatus, QueryState, QueryStatus, now

#: As Spark 4.2 reports a query with state, shortened.
REPORT = {
    "timestamp": "2026-01-01T10:00:00.000Z",
    "batchId": 7,
    "inputRowsPerSecond": 12.5,
    "processedRowsPerSecond": 50.0,
    "durationMs": {"addBatch": 1500, "triggerExecution": 2000},
    "eventTime": {"watermark": "2026-01-01T09:50:00.000Z"},
    "stateOperators": [
        {"numRowsTotal": 40, "memoryUsedBytes": 1000, "numRowsDroppedByWatermark": 3},
        {"numRowsTotal": 2, "memoryUsedBytes": 24},
    ],
    "sources": [
        {"endOffset": {"orders": {"0": 100, "1": 50}}, "latestOffset": {"orders": {"0": 110, "1": 50}}},
    ],
}


def test_a_report_is_read_in_seconds_and_offsets() -> None:
    assert parsed(REPORT, "orders") == Progress(
        batch=7,
        at=datetime(2026, 1, 1, 10, tzinfo=UTC),
        input_rows_per_second=12.5,
        processed_rows_per_second=50.0,
        phases={"addBatch": 1.5, "triggerExecution": 2.0},
        watermark=datetime(2026, 1, 1, 9, 50, tzinfo=UTC),
        state_rows=42,
        state_bytes=1024,
        late_rows=3,
        end_offsets={0: 100, 1: 50},
        lag_messages=10,
    )


@pytest.mark.parametrize(
    "missing",
    [
        {"sources": [{"endOffset": None, "latestOffset": None}]},
        {"sources": [{"endOffset": {"reservoirVersion": 3}, "latestOffset": {"reservoirVersion": 4}}]},
        {"sources": []},
    ],
)
def test_offsets_that_are_not_told_are_no_lag_of_zero(missing: Mapping[str, object]) -> None:
    progress = parsed({**REPORT, **missing}, "orders")
    assert (progress.end_offsets, progress.lag_messages) == ({}, None)


def test_the_epoch_is_no_watermark_and_a_rate_that_is_none_is_zero() -> None:
    report = {**REPORT, "eventTime": {"watermark": "1970-01-01T00:00:00.000Z"}, "inputRowsPerSecond": "NaN"}
    progress = parsed(report, "orders")
    assert (progress.watermark, progress.input_rows_per_second) == (None, 0.0)


def test_a_query_without_state_has_no_state_of_zero() -> None:
    assert parsed({**REPORT, "stateOperators": []}, "orders").state_rows is None


class Reports:
    """A query that gives Spark's reports, as its Java object does; a test with state shows that it does."""

    def __init__(self, *reports: Mapping[str, object]) -> None:
        texts = [SimpleNamespace(json=partial(json.dumps, report)) for report in reports]
        self._jsq = SimpleNamespace(recentProgress=lambda: texts)


def late(second: int, rows: int) -> dict[str, object]:
    operators = [{"numRowsTotal": 1, "memoryUsedBytes": 1, "numRowsDroppedByWatermark": rows}]
    return {**REPORT, "timestamp": f"2026-01-01T10:00:{second:02}.000Z", "stateOperators": operators}


def test_the_late_rows_of_every_trigger_since_the_last_look_count_once() -> None:
    running = cast(StreamingQuery, Reports(late(0, 5), late(1, 2), late(2, 0), late(3, 4)))
    assert late_rows_since(running, None) == 11
    assert late_rows_since(running, parsed(late(0, 5), "orders")) == 6
    assert late_rows_since(running, parsed(late(3, 4), "orders")) == 0


def test_late_rows_are_a_counter_that_a_query_without_state_does_not_have() -> None:
    counted = samples(QueryStatus("raw.orders", QueryState.RUNNING, late_rows=7), None)
    assert counted["lakehouse_spark_late_rows_total", "raw.orders"] == 7
    assert ("lakehouse_spark_late_rows_total", "raw.orders") not in samples(QueryStatus("raw.orders"), None)


def samples(status: QueryStatus, progress: Progress | None) -> dict[tuple[str, ...], float]:
    """The exposed samples by name and labels, read back by Prometheus' own parser."""
    told = {} if progress is None else {status.table: progress}
    text = exposition(
        QueryCollector(lambda: ApplicationStatus({status.table: status}, alive_at=now()), lambda: told)
    ).decode()
    return {
        (sample.name, *(sample.labels[name] for name in ("table", "phase") if name in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_running_query_is_told_with_its_progress() -> None:
    status = QueryStatus("raw.orders", QueryState.RUNNING, failures_in_all=3)
    found = samples(status, parsed(REPORT, "orders"))
    assert found["lakehouse_spark_query_running", "raw.orders"] == 1
    assert found["lakehouse_spark_query_failures_total", "raw.orders"] == 3
    assert found["lakehouse_spark_lag_messages", "raw.orders"] == 10
    assert found["lakehouse_spark_state_bytes", "raw.orders"] == 1024
    assert found["lakehouse_spark_batch_phase_seconds", "raw.orders", "addBatch"] == 1.5
    assert found["lakehouse_spark_watermark_timestamp_seconds", "raw.orders"] == 1767261000


def test_what_is_not_known_is_absent() -> None:
    progress = replace(parsed(REPORT, "orders"), watermark=None, lag_messages=None)
    names = {name for name, *_ in samples(QueryStatus("raw.orders", QueryState.FAILED), progress)}
    assert "lakehouse_spark_query_running" in names
    for absent in ("lag_messages", "lag_seconds", "watermark_timestamp_seconds"):
        assert f"lakehouse_spark_{absent}" not in names


def test_the_lag_in_seconds_grows_while_nothing_is_reported() -> None:
    behind = (datetime.now(UTC) - timedelta(seconds=90)).isoformat()
    found = samples(QueryStatus("raw.orders", QueryState.RUNNING, caught_up_at=behind), None)
    assert found["lakehouse_spark_lag_seconds", "raw.orders"] == pytest.approx(90, abs=20)
