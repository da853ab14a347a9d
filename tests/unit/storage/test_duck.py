"""DuckDB sees every table of the catalog as a view."""

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.storage import Catalog
from lakehouse.storage.duck import ExtensionNotFoundError, connect, delta_scan_sql, load_delta_extension


def test_each_table_is_a_view_by_its_name(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), pa.table({"n": [1, 2]}))
    write_deltalake(catalog.uri("marts.t"), pa.table({"n": [3]}))
    query = "SELECT 'raw', sum(n) FROM raw.t UNION ALL SELECT 'marts', sum(n) FROM marts.t"
    assert connect(catalog).sql(query).fetchall() == [("raw", 3), ("marts", 3)]


def test_an_empty_catalog_has_no_views(catalog: Catalog) -> None:
    assert connect(catalog).sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]


def test_a_view_shows_the_newest_version(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), pa.table({"n": [1]}))
    connection = connect(catalog)
    write_deltalake(catalog.uri("raw.t"), pa.table({"n": [2]}), mode="append")
    assert connection.sql("SELECT sum(n) FROM raw.t").fetchall() == [(3,)]


def test_a_scan_shows_the_version_asked_for(catalog: Catalog) -> None:
    for number in (1, 2, 4):
        write_deltalake(catalog.uri("raw.t"), pa.table({"n": [number]}), mode="append")
    connection = connect(catalog)
    scans = [delta_scan_sql(catalog, "raw.t", version) for version in (0, 1, 2, None)]
    assert [connection.sql(f"SELECT sum(n) FROM {scan}").fetchall() for scan in scans] == [
        [(1,)],
        [(3,)],
        [(7,)],
        [(7,)],
    ]


def test_timestamps_are_shown_in_utc(catalog: Catalog) -> None:
    moment = pa.array([datetime(2026, 7, 1, 12, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    write_deltalake(catalog.uri("raw.t"), pa.table({"at": moment}))
    shown = connect(catalog).sql('SELECT "at"::varchar FROM raw.t').fetchall()
    assert shown == [("2026-07-01 12:00:00+00",)]


@pytest.mark.parametrize("directory", ["it's here", "with space", "ümlaut"])
def test_a_root_may_have_any_name(tmp_path: Path, directory: str) -> None:
    catalog = Catalog(str(tmp_path / directory))
    write_deltalake(catalog.uri("raw.t"), pa.table({"n": [5]}))
    assert connect(catalog).sql("SELECT n FROM raw.t").fetchall() == [(5,)]


def test_views_cannot_be_written(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), pa.table({"n": [5]}))
    with pytest.raises(duckdb.Error):
        connect(catalog).execute("INSERT INTO raw.t VALUES (6)")
    assert catalog.open("raw.t").version() == 0


def test_a_missing_extension_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ExtensionNotFoundError) as error:
        load_delta_extension(duckdb.connect())
    assert f"pip install duckdb-extension-delta=={duckdb.__version__}" in str(error.value)
