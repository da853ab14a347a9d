"""The columns of a query of Spark, as contracts name them."""

import duckdb
import pytest
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from lakehouse.dbt_spark.operations import types_in_duckdb


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (StringType(), "VARCHAR"),
        (IntegerType(), "INTEGER"),
        (LongType(), "BIGINT"),
        (DoubleType(), "DOUBLE"),
        (BooleanType(), "BOOLEAN"),
        (DateType(), "DATE"),
        (TimestampType(), "TIMESTAMP WITH TIME ZONE"),
        (TimestampNTZType(), "TIMESTAMP"),
        (DecimalType(19, 2), "DECIMAL(19,2)"),
        (ArrayType(LongType()), "BIGINT[]"),
    ],
)
def test_a_type_of_spark_is_that_of_a_contract(kind: DataType, name: str) -> None:
    schema = StructType([StructField("a", kind)])
    with duckdb.connect() as connection:
        assert types_in_duckdb(connection, schema) == {"a": name}
