"""Which columns a column is made of, from a topic's fields to a streaming table's columns. dbt tells of its own."""

from collections.abc import Sequence

import dagster as dg

from lakehouse.contracts.columns import Column, StoredColumn
from lakehouse.contracts.model import Contract


def column_lineage(contract: Contract, columns: Sequence[StoredColumn], origin: dg.AssetKey) -> dg.TableColumnLineage:
    """Of ``columns``, those of a table of ``contract``, each with the fields of ``origin`` that it is made of.

    What no field goes into has no lineage: coordinates, and moments of processing.
    """
    declared = {column.name: column for column in contract.columns}
    fields = [column.name for column in contract.event_columns]
    return dg.TableColumnLineage(
        {
            column.name: [dg.TableColumnDep(origin, field) for field in origins]
            for column in columns
            if (origins := _origins(column.name, declared.get(column.name), fields))
        }
    )


def _origins(name: str, column: Column | None, fields: Sequence[str]) -> Sequence[str]:
    if column is not None and column.derived_from:
        return column.derived_from
    copied = [column.default_from] if column is not None and column.default_from else []
    return [name, *copied] if name in fields else copied
