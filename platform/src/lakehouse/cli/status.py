"""`lakehouse status`: what runs, how the streaming queries do, and how fresh each streaming table is."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lakehouse.settings import load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from lakehouse.local.status import PartStatus, TableStatus
    from lakehouse_spark.status import QueryStatus

_T = TypeVar("_T")
#: An error that was overcome is still worth a line for this long.
_RECENT_SECONDS = 3600
_COLOURS = {"RUNNING": "green", "STOPPED": "dim", "FATAL": "red", "FAILED": "red"}


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show each part of the stack, each streaming query and each streaming table.

    A part or a query that fails again and again is restarting, not running, and its last error is shown. Of a table:
    version, rows, newest event and how long ago that was.

    \b
    Examples:
      lakehouse status
      lakehouse status --json | jq '.tables[] | {table, lag_seconds}'
      lakehouse status --json | jq '.queries[] | select(.state != "running")'
      watch -n 2 lakehouse status
    """
    from lakehouse.contracts import load_contracts
    from lakehouse.local.status import part_statuses, table_status
    from lakehouse.storage import Catalog

    settings = load_settings()
    parts, queries = part_statuses(settings)
    catalog = Catalog.from_settings(settings)
    tables = [table_status(catalog, contract) for contract in load_contracts(settings.contracts_dir)]
    if as_json:
        answer = {
            "parts": [asdict(part) for part in parts],
            "queries": [asdict(query) for query in queries],
            "tables": [asdict(table) for table in tables],
        }
        typer.echo(json.dumps(answer, indent=2, default=_json_value))
    else:
        _print(parts, queries, tables)


def _print(parts: list["PartStatus"], queries: list["QueryStatus"], tables: list["TableStatus"]) -> None:
    from rich.console import Console

    console = Console()
    _print_parts(console, parts)
    if queries:
        _print_queries(console, queries)
    _print_tables(console, tables)


def _print_parts(console: "Console", parts: list["PartStatus"]) -> None:
    from rich.table import Table

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
    console.print(shown)
    total = sum(part.memory_bytes or 0 for part in parts)
    console.print(f"[dim]memory of all: {_mebibytes(total)}[/]", highlight=False)
    for part in parts:
        _print_error(console, part.name, part.last_error, part.failed_at)
    console.print()


def _print_queries(console: "Console", queries: list["QueryStatus"]) -> None:
    from rich.table import Table

    shown = Table("query", "state", "last batch", "written", "rows read", "rows/s", box=None, pad_edge=False)
    for query in queries:
        shown.add_row(
            query.table,
            _coloured(query.state.value),
            _or_dash(query.batch, str),
            _or_dash(query.batch_at, lambda at: f"{_ago(datetime.fromisoformat(at))} ago"),
            _or_dash(query.input_rows, "{:,}".format),
            _or_dash(query.rows_per_second, "{:,.0f}".format),
        )
    console.print(shown)
    for query in queries:
        at = datetime.fromisoformat(query.failed_at) if query.failed_at else None
        if query.failing or (at and (datetime.now(UTC) - at).total_seconds() < _RECENT_SECONDS):
            _print_error(console, query.table, query.error, at)
    console.print()


def _print_tables(console: "Console", tables: list["TableStatus"]) -> None:
    from rich.table import Table

    shown = Table("table", "engine", "version", "rows", "rejected", "newest event", "lag", box=None, pad_edge=False)
    for table in tables:
        lag = _or_dash(table.lag_seconds, _duration)
        if table.lag_seconds is not None and table.lag_seconds > table.freshness_seconds:
            lag = f"[yellow]{lag} (contract: {_duration(table.freshness_seconds)})[/]"
        shown.add_row(
            table.table,
            table.engine,
            _or_dash(table.version, str),
            _or_dash(table.rows, "{:,}".format),
            _or_dash(table.rejected_rows, "{:,}".format),
            _or_dash(table.newest_event, "{:%Y-%m-%d %H:%M:%S} UTC".format),
            lag,
        )
    console.print(shown)


def _print_error(console: "Console", name: str, error: str | None, at: datetime | None) -> None:
    from rich.markup import escape

    if error is not None and at is not None:
        console.print(f"[yellow]{name}, {_ago(at)} ago:[/] {escape(error)}", highlight=False, soft_wrap=True)


def _coloured(state: str) -> str:
    return f"[{_COLOURS.get(state.upper(), 'yellow')}]{state.lower()}[/]"


def _ago(moment: datetime) -> str:
    return _duration(max(0.0, (datetime.now(UTC) - moment).total_seconds()))


def _or_dash(value: _T | None, text: Callable[[_T], str]) -> str:
    return "-" if value is None else text(value)


def _duration(seconds: float) -> str:
    """Two units are enough to judge by: `45s`, `3m 20s`, `2h 5m`, `3d 4h`."""
    whole = int(seconds)
    for size, unit, smaller, smaller_unit in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // smaller}{smaller_unit}"
    return f"{whole}s"


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MiB"


def _json_value(value: object) -> str:
    """Datetimes as ISO 8601 in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"no JSON for {value!r}")
