"""Tables are created from contracts, once, with what every reader understands."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.contracts import Contract
from lakehouse.storage import Catalog, SchemaMismatchError, create_tables
from lakehouse.storage.create import apply_contract, table_properties
from lakehouse.storage.duck import connect

Make = Callable[..., Contract]
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
COORDINATES = {
    "kafka_topic": "visits",
    "kafka_partition": 1,
    "kafka_offset": 42,
    "kafka_timestamp": NOW,
    "ingested_at": NOW,
}
VISIT = {
    "visit_id": "v-1",
    "at": NOW,
    "day": date(2026, 1, 2),
    "pages": 7,
    "bytes": 2**40,
    "seconds": 1.5,
    "member": True,
    **COORDINATES,
}


def append(catalog: Catalog, name: str, *rows: dict[str, object]) -> None:
    schema = pa.schema(catalog.open(name).schema().to_arrow())
    write_deltalake(catalog.uri(name), pa.Table.from_pylist(list(rows), schema), mode="append")


def columns(catalog: Catalog, name: str) -> list[tuple[str, str, bool]]:
    return [(field.name, field.type.type, field.nullable) for field in catalog.open(name).schema().fields]


def test_a_contract_makes_its_table_and_its_quarantine(catalog: Catalog, make_contract: Make) -> None:
    create_tables(catalog, make_contract())
    assert catalog.names() == ["raw.visits", "raw.visits_rejected"]


@pytest.mark.parametrize("on_invalid", ["drop", "fail"])
def test_without_quarantine_there_is_no_such_table(catalog: Catalog, make_contract: Make, on_invalid: str) -> None:
    create_tables(catalog, make_contract(on_invalid=on_invalid))
    assert catalog.names() == ["raw.visits"]


def test_columns_have_the_types_of_delta_in_the_order_of_the_contract(catalog: Catalog, make_contract: Make) -> None:
    create_tables(catalog, make_contract())
    assert columns(catalog, "raw.visits") == [
        ("visit_id", "string", False),
        ("at", "timestamp", False),
        ("day", "date", True),
        ("pages", "integer", True),
        ("bytes", "long", True),
        ("seconds", "double", True),
        ("member", "boolean", True),
        ("kafka_topic", "string", True),
        ("kafka_partition", "integer", True),
        ("kafka_offset", "long", True),
        ("kafka_timestamp", "timestamp", True),
        ("ingested_at", "timestamp", True),
    ]


def test_the_quarantine_keeps_raw_bytes(catalog: Catalog, make_contract: Make) -> None:
    create_tables(catalog, make_contract())
    assert columns(catalog, "raw.visits_rejected")[5:] == [
        ("raw_key", "binary", True),
        ("raw_value", "binary", True),
        ("reason", "string", True),
    ]


def test_descriptions_stand_in_the_table(catalog: Catalog, make_contract: Make) -> None:
    create_tables(catalog, make_contract())
    table = catalog.open("raw.visits")
    assert table.metadata().name == "raw.visits"
    assert table.metadata().description == "One visit"
    assert table.schema().fields[0].metadata["comment"] == "Identifier of the visit"


#: Files are told apart by what arrives in order; bounds of ids and names would tell nothing.
BOUNDED = "kafka_partition,kafka_offset,kafka_timestamp,ingested_at"


@pytest.mark.parametrize(("name", "bounded"), [("raw.visits", f"at,{BOUNDED}"), ("raw.visits_rejected", BOUNDED)])
def test_the_agreed_properties_are_set(catalog: Catalog, make_contract: Make, name: str, bounded: str) -> None:
    create_tables(catalog, make_contract(retention="7 days"))
    assert catalog.open(name).metadata().configuration == {
        "delta.enableChangeDataFeed": "true",
        "delta.enableDeletionVectors": "false",
        "delta.logRetentionDuration": "interval 604800 seconds",
        "delta.deletedFileRetentionDuration": "interval 604800 seconds",
        "delta.dataSkippingStatsColumns": bounded,
    }


def test_columns_to_cluster_by_have_bounds_and_an_existing_table_gets_them_on_demand(
    catalog: Catalog, make_contract: Make
) -> None:
    create_tables(catalog, make_contract())
    clustered = make_contract(cluster_by=["visit_id"])
    with pytest.raises(SchemaMismatchError, match=r"contracts apply raw\.visits` sets it"):
        create_tables(catalog, clustered)
    stated = {"delta.dataSkippingStatsColumns": f"visit_id,at,{BOUNDED}"}
    assert apply_contract(catalog, clustered) == {"raw.visits": stated}
    create_tables(catalog, clustered)


@pytest.mark.parametrize("name", ["raw.visits", "raw.visits_rejected"])
def test_no_feature_is_on_that_a_reader_lacks(catalog: Catalog, make_contract: Make, name: str) -> None:
    create_tables(catalog, make_contract())
    protocol = catalog.open(name).protocol()
    forbidden = {"deletionVectors", "columnMapping", "typeWidening", "typeWidening-preview", "v2Checkpoint"}
    assert not forbidden & {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    assert protocol.min_reader_version == 1


@pytest.mark.parametrize("milliseconds", [1, 999, 1000, 1001, 86_400_000])
def test_history_is_kept_at_least_as_long_as_asked(milliseconds: int) -> None:
    retention = timedelta(milliseconds=milliseconds)
    interval, seconds, unit = table_properties(retention)["delta.logRetentionDuration"].split()
    assert (interval, unit) == ("interval", "seconds")
    assert timedelta(0) <= timedelta(seconds=int(seconds)) - retention < timedelta(seconds=1)


def test_a_table_is_partitioned_as_the_contract_says(catalog: Catalog, make_contract: Make) -> None:
    create_tables(catalog, make_contract(partition_by=["day"]))
    assert catalog.open("raw.visits").metadata().partition_columns == ["day"]
    assert catalog.open("raw.visits_rejected").metadata().partition_columns == []


def test_delta_rs_reads_the_rows_back(catalog: Catalog, make_contract: Make) -> None:
    create_tables(catalog, make_contract())
    append(catalog, "raw.visits", VISIT)
    assert catalog.open("raw.visits").to_pyarrow_table().to_pylist() == [VISIT]


def test_duckdb_reads_the_rows_back(catalog: Catalog, make_contract: Make) -> None:
    create_tables(catalog, make_contract(partition_by=["day"]))
    append(catalog, "raw.visits", VISIT)
    (found,) = connect(catalog).sql("FROM raw.visits").to_arrow_table().to_pylist()
    assert found == VISIT


def test_creating_again_changes_nothing(catalog: Catalog, make_contract: Make) -> None:
    create_tables(catalog, make_contract())
    append(catalog, "raw.visits", VISIT)
    before = catalog.open("raw.visits")
    create_tables(catalog, make_contract())
    after = catalog.open("raw.visits")
    assert (after.version(), after.metadata().id) == (before.version(), before.metadata().id)
    assert after.to_pyarrow_table().num_rows == 1


def test_processes_that_create_at_once_share_one_table(catalog: Catalog, make_contract: Make, tmp_path: Path) -> None:
    contract = tmp_path / "contract.json"
    contract.write_text(make_contract().model_dump_json())
    start = tmp_path / "start"
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from lakehouse.contracts import Contract\n"
        "from lakehouse.storage import Catalog, create_tables\n"
        "contract = Contract.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "print('ready', flush=True)\n"
        "while not os.path.exists(sys.argv[2]): pass\n"
        "for number in range(10):\n"
        "    create_tables(Catalog(f'{sys.argv[3]}/{number}'), contract)\n"
    )
    command = [sys.executable, "-c", program, str(contract), str(start), catalog.root]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 2
        start.touch()
        errors = [process.communicate(timeout=60)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], errors
    for number in range(10):
        created = Catalog(f"{catalog.root}/{number}")
        assert created.names() == ["raw.visits", "raw.visits_rejected"]
        assert {created.open(name).version() for name in created.names()} == {0}


class TestMismatch:
    """A table that does not fit its contract is not touched, and each difference is told with its remedy."""

    def changed(
        self, make_contract: Make, *changes: dict[str, object], drop: str = "", **overrides: object
    ) -> Contract:
        declared = [column.model_dump(mode="json", exclude_none=True) for column in make_contract().columns]
        kept = [column for column in declared if column["name"] not in {drop, *(c["name"] for c in changes)}]
        return make_contract(columns=[*kept, *changes], **overrides)

    def refused(self, catalog: Catalog, contract: Contract) -> list[str]:
        with pytest.raises(SchemaMismatchError) as error:
            create_tables(catalog, contract)
        first, *details = str(error.value).splitlines()
        assert first == f"table raw.visits at {catalog.uri('raw.visits')} does not match its contract:"
        assert all("Remedy: " in detail for detail in details)
        return [detail.strip() for detail in details]

    def test_a_column_of_another_type_is_named_with_both(self, catalog: Catalog, make_contract: Make) -> None:
        create_tables(catalog, make_contract())
        (detail,) = self.refused(catalog, self.changed(make_contract, {"name": "pages", "type": "bigint"}))
        assert detail.startswith("pages: table ")
        assert "integer" in detail.partition(", contract ")[0]
        assert "long" in detail.partition(", contract ")[2]
        assert "move the table away" in detail

    def test_a_column_that_the_table_lacks_is_named(self, catalog: Catalog, make_contract: Make) -> None:
        create_tables(catalog, make_contract())
        (detail,) = self.refused(catalog, self.changed(make_contract, {"name": "browser", "type": "string"}))
        assert detail.startswith("browser: table has none, contract ")

    def test_a_column_that_the_contract_lacks_is_named(self, catalog: Catalog, make_contract: Make) -> None:
        create_tables(catalog, make_contract())
        (detail,) = self.refused(catalog, self.changed(make_contract, drop="day"))
        assert detail.startswith("day: table ")
        assert ", contract has none. " in detail

    def test_a_column_that_the_contract_no_longer_requires_is_named(
        self, catalog: Catalog, make_contract: Make
    ) -> None:
        create_tables(catalog, make_contract())
        (detail,) = self.refused(catalog, self.changed(make_contract, {"name": "visit_id", "type": "string"}))
        assert detail.startswith(
            "visit_id: table is NOT NULL, contract allows NULL. Remedy: set `required: true` again"
        )

    def test_a_column_that_the_contract_requires_since_is_named(self, catalog: Catalog, make_contract: Make) -> None:
        create_tables(catalog, make_contract())
        required = {"name": "pages", "type": "int", "required": True}
        (detail,) = self.refused(catalog, self.changed(make_contract, required))
        assert detail.startswith("pages: table allows NULL, contract is NOT NULL. Remedy: drop `required: true`")

    def test_other_partitions_are_named_with_both(self, catalog: Catalog, make_contract: Make) -> None:
        create_tables(catalog, make_contract(partition_by=["day"]))
        (detail,) = self.refused(catalog, make_contract(partition_by=["day", "member"]))
        assert detail.startswith("partition_by: table day, contract day, member. Remedy: ")
        assert "partition_by: table day, contract has none" in self.refused(catalog, make_contract())[0]

    def test_another_retention_is_named_with_the_command_that_applies_it(
        self, catalog: Catalog, make_contract: Make
    ) -> None:
        create_tables(catalog, make_contract(retention="7 days"))
        longer = make_contract(retention="30 days")
        details = self.refused(catalog, longer)
        assert [detail.partition(":")[0] for detail in details] == [
            "delta.deletedFileRetentionDuration",
            "delta.logRetentionDuration",
        ]
        for detail in details:
            assert "table interval 604800 seconds, contract interval 2592000 seconds" in detail
            assert "lakehouse contracts apply raw.visits` sets it" in detail
        assert set(apply_contract(catalog, longer)) == {"raw.visits", "raw.visits_rejected"}
        create_tables(catalog, longer)
        assert apply_contract(catalog, longer) == {}

    def test_an_optional_column_is_added_on_demand_and_a_required_one_never(
        self, catalog: Catalog, make_contract: Make
    ) -> None:
        create_tables(catalog, make_contract())
        columns = ({"name": "browser", "type": "string"}, {"name": "clicks", "type": "int", "required": True})
        wider = self.changed(make_contract, *columns)
        browser, clicks = self.refused(catalog, wider)
        assert "lakehouse contracts apply raw.visits` adds it" in browser
        assert "move the table away" in clicks
        assert apply_contract(catalog, wider) == {"raw.visits": {"column browser": "string"}}
        assert [detail.partition(":")[0] for detail in self.refused(catalog, wider)] == ["clicks"]
        create_tables(catalog, self.changed(make_contract, columns[0]))

    def test_properties_of_others_are_left_alone(self, catalog: Catalog, make_contract: Make) -> None:
        create_tables(catalog, make_contract())
        catalog.open("raw.visits").alter.set_table_properties({"delta.checkpointInterval": "50"})
        create_tables(catalog, make_contract())
        assert catalog.open("raw.visits").metadata().configuration["delta.checkpointInterval"] == "50"

    def test_every_difference_is_named(self, catalog: Catalog, make_contract: Make) -> None:
        create_tables(catalog, make_contract())
        contract = self.changed(make_contract, {"name": "pages", "type": "string"}, drop="day", partition_by=["member"])
        found = [detail.partition(":")[0] for detail in self.refused(catalog, contract)]
        assert found == ["day", "pages", "partition_by"]

    def test_the_table_stays_as_it_was(self, catalog: Catalog, make_contract: Make) -> None:
        create_tables(catalog, make_contract())
        before = columns(catalog, "raw.visits")
        self.refused(catalog, self.changed(make_contract, drop="day"))
        assert (columns(catalog, "raw.visits"), catalog.open("raw.visits").version()) == (before, 0)
