"""What happens when a contract moves from one engine to another: the one lets go before the other begins.

A table has one writer. The engine that a table leaves may have a job running, and it has a checkpoint. Should the table
ever come back, that would be older than the rows that the other engine wrote meanwhile, and have them written twice: so
it is set aside, and each engine begins behind the rows that the table holds.

Each thing done here is whole or not there, and what is done is not done again: after a crash the same call goes on.
"""

import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from lakehouse.contracts import Contract, Engine, OnInvalid
from lakehouse.errors import LakehouseError
from lakehouse.flink.control import end, start
from lakehouse.flink.generation import begin_generation
from lakehouse.flink.rest import Job, JobManager, NoJobManagerError
from lakehouse.flink.restore import holds_files, is_savepoint, newest_complete
from lakehouse.flink.spec import FINGERPRINT, checkpoints, flink_contracts, noted_contract
from lakehouse.invocation import command
from lakehouse.settings import Settings
from lakehouse.storage import Catalog
from lakehouse.storage.offsets import missing_offsets

_END_SECONDS = 120.0
_PAUSE_SECONDS = 0.2


class MoveError(LakehouseError):
    """A table cannot leave its engine as things are."""


def progress(settings: Settings, contract: Contract, jobs: Sequence[Job]) -> frozenset[Engine]:
    """The engines that have a checkpoint of the table, or one of the running ``jobs``."""
    submitted = any(job.name == contract.table for job in jobs)
    flink = submitted or _newest_checkpoint(settings, contract) is not None
    spark = bool(_spark_checkpoints(settings, contract)) or _remote(settings, contract) is not None
    return frozenset(engine for engine, has in ((Engine.FLINK, flink), (Engine.SPARK, spark)) if has)


def refuse_to_leave(settings: Settings, contract: Contract) -> None:
    """Raises MoveError where the table cannot leave the engine that it is no longer to have.

    To be called while no job of it runs: one that runs may have what seems to be missing still to commit.
    """
    if contract.resolved_engine is Engine.SPARK:
        _refuse_pending(settings, contract)
    elif (location := _remote(settings, contract)) is not None:
        raise MoveError(
            f"{contract.table} moves from Spark to Flink, and Spark's checkpoint {location} would have its rows "
            "written twice should it ever move back. Delete it, or move it away."
        )


def platform_jobs(settings: Settings, manager: JobManager) -> list[Job]:
    """The jobs that run and that the platform submitted; none where no JobManager runs.

    Raises FlinkUnreachableError where one does and does not answer: it may well have jobs.
    """
    try:
        return [job for job in manager.jobs() if not job.ended and _is_ours(settings, manager, job)]
    except NoJobManagerError:
        return []


def change_engines(settings: Settings, manager: JobManager, contracts: Iterable[Contract]) -> list[str]:
    """Has each engine let go of the tables that are not its own any more, and says of which.

    To be called while neither a Spark application nor a keeper of Flink's jobs runs that still has one of them.
    """
    contracts = list(contracts)
    own = {contract.table for contract in flink_contracts(contracts)}
    gone = [job for job in platform_jobs(settings, manager) if job.name not in own]
    for job in gone:
        end(settings, manager, job)
        _await_end(settings, manager, job)
    left = [job.name for job in gone]
    for contract in contracts:
        leave = _leave_spark if contract.resolved_engine is Engine.FLINK else _leave_flink
        left += [contract.table] if leave(settings, contract) else []
    return sorted(set(left))


def _await_end(settings: Settings, manager: JobManager, job: Job) -> None:
    """A job that is cancelled may still commit: whoever reads the table's offsets meanwhile would write rows twice."""
    give_up = time.monotonic() + _END_SECONDS
    while any(other.id == job.id for other in platform_jobs(settings, manager)):
        if time.monotonic() > give_up:
            raise MoveError(
                f"waited {_END_SECONDS:.0f} s for job {job.id} of {job.name} to end. See {command('jobs list')} and "
                f"{command('logs flink-taskmanager')}, then run this again."
            )
        time.sleep(_PAUSE_SECONDS)


def _leave_flink(settings: Settings, contract: Contract) -> bool:
    """Has the job begin without its state should the table come back; False where it has none."""
    if _newest_checkpoint(settings, contract) is None:
        return False
    refuse_to_leave(settings, contract)
    # Whoever stopped the job by hand did so while it was the table's writer. First, since behind the new generation
    # there is no checkpoint any more by which the same call would find out, after a crash, that this is left to do.
    start(settings, contract.table)
    begin_generation(settings, contract.table)
    return True


def _refuse_pending(settings: Settings, contract: Contract) -> None:
    """A job that did not end with a savepoint may have committed a checkpoint to its table and not yet to quarantine.

    Spark begins behind the rows of the table, and would never see those events again.
    """
    checkpoint = _newest_checkpoint(settings, contract)
    keeps_all = contract.transform is None and contract.on_invalid is OnInvalid.QUARANTINE
    if checkpoint is None or is_savepoint(checkpoint) or not keeps_all:
        return
    catalog = Catalog.from_settings(settings)
    missing = missing_offsets(catalog, contract.table, contract.rejected_table, contract.source.topic)
    if missing:
        raise MoveError(
            f"{contract.table} moves from Flink to Spark, and its job ended without a savepoint: {missing:,} events "
            f"are neither in the table nor in {contract.rejected_table}, and may only be in {checkpoint}. Change the "
            f"contract back and run `{command('up')}`, which has the job write them; then move the table while it runs."
        )


def _leave_spark(settings: Settings, contract: Contract) -> bool:
    """Sets Spark's checkpoints of the table aside, one a generation; False where there is none."""
    refuse_to_leave(settings, contract)
    root = Path(settings.checkpoint_root)
    found = _spark_checkpoints(settings, contract)
    for directory in found:
        number = 1 + len(list(root.glob(f"{directory.name}.left-*")))
        directory.rename(root / f"{directory.name}.left-{number}")
    return bool(found)


def _newest_checkpoint(settings: Settings, contract: Contract) -> str | None:
    """The newest complete one of Flink's, savepoints included."""
    options = Catalog.from_settings(settings).storage_options
    return newest_complete(checkpoints(settings, contract.table), options)


def _spark_checkpoints(settings: Settings, contract: Contract) -> list[Path]:
    """The directories on this machine, one a generation."""
    if "://" in settings.checkpoint_root:
        return []
    name = re.compile(rf"{re.escape(contract.table)}(\.g\d+)?")
    found = Path(settings.checkpoint_root).glob(f"{contract.table}*")
    return sorted(path for path in found if name.fullmatch(path.name))


def _remote(settings: Settings, contract: Contract) -> str | None:
    """Where Spark's checkpoint is on an object store; None where it has none there."""
    location = f"{settings.checkpoint_root}/{contract.table}"
    if "://" not in location:
        return None
    return location if holds_files(location, Catalog.from_settings(settings).storage_options) else None


def _is_ours(settings: Settings, manager: JobManager, job: Job) -> bool:
    if job.state == "INITIALIZING":  # The JobManager tells no details of it yet.
        return noted_contract(settings, job.name) is not None
    return FINGERPRINT in manager.parameters(job.id)
