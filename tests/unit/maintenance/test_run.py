"""Maintenance of whole tables, as their contracts ask for it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from tests.contracts import visits_contract
from tests.delta_tables import let_pass
from tests.unit.maintenance.test_readers import model

from lakehouse.contracts import Contract
from lakehouse.maintenance.run import Maintenance, layouts
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, TableNotFoundError
from lakehouse.storage.maintain import Layout, Shape, shape

TABLE = "raw.visits"


def contract(**changes: object) -> Contract:
    columns = [{"name": "at", "type": "timestamp", "required": True}, {"name": "page", "type": "string"}]
    return visits_contract(columns, **{"maintenance": {"small_files": 3}, **changes})


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "state")


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    """With raw.visits of three small files, whose files go as soon as they were replaced."""
    catalog = Catalog.from_settings(settings)
    for number in range(3):
        write_deltalake(
            catalog.uri(TABLE),
            pa.table({"page": [str(number)]}),
            mode="append",
            configuration={"delta.deletedFileRetentionDuration": "interval 0 seconds"},
        )
    return catalog


def test_layouts_follow_the_contract_for_each_of_its_tables() -> None:
    found = layouts([contract(cluster_by=["page"], maintenance={"small_files": 5, "target_file_mib": 64})])
    assert found == {
        TABLE: Layout(64 * 1024**2, 5, ("page",)),
        "raw.visits_rejected": Layout(64 * 1024**2, 5),
    }


def test_a_dry_run_changes_nothing_and_tells_the_same(settings: Settings, catalog: Catalog) -> None:
    would = Maintenance(settings, [contract()]).maintain(TABLE, dry_run=True)
    assert would.compaction.partitions == ("the table",)
    assert would.after == would.before == shape(catalog, TABLE, Layout(small_files=3))
    did = Maintenance(settings, [contract()]).maintain(TABLE, dry_run=False)
    assert did.compaction == would.compaction


def test_what_was_replaced_is_deleted_and_told(settings: Settings, catalog: Catalog) -> None:
    done = Maintenance(settings, [contract()]).maintain(TABLE, dry_run=False)
    assert (done.before.files, done.after.files, done.after.small_files) == (3, 1, 1)
    assert done.deleted == ()
    let_pass(catalog.uri(TABLE), timedelta(days=2))
    done = Maintenance(settings, [contract()]).maintain(TABLE, dry_run=False)
    assert len(done.deleted) == 3
    assert done.held is None
    parquet = list(Path(catalog.uri(TABLE)).glob("*.parquet"))
    assert len(parquet) == 1
    assert (Path(catalog.uri(TABLE)) / "_delta_log" / f"{done.after.version:020}.checkpoint.parquet").exists()


def test_a_reader_that_is_behind_keeps_files_but_not_from_being_compacted(settings: Settings, catalog: Catalog) -> None:
    model(catalog, "marts.m", 1, source=TABLE)
    let_pass(catalog.uri(TABLE), timedelta(days=2))
    done = Maintenance(settings, [contract()]).maintain(TABLE, dry_run=False)
    assert done.compaction.partitions == ("the table",)
    assert done.deleted == ()
    assert "the model marts.m has consumed version 1 of 3" in str(done.held)
    assert len(list(Path(catalog.uri(TABLE)).glob("*.parquet"))) == 4


def test_tables_without_a_contract_are_maintained_by_delta_s_own_measure(settings: Settings, catalog: Catalog) -> None:
    done = Maintenance(settings, []).maintain(TABLE, dry_run=False)
    assert done.compaction.partitions == ()
    assert isinstance(done.before, Shape)
    assert done.before.small_files == 3


def test_an_unknown_table_is_named(settings: Settings, catalog: Catalog) -> None:
    with pytest.raises(TableNotFoundError, match=r"raw\.nothing.*Tables: raw\.visits"):
        Maintenance(settings, []).maintain("raw.nothing", dry_run=True)
