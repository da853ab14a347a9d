"""`lakehouse maintain`: small files put together, files that nobody needs deleted."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.settings import load_settings

if TYPE_CHECKING:
    from lakehouse.maintenance.run import Upkeep

_MIB = 1024**2


def maintain(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="schema.table; all by default")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, show what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Put small files of tables together, and delete files and log entries beyond the retention.

    A contract's `maintenance`, `cluster_by` and `retention` say how. Writers run meanwhile: a partition whose files the
    writer changes is left to the next time. What a reader has not consumed yet is not deleted, and the exit code is 1.
    Dagster does the same every night, as job `maintenance`.

    \b
    Examples:
      lakehouse maintain --dry-run
      lakehouse maintain raw.orders streaming.order_metrics
    """
    from lakehouse.contracts import load_contracts
    from lakehouse.maintenance.run import Maintenance

    settings = load_settings()
    maintenance = Maintenance(settings, load_contracts(settings.contracts_dir))
    done = []
    for table in tables or maintenance.tables():
        upkeep = maintenance.maintain(table, dry_run=dry_run)
        done.append(upkeep)
        if not as_json:
            _show(upkeep, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps([asdict(upkeep) for upkeep in done], indent=2))
    if any(upkeep.held for upkeep in done):
        raise typer.Exit(1)


def _show(upkeep: "Upkeep", *, dry_run: bool) -> None:
    before, after, compaction = upkeep.before, upkeep.after, upkeep.compaction
    typer.echo(
        f"{upkeep.table}: {before.files} files of {before.bytes / _MIB:.1f} MiB, {before.small_files} of them small"
        + ("" if dry_run else f" → {after.files} of {after.bytes / _MIB:.1f} MiB")
    )
    verbs = ("would compact", "would delete") if dry_run else ("compacted", "deleted")
    for partition in compaction.partitions:
        typer.echo(f"  {verbs[0]} {partition}")
    for partition in compaction.yielded:
        typer.secho(f"  left {partition} to its writer, which has changed it meanwhile", fg=typer.colors.YELLOW)
    if upkeep.deleted:
        typer.echo(f"  {verbs[1]} {len(upkeep.deleted)} files beyond the retention")
    if upkeep.held:
        typer.secho(f"  {upkeep.held}", fg=typer.colors.RED)
