"""How the stack does: its programs, its streaming queries and its streaming tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lakehouse.contracts import Contract, load_contracts
from lakehouse.flink.status import JobState, JobStatus
from lakehouse.local.crashes import crashes
from lakehouse.local.flink_jobs import flink_jobs
from lakehouse.local.processes import memory_bytes
from lakehouse.local.programs import endpoints
from lakehouse.local.queries import query_statuses
from lakehouse.local.supervisor import Supervisor
from lakehouse.observability.broker import Broker
from lakehouse.observability.freshness import Freshness, measure
from lakehouse.observability.lag import consumer_lags
from lakehouse.observability.marts import MartFreshness, measure_marts
from lakehouse.observability.messages import BrokerError
from lakehouse.observability.rate import rows_per_second
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, table_stats
from lakehouse_spark.status import QueryStatus, read_status, status_file

#: A program that was started again counts as running once it has lived this long.
_SETTLED_SECONDS = 60
#: Whoever asks how the stack does wants to hear it soon, and all the more while the broker is down.
_BROKER_SECONDS = 3.0


@dataclass(frozen=True)
class PartStatus:
    """One program of the stack. ``restarts`` counts how often it ended by itself since it was last stopped."""

    name: str
    state: str
    ports: dict[str, int]
    url: str
    pid: int | None = None
    uptime_seconds: int | None = None
    memory_bytes: int | None = None
    restarts: int = 0
    last_error: str | None = None
    failed_at: datetime | None = None


@dataclass(frozen=True)
class TableStatus:
    """One streaming table; None where it does not exist yet, or is empty.

    ``state``, ``checkpoint`` and ``checkpoint_at`` are those of its writer: of a Spark query, the last micro-batch.
    ``lag_messages`` is what its consumer group has still to finish; of a table that follows another, rows.
    ``rows_per_second`` are those that became visible within the last five minutes.
    ``lag_seconds`` is the age of the newest event, which on a quiet topic says nothing. ``freshness`` is measured; None
    where it never was.
    """

    table: str
    engine: str
    freshness_seconds: float
    state: str | None = None
    lag_messages: int | None = None
    rows_per_second: float | None = None
    checkpoint: int | None = None
    checkpoint_at: datetime | None = None
    version: int | None = None
    rows: int | None = None
    rejected_rows: int | None = None
    newest_event: datetime | None = None
    lag_seconds: float | None = None
    freshness: Freshness | None = None


@dataclass(frozen=True)
class StackStatus:
    """All of it at one moment."""

    parts: list[PartStatus]
    queries: list[QueryStatus]
    jobs: list[JobStatus]
    tables: list[TableStatus]
    models: list[MartFreshness]


def stack_status(settings: Settings) -> StackStatus:
    """Looks at everything once."""
    parts, queries = part_statuses(settings)
    jobs = job_statuses(settings)
    catalog = Catalog.from_settings(settings)
    contracts = load_contracts(settings.contracts_dir)
    streaming, models, behind = measured(settings, catalog, contracts)
    told = {
        **{query.table: _of_query(query) for query in queries},
        # A table that moved is told by the engine that it moved to.
        **{job.table: _of_job(job) for job in jobs},
    }
    tables = []
    for contract in contracts:
        table = replace(table_status(catalog, contract), freshness=streaming[contract.table])
        table = replace(table, **told.get(contract.table, {}))
        tables.append(
            replace(
                table,
                # The group's is the truth: a query that hangs tells what it last knew.
                lag_messages=behind.get(contract.table, table.lag_messages),
                rows_per_second=rows_per_second(settings, contract),
            )
        )
    return StackStatus(parts, queries, jobs, tables, [models[name] for name in sorted(models)])


def _of_query(query: QueryStatus) -> dict[str, Any]:
    at = datetime.fromisoformat(query.batch_at) if query.batch_at else None
    state = {"state": query.state.value, "lag_messages": query.lag_messages}
    return {**state, "checkpoint": query.batch, "checkpoint_at": at}


def _of_job(job: JobStatus) -> dict[str, Any]:
    return {"state": job.state.value, "checkpoint": job.checkpoint, "checkpoint_at": job.checkpoint_at}


def job_statuses(settings: Settings) -> list[JobStatus]:
    """Every Flink job that a contract asks for."""
    jobs = flink_jobs(settings)
    manager = Supervisor(settings).states().get("flink-jobmanager")
    if manager and manager.alive:
        return jobs
    return [replace(job, state=JobState.STOPPED) for job in jobs]


def part_statuses(settings: Settings) -> tuple[list[PartStatus], list[QueryStatus]]:
    """Every program of the stack, and every streaming query that a Spark application tells of."""
    states = Supervisor(settings).states()
    crashed = crashes(settings) if states else {}
    queries = query_statuses(settings, states.get("spark"), crashed="spark" in crashed)
    parts = []
    for name, endpoint in endpoints(settings).items():
        part = PartStatus(name=name, state="STOPPED", ports=dict(endpoint.ports), url=endpoint.url)
        if state := states.get(name):
            part = replace(part, state=state.state, uptime_seconds=state.uptime_seconds)
            if state.pid:
                part = replace(part, pid=state.pid, memory_bytes=memory_bytes(state.pid))
        if crash := crashed.get(name):
            part = replace(part, restarts=crash.count, last_error=crash.how, failed_at=crash.last_at)
            if name == "spark" and (error := read_status(status_file(settings)).error):
                part = replace(part, last_error=error)
            if (
                part.state in {"RUNNING", "STARTING", "BACKOFF", "EXITED"}
                and (part.uptime_seconds or 0) < _SETTLED_SECONDS
            ):
                part = replace(part, state="RESTARTING")
        parts.append(part)
    return parts, sorted(queries.values(), key=lambda query: query.table)


def measured(
    settings: Settings, catalog: Catalog, contracts: Sequence[Contract]
) -> tuple[dict[str, Freshness], dict[str, MartFreshness], dict[str, int]]:
    """How fresh streaming tables and dbt's are, and how far writers are behind, by table.

    Without a broker: as the tables themselves tell.
    """
    kafka = Supervisor(settings).states().get("kafka")
    behind: dict[str, int] = {}
    if settings.kafka_is_local and not (kafka and kafka.alive):
        return measure(settings, catalog, contracts, None), measure_marts(settings, catalog, contracts), behind
    try:
        with Broker(settings.kafka, _BROKER_SECONDS) as broker:
            # First, as it takes least: a broker that is busy may still answer this.
            behind = consumer_lags(contracts, broker)
            streaming = measure(settings, catalog, contracts, broker)
    except BrokerError:
        streaming = measure(settings, catalog, contracts, None)
    return streaming, measure_marts(settings, catalog, contracts), behind


def table_status(catalog: Catalog, contract: Contract) -> TableStatus:
    """The table of ``contract``, from its log alone."""
    table = TableStatus(contract.table, contract.resolved_engine.value, contract.freshness.total_seconds())
    if catalog.exists(contract.rejected_table):
        table = replace(table, rejected_rows=table_stats(catalog, contract.rejected_table).rows)
    if catalog.exists(contract.table):
        column = contract.event_time.column
        stats = table_stats(catalog, contract.table, maxima_of=[column])
        table = replace(table, version=stats.version, rows=stats.rows)
        newest = stats.maxima[column]
        if isinstance(newest, datetime):
            table = replace(table, newest_event=newest, lag_seconds=(datetime.now(UTC) - newest).total_seconds())
    return table
