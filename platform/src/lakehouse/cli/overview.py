"""The status of the stack as text: the parts, a line a table, and what last went wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from lakehouse.flink.status import JobStatus
from lakehouse.local.status import PartStatus, StackStatus
from lakehouse.observability.freshness import Freshness
from lakehouse_spark.status import QueryStatus

_T = TypeVar("_T")
#: An error that was overcome is still worth a line for this long.
_RECENT_SECONDS = 3600
#: The columns of the tables, and how each is set.
_COLUMNS: Mapping[str, JustifyMethod] = {
    **dict.fromkeys(("table", "engine", "state"), "left"),
    **dict.fromkeys(("behind", "allowed", "p95", "lag", "rows/s"), "right"),
    "checkpoint": "left",
    **dict.fromkeys(("rows", "rejected"), "right"),
}
#: What a narrow terminal goes without, in this order.
_DISPENSABLE = ("p95", "rows", "allowed", "engine", "checkpoint")
_ENDLESS = 10_000
_COLOURS = {"RUNNING": "green", "STOPPED": "dim", "FATAL": "red", "FAILED": "red", "SILENT": "red"}


def overview(status: StackStatus, console: Console, *, tables_first: bool = False) -> RenderableType:
    """All of it, as far as ``console`` is wide enough; ``tables_first`` where it may not be high enough either."""
    memory = sum(part.memory_bytes or 0 for part in status.parts)
    errors = [
        *(_error(part.name, part.last_error, part.failed_at) for part in status.parts),
        *_query_errors(status.queries),
        *_job_errors(status.jobs),
    ]
    parts = Group(_parts(status.parts), Text(f"memory of all: {_mebibytes(memory)}", style="dim"))
    tables = _tables(status, console)
    found = [error for error in errors if error is not None]
    blocks = [tables, *found, "", parts] if tables_first else [parts, "", tables, *(["", *found] if found else [])]
    return Group(*blocks)


def jobs_overview(jobs: list[JobStatus]) -> RenderableType:
    """Each Flink job as a line of a table, and below it what last went wrong."""
    shown = Table("job", "state", "checkpoint", "made", "took", "restarts", box=None, pad_edge=False)
    for job in jobs:
        shown.add_row(
            job.table,
            _coloured(job.state.value),
            _or_dash(job.checkpoint, str),
            _or_dash(job.checkpoint_at, _ago),
            _or_dash(job.checkpoint_ms, lambda ms: f"{ms / 1000:.1f}s"),
            f"[yellow]{job.restarts}[/]" if job.restarts else "0",
        )
    return Group(shown, *_job_errors(jobs))


def _parts(parts: list[PartStatus]) -> Table:
    shown = Table("part", "state", "pid", "uptime", "restarts", "memory", "where", box=None, pad_edge=False)
    for part in parts:
        shown.add_row(
            part.name,
            _coloured(part.state),
            _or_dash(part.pid, str),
            _or_dash(part.uptime_seconds, _duration),
            f"[yellow]{part.restarts}[/]" if part.restarts else "0",
            _or_dash(part.memory_bytes, _mebibytes),
            part.url,
        )
    return shown


def _tables(status: StackStatus, console: Console) -> Table:
    """A line a table, with as many columns as there is room for."""
    lines = _lines(status)
    columns = list(_COLUMNS)
    for dispensable in (*_DISPENSABLE, None):
        shown = Table(
            *(Column(name, justify=_COLUMNS[name], no_wrap=True) for name in columns), box=None, pad_edge=False
        )
        for line in lines:
            shown.add_row(*(line.get(name, "") for name in columns))
        needed = Measurement.get(console, console.options.update_width(_ENDLESS), shown).maximum
        if dispensable is None or needed <= console.width:
            break
        columns.remove(dispensable)
    return shown


def _lines(status: StackStatus) -> list[dict[str, str]]:
    """The cells of each line by column."""
    trouble = {
        **{query.table: f" [yellow]{query.failures} failures[/]" for query in status.queries if query.failures},
        **{job.table: f" [yellow]{job.restarts} restarts[/]" for job in status.jobs if job.restarts},
    }
    lines = []
    for table in status.tables:
        freshness = table.freshness
        cells = (
            table.table,
            table.engine,
            _or_dash(table.state, _coloured) + trouble.get(table.table, ""),
            _behind(freshness),
            _duration(table.freshness_seconds),
            _or_dash(freshness.p95 if freshness else None, _precise),
            _or_dash(table.lag_messages, "{:,}".format),
            _or_dash(table.rows_per_second, "{:,.1f}".format),
            _or_dash(table.checkpoint_at, _ago),
            _or_dash(table.rows, "{:,}".format),
            _or_dash(table.rejected_rows, lambda rows: f"[yellow]{rows:,}[/]" if rows else "0"),
        )
        lines.append(dict(zip(_COLUMNS, cells, strict=True)))
    for model in status.models:
        measured = {"behind": _or_dash(model.age, _precise), "p95": _or_dash(model.p95, _precise)}
        lines.append({"table": model.table, "engine": "dbt", **measured})
    return lines


def _behind(freshness: Freshness | None) -> str:
    """The age of the oldest event that is not visible: green within the contract, red once it is not tolerated."""
    if freshness is None or freshness.age is None:
        return "-"
    colour = "red" if freshness.failed else "yellow" if freshness.age > freshness.contract else "green"
    return f"[{colour}]{_precise(freshness.age)}[/]"


def _query_errors(queries: Iterable[QueryStatus]) -> Iterator[RenderableType | None]:
    for query in queries:
        at = datetime.fromisoformat(query.failed_at) if query.failed_at else None
        if query.failing or _is_recent(at):
            yield _error(query.table, query.error, at)


def _job_errors(jobs: Iterable[JobStatus]) -> Iterator[RenderableType]:
    for job in jobs:
        if (job.failing or _is_recent(job.failed_at)) and (told := _error(job.table, job.error, job.failed_at)):
            yield told


def _is_recent(moment: datetime | None) -> bool:
    return moment is not None and (datetime.now(UTC) - moment).total_seconds() < _RECENT_SECONDS


def _error(name: str, error: str | None, at: datetime | None) -> Text | None:
    """None where there is nothing to tell. Never broken into lines: a terminal does that, and `grep` finds it."""
    if error is None or at is None:
        return None
    told = Text.from_markup(f"[yellow]{name}, {_ago(at)}:[/] {escape(error)}", overflow="ignore")
    told.no_wrap = True
    return told


def _coloured(state: str) -> str:
    return f"[{_COLOURS.get(state.upper(), 'yellow')}]{state.lower()}[/]"


def _ago(moment: datetime) -> str:
    return f"{_duration(max(0.0, (datetime.now(UTC) - moment).total_seconds()))} ago"


def _or_dash(value: _T | None, text: Callable[[_T], str]) -> str:
    return "-" if value is None else text(value)


def _duration(seconds: float) -> str:
    """Two units are enough to judge by: `45s`, `3m 20s`, `2h 5m`, `3d 4h`."""
    whole = int(seconds)
    for size, unit, smaller, smaller_unit in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // smaller}{smaller_unit}"
    return f"{whole}s"


def _precise(seconds: float) -> str:
    """As ``_duration``; below ten seconds with a tenth."""
    return _duration(seconds) if seconds >= 10 or not seconds else f"{seconds:.1f}s"


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MiB"
