"""The few columns of newly added files that freshness is measured by. Nothing else of a file is read."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.storage.catalog import Catalog
from lakehouse.storage.tail import INSERTS, AddedFile, Commit

_CHANGE = "_change_type"
COORDINATES = ("kafka_partition", "kafka_offset", "kafka_timestamp")


def coordinates(
    catalog: Catalog, files: Iterable[AddedFile], topic: str
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Partition, offset and timestamp (ms) of each row that came from ``topic`` and has all three.

    A quarantine row that stands for lost events has no timestamp: it is no event.
    """
    rows = _read(catalog, files, ("kafka_topic", *COORDINATES))
    rows = rows.filter(pc.equal(rows["kafka_topic"], topic)).drop_columns(["kafka_topic"]).drop_null()
    partition, offset = (rows[name].to_numpy() for name in COORDINATES[:2])
    return partition.astype(np.int32), offset.astype(np.int64), _milliseconds(rows["kafka_timestamp"])


def moments(catalog: Catalog, commit: Commit, column: str, since_ms: int) -> NDArray[np.int64]:
    """``column``, a timestamp (ms), of the rows that are new in ``commit``.

    Where files were rewritten, these name the new rows in change data files; where there are none, those are new whose
    time is after ``since_ms``, that of the commit before: a writer that rewrites finishes one batch before the next.
    """
    if commit.changes:
        rows = _read(catalog, commit.changes, (column, _CHANGE))
        rows = rows.filter(pc.is_in(rows[_CHANGE], pa.array(INSERTS)))
        return _milliseconds(rows[column].drop_null())
    found = _milliseconds(_read(catalog, commit.added, (column,))[column].drop_null())
    return found[found > since_ms] if commit.replaces else found


def reasons(catalog: Catalog, files: Iterable[AddedFile]) -> dict[str, int]:
    """How many quarantine rows there are of each reason, which is what stands before the colon."""
    codes = [str(reason).split(":", 1)[0] for reason in _read(catalog, files, ("reason",))["reason"].to_pylist()]
    return {code: codes.count(code) for code in set(codes)}


def _read(catalog: Catalog, files: Iterable[AddedFile], columns: Sequence[str]) -> pa.Table:
    """``columns`` of ``files``; one that a file lacks is NULL there. A file that was vacuumed meanwhile has no rows."""
    tables = []
    for file in files:
        try:
            parquet = catalog.parquet(file.location)
        except FileNotFoundError:
            continue
        with parquet:
            stored = parquet.read([name for name in columns if name in parquet.schema_arrow.names], use_threads=False)
        # delta-rs has string views in the files that it rewrites, which few functions of Arrow know.
        tables.append(
            stored.cast(pa.schema([field.with_type(_TYPES.get(field.name, field.type)) for field in stored.schema]))
        )
    if not tables:
        return pa.table({name: pa.array([], _TYPES.get(name, pa.timestamp("us"))) for name in columns})
    whole = pa.concat_tables(tables, promote_options="permissive")
    for name in columns:
        if name not in whole.column_names:
            whole = whole.append_column(name, pa.nulls(len(whole), _TYPES.get(name, pa.timestamp("us"))))
    return whole.select(columns)


_TYPES = {
    "kafka_topic": pa.string(),
    "kafka_partition": pa.int32(),
    "kafka_offset": pa.int64(),
    "reason": pa.string(),
    _CHANGE: pa.string(),
}


def _milliseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    # Spark writes INT96, which is read as nanoseconds without a zone; both stand for UTC.
    values: NDArray[np.int64] = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy()
    return values
