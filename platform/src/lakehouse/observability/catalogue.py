"""All that Prometheus can scrape: the exporter's metrics, and the most telling ones of Spark and Flink."""

from dataclasses import dataclass

from lakehouse.observability.metrics import SPECS, MetricSpec


@dataclass(frozen=True)
class MetricPart:
    """The metrics of one kind of process, and ``where`` they are served."""

    title: str
    where: str
    specs: tuple[MetricSpec, ...]


_QUERY = ("table",)
_JOB = ("job_name",)
_TASK = ("job_name", "task_name")

_SPARK = tuple(
    MetricSpec(f"lakehouse_spark_{name}", kind, unit, labels, meaning, healthy)
    for name, kind, unit, labels, meaning, healthy in (
        ("query_running", "gauge", "1 or 0", _QUERY, "Whether the query runs", "1"),
        (
            *("query_failures_total", "counter", "failures", _QUERY),
            *("How often the query failed since the application began", "constant"),
        ),
        (
            *("lag_seconds", "gauge", "seconds", _QUERY),
            *("How long ago the query had last read all there was", "below the freshness of the contract"),
        ),
        (
            *("lag_messages", "gauge", "messages", _QUERY),
            *("Events in the topic that the last trigger did not read", "not growing"),
        ),
        (
            *("lag_versions", "gauge", "versions", _QUERY),
            *("Versions of its source table that the query had not read after the last trigger", "not growing"),
        ),
        ("batch_id", "gauge", "number", _QUERY, "Number of the last micro-batch", "grows while events come in"),
        (
            *("input_rows_per_second", "gauge", "events a second", _QUERY),
            *("Events that arrived, of the last trigger", "below the processed ones, on average"),
        ),
        (
            *("processed_rows_per_second", "gauge", "events a second", _QUERY),
            *("Events that were processed, of the last trigger", "above the arriving ones, on average"),
        ),
        (
            *("batch_phase_seconds", "gauge", "seconds", ("table", "phase")),
            *("Duration of each phase of the last trigger", "together below the trigger's interval"),
        ),
        (
            *("watermark_timestamp_seconds", "gauge", "seconds since 1970", _QUERY),
            *("Event time behind which events are late", "moves on with the events"),
        ),
        (
            *("state_rows", "gauge", "rows", _QUERY),
            *("Rows that the query keeps between batches", "bounded: without a watermark it grows for ever"),
        ),
        ("state_bytes", "gauge", "bytes", _QUERY, "Memory that these take", "below half of the driver's memory"),
        (
            *("late_rows_total", "counter", "rows", _QUERY),
            *("Rows that came behind the watermark, and were left out", "constant, or growing slowly"),
        ),
    )
)
_FLINK = tuple(
    MetricSpec(f"flink_{name}", "gauge", unit, labels, meaning, healthy)
    for name, unit, labels, meaning, healthy in (
        (
            *("jobmanager_job_numberOfCompletedCheckpoints", "checkpoints", _JOB),
            *("Checkpoints that were completed: each is a commit", "grows by one each interval"),
        ),
        (
            *("jobmanager_job_numberOfFailedCheckpoints", "checkpoints", _JOB),
            *("Checkpoints that failed; a few at the start of a job are usual", "does not grow while the job runs"),
        ),
        (
            *("jobmanager_job_lastCheckpointDuration", "milliseconds", _JOB),
            *("How long the last checkpoint took", "well below the interval"),
        ),
        ("jobmanager_job_lastCheckpointSize", "bytes", _JOB, "Size of the last checkpoint", "bounded"),
        (
            *("jobmanager_job_numRestarts", "restarts", _JOB),
            *("How often the job was started again since it was submitted", "does not grow"),
        ),
        (
            *("jobmanager_job_runningTime", "milliseconds", _JOB),
            *("How long all tasks of a job have run without a break", "grows"),
        ),
        (
            *("jobmanager_job_lastCheckpointCompletedTimestamp", "milliseconds since 1970", _JOB),
            *("When the last checkpoint was completed", "younger than a few intervals"),
        ),
        ("jobmanager_taskSlotsAvailable", "slots", (), "Tasks that the cluster has still room for", "above 0"),
        (
            *("taskmanager_job_task_backPressuredTimeMsPerSecond", "milliseconds", _TASK),
            *("How long a task waits for the one downstream, of each second", "below 500"),
        ),
        (
            *("taskmanager_job_task_numRecordsIn", "records", _TASK),
            *("Records that a task has taken", "grows as events come in"),
        ),
        (
            *("taskmanager_job_task_currentInputWatermark", "milliseconds since 1970", _TASK),
            *("Event time up to which a task has been told that nothing comes any more", "moves on with the events"),
        ),
        (
            *("taskmanager_job_task_operator_deltaRowsCommitted", "rows", ("job_name", "operator_name")),
            *("Rows that a sink has committed", "grows as events come in"),
        ),
        (
            *("taskmanager_job_task_operator_deltaLastCommitDurationMs", "milliseconds", ("job_name", "operator_name")),
            *("How long a sink's last commit took", "well below the interval"),
        ),
        (
            *("taskmanager_job_task_busyTimeMsPerSecond", "milliseconds", _TASK),
            *("How busy a task is, of each second", "below 800"),
        ),
        (
            *("taskmanager_job_task_operator_currentOutputWatermark", "milliseconds", ("job_name", "operator_name")),
            *("Watermark of an operator, event time since 1970", "moves on with the events"),
        ),
        (
            *("taskmanager_job_task_operator_KafkaSourceReader_KafkaConsumer_records_lag_max", "messages", _JOB),
            *("Messages that the source is behind, in its partition with most", "not growing"),
        ),
    )
)

PARTS = (
    MetricPart("Exporter", "`LAKEHOUSE_EXPORTER_PORT`, `/metrics`", SPECS),
    MetricPart("Spark queries", "`LAKEHOUSE_SPARK_STATUS_PORT`, `/metrics`", _SPARK),
    MetricPart("Flink", "`LAKEHOUSE_FLINK_METRICS_PORTS`, one port a process", _FLINK),
)
