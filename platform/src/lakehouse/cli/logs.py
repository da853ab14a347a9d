"""`lakehouse logs`: what the parts of the stack have logged, as one log."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.settings import load_settings

if TYPE_CHECKING:
    from lakehouse.local.log_entries import Entry

_COLOURS = {"ERROR": typer.colors.RED, "WARN": typer.colors.YELLOW}


class Level(StrEnum):
    """From which level on an entry is shown."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


def logs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Parts of the stack, or supervisord; all of them.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines arrive, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many entries from the end.")] = 100,
    table: Annotated[str | None, typer.Option(metavar="TABLE", help="Only what names it, or its Flink job.")] = None,
    level: Annotated[Level | None, typer.Option(help="Only this level and those above.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON each, for scripts.")] = False,
) -> None:
    """Show what the parts of the stack have logged, merged by time, in one form.

    Time in UTC, level, part, table where one is named, logger, message. As each part wrote it: .lakehouse/logs.

    \b
    Examples:
      lakehouse logs spark
      lakehouse logs kafka -f
      lakehouse logs --table raw.orders --level warn
      lakehouse logs flink-jobmanager flink-taskmanager flink-jobs -n 500
      lakehouse logs --json | jq 'select(.table == "streaming.fraud_alerts") | .message'
    """
    from lakehouse.local.merged_logs import following, merged
    from lakehouse.local.programs import PROGRAM_NAMES, check_names
    from lakehouse.local.supervisor import log_file

    settings = load_settings()
    known = [*PROGRAM_NAMES, "supervisord"]
    names = names or known
    check_names(names, known)
    for name in names if names != known else ():
        if not (file := log_file(settings, name)).exists():
            typer.echo(f"{name} has logged nothing yet: {file} does not exist.", err=True)
    asked = (settings, names, lines, table, level.name if level else None)
    try:
        for entry in following(*asked) if follow else merged(*asked):
            _show(entry, as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _show(entry: "Entry", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(entry.as_json(), ensure_ascii=False))
    else:
        typer.secho(str(entry), fg=_COLOURS.get(entry.level))
