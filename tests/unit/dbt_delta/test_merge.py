"""A merge writes the files that changed and tells readers what changed, checked against a dictionary of rows."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.dbt_delta.batch import Batch, Outcome
from lakehouse.dbt_delta.columns import describe, resolve
from lakehouse.dbt_delta.errors import BatchError, ModelConfigError
from lakehouse.dbt_delta.merge import merge
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.storage import Catalog, log
from lakehouse.storage.changes import change_feed, rows_sql
from lakehouse.storage.commit import ConcurrentWriteError, progress_of
from lakehouse.storage.duck import delta_scan_sql, load_delta_extension
from lakehouse.storage.files import held_files
from lakehouse.storage.writable import UnsupportedTableError

NAME = "marts.items"
COLUMNS = {"id": "VARCHAR", "part": "VARCHAR", "grp": "INTEGER", "value": "BIGINT"}
PARTS = ("a", "b c/%=ü'", None)
SPEC = ModelSpec.from_node(
    {
        "schema": "marts",
        "alias": "items",
        "config": {
            "materialized": "incremental",
            "unique_key": "id",
            "partition_by": "part",
            "cluster_by": "grp",
            "on_partition_change": "move",
            "on_schema_change": "append_new_columns",
        },
    }
)
#: id to (part, grp, value); a value of None in a batch deletes the row.
Rows = Mapping[str, tuple[str | None, int, int | None]]


class Items:
    """A table, partitioned or not, and merges into it."""

    def __init__(self, directory: Path, held: Rows, spec: ModelSpec = SPEC, files: int = 1, **properties: str) -> None:
        self.catalog = Catalog(str(directory / "with a space"))
        self.spec = spec
        self.progress = 0
        self.connection = duckdb.connect(config={"threads": 2})
        self.connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        load_delta_extension(self.connection)
        names = sorted(held)
        for number in range(files):
            rows = {name: held[name] for name in names[number::files]}
            table = pa.table(
                {
                    "id": pa.array(rows, pa.string()),
                    "part": pa.array([row[0] for row in rows.values()], pa.string()),
                    "grp": pa.array([row[1] for row in rows.values()], pa.int32()),
                    "value": pa.array([row[2] for row in rows.values()], pa.int64()),
                }
            )
            configuration: dict[str, str | None] = {"delta.enableChangeDataFeed": "true", **properties}
            write_deltalake(
                self.catalog.uri(NAME),
                table,
                mode="append",
                partition_by=list(spec.partition_by) or None,
                configuration=configuration,
            )

    def batch(self, changes: Rows, extra: Mapping[str, str] | None = None) -> Batch:
        """``changes`` as a model computes them; ``extra`` are further columns, name to SQL."""
        values = [(name, *row[:2], row[2] or 0, row[2] is None) for name, row in changes.items()]
        self.connection.execute(
            "CREATE OR REPLACE TEMP TABLE computed "
            "(id VARCHAR, part VARCHAR, grp INTEGER, value BIGINT, _deleted BOOLEAN)"
        )
        if values:
            self.connection.executemany("INSERT INTO computed VALUES (?, ?, ?, ?, ?)", values)
        for name, sql in (extra or {}).items():
            kind = self.connection.execute(f"SELECT typeof({sql})").fetchall()[0][0]
            self.connection.execute(f"ALTER TABLE computed ADD COLUMN {name} {kind}")
            self.connection.execute(f"UPDATE computed SET {name} = {sql}")
        table = self.table()
        target = delta_scan_sql(self.catalog, NAME, table.version())
        held, computed = describe(self.connection, target), describe(self.connection, "computed")
        self.progress += 1
        return Batch(
            catalog=self.catalog,
            connection=self.connection,
            spec=self.spec,
            rows="computed",
            computed=computed,
            target=target,
            held=held,
            resolution=resolve(self.spec, {name: kind for name, kind in computed.items() if name != "_deleted"}, held),
            table=table,
            progress={"dbt": self.progress},
            progress_moved=True,
            interval=None,
        )

    def merge(self, changes: Rows, extra: Mapping[str, str] | None = None) -> Outcome:
        return merge(self.batch(changes, extra))

    def table(self) -> DeltaTable:
        return self.catalog.open(NAME)

    def held(self, columns: str = "id, part, grp, value") -> list[tuple[Any, ...]]:
        """The rows as DuckDB reads them."""
        return self.connection.execute(
            f"SELECT {columns} FROM {delta_scan_sql(self.catalog, NAME)} ORDER BY id"
        ).fetchall()

    def held_by_delta_rs(self) -> list[tuple[Any, ...]]:
        rows = self.table().to_pyarrow_table().select(list(COLUMNS)).to_pylist()
        return sorted(tuple(row.values()) for row in rows)

    def changes(self, since: int) -> Counter[tuple[Any, ...]]:
        feed = change_feed(self.connection, self.catalog, NAME, since, self.table().version())
        return Counter(self.connection.execute(rows_sql(self.connection, feed, COLUMNS)).fetchall())

    def data_files(self) -> set[str]:
        return {file.name for file in Path(self.catalog.uri(NAME)).rglob("*.parquet")}


@pytest.fixture
def make_items(tmp_path: Path) -> Iterator[Callable[..., Items]]:
    made = []

    def make(held: Rows, **options: Any) -> Items:
        made.append(Items(tmp_path, held, **options))
        return made[-1]

    yield make
    for items in made:
        items.connection.close()


HELD: Rows = {"x": ("a", 1, 10), "y": ("a", 2, 20), "z": (PARTS[1], 3, 30)}
UNPARTITIONED = replace(SPEC, partition_by=())


def test_one_commit_updates_deletes_and_inserts(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD)
    outcome = items.merge({"x": ("a", 1, 11), "z": (PARTS[1], 3, None), "new": (None, 4, 40)})
    assert outcome == Outcome("MERGE", 3)
    assert items.held() == [("new", None, 4, 40), ("x", "a", 1, 11), ("y", "a", 2, 20)]
    assert items.table().version() == 1
    assert progress_of(items.table(), "dbt") == 1


def test_files_without_a_changed_row_stay(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD, files=3)
    before = {uri for uri in items.table().file_uris() if "part=a" in uri}
    items.merge({"z": (PARTS[1], 3, 31), "y": ("a", 2, 20)})
    assert {uri for uri in items.table().file_uris() if "part=a" in uri} == before


def test_small_files_of_a_partition_become_one_when_their_rows_change(make_items: Callable[..., Items]) -> None:
    items = make_items({str(number): ("a", number, number) for number in range(8)}, files=8)
    items.merge({str(number): ("a", number, -number) for number in range(1, 8)} | {"new": ("a", 0, 1)})
    assert len(items.table().file_uris()) == 2


def test_a_row_that_moves_leaves_its_old_partition(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD)
    items.merge({"x": (None, 1, 10)})
    assert items.held()[0] == ("x", None, 1, 10)
    assert items.changes(0) == {("x", "a", 1, 10, "delete"): 1, ("x", None, 1, 10, "insert"): 1}


def test_rows_that_only_are_new_need_no_change_data(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD)
    items.merge({"new": ("a", 4, 40)})
    assert not (Path(items.catalog.uri(NAME)) / "_change_data").exists()
    assert items.changes(0) == {("new", "a", 4, 40, "insert"): 1}


def test_readers_of_the_feed_read_the_changed_rows_only(make_items: Callable[..., Items]) -> None:
    items = make_items({str(number): ("a", number, number) for number in range(1000)})
    items.merge({"7": ("a", 7, 70), "8": ("a", 8, None)})
    feed = change_feed(items.connection, items.catalog, NAME, 0, 1)
    assert {file.kind for file in feed.files} == {"cdc"}
    told = pa.table(items.table().load_cdf(starting_version=1)).to_pylist()
    assert Counter((row["id"], row["value"], row["_change_type"]) for row in told) == {
        ("7", 7, "update_preimage"): 1,
        ("7", 70, "update_postimage"): 1,
        ("8", 8, "delete"): 1,
    }


def test_a_table_without_the_feed_gets_no_change_data(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD, **{"delta.enableChangeDataFeed": "false"})
    items.merge({"x": ("a", 1, 11)})
    assert not (Path(items.catalog.uri(NAME)) / "_change_data").exists()
    assert items.changes(0) == {("x", "a", 1, 10, "delete"): 1, ("x", "a", 1, 11, "insert"): 1}


def test_a_new_column_comes_in_the_same_commit(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD)
    items.merge({"x": ("a", 1, 10)}, {"note": "'seen'", "local": "TIMESTAMP '2026-01-02 03:04:05'"})
    assert items.table().version() == 1
    assert [row[:2] for row in items.held("id, note, local")] == [("x", "seen"), ("y", None), ("z", None)]
    items.merge({"y": ("a", 2, 21)}, {"note": "'too'", "local": "NULL::TIMESTAMP"})
    assert items.held("id, note") == [("x", "seen"), ("y", "too"), ("z", None)]
    assert items.table().to_pyarrow_table().num_rows == 3


def test_a_new_column_comes_though_no_row_differs(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD)
    files = items.data_files()
    items.merge({"x": ("a", 1, 10)}, {"note": "NULL::VARCHAR"})
    assert items.held("id, note") == [("x", None), ("y", None), ("z", None)]
    assert (items.table().version(), items.data_files()) == (1, files)
    assert progress_of(items.table(), "dbt") == 1


def test_files_of_several_row_groups_stay_clustered(make_items: Callable[..., Items]) -> None:
    rows = {f"{number:06}": ("a", number % 1000, 0) for number in range(130_000)}
    items = make_items(rows)
    items.merge({"000007": ("a", 7, 1), "new": ("a", 7, 1)})
    ((file, _),) = held_files(items.table(), items.catalog.uri(NAME)).items()
    bounds = items.connection.execute(
        "SELECT stats_min_value::INT, stats_max_value::INT FROM parquet_metadata(?) WHERE path_in_schema = 'grp' "
        "ORDER BY ALL",
        [file],
    ).fetchall()
    assert len(bounds) == 2
    assert bounds[0][1] <= bounds[1][0]


def test_of_two_merges_that_read_one_version_the_second_leaves_nothing_behind(
    make_items: Callable[..., Items],
) -> None:
    items = make_items(HELD)
    first = items.batch({"x": ("a", 1, 11)})
    items.progress -= 1
    second = replace(first, table=items.table(), progress={"dbt": 1})
    merge(first)
    files = items.data_files()
    with pytest.raises(ConcurrentWriteError, match="stored the same writer's progress"):
        merge(second)
    assert items.data_files() == files
    assert items.held_by_delta_rs() == sorted(items.held())


def test_a_null_that_the_table_does_not_allow_is_refused(make_items: Callable[..., Items]) -> None:
    items = make_items({"x": ("a", 1, 1)})
    entry = Path(items.catalog.uri(NAME), "_delta_log", f"{0:020}.json")
    nullable = '\\"grp\\",\\"type\\":\\"integer\\",\\"nullable\\":'
    assert nullable + "true" in entry.read_text()
    entry.write_text(entry.read_text().replace(nullable + "true", nullable + "false"))
    files = items.data_files()
    batch = items.batch({"x": ("a", 1, 2)})
    items.connection.execute("UPDATE computed SET grp = NULL")
    with pytest.raises(BatchError, match="grp would be NULL in some rows, and the table declares NOT NULL"):
        merge(batch)
    assert (items.table().version(), items.data_files()) == (0, files)


def test_files_that_hold_other_rows_than_the_log_says_stop_a_merge(make_items: Callable[..., Items]) -> None:
    items = make_items({"x": ("a", 1, 1), "y": ("a", 2, 2)})
    entry = Path(items.catalog.uri(NAME), "_delta_log", f"{0:020}.json")
    entry.write_text(entry.read_text().replace('\\"numRecords\\":2', '\\"numRecords\\":3'))
    with pytest.raises(BatchError, match="hold 2 rows, and 3 were expected"):
        items.merge({"x": ("a", 1, 2)})
    assert items.table().version() == 0


def test_a_feature_that_a_merge_would_break_is_refused(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD, **{"delta.appendOnly": "true"})
    with pytest.raises(UnsupportedTableError, match=r"marts\.items cannot be merged into, .* delta\.appendOnly=true"):
        items.merge({"x": ("a", 1, 2)})


def test_a_partitioning_configured_since_waits_for_the_next_full_refresh(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD)
    items.spec = replace(SPEC, partition_by=("grp",))
    items.merge({"x": ("a", 1, 11), "new": (PARTS[1], 4, 40)})
    assert items.table().metadata().partition_columns == ["part"]
    assert items.held() == [("new", PARTS[1], 4, 40), ("x", "a", 1, 11), *sorted((k, *HELD[k]) for k in ("y", "z"))]


@pytest.mark.parametrize("name", ["file_row_number", "__file", "__held_id"])
def test_a_column_name_that_a_merge_uses_itself_is_refused(make_items: Callable[..., Items], name: str) -> None:
    items = make_items(HELD)
    with pytest.raises(ModelConfigError, match=f"and the model has {name}. Rename it"):
        items.merge({"x": ("a", 1, 11)}, {name: "7"})


parts = st.sampled_from(PARTS)
rows = st.dictionaries(
    st.sampled_from([f"k{number}" for number in range(8)]),
    st.tuples(parts, st.integers(0, 3), st.integers(0, 3)),
    max_size=8,
)
batches = st.lists(
    st.dictionaries(
        st.sampled_from([f"k{number}" for number in range(10)]),
        st.tuples(parts, st.integers(0, 3), st.none() | st.integers(0, 3)),
        max_size=6,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))
@given(held=rows, batches=batches, partitioned=st.booleans(), files=st.integers(1, 3), feed=st.booleans())
def test_merges_do_what_a_dictionary_does(
    tmp_path_factory: pytest.TempPathFactory,
    held: Rows,
    batches: list[Rows],
    partitioned: bool,
    files: int,
    feed: bool,
) -> None:
    spec = SPEC if partitioned else UNPARTITIONED
    options = {} if feed else {"delta.enableChangeDataFeed": "false"}
    items = Items(tmp_path_factory.mktemp("items"), held, spec, files, **options)
    expected = dict(held)
    start = items.table().version()
    for batch in batches:
        items.merge(batch)
        for name, row in batch.items():
            if row[2] is None:
                expected.pop(name, None)
            else:
                expected[name] = row
        assert items.held() == sorted((name, *row) for name, row in expected.items())
        assert Counter(items.held_by_delta_rs()) == Counter(items.held())
    gone = Counter((name, *row, "delete") for name, row in held.items() if expected.get(name) != row)
    came = Counter((name, *row, "insert") for name, row in expected.items() if held.get(name) != row)
    assert items.changes(start) == gone + came
    items.connection.close()


def test_history_tells_what_a_merge_did(make_items: Callable[..., Items]) -> None:
    items = make_items(HELD)
    items.merge({"x": ("a", 1, 11), "y": ("a", 2, None), "new": ("a", 4, 40)})
    (commit,) = items.table().history(1)
    assert commit["operation"] == "MERGE"
    metrics = commit["operationMetrics"]
    assert (metrics["numTargetRowsInserted"], metrics["numTargetRowsUpdated"]) == ("1", "1")
    assert (metrics["numTargetRowsDeleted"], metrics["numTargetFilesRemoved"]) == ("1", "1")


def test_a_commit_that_fails_leaves_no_file_behind(
    make_items: Callable[..., Items], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = make_items(HELD)
    files = items.data_files()

    def lost(*arguments: object) -> int:
        raise ConcurrentWriteError("someone was faster")

    monkeypatch.setattr(log, "commit_files", lost)
    with pytest.raises(ConcurrentWriteError):
        items.merge({"x": ("a", 1, 11), "y": ("a", 2, None)})
    assert items.data_files() == files
