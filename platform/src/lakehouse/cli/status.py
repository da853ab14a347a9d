"""`lakehouse status`: what runs, how the streaming queries do, and how fresh each streaming table is."""

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from lakehouse.local.status import StackStatus

#: As often as the generator's second-by-second commits make it worth while.
_EVERY_SECONDS = 2.0
#: Without a terminal nothing is cut off to make it fit.
_WIDE = 160


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Show each part of the stack and each table: its engine, its writer, and how fresh it is.

    Of a table: the age of the oldest event that it does not show yet, green within what its contract allows and red
    once that is missed for longer than tolerated; how long 95 of 100 events of the last hour took to become visible;
    messages that its writer has still to finish; rows a second that became visible; its writer's last checkpoint, of
    Spark the last micro-batch; rows in the table and in quarantine. What fails again and again is restarting, not
    running, and its last error is shown.

    \b
    Examples:
      lakehouse status
      lakehouse status --watch
      lakehouse status --json | jq '.tables[] | {table, state, behind: .freshness.age, lag: .lag_messages}'
      lakehouse status --json | jq '.jobs[] | select(.state != "running")'
      lakehouse status --json | jq '.queries[] | select(.state != "running")'
    """
    from rich.console import Console

    from lakehouse.cli.overview import overview
    from lakehouse.local.status import stack_status

    if as_json and watch:
        raise typer.BadParameter("--json is for scripts, --watch for a terminal: give one.")
    settings = load_settings()
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    if watch:
        _watch(console, settings)
    elif as_json:
        typer.echo(json.dumps(_as_json(stack_status(settings)), indent=2, default=_json_value))
    else:
        console.print(overview(stack_status(settings), console), highlight=False, crop=False)


def _watch(console: "Console", settings: Settings) -> None:
    """The whole screen, as it is now; what was there before comes back at the end."""
    from rich.live import Live

    from lakehouse.cli.overview import overview
    from lakehouse.local.status import stack_status

    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(overview(stack_status(settings), console, tables_first=True), refresh=True)
                time.sleep(_EVERY_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _as_json(status: "StackStatus") -> dict[str, object]:
    return {
        "parts": [asdict(part) for part in status.parts],
        "queries": [asdict(query) for query in status.queries],
        "jobs": [asdict(job) for job in status.jobs],
        "tables": [asdict(table) for table in status.tables],
        "models": [{key: value for key, value in asdict(model).items() if key != "totals"} for model in status.models],
    }


def _json_value(value: object) -> str:
    """Datetimes as ISO 8601 in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"no JSON for {value!r}")
