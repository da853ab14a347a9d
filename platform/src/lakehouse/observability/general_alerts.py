"""The alerts that hold for every table, as data."""

from lakehouse.observability.alert import Alert, Severity

_GROUPS = 'consumergroup=~"lakehouse[.].+"'
_OF_GROUP = "sum by (consumergroup, topic)"


#: How long an exporter may be away and still be known to go on counting where it was.
_REMEMBERED = "1w"


def _grew(counter: str, within: str) -> str:
    """What ``counter`` counted within that time, whatever became of the exporter meanwhile.

    Compared is with the last sample of before, however long ago, so that a gap is neither growth nor hides some.
    `increase` sees a counter that began anew and came to the same number; the rest is one that grew less than that
    since it began anew, and one that has a first sample, of which `increase` wants two.
    """
    before = f"last_over_time({counter}[{_REMEMBERED}] offset {within})"
    return (
        f"{counter} - {before} > 0 or increase({counter}[{within}]) > 0 or ({counter} > 0 unless {counter} >= {before})"
    )


GENERAL = (
    Alert(
        "KafkaConsumerLagGrowing",
        f"{_OF_GROUP} (deriv(kafka_consumergroup_lag{{{_GROUPS}}}[5m])) > 500",
        "15m", Severity.CRITICAL,
        "{{ $labels.consumergroup }} falls behind",
        "The lag of {{ $labels.consumergroup }} in {{ $labels.topic }} grows by {{ $value | humanize }} messages a "
        "second: what expires before it is read is lost.",
    ),
    Alert(
        "FlinkCheckpointFailing",
        "sum by (job_name) (increase(flink_jobmanager_job_numberOfFailedCheckpoints[5m])) > 0",
        "2m", Severity.CRITICAL,
        "Checkpoints of {{ $labels.job_name }} fail",
        "{{ $value | humanize }} checkpoints of {{ $labels.job_name }} failed within 5 minutes: its rows do not become "
        "visible, and a restart repeats all work since the last complete one.",
    ),
    Alert(
        "FlinkBackpressure",
        "max by (job_name, task_name) (avg_over_time("
        "flink_taskmanager_job_task_backPressuredTimeMsPerSecond[5m])) > 500",
        "10m", Severity.WARNING,
        "{{ $labels.job_name }} cannot keep up",
        "{{ $labels.task_name }} of {{ $labels.job_name }} waits {{ $value | humanize }} ms of each second for the "
        "tasks behind it.",
    ),
    Alert(
        "FlinkJobRestarting",
        "sum by (job_name) (increase(flink_jobmanager_job_numRestarts[15m])) > 3",
        "0m", Severity.ERROR,
        "{{ $labels.job_name }} restarts again and again",
        "{{ $labels.job_name }} restarted {{ $value | humanize }} times within 15 minutes.",
    ),
    Alert(
        "SparkQueryFailing",
        "sum by (table) (increase(lakehouse_spark_query_failures_total[15m])) > 3",
        "0m", Severity.ERROR,
        "The query of {{ $labels.table }} fails again and again",
        "The query of {{ $labels.table }} failed {{ $value | humanize }} times within 15 minutes.",
    ),
    Alert(
        "ContractMissed",
        "lakehouse_table_contract_missed_seconds > on (table) lakehouse_contract_tolerance_seconds",
        "0m", Severity.ERROR,
        "{{ $labels.table }} is not as fresh as promised",
        "For {{ $value | humanizeDuration }}, {{ $labels.table }} has lacked events that are older than its contract "
        "allows.",
    ),
    Alert(
        "EventsLost",
        _grew('lakehouse_table_rejected_events_total{reason="offsets_lost"}', "1h"),
        "0m", Severity.CRITICAL,
        "{{ $labels.table }} lost events",
        "{{ $value | humanize }} events were gone from Kafka before {{ $labels.table }} read them; its quarantine "
        "table names their offsets.",
    ),
    Alert(
        "EventsDuplicated",
        "increase(lakehouse_table_duplicate_events_total[1h]) > 0",
        "0m", Severity.CRITICAL,
        "{{ $labels.table }} holds events twice",
        "{{ $value | humanize }} offsets came into {{ $labels.table }} a second time within an hour.",
    ),
    Alert(
        "SmallFiles",
        "lakehouse_table_small_file_ratio > 0.8 and on (table) lakehouse_table_files > 1000",
        "1d", Severity.WARNING,
        "{{ $labels.table }} consists of small files",
        "{{ $value | humanizePercentage }} of the files of {{ $labels.table }} are small: maintenance has not "
        "compacted them for a day.",
    ),
    Alert(
        "DagsterRunFailed",
        _grew('lakehouse_dagster_runs_total{status="failure"}', "30m"),
        "0m", Severity.WARNING,
        "A run of {{ $labels.dagster_job }} failed",
        "{{ $value | humanize }} runs of {{ $labels.dagster_job }} failed within 30 minutes.",
    ),
    Alert(
        "AssetCheckFailing",
        'lakehouse_dagster_asset_check_passed{severity="error"} == 0',
        "15m", Severity.ERROR,
        "{{ $labels.check }} of {{ $labels.asset }} fails",
        "The check {{ $labels.check }} of {{ $labels.asset }} has failed for 15 minutes (passed: {{ $value }}).",
    ),
    Alert(
        "DiskFilling",
        "lakehouse_store_free_bytes / lakehouse_store_size_bytes < 0.1 or "
        "predict_linear(lakehouse_store_free_bytes[6h], 86400) < 0",
        "30m", Severity.CRITICAL,
        "The disk of the tables fills up",
        "Free, as a share or in the bytes that will be left tomorrow: {{ $value | humanize }}.",
    ),
    Alert(
        "ExporterDown",
        'absent(up{job="lakehouse"} == 1)',
        "5m", Severity.CRITICAL,
        "Nobody measures the lakehouse",
        "Prometheus reaches no exporter (job lakehouse): no alert of tables and contracts can fire ({{ $value }}).",
    ),
    Alert(
        "ExporterSourceDown",
        "lakehouse_exporter_source_up == 0",
        "10m", Severity.ERROR,
        "The exporter cannot collect {{ $labels.source }}",
        "What {{ $labels.source }} tells is missing for 10 minutes (up: {{ $value }}).",
    ),
)  # fmt: skip
