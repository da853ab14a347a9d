"""A table itself tells which offsets it holds."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.contracts import Contract
from lakehouse.storage import Catalog, create_tables
from lakehouse.storage.offsets import following_offsets, missing_offsets

Make = Callable[..., Contract]


@pytest.fixture
def contract(catalog: Catalog, make_contract: Make) -> Contract:
    contract = make_contract(columns=[{"name": "at", "type": "timestamp", "required": True}])
    create_tables(catalog, contract)
    return contract


def hold(catalog: Catalog, name: str, *offsets: tuple[int, int], topic: str = "visits") -> None:
    """Appends a row a (partition, offset)."""
    schema = pa.schema(catalog.open(name).schema().to_arrow())
    rows = [
        {"at": 0, "kafka_topic": topic, "kafka_partition": partition, "kafka_offset": offset}
        for partition, offset in offsets
    ]
    write_deltalake(catalog.uri(name), pa.Table.from_pylist(rows, schema), mode="append")


def test_a_table_that_does_not_exist_holds_nothing(catalog: Catalog) -> None:
    assert following_offsets(catalog, "raw.visits", "visits") == {}


def test_a_table_of_somebody_elses_columns_holds_no_offsets(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.visits"), pa.table({"other": [1]}))
    assert following_offsets(catalog, "raw.visits", "visits") == {}


@pytest.mark.parametrize("table", ["raw.visits", "raw.visits_rejected"])
class TestEitherTable:
    """The table and its quarantine table are asked alike."""

    def test_empty_it_holds_nothing(self, catalog: Catalog, contract: Contract, table: str) -> None:
        assert catalog.exists(table)
        assert following_offsets(catalog, table, contract.source.topic) == {}

    def test_the_next_offset_is_one_behind_the_newest_of_each_partition(
        self, catalog: Catalog, contract: Contract, table: str
    ) -> None:
        hold(catalog, table, (0, 4), (0, 9), (1, 0))
        hold(catalog, table, (0, 7))
        assert following_offsets(catalog, table, contract.source.topic) == {0: 10, 1: 1}

    def test_offsets_of_another_topic_do_not_count(self, catalog: Catalog, contract: Contract, table: str) -> None:
        hold(catalog, table, (0, 1_000), (5, 1), topic="visits.old")
        hold(catalog, table, (0, 3))
        assert following_offsets(catalog, table, contract.source.topic) == {0: 4}

    def test_offsets_beyond_32_bits_are_told(self, catalog: Catalog, contract: Contract, table: str) -> None:
        hold(catalog, table, (0, 2**40))
        assert following_offsets(catalog, table, contract.source.topic) == {0: 2**40 + 1}


class TestMissing:
    """Offsets between others that are in neither table."""

    NAMES = ("raw.visits", "raw.visits_rejected")

    def test_without_tables_nothing_is_missing(self, catalog: Catalog) -> None:
        assert missing_offsets(catalog, *self.NAMES, "visits") == 0

    def test_what_the_one_lacks_the_other_may_have(self, catalog: Catalog, contract: Contract) -> None:
        hold(catalog, "raw.visits", (0, 4), (0, 6), (1, 0))
        hold(catalog, "raw.visits_rejected", (0, 5), (1, 1))
        assert missing_offsets(catalog, *self.NAMES, contract.source.topic) == 0

    def test_each_that_neither_has_is_counted_in_its_partition(self, catalog: Catalog, contract: Contract) -> None:
        hold(catalog, "raw.visits", (0, 4), (0, 9), (1, 3))
        hold(catalog, "raw.visits_rejected", (0, 5), (1, 1))
        assert missing_offsets(catalog, *self.NAMES, contract.source.topic) == 3 + 1

    def test_one_that_is_in_both_hides_no_gap(self, catalog: Catalog, contract: Contract) -> None:
        hold(catalog, "raw.visits", (0, 4), (0, 6))
        hold(catalog, "raw.visits_rejected", (0, 4))
        assert missing_offsets(catalog, *self.NAMES, contract.source.topic) == 1

    def test_those_of_another_topic_do_not_count(self, catalog: Catalog, contract: Contract) -> None:
        hold(catalog, "raw.visits", (0, 1), (0, 1_000), topic="visits.old")
        assert missing_offsets(catalog, *self.NAMES, contract.source.topic) == 0
