"""Which files of a change feed Spark reads at once."""

from lakehouse.dbt_spark.changes import read_alike
from lakehouse.storage.changes import ChangedFile


def file(number: int, kind: str = "insert", **values: str | None) -> ChangedFile:
    return ChangedFile(f"s3://lake/raw/t/{number}.parquet", kind, values)


def test_files_of_one_kind_are_read_at_once_in_the_scheme_of_hadoop() -> None:
    files = [file(1), file(2, "delete"), file(3)]
    assert read_alike(files, ["id"]) == [
        ("insert", (), ["s3a://lake/raw/t/1.parquet", "s3a://lake/raw/t/3.parquet"]),
        ("delete", (), ["s3a://lake/raw/t/2.parquet"]),
    ]


def test_files_of_partitions_that_a_model_asks_for_are_read_apart() -> None:
    files = [file(1, day="a"), file(2, day="b"), file(3, day="a"), file(4, day="")]
    told = [(values, len(locations)) for _, values, locations in read_alike(files, ["id", "day"])]
    assert told == [((("day", "a"),), 2), ((("day", "b"),), 1), ((("day", None),), 1)]


def test_partitions_that_nobody_asks_for_keep_nothing_apart() -> None:
    assert len(read_alike([file(1, day="a"), file(2, day="b")], ["id"])) == 1
