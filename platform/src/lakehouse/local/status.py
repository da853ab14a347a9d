"""How the stack does: its programs, its streaming queries and its streaming tables."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lakehouse.contracts import Contract
from lakehouse.local.crashes import crashes
from lakehouse.local.processes import memory_bytes
from lakehouse.local.programs import endpoints
from lakehouse.local.queries import query_statuses
from lakehouse.local.supervisor import Supervisor
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, table_stats
from lakehouse_spark.status import QueryStatus

#: A program that was started again counts as running once it has lived this long.
_SETTLED_SECONDS = 60


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
    """One streaming table; None where it does not exist yet, or is empty."""

    table: str
    engine: str
    freshness_seconds: float
    version: int | None = None
    rows: int | None = None
    rejected_rows: int | None = None
    newest_event: datetime | None = None
    lag_seconds: float | None = None


def part_statuses(settings: Settings) -> tuple[list[PartStatus], list[QueryStatus]]:
    """Every program of the stack, and every streaming query that the Spark application tells of."""
    states = Supervisor(settings).states()
    crashed = crashes(settings) if states else {}
    application = query_statuses(settings, states.get("spark"), crashed="spark" in crashed)
    parts = []
    for name, endpoint in endpoints(settings).items():
        part = PartStatus(name=name, state="STOPPED", ports=dict(endpoint.ports), url=endpoint.url)
        if state := states.get(name):
            part = replace(part, state=state.state, uptime_seconds=state.uptime_seconds)
            if state.pid:
                part = replace(part, pid=state.pid, memory_bytes=memory_bytes(state.pid))
        if crash := crashed.get(name):
            part = replace(part, restarts=crash.count, last_error=crash.how, failed_at=crash.last_at)
            if name == "spark" and application.error:
                part = replace(part, last_error=application.error)
            if (
                part.state in {"RUNNING", "STARTING", "BACKOFF", "EXITED"}
                and (part.uptime_seconds or 0) < _SETTLED_SECONDS
            ):
                part = replace(part, state="RESTARTING")
        parts.append(part)
    return parts, list(application.queries.values())


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
