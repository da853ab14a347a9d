"""DuckDB over the Delta tables."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.storage import Catalog, duck


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    for number in (1, 2):
        write_deltalake(tmp_path / "raw" / "things", pa.table({"id": [number]}), mode="append")
    return Catalog(str(tmp_path))


def test_every_table_is_a_view_over_its_newest_version(catalog: Catalog) -> None:
    assert duck.connect(catalog).execute("SELECT id FROM raw.things ORDER BY id").fetchall() == [(1,), (2,)]


def test_a_scan_can_name_a_version(catalog: Catalog) -> None:
    scan = duck.delta_scan_sql(catalog, "raw.things", version=0)
    assert duck.connect(catalog).execute(f"SELECT id FROM {scan}").fetchall() == [(1,)]


def test_a_quote_in_a_path_stays_a_path(tmp_path: Path) -> None:
    root = tmp_path / "it's"
    write_deltalake(root / "raw" / "things", pa.table({"id": [1]}))
    assert duck.connect(Catalog(str(root))).execute("SELECT count(*) FROM raw.things").fetchall() == [(1,)]


def test_timestamps_are_utc(catalog: Catalog) -> None:
    assert duck.connect(catalog).execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_a_missing_extension_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(duck.ExtensionNotFoundError, match=f"pip install duckdb-extension-delta=={duckdb.__version__}"):
        duck.load_delta_extension(duckdb.connect())
