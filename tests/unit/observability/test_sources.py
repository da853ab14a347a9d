"""What sources tell of real tables."""

import shutil
import time
from pathlib import Path

import pytest
from tests.event_tables import Event, Tables

from lakehouse.observability.loops import Loop, LoopCollector, Source
from lakehouse.observability.metrics import Families
from lakehouse.observability.sources.latency import TableLatency
from lakehouse.observability.sources.store import StoreSpace
from lakehouse.observability.sources.tables import TableSizes
from lakehouse.settings import Settings
from lakehouse.storage import Catalog

NOW = int(time.time() * 1000)


def samples(found: Families) -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels.values()): sample.value for family in found for sample in family.samples}


def test_sizes_are_those_of_the_newest_version(tables: Tables) -> None:
    sizes = TableSizes(tables.catalog)
    for offset in range(20):
        tables.commit([Event(offset, NOW), Event(100 + offset, NOW)], NOW + offset)
    found = samples(sizes())
    assert found["lakehouse_table_version", "raw.visits"] == 20
    assert found["lakehouse_table_rows", "raw.visits"] == 40
    assert found["lakehouse_table_files", "raw.visits"] == 20
    assert found["lakehouse_table_small_file_ratio", "raw.visits"] == 1
    assert found["lakehouse_table_last_commit_timestamp_seconds", "raw.visits"] == pytest.approx(NOW / 1000 + 0.019)
    tables.catalog.open("raw.visits").optimize.compact()
    found = samples(sizes())
    assert found["lakehouse_table_rows", "raw.visits"] == 40
    assert (found["lakehouse_table_files", "raw.visits"], found["lakehouse_table_small_file_ratio", "raw.visits"]) == (
        1,
        0,
    )


def test_a_table_that_stands_still_is_not_opened(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = TableSizes(tables.catalog)
    before = samples(sizes())
    opened: list[str] = []
    monkeypatch.setattr(Catalog, "open", lambda _, name: opened.append(name))
    assert samples(sizes()) == before
    assert opened == []


def test_latencies_duplicates_and_rejected_events_are_counted(settings: Settings, tables: Tables) -> None:
    tables.commit([Event(0, NOW - 700), Event(1, NOW - 4000)], NOW)
    tables.commit([Event(1, NOW - 4000)], NOW)
    tables.reject([Event(2, NOW, reason="invalid_json: no object"), Event(3, NOW, reason="missing: at")], NOW)
    found = samples(TableLatency(settings, tables.catalog, [tables.contract])())
    assert found["lakehouse_table_latency_seconds_bucket", "raw.visits", "0.5"] == 0
    assert found["lakehouse_table_latency_seconds_bucket", "raw.visits", "1"] == 1
    assert found["lakehouse_table_latency_seconds_bucket", "raw.visits", "5"] == 2
    assert found["lakehouse_table_latency_seconds_count", "raw.visits"] == 2
    assert found["lakehouse_table_latency_seconds_sum", "raw.visits"] == 4.7
    assert found["lakehouse_table_duplicate_events_total", "raw.visits"] == 1
    assert found["lakehouse_table_rejected_events_total", "raw.visits", "invalid_json"] == 1
    assert found["lakehouse_table_rejected_events_total", "raw.visits", "missing"] == 1
    assert found["lakehouse_table_rejected_events_total", "raw.visits", "offsets_lost"] == 0
    assert found["lakehouse_contract_tolerance_seconds", "raw.visits"] == 180


def test_collecting_tells_what_it_costs(tables: Tables) -> None:
    loop = Loop(Source("tables", 15.0, 30.0, TableSizes(tables.catalog)))
    loop.collect()
    found = {s.name: s.value for family in LoopCollector([loop]).collect() for s in family.samples}
    assert 0 < found["lakehouse_exporter_collect_cpu_seconds_total"] < 10
    assert found["lakehouse_exporter_collect_seconds"] > 0


def test_room_is_that_of_the_disk_and_an_object_store_has_no_end(tables: Tables, tmp_path: Path) -> None:
    found = samples(StoreSpace(tables.catalog.root)())
    assert 0 < found["lakehouse_store_free_bytes",] <= found["lakehouse_store_size_bytes",]
    assert found["lakehouse_store_size_bytes",] == shutil.disk_usage(tmp_path).total
    assert samples(StoreSpace("s3://lake/tables")()) == {}
    assert samples(StoreSpace(str(tmp_path / "not" / "yet"))()) == {}
