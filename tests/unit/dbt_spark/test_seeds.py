"""A seed has the same columns whichever target loads it."""

from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.impl import DuckDBAdapter
from dbt_common.clients.agate_helper import table_from_data_flat
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import IntegerType, TimestampNTZType, TimestampType

from lakehouse.dbt_spark.adapter import Lakehouse_SparkAdapter

#: A value of every type that dbt tells apart.
SEED = {
    "name": "a",
    "whole": 1,
    "broken": 1.5,
    "flag": True,
    "day": "2026-01-01",
    "moment": "2026-01-01 12:00:00",
}


@pytest.fixture(scope="module")
def seed() -> Any:
    return table_from_data_flat([SEED], list(SEED))


@pytest.mark.parametrize("column", SEED)
def test_a_column_has_the_type_that_duckdb_gives_it(seed: Any, column: str) -> None:
    index = list(SEED).index(column)
    assert Lakehouse_SparkAdapter.convert_agate_type(seed, index) == DuckDBAdapter.convert_agate_type(seed, index)


def test_whole_numbers_and_times_without_a_zone_stay_what_they_are() -> None:
    sql = "SELECT 1::INTEGER AS whole, TIMESTAMP '2026-01-01' AS naive, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS instant"
    schema = from_arrow_schema(duckdb.sql(sql).to_arrow_table().schema, prefer_timestamp_ntz=True)
    assert [field.dataType for field in schema] == [IntegerType(), TimestampNTZType(), TimestampType()]
