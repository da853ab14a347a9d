"""What a table's log says is what its files hold."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.storage import Catalog, TableNotFoundError, latest_version, table_stats
from lakehouse.storage.stats import bounded_columns

START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(*numbers: int) -> pa.Table:
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "text": pa.array([f"t{number}" for number in numbers]),
            "at": pa.array([START + timedelta(hours=number) for number in numbers], pa.timestamp("us", tz="UTC")),
            "half": pa.array(["even" if number % 2 == 0 else "odd" for number in numbers]),
            "nothing": pa.array([None for _ in numbers], pa.int64()),
        }
    )


def test_rows_files_and_bytes_are_those_on_disk(catalog: Catalog) -> None:
    for numbers in ((1, 2, 3), (4, 5), (6,)):
        write_deltalake(catalog.uri("raw.t"), rows(*numbers), mode="append")
    stats = table_stats(catalog, "raw.t")
    table = catalog.open("raw.t")
    assert stats.version == 2
    assert stats.rows == table.to_pyarrow_table().num_rows == 6
    assert stats.files == len(table.file_uris()) == 3
    assert stats.bytes == sum(pa.fs.LocalFileSystem().get_file_info(file).size for file in table.file_uris())


def test_files_that_were_replaced_do_not_count(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), rows(1, 2, 3))
    write_deltalake(catalog.uri("raw.t"), rows(9), mode="overwrite")
    stats = table_stats(catalog, "raw.t", ["number"])
    assert (stats.rows, stats.files, stats.maxima) == (1, 1, {"number": 9})


def test_deleted_rows_do_not_count(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), rows(1, 2, 3))
    catalog.open("raw.t").delete("number = 3")
    stats = table_stats(catalog, "raw.t", ["number"])
    assert (stats.rows, stats.maxima) == (2, {"number": 2})


def test_maxima_are_the_largest_over_all_files(catalog: Catalog) -> None:
    for numbers in ((1, 7), (3, 4)):
        write_deltalake(catalog.uri("raw.t"), rows(*numbers), mode="append")
    maxima = table_stats(catalog, "raw.t", ["number", "text", "at"]).maxima
    assert maxima == {"number": 7, "text": "t7", "at": START + timedelta(hours=7)}


def test_the_maximum_of_a_partition_column_is_its_largest_value(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), rows(1, 2, 3), partition_by=["half"])
    stats = table_stats(catalog, "raw.t", ["half", "number"])
    assert (stats.rows, stats.files, stats.maxima) == (3, 2, {"half": "odd", "number": 3})


def test_an_unknown_maximum_is_none(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), rows(1))
    assert table_stats(catalog, "raw.t", ["nothing", "no_column"]).maxima == {"nothing": None, "no_column": None}


def test_an_empty_table_holds_nothing(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), rows().slice(0, 0))
    stats = table_stats(catalog, "raw.t", ["at"])
    assert (stats.version, stats.rows, stats.bytes, stats.files, stats.maxima) == (0, 0, 0, 0, {"at": None})


def test_an_older_version_is_told_as_it_was(catalog: Catalog) -> None:
    for numbers in ((1,), (2, 3), (4, 5, 6)):
        write_deltalake(catalog.uri("raw.t"), rows(*numbers), mode="append")
    stats = table_stats(catalog, "raw.t", ["number"], version=1)
    assert (stats.version, stats.rows, stats.files, stats.maxima) == (1, 3, 2, {"number": 3})


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_time_is_that_of_the_versions_own_commit(catalog: Catalog, version: int) -> None:
    moments = []
    for number in range(3):
        before = datetime.now(UTC)
        write_deltalake(catalog.uri("raw.t"), rows(number), mode="append")
        moments.append((before, datetime.now(UTC)))
    before, after = moments[version]
    committed_at = table_stats(catalog, "raw.t", version=version).committed_at
    assert before - timedelta(milliseconds=1) <= committed_at <= after


def test_the_latest_version_grows_with_each_commit(catalog: Catalog) -> None:
    write_deltalake(catalog.uri("raw.t"), rows(1))
    assert latest_version(catalog, "raw.t") == 0
    write_deltalake(catalog.uri("raw.t"), rows(2), mode="append")
    assert latest_version(catalog, "raw.t") == 1


def test_a_table_that_there_is_not_is_told(catalog: Catalog) -> None:
    with pytest.raises(TableNotFoundError, match=r"raw\.t"):
        table_stats(catalog, "raw.t")
    with pytest.raises(TableNotFoundError, match=r"raw\.t"):
        latest_version(catalog, "raw.t")


class TestBounds:
    """Which columns have bounds is said by the table."""

    def table(self, catalog: Catalog, **properties: str) -> DeltaTable:
        given = {key.replace("_", "."): value for key, value in properties.items()}
        pair = pa.array([{"x": 1, "y": 2}])
        rows = pa.table({"pair": pair, "part": ["p"], "number": [1], "text": ["t"]})
        write_deltalake(catalog.uri("raw.t"), rows, partition_by=["part"], configuration=given)
        return catalog.open("raw.t")

    def test_without_a_word_they_are_the_first_ones(self, catalog: Catalog) -> None:
        assert bounded_columns(self.table(catalog)) == ["pair", "number", "text"]

    @pytest.mark.parametrize(
        ("first", "bounded"),
        [("0", []), ("2", ["pair"]), ("3", ["pair", "number"]), ("-1", ["pair", "number", "text"])],
    )
    def test_as_many_as_it_says_a_field_counting_as_one(self, catalog: Catalog, first: str, bounded: list[str]) -> None:
        assert bounded_columns(self.table(catalog, delta_dataSkippingNumIndexedCols=first)) == bounded

    def test_those_that_it_lists(self, catalog: Catalog) -> None:
        assert bounded_columns(self.table(catalog, delta_dataSkippingStatsColumns="`text`, number")) == [
            "number",
            "text",
        ]
