"""Kafka and Flink, for the tests of this package alone: nothing of them is left beside the tests after it."""

from collections.abc import Iterator

import pytest

from tests.integration.command_line import project, stop
from tests.integration.flink.stack import FlinkStack


@pytest.fixture(scope="package")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkStack]:
    """Kafka and Flink as `lakehouse up` runs them, for all that test them: its start takes half a minute.

    raw.orders_unguarded follows the same topic as raw.orders, but nothing keeps its commits from being repeated: it
    shows that the tests of raw.orders can fail.
    """
    command_line = project(tmp_path_factory.mktemp("flink"), flink_metrics_ports="0", flink_task_slots=12)
    stack = FlinkStack(command_line)
    unguarded = "io.lakehouse.flink.delta.test.table-whose-rows-are-to-be-doubled"
    command_line.variables["JAVA_TOOL_OPTIONS"] = f"-D{unguarded}=file:{stack.catalog.uri('raw.orders_unguarded')}"
    for file in stack.settings.contracts_dir.glob("*.yaml"):
        file.unlink()
    stack.declare("raw.orders", freshness="5 seconds")
    stack.declare("raw.orders_unguarded", freshness="5 seconds")
    stack.declare("raw.few", freshness="5 seconds", topic="few.events")
    stack.declare("raw.moved", freshness="6 seconds", engine="spark", topic="moved.events")
    event_time = {"column": "window_end", "watermark": "30 seconds", "allowed_lateness": "1 minute"}
    stack.declare(
        "streaming.order_metrics_5min",
        shipped="order_metrics_5min",
        topic="metrics.events",
        event_time={**event_time, "idleness": "2 seconds"},
    )
    for script in ("orders_enriched", "order_metrics_5min_sql", "fraud_alerts"):
        told = {"column": {"orders_enriched": "event_time", "fraud_alerts": "order_time"}.get(script, "window_end")}
        waits = {"watermark": "30 seconds", "idleness": "2 seconds"} if script != "orders_enriched" else {}
        stack.declare(f"streaming.{script}", shipped=script, topic=f"{script}.events", event_time={**told, **waits})
    try:
        stack.up()
        yield stack
    finally:
        stop(command_line)
