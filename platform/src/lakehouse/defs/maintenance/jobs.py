"""The job that maintains every table, each night."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.storage.tags import RETRY_ON_ASSET_OR_OP_FAILURE_TAG
from deltalake.exceptions import DeltaError
from pydantic import Field

from lakehouse.contracts import load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.maintenance.run import Maintenance, Upkeep
from lakehouse.settings import load_settings


class MaintenanceConfig(dg.Config):
    """``tables``: as `schema.table`, all where none is named. ``dry_run``: change nothing, tell what would be done."""

    tables: list[str] = Field(default_factory=list)
    dry_run: bool = False


@dg.op(pool="maintenance", description="Compacts, vacuums and cleans the log of one table after the other.")
def maintain_tables(
    context: dg.OpExecutionContext, config: MaintenanceConfig
) -> Iterator[dg.AssetObservation | dg.Output[None]]:
    """Tells Dagster what was done to each table. Fails at the end with all that could not be done."""
    settings = load_settings()
    maintenance = Maintenance(settings, load_contracts(settings.contracts_dir))
    failed = []
    for table in config.tables or maintenance.tables():
        try:
            upkeep = maintenance.maintain(table, dry_run=config.dry_run)
        except (LakehouseError, DeltaError, OSError) as error:
            # A table that is broken tonight is broken tomorrow: the others do not wait for it.
            context.log.exception("%s was not maintained", table)
            failed.append(f"{table} was not maintained: {error}. Try it: {command(f'maintain {table}')}")
            continue
        context.log.info("%s: %d files, then %d", table, upkeep.before.files, upkeep.after.files)
        # Not log_event, whose events are lost when the op fails.
        yield dg.AssetObservation(table.split("."), metadata=told(upkeep))
        if upkeep.held:
            failed.append(upkeep.held)
    if failed:
        raise dg.Failure("\n".join(failed), allow_retries=False)
    yield dg.Output(None)


def told(upkeep: Upkeep) -> dict[str, dg.MetadataValue]:
    """What Dagster shows of it."""
    before, after = upkeep.before, upkeep.after
    return {
        "maintenance/files_before": dg.MetadataValue.int(before.files),
        "maintenance/files_after": dg.MetadataValue.int(after.files),
        "maintenance/small_files_before": dg.MetadataValue.int(before.small_files),
        "maintenance/small_files_after": dg.MetadataValue.int(after.small_files),
        "maintenance/bytes_before": dg.MetadataValue.int(before.bytes),
        "maintenance/bytes_after": dg.MetadataValue.int(after.bytes),
        "maintenance/log_entries_before": dg.MetadataValue.int(before.log_entries),
        "maintenance/log_entries_after": dg.MetadataValue.int(after.log_entries),
        "maintenance/compacted": dg.MetadataValue.json(list(upkeep.compaction.partitions)),
        "maintenance/yielded": dg.MetadataValue.json(list(upkeep.compaction.yielded)),
        "maintenance/deleted_files": dg.MetadataValue.int(len(upkeep.deleted)),
    }


@dg.job(
    name="maintenance",
    executor_def=dg.in_process_executor,
    description="Keeps the files of all tables in order.",
    # What failed would fail again at once. A run that was killed is another matter.
    tags={RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "false"},
)
def maintenance_job() -> None:
    """See ``maintain_tables``."""
    maintain_tables()


@dg.definitions
def maintenance() -> dg.Definitions:
    """The job and its nightly schedule."""
    nightly = dg.ScheduleDefinition(
        name="maintenance_nightly",
        job=maintenance_job,
        cron_schedule="0 3 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(jobs=[maintenance_job], schedules=[nightly])
