"""What the dashboards show, as data: `lakehouse contracts generate` makes Grafana's JSON of it, see `grafana`."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a panel shows its series."""

    LINES = "lines"
    NUMBER = "number"
    TABLE = "table"


@dataclass(frozen=True)
class Panel:
    """One panel. ``unit`` is Grafana's name of it, ``legend`` a template over the labels of ``expr``."""

    title: str
    expr: str
    legend: str
    unit: str = "short"
    kind: Kind = Kind.LINES
    description: str = ""


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; ``uid`` is its name in addresses and files."""

    uid: str
    title: str
    panels: tuple[Panel, ...]


#: Flink's reporter writes `raw.orders` as `raw_orders`.
_JOB, _TABLE = "{{job_name}}", "{{table}}"

OVERVIEW = Dashboard(
    "lakehouse-overview",
    "Lakehouse: contracts",
    (
        Panel(
            "Contracts kept",
            "count(lakehouse_table_contract_missed_seconds == 0)",
            "kept",
            kind=Kind.NUMBER,
            description="Tables that hold every event their contract asks for at this moment",
        ),
        Panel(
            "Contracts missed beyond their tolerance",
            "count(lakehouse_table_contract_missed_seconds > on (table) lakehouse_contract_tolerance_seconds) or "
            "vector(0)",
            "missed",
            kind=Kind.NUMBER,
        ),
        Panel(
            "Writers that run",
            "sum(lakehouse_spark_query_running) + count(flink_jobmanager_job_runningTime > 0)",
            "run",
            kind=Kind.NUMBER,
        ),
        Panel(
            "Events lost or doubled",
            '(sum(lakehouse_table_rejected_events_total{reason="offsets_lost"}) or vector(0)) + '
            "(sum(lakehouse_table_duplicate_events_total) or vector(0))",
            "events",
            kind=Kind.NUMBER,
        ),
        Panel(
            "Age of the oldest event that is not visible",
            "lakehouse_table_freshness_seconds",
            _TABLE,
            "s",
            description="0 when a table holds every event",
        ),
        Panel(
            "Share of what the contract allows",
            "lakehouse_table_freshness_seconds / on (table) lakehouse_contract_freshness_seconds",
            _TABLE,
            "percentunit",
        ),
        Panel(
            "From event to visible, 95 %",
            "histogram_quantile(0.95, sum by (table, le) (rate(lakehouse_table_latency_seconds_bucket[5m])))",
            _TABLE,
            "s",
        ),
        Panel(
            "Rows that became visible",
            "sum by (table) (rate(lakehouse_table_latency_seconds_count[5m]))",
            _TABLE,
            "wps",
        ),
    ),
)

KAFKA = Dashboard(
    "lakehouse-kafka",
    "Lakehouse: Kafka",
    (
        Panel(
            "Lag",
            'sum by (consumergroup, topic) (kafka_consumergroup_lag{consumergroup=~"lakehouse[.].+"})',
            "{{consumergroup}}",
        ),
        Panel("Lag in seconds", "max by (consumergroup) (kafka_consumergroup_lag_seconds)", "{{consumergroup}}", "s"),
        Panel("Events produced", "sum by (topic) (rate(kafka_topic_partition_current_offset[5m]))", "{{topic}}", "wps"),
        Panel(
            "Events finished",
            "sum by (consumergroup) (rate(kafka_consumergroup_current_offset[5m]))",
            "{{consumergroup}}",
            "wps",
        ),
        Panel(
            "Messages held",
            "sum by (topic) (kafka_topic_partition_current_offset - kafka_topic_partition_oldest_offset)",
            "{{topic}}",
            description="What has not expired",
        ),
    ),
)

SPARK = Dashboard(
    "lakehouse-spark",
    "Lakehouse: Spark",
    (
        Panel("Queries", "lakehouse_spark_query_running", _TABLE, description="1 while a query runs"),
        Panel("Failures", "increase(lakehouse_spark_query_failures_total[5m])", _TABLE),
        Panel("Events that arrive", "lakehouse_spark_input_rows_per_second", _TABLE, "wps"),
        Panel("Events that are processed", "lakehouse_spark_processed_rows_per_second", _TABLE, "wps"),
        Panel("Phases of a batch", "lakehouse_spark_batch_phase_seconds", "{{table}} {{phase}}", "s"),
        Panel("Lag", "lakehouse_spark_lag_messages", _TABLE),
        Panel("Age of the watermark", "time() - lakehouse_spark_watermark_timestamp_seconds", _TABLE, "s"),
        Panel("Rows of state", "lakehouse_spark_state_rows", _TABLE),
        Panel("Memory of state", "lakehouse_spark_state_bytes", _TABLE, "bytes"),
    ),
)

FLINK = Dashboard(
    "lakehouse-flink",
    "Lakehouse: Flink",
    (
        Panel("Duration of checkpoints", "flink_jobmanager_job_lastCheckpointDuration", _JOB, "ms"),
        Panel("Size of checkpoints", "flink_jobmanager_job_lastCheckpointSize", _JOB, "bytes"),
        Panel(
            "Age of the last checkpoint",
            "time() - flink_jobmanager_job_lastCheckpointCompletedTimestamp / 1000",
            _JOB,
            "s",
        ),
        Panel("Failed checkpoints", "increase(flink_jobmanager_job_numberOfFailedCheckpoints[5m])", _JOB),
        Panel("Restarts", "increase(flink_jobmanager_job_numRestarts[15m])", _JOB),
        Panel(
            "Backpressure",
            "max by (job_name) (flink_taskmanager_job_task_backPressuredTimeMsPerSecond) / 1000",
            _JOB,
            "percentunit",
            description="Share of the time that the most backpressured task waits",
        ),
        Panel("Busy", "max by (job_name) (flink_taskmanager_job_task_busyTimeMsPerSecond) / 1000", _JOB, "percentunit"),
        Panel(
            "Age of the watermark",
            "time() - min by (job_name) (flink_taskmanager_job_task_currentInputWatermark > 0) / 1000",
            _JOB,
            "s",
        ),
        Panel(
            "Rows committed",
            "sum by (job_name) (rate(flink_taskmanager_job_task_operator_deltaRowsCommitted[5m]))",
            _JOB,
            "wps",
        ),
        Panel(
            "Duration of commits",
            "max by (job_name) (flink_taskmanager_job_task_operator_deltaLastCommitDurationMs)",
            _JOB,
            "ms",
        ),
        Panel("Free slots", "flink_jobmanager_taskSlotsAvailable", "slots", kind=Kind.NUMBER),
    ),
)

TABLES = Dashboard(
    "lakehouse-tables",
    "Lakehouse: Delta tables",
    (
        Panel("Rows", "lakehouse_table_rows", _TABLE),
        Panel("Size", "lakehouse_table_bytes", _TABLE, "bytes"),
        Panel("Files", "lakehouse_table_files", _TABLE),
        Panel("Share of small files", "lakehouse_table_small_file_ratio", _TABLE, "percentunit"),
        Panel("Commits", "rate(lakehouse_table_version[5m]) * 60", _TABLE, description="A minute"),
        Panel("Age of the last commit", "time() - lakehouse_table_last_commit_timestamp_seconds", _TABLE, "s"),
        Panel(
            "Rejected events",
            "sum by (table, reason) (rate(lakehouse_table_rejected_events_total[5m]))",
            "{{table}} {{reason}}",
        ),
        Panel("Events too late", "rate(lakehouse_table_late_events_total[5m])", _TABLE),
    ),
)

DAGSTER = Dashboard(
    "lakehouse-dagster",
    "Lakehouse: dbt and Dagster",
    (
        Panel(
            "Runs",
            "sum by (dagster_job, status) (increase(lakehouse_dagster_runs_total[1h]))",
            "{{dagster_job}} {{status}}",
        ),
        Panel(
            "Checks that fail",
            "lakehouse_dagster_asset_check_passed == 0",
            "{{asset}} {{check}}",
            kind=Kind.TABLE,
            description="0: failed when it was last evaluated",
        ),
        Panel(
            "From event to mart, 95 %",
            "histogram_quantile(0.95, sum by (table, le) "
            '(rate(lakehouse_table_latency_seconds_bucket{table=~"marts[.].+"}[1h])))',
            _TABLE,
            "s",
        ),
        Panel("Sources of the exporter", "lakehouse_exporter_source_up", "{{source}}"),
        Panel("CPU of the exporter", "rate(lakehouse_exporter_collect_cpu_seconds_total[5m])", "{{source}}"),
    ),
)

DASHBOARDS = (OVERVIEW, KAFKA, SPARK, FLINK, TABLES, DAGSTER)
