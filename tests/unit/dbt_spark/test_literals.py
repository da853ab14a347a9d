"""What DuckDB takes for a text, and Spark does after the change."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.dbt_spark.literals import with_backslashes


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        (r"regexp_matches(a, '^\d+$')", r"regexp_matches(a, '^\\d+$')"),
        (r"select 'C:\' as drive, 'it''s\' || b", r"select 'C:\\' as drive, 'it''s\\' || b"),
        (r"'a\'", r"'a\\'"),
        (r"'\\'", r"'\\\\'"),
    ],
)
def test_a_backslash_of_a_text_is_doubled(sql: str, changed: str) -> None:
    assert with_backslashes(sql) == changed


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 -- it's \\ here\n",
        "/* it's \\ \n here */ select 1",
        'select "it\'s \\" from t',
        "select `it's \\` from t",
        r"select r'\d' from t",
        "select 'it''s'",
    ],
)
def test_all_else_stays_as_it_is(sql: str) -> None:
    assert with_backslashes(sql) == sql


@given(st.lists(st.text(alphabet="a'\\\"-/* `", max_size=6), max_size=4))
def test_texts_that_duckdb_reads_are_those_that_spark_reads(texts: list[str]) -> None:
    literals = ["'" + text.replace("'", "''") + "'" for text in texts]
    sql = "SELECT " + ", ".join([*literals, "1"])
    assert list(duckdb.sql(sql).fetchall()[0][:-1]) == texts
    spoken = ["'" + text.replace("\\", "\\\\").replace("'", "''") + "'" for text in texts]
    assert with_backslashes(sql) == "SELECT " + ", ".join([*spoken, "1"])
