"""The alerts of single contracts, whose thresholds follow from what each asks for."""

from collections.abc import Iterator
from datetime import timedelta

from lakehouse.contracts import Contract, Engine
from lakehouse.contracts.model import OnInvalid
from lakehouse.flink.spec import checkpoint_interval
from lakehouse.observability.alert import Alert, Severity
from lakehouse.observability.freshness import tolerance
from lakehouse.observability.positions import group_of

#: What a watermark may be behind at least, besides its own delay.
_LEAST_BEHIND = timedelta(minutes=5)
_CHECKPOINTS_MISSED = 10
_SHORTEST_SILENCE = timedelta(minutes=5)


def contract_alerts(contract: Contract) -> Iterator[Alert]:
    """What is wrong when it fires for the table of ``contract`` alone."""
    yield from _of_flink(contract) if contract.resolved_engine is Engine.FLINK else _of_spark(contract)
    if contract.source.table is None:
        yield _lag(contract)
    if contract.on_invalid is OnInvalid.QUARANTINE:
        yield _share(
            contract,
            "QuarantineRatioHigh",
            f'lakehouse_table_rejected_events_total{{table="{contract.table}",reason!="offsets_lost"}}',
            contract.checks.quarantine_ratio,
            f"{contract.table} rejects events",
            f"{{{{ $value | humanizePercentage }}}} of the events of {contract.table} went to quarantine.",
        )
    if contract.late is not None:
        yield _share(
            contract,
            "LateRatioHigh",
            f'lakehouse_table_late_events_total{{table="{contract.table}"}}',
            contract.checks.late_ratio,
            f"Events come too late for {contract.table}",
            f"{{{{ $value | humanizePercentage }}}} of the events that {contract.table} counts came too late for its "
            f"windows, and are in {contract.late}.",
        )


def _of_flink(contract: Contract) -> Iterator[Alert]:
    # Flink's reporter writes a dot of a name as an underscore.
    job = f'{{job_name="{contract.table.replace(".", "_")}"}}'
    interval = checkpoint_interval(contract.freshness)
    silence = max(_CHECKPOINTS_MISSED * interval, _SHORTEST_SILENCE)
    yield _writer_down(contract, f"absent(flink_jobmanager_job_runningTime{job} > 0)", "flink-jobs")
    yield Alert(
        "FlinkCheckpointSlow",
        f"max(flink_jobmanager_job_lastCheckpointDuration{job}) / 1000 > {0.8 * interval.total_seconds():g}",
        "10m",
        Severity.WARNING,
        f"Checkpoints of {contract.table} take as long as their interval",
        f"The last checkpoint took {{{{ $value | humanizeDuration }}}}, due each {interval.total_seconds():g} s.",
        contract.table,
        contract.owner,
    )
    # Before a job's first checkpoint Flink reports -1: until then, its own age counts.
    completed = f"max(flink_jobmanager_job_lastCheckpointCompletedTimestamp{job} > 0) / 1000"
    running = f"max(flink_jobmanager_job_runningTime{job}) / 1000"
    yield Alert(
        "FlinkCheckpointOld",
        f"(time() - {completed} or {running} unless {completed}) > {silence.total_seconds():g}",
        "2m",
        Severity.CRITICAL,
        f"{contract.table} has had no checkpoint for long",
        "No checkpoint was completed for {{ $value | humanizeDuration }}: nothing has become visible since.",
        contract.table,
        contract.owner,
    )
    if contract.event_time.watermark is not None:
        watermark = f"min(flink_taskmanager_job_task_currentInputWatermark{job} > 0) / 1000"
        arriving = f"sum(rate(flink_taskmanager_job_task_numRecordsIn{job}[5m])) > 0"
        yield _watermark(contract, watermark, arriving)


def _of_spark(contract: Contract) -> Iterator[Alert]:
    table = f'{{table="{contract.table}"}}'
    yield _writer_down(contract, f"absent(lakehouse_spark_query_running{table} == 1)", "spark")
    if contract.event_time.watermark is not None:
        watermark = f"min(lakehouse_spark_watermark_timestamp_seconds{table})"
        arriving = f"sum(avg_over_time(lakehouse_spark_input_rows_per_second{table}[5m])) > 0"
        yield _watermark(contract, watermark, arriving)


def _lag(contract: Contract) -> Alert:
    # In seconds: how many messages are many depends on the topic, and how old is too old stands in the contract.
    group = group_of(contract)
    freshness = contract.freshness.total_seconds()
    return Alert(
        "KafkaConsumerLagHigh",
        f'max(kafka_consumergroup_lag_seconds{{consumergroup="{group}"}}) > {freshness:g}',
        f"{tolerance(contract).total_seconds():.0f}s",
        Severity.ERROR,
        f"{group} is far behind",
        f"{group} has not finished messages of {contract.source.topic} that are {{{{ $value | humanizeDuration }}}} "
        f"old; the contract of {contract.table} allows {freshness:g} s.",
        contract.table,
        contract.owner,
    )


def _share(contract: Contract, name: str, counter: str, limit: float, summary: str, description: str) -> Alert:
    # Of what the writer has read: a table of windows has a row for many events.
    read = f'kafka_consumergroup_current_offset{{consumergroup="{group_of(contract)}"}}'
    return Alert(
        name,
        f"sum(rate({counter}[15m])) / sum(rate({read}[15m])) > {limit:g}",
        "10m",
        Severity.WARNING,
        summary,
        description,
        contract.table,
        contract.owner,
    )


def _writer_down(contract: Contract, expr: str, log: str) -> Alert:
    return Alert(
        "WriterDown",
        expr,
        "5m",
        Severity.CRITICAL,
        f"Nothing writes {contract.table}",
        f"Its writer does not run, or tells nothing: `lakehouse status`, `lakehouse logs {log}` ({{{{ $value }}}}).",
        contract.table,
        contract.owner,
    )


def _watermark(contract: Contract, watermark: str, arriving: str) -> Alert:
    delay = contract.event_time.watermark or timedelta(0)
    allowed = delay + (contract.event_time.idleness or timedelta(0)) + max(tolerance(contract), _LEAST_BEHIND)
    return Alert(
        "WatermarkOld",
        # Without events a watermark stands still, and nothing waits for it.
        f"time() - {watermark} > {allowed.total_seconds():g} and {arriving}",
        "10m",
        Severity.WARNING,
        f"The watermark of {contract.table} is old",
        "Events arrive, and the watermark is {{ $value | humanizeDuration }} behind: windows stay open.",
        contract.table,
        contract.owner,
    )
