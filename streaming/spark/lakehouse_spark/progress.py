"""What Spark reports of a query's last trigger, in the terms that metrics and status show."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyspark.sql.streaming.query import StreamingQuery

from lakehouse_spark.checkpoint import Offsets


@dataclass(frozen=True)
class Progress:
    """One trigger. None stands for what Spark does not tell, as a watermark before the first event."""

    batch: int
    at: datetime
    input_rows_per_second: float
    processed_rows_per_second: float
    #: Seconds of each phase of the trigger, as `addBatch`, `walCommit`, `triggerExecution`.
    phases: Mapping[str, float] = field(default_factory=dict)
    watermark: datetime | None = None
    state_rows: int | None = None
    state_bytes: int | None = None
    #: Rows that came behind the watermark and were left out.
    late_rows: int | None = None
    #: Partition → the offset behind the last event that was read, of a Kafka topic.
    end_offsets: Offsets = field(default_factory=dict)
    #: Of a table, the first version that was not read to its end.
    end_version: int | None = None
    #: Events that the source held and the trigger did not read; of a table what its log tells since.
    lag_messages: int | None = None
    lag_versions: int | None = None


def last_progress(running: StreamingQuery, topic: str) -> Progress | None:
    """The last trigger of the query; None until it came through one."""
    reported = running.lastProgress
    return None if reported is None else parsed(json.loads(reported.json), topic)


def late_rows_since(running: StreamingQuery, before: Progress | None) -> int:
    """Rows that the triggers behind ``before`` left out: there may be several between two looks.

    Spark keeps its last hundred reports, of which one that found nothing to read counts no row again.
    """
    late = 0
    # PySpark's own `recentProgress` converts every report, field by field: here none but the new ones is read.
    for reported in reversed(list(running._jsq.recentProgress())):
        progress = parsed(json.loads(reported.json()), "")
        if before is not None and progress.at <= before.at:
            break
        late += progress.late_rows or 0
    return late


def parsed(values: Mapping[str, Any], topic: str) -> Progress:
    """Spark's own report (`StreamingQueryProgress`, as JSON) of a query that reads ``topic``."""
    source = values["sources"][0] if values["sources"] else {}
    end, latest = (_offsets(source.get(name), topic) for name in ("endOffset", "latestOffset"))
    operators = values.get("stateOperators", [])
    watermark = values.get("eventTime", {}).get("watermark")
    return Progress(
        batch=values["batchId"],
        at=datetime.fromisoformat(values["timestamp"]),
        # Spark leaves a rate out where its time is none; and a NaN is no JSON.
        input_rows_per_second=_rate(values.get("inputRowsPerSecond")),
        processed_rows_per_second=_rate(values.get("processedRowsPerSecond")),
        phases={phase: milliseconds / 1000 for phase, milliseconds in values.get("durationMs", {}).items()},
        watermark=_watermark(watermark),
        state_rows=sum(operator["numRowsTotal"] for operator in operators) if operators else None,
        state_bytes=sum(operator["memoryUsedBytes"] for operator in operators) if operators else None,
        late_rows=sum(operator.get("numRowsDroppedByWatermark", 0) for operator in operators) if operators else None,
        end_offsets=end,
        end_version=_version(source.get("endOffset")),
        lag_messages=sum(offset - end.get(p, offset) for p, offset in latest.items()) if end and latest else None,
    )


def _offsets(reported: Any, topic: str) -> Offsets:
    """Empty for what is no offset of the topic: before the first batch, or of another kind of source."""
    held = reported.get(topic) if isinstance(reported, dict) else None
    return {int(partition): int(offset) for partition, offset in held.items()} if isinstance(held, dict) else {}


def _version(reported: Any) -> int | None:
    """Delta's own offset; the version after the last one where that was read to its end."""
    version = reported.get("reservoirVersion") if isinstance(reported, dict) else None
    return version if isinstance(version, int) else None


def _rate(reported: Any) -> float:
    return float(reported) if isinstance(reported, int | float) else 0.0


def _watermark(reported: str | None) -> datetime | None:
    moment = datetime.fromisoformat(reported) if reported else None
    # The epoch is Spark's word for none.
    return moment if moment and moment.timestamp() > 0 else None
