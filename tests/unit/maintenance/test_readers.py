"""A dbt model and a Spark query say how far they have read, without being asked to register."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from tests.contracts import visits_contract

from lakehouse.contracts import Contract
from lakehouse.dbt_delta.progress import Consumption, as_transactions
from lakehouse.maintenance.readers import registered_readers
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, commit
from lakehouse.storage.maintain import Reader

NUMBERS = pa.table({"number": [1]})


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "state")


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    """With raw.orders at version 2."""
    catalog = Catalog.from_settings(settings)
    for _ in range(3):
        write_deltalake(catalog.uri("raw.orders"), NUMBERS, mode="append")
    return catalog


def model(catalog: Catalog, name: str, version: int, epoch: int = 0, source: str = "raw.orders") -> None:
    """The table of a model that has consumed ``version`` of ``source``."""
    consumed = Consumption(source, str(catalog.open(source).metadata().id), None, version)
    rows = NUMBERS.to_reader()
    if catalog.exists(name):
        commit.append(catalog.open(name), name, rows, as_transactions(epoch, [consumed]), evolve=False)
    else:
        new = commit.NewTable((), "", {})
        commit.create(catalog, name, rows, new, as_transactions(epoch, [consumed]))


def follower(table: str = "streaming.copies", generation: int = 1) -> Contract:
    """A contract whose source is raw.orders."""
    column = {"name": "at", "type": "timestamp", "required": True}
    return visits_contract(
        [column],
        table=table,
        source={"table": "raw.orders", "topic": "visits", "columns": [column], "event_time": "at"},
        transform={"function": "somewhere:anything", "mode": "append", "generation": generation},
        on_invalid="drop",
        engine="spark",
    )


def planned(settings: Settings, checkpoint: str, batch: int, version: int, *, committed: bool = True) -> None:
    """A batch in a checkpoint, as Spark 4.1 writes it for a Delta source."""
    text = (
        'v1\n{"batchWatermarkMs":0,"batchTimestampMs":1795399588438,"conf":{}}\n'
        f'{{"sourceVersion":1,"reservoirId":"5e0d1a4c","reservoirVersion":{version},"index":-1,"isStartingVersion":false}}'
    )
    for log in ("offsets", "commits") if committed else ("offsets",):
        file = Path(settings.checkpoint_root) / checkpoint / log / str(batch)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if log == "offsets" else 'v1\n{"nextBatchWatermarkMs":0}')
        (file.parent / f".{batch}.crc").write_bytes(b"")


def test_a_model_reads_up_to_the_version_it_has_consumed(settings: Settings, catalog: Catalog) -> None:
    model(catalog, "marts.first", 1)
    model(catalog, "marts.second", 2)
    found = registered_readers(settings, catalog, []).by_table
    assert found == {"raw.orders": (Reader("the model marts.first", 1), Reader("the model marts.second", 2))}


def test_of_a_model_that_was_rebuilt_its_present_epoch_counts(settings: Settings, catalog: Catalog) -> None:
    model(catalog, "marts.m", 0)
    model(catalog, "marts.m", 2, epoch=1)
    assert registered_readers(settings, catalog, []).by_table == {"raw.orders": (Reader("the model marts.m", 2),)}


def test_a_table_that_was_made_anew_has_not_been_read(settings: Settings, catalog: Catalog) -> None:
    model(catalog, "marts.m", 1)
    Path(catalog.uri("raw.orders")).rename(Path(catalog.uri("raw.orders")).with_name("gone"))
    write_deltalake(catalog.uri("raw.orders"), NUMBERS)
    assert "raw.orders" not in registered_readers(settings, catalog, []).by_table


def test_a_query_reads_up_to_what_it_has_committed(settings: Settings, catalog: Catalog) -> None:
    planned(settings, "streaming.copies", 0, 1)
    planned(settings, "streaming.copies", 10, 2)
    planned(settings, "streaming.copies", 11, 3, committed=False)
    found = registered_readers(settings, catalog, [follower()]).by_table
    assert found == {"raw.orders": (Reader("the query of streaming.copies", 1),)}


def test_a_query_whose_first_batch_is_not_committed_holds_what_it_began_with(
    settings: Settings, catalog: Catalog
) -> None:
    planned(settings, "streaming.copies", 0, 2, committed=False)
    assert registered_readers(settings, catalog, [follower()]).by_table["raw.orders"][0].version == 1


def test_the_generation_of_the_contract_counts(settings: Settings, catalog: Catalog) -> None:
    planned(settings, "streaming.copies", 7, 1)
    planned(settings, "streaming.copies.g2", 0, 3)
    assert registered_readers(settings, catalog, [follower(generation=2)]).by_table["raw.orders"][0].version == 2


def test_a_query_that_has_not_begun_reads_nothing(settings: Settings, catalog: Catalog) -> None:
    assert registered_readers(settings, catalog, [follower()]).by_table == {}
