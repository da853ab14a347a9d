"""What Dagster is told of a streaming table: its version, its size, its age, its columns."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from lakehouse.contracts.columns import StoredColumn
from lakehouse.contracts.model import Contract
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import table_stats

#: The metadata key under which the observed rows are stored; the next observation reads it back.
ROWS = "dagster/row_count"


def observe_table(
    catalog: Catalog, name: str, contract: Contract, rows_before: int | None
) -> tuple[dg.DataVersion, dict[str, dg.MetadataValue]]:
    """The table's Delta version as data version, and its metadata.

    ``rows_before`` is what the previous observation counted; None for the first. Reads the table's log and no data.
    Raises TableNotFoundError while the table's writer has not created it.
    """
    event_time = contract.event_time.column if name == contract.table else "ingested_at"
    stats = table_stats(catalog, name, maxima_of=(event_time, "kafka_timestamp"))
    metadata: dict[str, dg.MetadataValue] = {
        "delta_version": dg.MetadataValue.int(stats.version),
        "committed_at": dg.MetadataValue.timestamp(stats.committed_at),
        ROWS: dg.MetadataValue.int(stats.rows),
        "rows_added": dg.MetadataValue.int(stats.rows - (rows_before or 0)),
        "bytes": dg.MetadataValue.int(stats.bytes),
        "files": dg.MetadataValue.int(stats.files),
    }
    newest_event, newest_arrival = stats.maxima[event_time], stats.maxima["kafka_timestamp"]
    if isinstance(newest_event, datetime):
        metadata["newest_event_time"] = dg.MetadataValue.timestamp(_as_utc(newest_event))
    if isinstance(newest_arrival, datetime):
        lag = (datetime.now(UTC) - _as_utc(newest_arrival)).total_seconds()
        metadata["lag_seconds"] = dg.MetadataValue.float(round(max(lag, 0.0), 3))
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
