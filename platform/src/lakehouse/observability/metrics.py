"""The metrics of the exporter, as data: the exporter makes them by it, and `docs/reference/metrics.md` describes them.

Names follow Prometheus' conventions; those that begin with `kafka_` are the ones of the usual Kafka exporter, so that
another one can take its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

_FAMILIES: dict[str, Any] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}


@dataclass(frozen=True)
class MetricSpec:
    """One metric. ``healthy`` says which values are no reason to look."""

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    healthy: str

    def family(self) -> Metric:
        """The metric, without samples yet."""
        # A counter is given without the suffix that its samples carry.
        name = self.name.removesuffix("_total") if self.kind == "counter" else self.name
        family: Metric = _FAMILIES[self.kind](name, self.meaning, labels=self.labels)
        return family


_GROUP = ("consumergroup", "topic", "partition")
_TABLE = ("table",)

GROUP_LAG = MetricSpec(
    "kafka_consumergroup_lag",
    "gauge",
    "messages",
    _GROUP,
    "Messages of a partition that a consumer group has not finished",
    "below a few seconds' worth of messages, and not growing for 15 minutes",
)
GROUP_OFFSET = MetricSpec(
    "kafka_consumergroup_current_offset",
    "gauge",
    "offset",
    _GROUP,
    "Offset behind the last message that a consumer group has finished",
    "grows while its topic does",
)
GROUP_LAG_SECONDS = MetricSpec(
    "kafka_consumergroup_lag_seconds",
    "gauge",
    "seconds",
    _GROUP,
    "Age of the oldest message that a consumer group has not finished; 0 where it has finished all",
    "below the freshness of the group's contract",
)
TOPIC_OFFSET = MetricSpec(
    "kafka_topic_partition_current_offset",
    "gauge",
    "offset",
    ("topic", "partition"),
    "Offset behind the newest message of a partition",
    "grows as producers send",
)
TOPIC_OLDEST = MetricSpec(
    "kafka_topic_partition_oldest_offset",
    "gauge",
    "offset",
    ("topic", "partition"),
    "First offset of a partition that has not expired",
    "below the offsets of all groups: what expires unread is lost",
)
TABLE_VERSION = MetricSpec(
    "lakehouse_table_version", "gauge", "version", _TABLE, "Newest Delta version of a table", "grows"
)
TABLE_ROWS = MetricSpec("lakehouse_table_rows", "gauge", "rows", _TABLE, "Rows of a table, by its log", "any")
TABLE_BYTES = MetricSpec(
    "lakehouse_table_bytes", "gauge", "bytes", _TABLE, "Size of the files that a table consists of", "any"
)
TABLE_FILES = MetricSpec(
    "lakehouse_table_files", "gauge", "files", _TABLE, "Files that a table consists of", "below some thousands"
)
TABLE_SMALL = MetricSpec(
    "lakehouse_table_small_file_ratio",
    "gauge",
    "ratio",
    _TABLE,
    "Share of files below 16 MiB, of a table with more than 16 of them; else 0",
    "below 0.8: above, compaction pays",
)
TABLE_COMMIT = MetricSpec(
    "lakehouse_table_last_commit_timestamp_seconds",
    "gauge",
    "seconds since 1970",
    _TABLE,
    "When a table was last committed to; its age is `time() - …`",
    "younger than the contract while events come in",
)
LATENCY = MetricSpec(
    "lakehouse_table_latency_seconds",
    "histogram",
    "seconds",
    _TABLE,
    "From event to visible: the commit's time less the message's, of each row (of a transform: less that of making it)",
    "95 % below the freshness of the contract",
)
DUPLICATES = MetricSpec(
    "lakehouse_table_duplicate_events_total",
    "counter",
    "events",
    _TABLE,
    "Events that a table got although it held them; needs Kafka coordinates",
    "0, always: anything else breaks exactly-once",
)
REJECTED = MetricSpec(
    "lakehouse_table_rejected_events_total",
    "counter",
    "events",
    ("table", "reason"),
    "Events that went to quarantine, by reason; `offsets_lost` stands for events that were gone before they were read",
    "below 1 % of the events; no `offsets_lost`",
)
LATE = MetricSpec(
    "lakehouse_table_late_events_total",
    "counter",
    "events",
    _TABLE,
    "Events that came too late for the windows of a table, and are in its table of late events",
    "below 1 % of the events",
)
FRESHNESS = MetricSpec(
    "lakehouse_table_freshness_seconds",
    "gauge",
    "seconds",
    _TABLE,
    "Age of the oldest event that is not visible in a table yet; 0 when all are",
    "below `lakehouse_contract_freshness_seconds`",
)
MISSED = MetricSpec(
    "lakehouse_table_contract_missed_seconds",
    "gauge",
    "seconds",
    _TABLE,
    "How long the freshness has exceeded the contract; 0 while it is kept",
    "below `lakehouse_contract_tolerance_seconds`",
)
CONTRACT = MetricSpec(
    "lakehouse_contract_freshness_seconds", "gauge", "seconds", _TABLE, "What the contract asks for", "constant"
)
TOLERANCE = MetricSpec(
    "lakehouse_contract_tolerance_seconds",
    "gauge",
    "seconds",
    _TABLE,
    "How long the contract may be missed before that is a failure",
    "constant",
)
STORE_FREE = MetricSpec(
    "lakehouse_store_free_bytes",
    "gauge",
    "bytes",
    (),
    "Free space of the disk that holds the tables; absent for an object store",
    "above a tenth of the disk, and not gone within a day at the present pace",
)
STORE_SIZE = MetricSpec(
    "lakehouse_store_size_bytes", "gauge", "bytes", (), "Size of the disk that holds the tables", "constant"
)
DAGSTER_RUNS = MetricSpec(
    "lakehouse_dagster_runs_total",
    "counter",
    "runs",
    # Not `job`: Prometheus writes the name of the scrape over it.
    ("dagster_job", "status"),
    "Runs that ended since the exporter began: success, failure, canceled",
    "no failures",
)
DAGSTER_CHECK = MetricSpec(
    "lakehouse_dagster_asset_check_passed",
    "gauge",
    "1 or 0",
    ("asset", "check", "severity"),
    "Whether an asset check passed when it was last evaluated",
    "1",
)
SOURCE_UP = MetricSpec(
    "lakehouse_exporter_source_up",
    "gauge",
    "1 or 0",
    ("source",),
    "Whether a source was collected within its time; the metrics of one that was not are absent",
    "1",
)
SOURCE_SECONDS = MetricSpec(
    "lakehouse_exporter_collect_seconds", "gauge", "seconds", ("source",), "How long a source last took", "below 1"
)
SOURCE_CPU = MetricSpec(
    "lakehouse_exporter_collect_cpu_seconds_total",
    "counter",
    "CPU seconds",
    ("source",),
    "CPU time that collecting a source has taken",
    "below 0.05 a second for all together",
)

SPECS = (
    *(GROUP_LAG, GROUP_OFFSET, GROUP_LAG_SECONDS, TOPIC_OFFSET, TOPIC_OLDEST),
    *(FRESHNESS, MISSED, CONTRACT, TOLERANCE, LATENCY, DUPLICATES, REJECTED, LATE),
    *(TABLE_VERSION, TABLE_ROWS, TABLE_BYTES, TABLE_FILES, TABLE_SMALL, TABLE_COMMIT),
    *(STORE_FREE, STORE_SIZE),
    *(DAGSTER_RUNS, DAGSTER_CHECK, SOURCE_UP, SOURCE_SECONDS, SOURCE_CPU),
)


class Families:
    """Metrics while their samples are gathered, each once."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def add(self, spec: MetricSpec, labels: tuple[str, ...], value: float) -> None:
        """One sample of a gauge or a counter."""
        self._family(spec).add_metric(labels, value)

    def add_histogram(
        self, spec: MetricSpec, labels: tuple[str, ...], buckets: list[tuple[str, float]], total: float
    ) -> None:
        """One sample of a histogram: upper bounds with cumulative counts, and the sum of all values."""
        self._family(spec).add_metric(labels, buckets, total)

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._families.values())

    def _family(self, spec: MetricSpec) -> Any:
        return self._families.setdefault(spec.name, spec.family())
