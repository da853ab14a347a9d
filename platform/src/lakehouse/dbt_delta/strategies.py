"""How computed rows go into an existing table: one function a strategy, each a single commit."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from collections.abc import Callable
from datetime import UTC, datetime

from lakehouse.dbt_delta.batch import Batch, Outcome, replace_all, store_progress
from lakehouse.dbt_delta.checks import check_not_null
from lakehouse.dbt_delta.errors import BatchError, ModelConfigError
from lakehouse.dbt_delta.merge import merge
from lakehouse.storage import commit
from lakehouse.storage.sql import literal, literal_of, quoted, quoted_list


def append(batch: Batch) -> Outcome:
    """Adds the rows."""
    if batch.resolution.dropped:
        return replace_all(batch, survivors="true", rows="true")
    count = batch.count()
    if count == 0:
        return store_progress(batch)
    commit.append(batch.table, batch.spec.name, batch.reader(batch.new_rows()), batch.progress, evolve=batch.evolves)
    return Outcome("APPEND", count)


def delete_insert(batch: Batch) -> Outcome:
    """Deletes every row whose key occurs in the batch, then adds the batch; keys may repeat in it."""
    check_not_null(batch.connection, batch.spec, batch.rows)
    keys = quoted_list(batch.spec.unique_key)
    keep = f"({keys}) NOT IN (SELECT {keys} FROM {batch.rows})"
    touched_rows = f"{batch.target} AS held WHERE NOT ({keep})"
    if batch.spec.partition_by:
        return _replace_partitions(batch, touched_rows, keep)
    if batch.connection.execute(f"SELECT count(*) FROM {touched_rows}").fetchall()[0][0] == 0:
        return append(batch)
    return replace_all(batch, survivors=keep, rows=batch.alive)


def insert_overwrite(batch: Batch) -> Outcome:
    """Replaces the partitions that occur in the batch."""
    parts = quoted_list(batch.spec.partition_by)
    return _replace_partitions(batch, None, f"({parts}) NOT IN (SELECT {parts} FROM {batch.rows})")


def microbatch(batch: Batch) -> Outcome:
    """Replaces the rows whose event time lies in the batch's interval, which includes its start only."""
    if batch.interval is None or batch.spec.event_time is None:
        raise ModelConfigError(f"{batch.spec.name}: strategy 'microbatch' needs event_time, begin and batch_size")
    kind = batch.held[batch.spec.event_time]
    start, end = (_moment(text, kind) for text in batch.interval)
    column = quoted(batch.spec.event_time)
    inside = f"{column} >= CAST({start} AS {kind}) AND {column} < CAST({end} AS {kind})"
    if batch.resolution.dropped:
        return replace_all(batch, survivors=f"NOT ({inside})", rows=inside)
    count = batch.count(inside)
    replaced = f"SELECT 1 FROM {batch.target} WHERE {inside} LIMIT 1"
    if count == 0 and not batch.connection.execute(replaced).fetchall():
        return store_progress(batch)
    reader = batch.reader(batch.new_rows(inside))
    predicate = f"{column} >= {start} AND {column} < {end}"
    commit.replace_where(batch.table, batch.spec.name, reader, predicate, batch.progress, evolve=batch.evolves)
    return Outcome("MICROBATCH", count)


STRATEGIES: dict[str, Callable[[Batch], Outcome]] = {
    "append": append,
    "merge": merge,
    "delete+insert": delete_insert,
    "insert_overwrite": insert_overwrite,
    "microbatch": microbatch,
}


def _moment(text: str, kind: str) -> str:
    """The UTC time ``text`` as a plain literal: delta-rs compares it in the column's own type, a cast one in none."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    if kind == "DATE":
        return literal(moment.date().isoformat())
    zoned = moment if kind == "TIMESTAMP WITH TIME ZONE" else moment.replace(tzinfo=None)
    return literal(zoned.isoformat(sep=" "))


def _replace_partitions(batch: Batch, touched_rows: str | None, keep: str) -> Outcome:
    """Replaces the partitions of the batch, and of ``touched_rows``, by the rows kept there and the batch."""
    parts = batch.spec.partition_by
    if batch.resolution.dropped:
        return replace_all(batch, survivors=keep, rows=batch.alive)
    listed = f"SELECT {quoted_list(parts)} FROM {batch.rows}"
    if touched_rows:
        listed += f" UNION ALL SELECT {quoted_list(parts)} FROM {touched_rows}"
    values = batch.connection.execute(f"SELECT DISTINCT * FROM ({listed}) ORDER BY ALL").fetchall()
    if any(value is None for row in values for value in row):
        raise BatchError(
            f"{batch.spec.name}: a partition column ({', '.join(parts)}) is NULL, which {batch.spec.strategy} cannot "
            "replace. Nothing was written. Give it a value in the model."
        )
    count = batch.count(batch.alive)
    if not values:
        return store_progress(batch)
    predicate = " OR ".join(
        "("
        + " AND ".join(
            f"{quoted(part)} = {literal_of(value, batch.held[part])}" for part, value in zip(parts, row, strict=True)
        )
        + ")"
        for row in values
    )
    inside = f"({quoted_list(parts)}) IN (SELECT {quoted_list(parts)} FROM ({listed}))"
    sql = f"{batch.held_rows(f'{keep} AND {inside}')} UNION ALL {batch.new_rows(batch.alive)}"
    commit.replace_where(
        batch.table, batch.spec.name, batch.reader(sql), predicate, batch.progress, evolve=batch.evolves
    )
    return Outcome(batch.spec.strategy.upper(), count)
