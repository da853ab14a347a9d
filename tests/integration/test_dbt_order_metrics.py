"""`mart_order_metrics`, which follows the streaming tables there are: none, declared but not started, one, both."""

import datetime as dt
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.contracts.generate import generated_files
from lakehouse.contracts.loader import find_contract
from lakehouse.storage.create import table_properties
from tests.lakehouse_dbt import PROJECT, REPOSITORY, Lakehouse, messages, minute

MART = "marts.mart_order_metrics"
MODEL = ("--select", "mart_order_metrics")
#: Each streaming table, and its column that tells the versions of a window apart.
TABLES = {"streaming.order_metrics": "processed_at", "streaming.order_metrics_5min": "emitted_at"}
ALL = "source_table, window_start, status, order_count, total_amount_cents, average_amount_cents"


def project(directory: Path, *declared: str) -> Lakehouse:
    """The dbt project as it is when contracts declare these streaming tables beside raw.orders."""
    copy = directory / "dbt"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs"))
    orders = find_contract(REPOSITORY / "streaming" / "contracts", "raw.orders")
    contracts = [orders, *(orders.model_copy(update={"table": table, "on_invalid": "drop"}) for table in declared)]
    for file, text in generated_files(contracts, directory, copy).items():
        file.write_text(text)
    lakehouse = Lakehouse(directory, copy)
    lakehouse.create_source()
    return lakehouse


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return project(tmp_path, *TABLES)


def stream(lakehouse: Lakehouse, table: str, *windows: tuple[int, str | None, int, int, int]) -> None:
    """Appends versions of windows: the minute it starts at, status, orders, cents, the minute it is emitted at."""
    rows = {
        "window_start": _times(minute(window[0]) for window in windows),
        "window_end": _times(minute(window[0] + 5) for window in windows),
        "status": pa.array([window[1] for window in windows], pa.string()),
        "order_count": pa.array([window[2] for window in windows], pa.int64()),
        "total_amount_cents": pa.array([window[3] for window in windows], pa.int64()),
        TABLES[table]: _times(minute(window[4]) for window in windows),
    }
    properties = table_properties(dt.timedelta(days=1))
    write_deltalake(lakehouse.catalog.uri(table), pa.table(rows), mode="append", configuration=properties)


def _times(moments: object) -> pa.Array:
    return pa.array(list(moments), pa.timestamp("us", tz="UTC"))  # type: ignore[call-overload]


def held(lakehouse: Lakehouse) -> list[tuple[object, ...]]:
    return lakehouse.rows(f"SELECT {ALL} FROM {MART} ORDER BY ALL")


def test_without_contracts_there_is_no_such_model(tmp_path: Path) -> None:
    lakehouse = project(tmp_path)
    result = lakehouse.dbt("ls", "--resource-type", "model", "--output", "name")
    assert result.success, messages(result)
    assert "fct_orders_daily" in result.result
    assert "mart_order_metrics" not in result.result


def test_before_the_streams_have_started_it_is_empty(lakehouse: Lakehouse) -> None:
    lakehouse.run(*MODEL)
    assert held(lakehouse) == []


def test_a_table_that_comes_later_is_taken_up(lakehouse: Lakehouse) -> None:
    stream(lakehouse, "streaming.order_metrics", (0, "paid", 2, 300, 6))
    lakehouse.run(*MODEL)
    stream(lakehouse, "streaming.order_metrics_5min", (0, "paid", 3, 600, 6))
    lakehouse.run(*MODEL)
    assert held(lakehouse) == [
        ("streaming.order_metrics", minute(0), "paid", 2, 300, 150.0),
        ("streaming.order_metrics_5min", minute(0), "paid", 3, 600, 200.0),
    ]


def test_the_latest_version_of_a_window_wins_in_whatever_order_they_come(lakehouse: Lakehouse) -> None:
    stream(lakehouse, "streaming.order_metrics_5min", (0, "paid", 3, 30, 9), (5, "paid", 1, 10, 9))
    lakehouse.run(*MODEL)
    stream(lakehouse, "streaming.order_metrics_5min", (0, "paid", 2, 20, 8), (5, "paid", 4, 40, 11))
    lakehouse.run(*MODEL)
    expected = [(minute(0), 3), (minute(5), 4)]
    assert lakehouse.rows(f"SELECT window_start, order_count FROM {MART} ORDER BY 1") == expected
    lakehouse.run("--full-refresh", *MODEL)
    assert lakehouse.rows(f"SELECT window_start, order_count FROM {MART} ORDER BY 1") == expected


def test_a_window_whose_rows_are_gone_goes_too(lakehouse: Lakehouse) -> None:
    stream(lakehouse, "streaming.order_metrics", (0, "paid", 3, 30, 9), (5, None, 1, 10, 9))
    lakehouse.run(*MODEL)
    lakehouse.table("streaming.order_metrics").delete("status = 'paid'")
    lakehouse.run(*MODEL)
    assert held(lakehouse) == [("streaming.order_metrics", minute(5), "unknown", 1, 10, 10.0)]


def test_a_column_that_the_table_lacks_is_added_while_windows_go(lakehouse: Lakehouse) -> None:
    stream(lakehouse, "streaming.order_metrics", (0, "paid", 3, 30, 9), (5, None, 1, 10, 9))
    lakehouse.run(*MODEL)
    older = lakehouse.table(MART).to_pyarrow_table().drop_columns(["average_amount_cents"])
    write_deltalake(lakehouse.catalog.uri(MART), older, mode="overwrite", schema_mode="overwrite")
    lakehouse.table("streaming.order_metrics").delete("status = 'paid'")
    lakehouse.run(*MODEL)
    assert held(lakehouse) == [("streaming.order_metrics", minute(5), "unknown", 1, 10, 10.0)]


def test_unchanged_streams_commit_nothing(lakehouse: Lakehouse) -> None:
    stream(lakehouse, "streaming.order_metrics", (0, "paid", 3, 30, 9))
    lakehouse.run(*MODEL)
    version = lakehouse.version(MART)
    lakehouse.run(*MODEL)
    assert lakehouse.version(MART) == version
