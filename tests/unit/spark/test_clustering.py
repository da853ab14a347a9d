"""By which columns a table can be sorted."""

from pathlib import Path

import pytest
from deltalake import DeltaTable
from tests.contracts import visits_contract

from lakehouse.errors import LakehouseError
from lakehouse.storage import Catalog, create_tables
from lakehouse_spark.clustering import check_columns

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}, {"name": "page", "type": "string"}]


@pytest.fixture
def clustered(tmp_path: Path) -> DeltaTable:
    """The table of a contract that clusters it by `page`."""
    catalog = Catalog(str(tmp_path))
    create_tables(catalog, visits_contract(COLUMNS, cluster_by=["page"]))
    return catalog.open("raw.visits")


def test_columns_of_the_contract_and_those_that_arrive_in_order_can_be_sorted_by(clustered: DeltaTable) -> None:
    check_columns(clustered, "raw.visits", ["page", "at", "kafka_offset"])


def test_a_column_without_bounds_is_refused_with_what_gives_it_some(clustered: DeltaTable) -> None:
    with pytest.raises(LakehouseError) as error:
        check_columns(clustered, "raw.visits", ["page", "kafka_topic"])
    assert "raw.visits cannot be clustered by kafka_topic: " in str(error.value)
    assert "Columns with bounds: at, page, kafka_partition, " in str(error.value)
    assert "contracts apply raw.visits" in str(error.value)


@pytest.mark.parametrize(("columns", "wrong"), [([], "no column"), (["pgae"], "pgae")])
def test_a_column_that_there_is_not_is_named_with_those_there_are(
    clustered: DeltaTable, columns: list[str], wrong: str
) -> None:
    with pytest.raises(LakehouseError, match=f"cannot be clustered by {wrong}. Columns: at, page, "):
        check_columns(clustered, "raw.visits", columns)
