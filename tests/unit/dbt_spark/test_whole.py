"""Tables that Spark writes as a whole. Its commit is played by delta-rs here: the same actions in one commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from delta.exceptions import ConcurrentTransactionException
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from pyspark.errors import AnalysisException

from lakehouse.dbt_delta.build import RETENTION
from lakehouse.dbt_delta.progress import EPOCH
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.dbt_spark.staging import Staging
from lakehouse.dbt_spark.whole import NotRecordedError, SparkWriter
from lakehouse.storage import Catalog, commit
from lakehouse.storage.create import table_properties

NAME, SOURCE = "marts.m", "dbt:1:raw.orders:id"
NEW = commit.NewTable([], "What it is", {"delta.enableChangeDataFeed": "true"})
SPEC = ModelSpec.from_node(
    {"schema": "marts", "alias": "m", "config": {"materialized": "table"}, "columns": {}, "description": ""}
)
ROWS = pa.table({"number": [1, 2]})


@dataclass(frozen=True)
class Written(SparkWriter):
    """Writes ROWS. ``meanwhile`` is what others do at the end of the commit; ``skip``: Delta finds the epoch there."""

    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    skip: bool = False
    fails: Exception | None = None

    def _save(self, spec: ModelSpec, mode: str, options: Mapping[str, str], partition_by: Sequence[str]) -> None:
        if not self.skip:
            write_deltalake(
                self.catalog.uri(spec.name),
                ROWS,
                mode="error" if mode == "errorifexists" else "overwrite",
                configuration={key: value for key, value in options.items() if key.startswith("delta.")} or None,
                commit_properties=CommitProperties(
                    custom_metadata={"userMetadata": options["userMetadata"]},
                    app_transactions=[Transaction(options["txnAppId"], int(options["txnVersion"]))],
                ),
            )
        for other in self.meanwhile:
            other()
        if self.fails:
            raise self.fails


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(str(tmp_path))


@pytest.fixture
def writer(catalog: Catalog) -> Callable[..., Written]:
    def make(**given: Any) -> Written:
        return Written(None, catalog, Staging(catalog), **given)  # type: ignore[arg-type]  # there is no Spark

    return make


def rows(where: str) -> pa.RecordBatchReader:
    assert where == "false"
    return ROWS.schema.empty_table().to_reader()


def progress(table: DeltaTable) -> dict[str, int | None]:
    return {app: commit.progress_of(table, app) for app in (EPOCH, SOURCE)}


def test_the_first_commit_of_a_table_holds_its_rows_epoch_and_properties(
    catalog: Catalog, writer: Callable[..., Written]
) -> None:
    writer().create(SPEC, rows, NEW, {EPOCH: 0, SOURCE: 7})
    first = catalog.open(NAME, 0)
    assert (first.to_pyarrow_table().num_rows, progress(first)) == (2, {EPOCH: 0, SOURCE: None})
    assert first.metadata().configuration == NEW.properties
    newest = catalog.open(NAME)
    assert (newest.to_pyarrow_table().num_rows, progress(newest)) == (2, {EPOCH: 0, SOURCE: 7})
    assert (newest.metadata().name, newest.metadata().description) == (NAME, "What it is")


def test_a_table_that_another_run_made_meanwhile_is_not_taken_for_this_ones(
    catalog: Catalog, writer: Callable[..., Written]
) -> None:
    write_deltalake(catalog.uri(NAME), ROWS)
    with pytest.raises(commit.ConcurrentWriteError, match="Nothing was written: run again"):
        writer(skip=True).create(SPEC, rows, NEW, {EPOCH: 0})
    assert catalog.open(NAME).version() == 0


def test_a_table_is_replaced_and_what_was_consumed_noted(catalog: Catalog, writer: Callable[..., Written]) -> None:
    write_deltalake(catalog.uri(NAME), pa.table({"number": [9]}))
    writer().replace(catalog.open(NAME), SPEC, rows, NEW, {EPOCH: 1, SOURCE: 7})
    newest = catalog.open(NAME)
    assert (newest.to_pyarrow_table(), progress(newest)) == (ROWS, {EPOCH: 1, SOURCE: 7})


@pytest.mark.parametrize(
    "error",
    [ConcurrentTransactionException("another epoch"), AnalysisException("[DELTA_PATH_EXISTS] It is there")],
)
def test_a_conflict_that_delta_finds_says_that_nothing_was_written(
    catalog: Catalog, writer: Callable[..., Written], error: Exception
) -> None:
    with pytest.raises(commit.ConcurrentWriteError, match=r"marts\.m: another writer .* Nothing was written"):
        writer(skip=True, fails=error).create(SPEC, rows, NEW, {EPOCH: 0})
    assert not catalog.exists(NAME)


def test_any_other_error_stays_what_it_is(writer: Callable[..., Written]) -> None:
    with pytest.raises(AnalysisException, match="no such column"):
        writer(skip=True, fails=AnalysisException("no such column")).create(SPEC, rows, NEW, {EPOCH: 0})


def rebuild(catalog: Catalog) -> None:
    """What another run does: a new epoch, of which something was consumed."""
    table = catalog.open(NAME)
    replaced = pa.table({"number": [7]}).to_reader()
    commit.replace(table, NAME, replaced, NEW, {EPOCH: (commit.progress_of(table, EPOCH) or 0) + 1})


def test_what_was_consumed_is_not_noted_for_the_rows_of_another_rebuild(
    catalog: Catalog, writer: Callable[..., Written]
) -> None:
    write_deltalake(catalog.uri(NAME), pa.table({"number": [9]}))
    table = catalog.open(NAME)
    with pytest.raises(NotRecordedError, match=r"not recorded (.|\n)*--full-refresh --select m"):
        writer(meanwhile=[lambda: rebuild(catalog)]).replace(table, SPEC, rows, NEW, {EPOCH: 1, SOURCE: 7})
    newest = catalog.open(NAME)
    assert (newest.to_pyarrow_table().to_pydict(), progress(newest)) == ({"number": [7]}, {EPOCH: 2, SOURCE: None})


def test_a_compaction_meanwhile_is_no_conflict(catalog: Catalog, writer: Callable[..., Written]) -> None:
    for _ in range(2):
        write_deltalake(catalog.uri(NAME), ROWS, mode="append")
    meanwhile = [lambda: write_deltalake(catalog.uri(NAME), ROWS, mode="append"), lambda: compact(catalog)]
    writer(meanwhile=meanwhile).replace(catalog.open(NAME), SPEC, rows, NEW, {EPOCH: 1, SOURCE: 7})
    assert progress(catalog.open(NAME)) == {EPOCH: 1, SOURCE: 7}


def compact(catalog: Catalog) -> None:
    assert catalog.open(NAME).optimize.compact()["numFilesRemoved"] == 2


def test_a_disk_that_is_full_by_then_says_that_the_table_was_rebuilt(
    catalog: Catalog, writer: Callable[..., Written], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(commit, "append", full)
    with pytest.raises(NotRecordedError, match=r"marts\.m was rebuilt, .*the disk is full"):
        writer().create(SPEC, rows, NEW, {EPOCH: 0, SOURCE: 7})
    assert progress(catalog.open(NAME)) == {EPOCH: 0, SOURCE: None}


def test_every_property_of_a_table_is_one_that_a_writer_of_spark_takes() -> None:
    """Delta takes those options for properties whose names begin so."""
    assert all(name.startswith("delta.") for name in table_properties(RETENTION))
