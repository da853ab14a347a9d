"""Where tables live; reading, committing and maintaining Delta tables."""

from lakehouse.storage.catalog import Catalog, TableNotFoundError
from lakehouse.storage.create import SchemaMismatchError, create_tables
from lakehouse.storage.stats import TableStats, latest_version, table_stats

__all__ = [
    "Catalog",
    "SchemaMismatchError",
    "TableNotFoundError",
    "TableStats",
    "create_tables",
    "latest_version",
    "table_stats",
]
