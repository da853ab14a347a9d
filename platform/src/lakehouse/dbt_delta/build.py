"""Stores the rows that a model computed: creates, replaces or changes its Delta table in one commit."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.batch import Batch, Outcome, sorted_reader
from lakehouse.dbt_delta.checks import check_not_null, check_partitions, check_unique
from lakehouse.dbt_delta.columns import (
    DELETED,
    Columns,
    alive,
    as_partitioned,
    describe,
    resolve,
    stored_columns,
    typed_select,
)
from lakehouse.dbt_delta.constraints import check_constraints
from lakehouse.dbt_delta.progress import Consumption, as_transactions, epoch_of
from lakehouse.dbt_delta.session import Session
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.dbt_delta.strategies import STRATEGIES
from lakehouse.dbt_delta.whole import Writer
from lakehouse.storage import commit
from lakehouse.storage.create import table_properties
from lakehouse.storage.duck import delta_scan_sql

#: How long the history of a model's table can be read back by the models downstream.
RETENTION = timedelta(days=30)


@dataclass(frozen=True)
class BuildRequest:
    """What the materialization asks for. ``rows`` is the relation that holds the computed rows.

    ``empty`` is dbt's flag of that name: the sources were read as if they had no rows, so nothing was consumed.
    ``interval`` is the event time of a microbatch, from and until, None for other models.
    """

    node: Mapping[str, Any]
    rows: str
    full_refresh: bool
    empty: bool
    interval: tuple[str, str] | None


@dataclass(frozen=True)
class _Job:
    session: Session
    connection: DuckDBPyConnection
    spec: ModelSpec
    request: BuildRequest
    computed: Columns
    marks_deleted: bool
    consumed: tuple[Consumption, ...]
    writer: Writer

    @property
    def living_rows(self) -> str:
        return f"(SELECT * FROM {self.request.rows} WHERE {alive([DELETED] if self.marks_deleted else [])})"

    def whole_sql(self) -> str:
        return f"SELECT {typed_select(self.computed, self.computed)} FROM {self.living_rows}"

    def reader(self, where: str) -> pa.RecordBatchReader:
        return sorted_reader(self.connection, self.spec, f"{self.whole_sql()} WHERE {where}")

    def count(self) -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {self.living_rows}").fetchall()[0][0])


def build(session: Session, connection: DuckDBPyConnection, request: BuildRequest, writer: Writer) -> Outcome:
    """Commits the rows of ``request`` and what the model consumed to compute them.

    ``writer`` creates and replaces whole tables. Raises ModelError or ConcurrentWriteError, and then the table is as it
    was.
    """
    spec = ModelSpec.from_node(request.node)
    with session.one_commit_at_a_time(spec.name):
        run = session.begin(spec.name)
        table = None if run.version is None else session.catalog.open(spec.name, run.version)
        increment = table is not None and spec.incremental and not request.full_refresh
        # An increment goes into the partitions that the table has, whatever was configured since it was built.
        parts = table.metadata().partition_columns if table is not None and increment else spec.partition_by
        raw = describe(connection, request.rows)
        computed = stored_columns(spec.name, {name: kind for name, kind in raw.items() if name != DELETED})
        job = _Job(
            session=session,
            connection=connection,
            spec=spec,
            request=replace(request, rows=as_partitioned(request.rows, computed, parts)),
            computed=computed,
            marks_deleted=DELETED in raw,
            consumed=() if request.empty else tuple(run.consumed.values()),
            writer=writer,
        )
        check_constraints(connection, spec, request.node, job.living_rows)
        check_partitions(connection, spec, job.living_rows, computed, parts)
        if table is None:
            outcome = _create(job)
        elif increment:
            outcome = _increment(job, table)
        else:
            outcome = _replace(job, table)
        session.finish(spec.name)
    return outcome


def _create(job: _Job) -> Outcome:
    spec = job.spec
    _check_whole(job)
    count = job.count()
    new = commit.NewTable(spec.partition_by, spec.description, table_properties(RETENTION))
    job.writer.create(spec, job.reader, new, as_transactions(0, job.consumed))
    return Outcome("CREATE", count)


def _replace(job: _Job, table: DeltaTable) -> Outcome:
    spec = job.spec
    _check_whole(job)
    count = job.count()
    if not spec.incremental and _holds_already(job, table):
        return Outcome("UNCHANGED", count)
    new = commit.NewTable(spec.partition_by, spec.description, {})
    job.writer.replace(table, spec, job.reader, new, as_transactions(epoch_of(table) + 1, job.consumed))
    return Outcome("REPLACE", count)


def _increment(job: _Job, table: DeltaTable) -> Outcome:
    target = delta_scan_sql(job.session.catalog, job.spec.name, table.version())
    held = describe(job.connection, target)
    batch = Batch(
        catalog=job.session.catalog,
        connection=job.connection,
        spec=job.spec,
        rows=job.request.rows,
        computed={**job.computed, **({DELETED: "BOOLEAN"} if job.marks_deleted else {})},
        target=target,
        held=held,
        resolution=resolve(job.spec, job.computed, held),
        table=table,
        progress=as_transactions(epoch_of(table), job.consumed),
        progress_moved=any(item.moved for item in job.consumed),
        interval=job.request.interval,
    )
    return STRATEGIES[job.spec.strategy](batch)


def _check_whole(job: _Job) -> None:
    if job.spec.incremental and job.spec.strategy == "merge":
        check_not_null(job.connection, job.spec, job.living_rows)
        check_unique(job.connection, job.spec, job.living_rows)


def _holds_already(job: _Job, table: DeltaTable) -> bool:
    """Whether the table holds these very rows: then a rebuild would only make its readers read them again."""
    target = delta_scan_sql(job.session.catalog, job.spec.name, table.version())
    if list(describe(job.connection, target).items()) != list(job.computed.items()):
        return False
    if list(table.metadata().partition_columns) != list(job.spec.partition_by):
        return False
    return job.writer.holds(table, job.spec, job.whole_sql(), f"SELECT * FROM {target}")
