"""Deletes from Dagster's event log what sensors told of tables long ago, and nothing that a run did.

A stream with a commit every 15 seconds leaves 35 MB of events a day. Dagster itself deletes events of a run with the
run, ticks by `retention` in dagster.yaml, and all of an asset with the asset: for events without a run it offers
nothing, so these rows are deleted where it keeps them: see docs/decisions/0022-pruning-events.md.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy.engine import Connection

from lakehouse.errors import LakehouseError

_EVENTS, _EXECUTIONS = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
_TOLD = (dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_OBSERVATION.value)
_CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION.value
#: Other writers wait while a batch is deleted, and no longer.
_BATCH = 500
_Connect = Callable[[], AbstractContextManager[Connection]]


class UnknownStorageError(LakehouseError):
    """The event log is not in a database that this knows."""


@dataclass(frozen=True)
class Pruned:
    """How many events were deleted."""

    events: int
    checks: int


def prune_events(instance: dg.DagsterInstance, assets: Sequence[dg.AssetKey], before: datetime) -> Pruned:
    """Deletes what was told of ``assets`` without a run ``before`` that time.

    Of each asset, partition and kind of event, and of each check, the newest stays. Raises UnknownStorageError.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise UnknownStorageError(
            f"event_log_storage is {type(storage).__name__}, expected one in SQLite or Postgres. "
            "Name one in dagster.yaml, or stop the schedule event_log_pruning_nightly"
        )
    keys = [key.to_string() for key in assets]
    moment = before.astimezone(UTC).replace(tzinfo=None)
    checks = _prune_checks(storage.index_connection, keys, moment)
    events = _prune(storage.index_connection, _old_events(keys, moment))
    if storage.is_run_sharded:
        # SQLite has each event twice: in the index of all, and in a file of its run, here that of none.
        shard = partial(storage.run_connection, RUNLESS_RUN_ID)
        _prune(shard, _old_events(keys, moment))
        # It names no asset with a check, and whoever asks for checks asks the index.
        _prune(shard, _old(moment, [_CHECKED]))
    return Pruned(events, checks)


def _old(moment: datetime, kinds: Sequence[str]) -> db.Select[Any]:
    return db.select(_EVENTS.id).where(
        _EVENTS.run_id == RUNLESS_RUN_ID, _EVENTS.dagster_event_type.in_(kinds), _EVENTS.timestamp < moment
    )


def _old_events(keys: Sequence[str], moment: datetime) -> db.Select[Any]:
    newest = (
        db.select(db.func.max(_EVENTS.id))
        .where(_EVENTS.asset_key.in_(keys), _EVENTS.dagster_event_type.in_(_TOLD))
        .group_by(_EVENTS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
    )
    return _old(moment, _TOLD).where(_EVENTS.asset_key.in_(keys), _EVENTS.id.not_in(newest))


def _prune(connect: _Connect, selected: db.Select[Any]) -> int:
    with connect() as connection:
        ids = [row[0] for row in connection.execute(selected)]
    _delete_events(connect, ids)
    return len(ids)


def _prune_checks(connect: _Connect, keys: Sequence[str], moment: datetime) -> int:
    newest = (
        db.select(db.func.max(_EXECUTIONS.id))
        .where(_EXECUTIONS.asset_key.in_(keys))
        .group_by(_EXECUTIONS.asset_key, _EXECUTIONS.check_name, _EXECUTIONS.partition)
    )
    old = db.select(_EXECUTIONS.id, _EXECUTIONS.evaluation_event_storage_id).where(
        _EXECUTIONS.run_id == RUNLESS_RUN_ID,
        _EXECUTIONS.asset_key.in_(keys),
        _EXECUTIONS.evaluation_event_timestamp < moment,
        _EXECUTIONS.id.not_in(newest),
    )
    with connect() as connection:
        found = connection.execute(old).fetchall()
    for batch in _batches([row[0] for row in found]):
        with connect() as connection:
            connection.execute(db.delete(AssetCheckExecutionsTable).where(_EXECUTIONS.id.in_(batch)))
    _delete_events(connect, [row[1] for row in found])
    return len(found)


def _delete_events(connect: _Connect, ids: Sequence[int]) -> None:
    for batch in _batches(ids):
        with connect() as connection:
            connection.execute(db.delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(batch)))
            connection.execute(db.delete(SqlEventLogStorageTable).where(_EVENTS.id.in_(batch)))


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[first : first + _BATCH] for first in range(0, len(ids), _BATCH))
