"""The tables beside the live ones, in the schema `replay`, where everybody can query them while they are there."""

import time

import obstore

from lakehouse.contracts.model import Contract
from lakehouse.flink.control import running_job
from lakehouse.flink.rest import FlinkError, NoJobManagerError
from lakehouse.flink.spec import contract_file
from lakehouse.local.flink import job_manager
from lakehouse.replay.note import Note
from lakehouse.replay.pairs import live_tables
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog, existing_store

SCHEMA = "replay"
_CANCEL_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.2


def side_tables(contract: Contract, replay_id: str) -> dict[str, str]:
    """Live table → the one that the replay of that id computes."""
    side = f"{SCHEMA}.{contract.table.replace('.', '_')}_{replay_id}"
    return {name: name.replace(contract.table, side) for name in live_tables(contract)}


def drop_sides(settings: Settings, catalog: Catalog, note: Note) -> None:
    """Deletes the side tables of ``note`` and the state they were computed with; those that are gone are fine.

    A Flink job that is still at it is cancelled. Raises FlinkError where that cannot be told.
    """
    if note.end:
        _end_job(settings, note.sides[note.table])
    locations = [catalog.uri(side) for side in note.sides.values()]
    for location in (*locations, f"{settings.checkpoint_root}/{SCHEMA}/{note.id}"):
        store = existing_store(location, catalog.storage_options)
        if store is not None:
            for chunk in obstore.list(store):
                obstore.delete(store, [entry["path"] for entry in chunk])


def _end_job(settings: Settings, side: str) -> None:
    manager, give_up = job_manager(settings), time.monotonic() + _CANCEL_SECONDS
    try:
        if job := running_job(manager, side):
            manager.cancel(job.id)
        # What it has begun to commit would be half a table in the place of the deleted one.
        while running_job(manager, side) is not None:
            if time.monotonic() > give_up:
                raise FlinkError(f"waited {_CANCEL_SECONDS:.0f} s for the Flink job of {side} to be cancelled")
            time.sleep(_LOOK_EVERY_SECONDS)
    except NoJobManagerError:
        pass  # So no job runs.
    contract_file(settings, side).unlink(missing_ok=True)
