"""The queries as Prometheus metrics. Their names begin with `lakehouse_spark_`, their one label is the `table`."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lakehouse_spark.progress import Progress
from lakehouse_spark.status import ApplicationStatus, QueryState

_PREFIX = "lakehouse_spark_"
_GAUGES: Mapping[str, tuple[str, Callable[[Progress], float | None]]] = {
    "batch_id": ("Number of the last micro-batch", lambda p: p.batch),
    "input_rows_per_second": ("Events that arrived, of the last trigger", lambda p: p.input_rows_per_second),
    "processed_rows_per_second": ("Events that were processed, of it", lambda p: p.processed_rows_per_second),
    "watermark_timestamp_seconds": (
        "Event time behind which events are late",
        lambda p: p.watermark.timestamp() if p.watermark else None,
    ),
    "state_rows": ("Rows that the query keeps between batches", lambda p: p.state_rows),
    "state_bytes": ("Memory that these take", lambda p: p.state_bytes),
    "lag_messages": ("Events in the topic or the table that were not read yet", lambda p: p.lag_messages),
    "lag_versions": ("Versions of the table that is read, which were not read yet", lambda p: p.lag_versions),
}


class QueryCollector(Collector):
    """Reads ``status`` and ``progress`` anew at each scrape: what a query does not tell is absent, and not 0."""

    def __init__(self, status: Callable[[], ApplicationStatus], progress: Callable[[], Mapping[str, Progress]]) -> None:
        self._status = status
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        """Every metric with a sample for each query that has it."""
        queries, progress = self._status().as_of_now().queries, self._progress()
        running = GaugeMetricFamily(f"{_PREFIX}query_running", "1 while the query runs", labels=["table"])
        failures = CounterMetricFamily(
            f"{_PREFIX}query_failures", "How often the query failed since the application began", labels=["table"]
        )
        behind = GaugeMetricFamily(
            f"{_PREFIX}lag_seconds", "How long ago the query had last read all there was", labels=["table"]
        )
        late = CounterMetricFamily(
            f"{_PREFIX}late_rows",
            "Rows that came behind the watermark, and were left out",
            labels=["table"],
        )
        for table, query in queries.items():
            running.add_metric([table], float(query.state is QueryState.RUNNING))
            failures.add_metric([table], query.failures_in_all)
            if query.late_rows is not None:
                late.add_metric([table], query.late_rows)
            if (seconds := query.behind_seconds) is not None:
                behind.add_metric([table], seconds)
        yield from (running, failures, late, behind)
        for name, (text, value) in _GAUGES.items():
            gauge = GaugeMetricFamily(_PREFIX + name, text, labels=["table"])
            for table, found in progress.items():
                if (told := value(found)) is not None:
                    gauge.add_metric([table], told)
            yield gauge
        phases = GaugeMetricFamily(
            f"{_PREFIX}batch_phase_seconds", "Duration of each phase of the last trigger", labels=["table", "phase"]
        )
        for table, found in progress.items():
            for phase, seconds in found.phases.items():
                phases.add_metric([table, phase], seconds)
        yield phases


def exposition(collector: QueryCollector) -> bytes:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)
