"""DuckDB sees every table of the catalog as a view."""

import importlib.util
import json
import os
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakehouse.storage import Catalog
from lakehouse.storage.catalog import StoreError
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


class Store(BaseHTTPRequestHandler):
    """Hands out credentials as a container's agent does, by age, and answers to S3's requests with the newest only."""

    handed_out = 0
    keys: list[str]
    file = b""

    def do_GET(self) -> None:
        if self.path == "/credentials":
            Store.handed_out += 1
            told = {"AccessKeyId": f"KEY{Store.handed_out}", "SecretAccessKey": "s", "Token": "t"}
            self._answer(200, json.dumps({**told, "Expiration": "2100-01-01T00:00:00Z"}).encode())
            return
        signed = re.search(r"Credential=(\w+)/", self.headers.get("Authorization", ""))
        Store.keys.append(signed[1] if signed else "unsigned")
        accepted = Store.keys[-1] == "KEY2"
        asked = re.search(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = Store.file[int(asked[1]) : int(asked[2]) + 1] if asked else Store.file
        self._answer((206 if asked else 200) if accepted else 403, part if accepted else b"")

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Its address; nothing else on this machine has credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    Store.handed_out, Store.keys = 0, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def on_s3(endpoint: str) -> Catalog:
    return Catalog("s3://bucket/lake", {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"})


def test_without_keys_requests_are_signed_with_those_of_the_container(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{store}/credentials")
    connection = connect(on_s3(store), names=[])
    with pytest.raises(duckdb.Error):
        connection.execute(f"FROM {delta_scan_sql(on_s3(store), 'raw.t')}")
    assert Store.keys
    assert set(Store.keys) == {"KEY1"}


def test_credentials_that_have_expired_are_asked_for_again(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{store}/credentials")
    pq.write_table(pa.table({"n": [5]}), tmp_path / "t.parquet")
    Store.file = (tmp_path / "t.parquet").read_bytes()
    connection = connect(on_s3(store), names=[])
    assert connection.sql("SELECT n FROM read_parquet('s3://bucket/lake/t.parquet')").fetchall() == [(5,)]
    assert (Store.keys[0], Store.keys[-1]) == ("KEY1", "KEY2")


def test_where_nobody_gives_credentials_the_variables_are_named(store: str) -> None:
    with pytest.raises(StoreError, match=r"no credentials for s3://bucket/lake: neither AWS_ACCESS_KEY_ID and"):
        connect(on_s3(store), names=[])


def test_a_missing_extension_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ExtensionNotFoundError) as error:
        load_delta_extension(duckdb.connect())
    assert f"pip install duckdb-extension-delta=={duckdb.__version__}" in str(error.value)
