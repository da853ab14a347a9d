"""Tables have names, names have places, and the places are found again."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import DeltaError

from lakehouse.errors import LakehouseError
from lakehouse.settings import load_settings
from lakehouse.storage import Catalog, TableNotFoundError
from lakehouse.storage.catalog import VersionNotFoundError

ROWS = pa.table({"number": [1, 2, 3]})
AWS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(str(tmp_path / "tables"))


def test_a_table_lives_at_schema_slash_table() -> None:
    assert Catalog("/data/tables").uri("raw.orders") == "/data/tables/raw/orders"
    assert Catalog("s3://bucket/lake").uri("raw.orders") == "s3://bucket/lake/raw/orders"


def test_spark_reaches_s3_as_s3a_and_disk_as_it_is() -> None:
    assert Catalog("s3://bucket/lake").spark_uri("raw.orders") == "s3a://bucket/lake/raw/orders"
    assert Catalog("/data/tables").spark_uri("raw.orders") == "/data/tables/raw/orders"


@pytest.mark.parametrize(
    "name",
    ["orders", "raw.orders.x", "Raw.orders", "raw/orders", "raw.", ".orders", "", "../x.y", "raw.orders\n", "a.b c"],
)
def test_any_other_name_is_refused_with_its_value(catalog: Catalog, name: str) -> None:
    with pytest.raises(LakehouseError, match=r"expected schema\.table in lower case") as error:
        catalog.uri(name)
    assert repr(name) in str(error.value)


def test_a_table_exists_once_it_was_written(catalog: Catalog) -> None:
    assert not catalog.exists("raw.orders")
    write_deltalake(catalog.uri("raw.orders"), ROWS)
    assert catalog.exists("raw.orders")


def test_asking_makes_nothing(catalog: Catalog) -> None:
    catalog.exists("raw.orders")
    catalog.names()
    assert not Path(catalog.root).exists()


def test_names_are_those_of_the_delta_tables_sorted(catalog: Catalog) -> None:
    for name in ("raw.orders", "marts.b", "marts.a"):
        write_deltalake(catalog.uri(name), ROWS)
    (Path(catalog.root) / "raw" / "no_table").mkdir()
    (Path(catalog.root) / "raw" / "Upper" / "_delta_log").mkdir(parents=True)
    (Path(catalog.root) / "a_file").write_text("x")
    assert catalog.names() == ["marts.a", "marts.b", "raw.orders"]


def test_without_a_root_there_are_no_names(catalog: Catalog) -> None:
    assert catalog.names() == []


def test_a_table_opens_at_its_newest_version_or_the_one_asked_for(catalog: Catalog) -> None:
    for _ in range(3):
        write_deltalake(catalog.uri("raw.orders"), ROWS, mode="append")
    assert catalog.open("raw.orders").version() == 2
    assert catalog.open("raw.orders", version=0).version() == 0
    assert pa.table(catalog.open("raw.orders", version=1).to_pyarrow_table()).num_rows == 6


def test_a_table_that_there_is_not_is_told_with_those_there_are(catalog: Catalog) -> None:
    for name in ("raw.b", "raw.a"):
        write_deltalake(catalog.uri(name), ROWS)
    with pytest.raises(TableNotFoundError) as error:
        catalog.open("raw.nope")
    assert str(error.value) == f"no table 'raw.nope' below {catalog.root}. Tables: raw.a, raw.b"


def test_in_an_empty_catalog_that_is_said(catalog: Catalog) -> None:
    with pytest.raises(TableNotFoundError, match="Tables: none yet"):
        catalog.open("raw.nope")


def test_a_local_catalog_needs_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    catalog = Catalog.from_settings(load_settings({"root": str(tmp_path)}))
    assert (catalog.root, dict(catalog.storage_options)) == (str(tmp_path), {})


def test_an_s3_catalog_takes_the_credentials_of_the_environment_and_safe_commits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_REGION", raising=False)
    catalog = Catalog.from_settings(load_settings({"root": "s3://bucket/lake/"}))
    assert catalog.root == "s3://bucket/lake"
    assert {name: catalog.storage_options[name] for name in AWS} == AWS
    assert catalog.storage_options["aws_conditional_put"] == "etag"
    assert "AWS_REGION" not in catalog.storage_options


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Catalog("s3://bucket", AWS))


@pytest.mark.parametrize("version", [3, 9, 2**70, -1])
def test_a_version_that_there_is_not_is_refused_with_those_there_are(catalog: Catalog, version: int) -> None:
    for _ in range(3):
        write_deltalake(catalog.uri("raw.orders"), ROWS, mode="append")
    with pytest.raises(VersionNotFoundError, match=rf"'raw\.orders' has no version {version}\. Versions: 0 to 2"):
        catalog.open("raw.orders", version)


def test_an_older_version_is_opened(catalog: Catalog) -> None:
    for _ in range(3):
        write_deltalake(catalog.uri("raw.orders"), ROWS, mode="append")
    assert catalog.open("raw.orders", 1).version() == 1


def test_a_version_that_is_there_and_cannot_be_read_is_another_error(catalog: Catalog) -> None:
    for _ in range(3):
        write_deltalake(catalog.uri("raw.orders"), ROWS, mode="append")
    (Path(catalog.uri("raw.orders")) / "_delta_log" / f"{1:020}.json").write_text("broken")
    with pytest.raises(DeltaError, match="Json error"):
        catalog.open("raw.orders", 1)
