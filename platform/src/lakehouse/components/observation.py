"""What Dagster is told of a streaming table: its version, its size, its age, its columns."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from lakehouse.components.freshness import freshness_metadata
from lakehouse.contracts.columns import StoredColumn
from lakehouse.contracts.tables import DeclaredTable
from lakehouse.observability.freshness import Freshness
from lakehouse.storage.stats import TableStats

#: The metadata key under which the observed rows are stored; the next observation reads it back.
ROWS = "dagster/row_count"


def observed_columns(table: DeclaredTable) -> tuple[str, str]:
    """The columns that tell when the newest row happened, and when it arrived."""
    names = {column.name for column in table.columns}
    return table.time_column, "kafka_timestamp" if "kafka_timestamp" in names else table.time_column


def observation(
    table: DeclaredTable,
    stats: TableStats,
    rows_before: int | None,
    freshness: Freshness | None = None,
    lag_events: int | None = None,
) -> tuple[dg.DataVersion, dict[str, dg.MetadataValue]]:
    """The table's Delta version as data version, and its metadata: numbers, which Dagster plots.

    ``rows_before`` is what the previous observation counted; None for the first. ``freshness`` is what is measured of
    it, ``lag_events`` what its writer has still to read.
    """
    metadata: dict[str, dg.MetadataValue] = {
        "delta_version": dg.MetadataValue.int(stats.version),
        "committed_at": dg.MetadataValue.timestamp(stats.committed_at),
        ROWS: dg.MetadataValue.int(stats.rows),
        "rows_added": dg.MetadataValue.int(stats.rows - (rows_before or 0)),
        "bytes": dg.MetadataValue.int(stats.bytes),
        "files": dg.MetadataValue.int(stats.files),
    }
    newest_event, newest_arrival = (stats.maxima.get(column) for column in observed_columns(table))
    if isinstance(newest_event, datetime):
        metadata["newest_event_time"] = dg.MetadataValue.timestamp(_as_utc(newest_event))
    if isinstance(newest_arrival, datetime):
        lag = (datetime.now(UTC) - _as_utc(newest_arrival)).total_seconds()
        metadata["lag_seconds"] = dg.MetadataValue.float(round(max(lag, 0.0), 3))
    if lag_events is not None:
        metadata["lag_events"] = dg.MetadataValue.int(lag_events)
    if freshness is not None:
        metadata |= freshness_metadata(freshness)
    return dg.DataVersion(str(stats.version)), metadata


def column_schema(columns: tuple[StoredColumn, ...]) -> dg.TableSchema:
    """``columns`` as Dagster shows them, personal data tagged."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=column.description or None,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
                tags={"pii": ""} if column.pii else None,
            )
            for column in columns
        ]
    )


def observed_rows(metadata: Mapping[str, dg.MetadataValue]) -> int | None:
    """The row count an earlier observation stored; None when it stored none."""
    value = metadata[ROWS].value if ROWS in metadata else None
    return value if isinstance(value, int) else None


def _as_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
