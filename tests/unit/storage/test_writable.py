"""Tables with features that this writer does not keep are left alone, and the feature is named."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake

from lakehouse.storage.create import table_properties
from lakehouse.storage.writable import UnsupportedTableError, check_writable


def table(directory: Path, properties: dict[str, str | None]) -> DeltaTable:
    write_deltalake(str(directory), pa.table({"id": [1]}), configuration=properties)
    return DeltaTable(str(directory))


def test_tables_as_this_platform_makes_them_are_fine(tmp_path: Path) -> None:
    check_writable(table(tmp_path, dict(table_properties(dt.timedelta(days=1)))), "raw.items")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("delta.appendOnly", "true"),
        ("delta.enableDeletionVectors", "true"),
        ("delta.enableRowTracking", "true"),
        ("delta.enableInCommitTimestamps", "true"),
        ("delta.columnMapping.mode", "name"),
    ],
)
def test_a_property_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    path = tmp_path / "_delta_log" / f"{0:020}.json"
    # delta-rs itself refuses to make some of these; other writers do make them.
    table(tmp_path, {"delta.logRetentionDuration": "interval 1 days"})
    path.write_text(path.read_text().replace('"delta.logRetentionDuration":"interval 1 days"', f'"{name}":"{value}"'))
    with pytest.raises(UnsupportedTableError, match=f"raw.items cannot be merged into, for it has .*{name}={value}"):
        check_writable(DeltaTable(str(tmp_path)), "raw.items")


def test_a_constraint_of_the_table_is_refused(tmp_path: Path) -> None:
    held = table(tmp_path, {})
    held.alter.add_constraint({"positive": "id > 0"})
    with pytest.raises(UnsupportedTableError, match=r"delta\.constraints\.positive=id > 0"):
        check_writable(held, "raw.items")


def test_a_writer_feature_is_refused_by_name(tmp_path: Path) -> None:
    held = table(tmp_path, {})
    held.alter.add_feature(TableFeatures.RowTracking, allow_protocol_versions_increase=True)
    with pytest.raises(UnsupportedTableError, match="writer feature rowTracking"):
        check_writable(held, "raw.items")
