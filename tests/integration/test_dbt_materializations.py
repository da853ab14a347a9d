"""Every materialization and strategy, on small models of their own that use the project's macros."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.storage.duck import load_delta_extension
from tests.lakehouse_dbt import PROJECT, Lakehouse, messages

_PROJECT_FILE = """
name: shop
version: "1.0.0"
profile: lakehouse
flags: {send_anonymous_usage_stats: false}
model-paths: [models]
on-run-start: ["{{ lakehouse_start_run() }}"]
on-run-end: ["{{ lakehouse_end_run() }}"]
"""
_SOURCES = """
sources:
  - name: raw
    tables:
      - name: items
        config: {event_time: happened}
"""
Row = tuple[Any, ...]


class Shop(Lakehouse):
    """A project of the models that a test gives it, over one source: raw.items (id, part, value, happened)."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, directory / "project")
        self.root = directory / "project"
        shutil.copytree(PROJECT / "macros", self.root / "macros")
        (self.root / "models").mkdir()
        (self.root / "dbt_project.yml").write_text(_PROJECT_FILE)
        (self.root / "models" / "sources.yml").write_text(_SOURCES)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def items(self, *rows: tuple[int | None, str | None, int | None]) -> None:
        """Appends rows (id, part, value); a row's time is `id` hours after 2026-01-01."""
        start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        table = pa.table(
            {
                "id": pa.array([row[0] for row in rows], pa.int64()),
                "part": pa.array([row[1] for row in rows], pa.string()),
                "value": pa.array([row[2] for row in rows], pa.int64()),
                "happened": pa.array(
                    [start + dt.timedelta(hours=row[0] or 0) for row in rows], pa.timestamp("us", "UTC")
                ),
            }
        )
        configuration: dict[str, str | None] = {"delta.enableChangeDataFeed": "true"}
        write_deltalake(self.catalog.uri("raw.items"), table, mode="append", configuration=configuration)

    def replace_items(self, *rows: tuple[int | None, str | None, int | None]) -> None:
        self.table("raw.items").delete()
        self.items(*rows)

    def model(self, sql: str, name: str = "m", **config: object) -> None:
        arguments = ", ".join(f"{key}={value!r}" for key, value in config.items())
        self.write(f"models/{name}.sql", f"{{{{ config({arguments}) }}}}\n{sql}")

    def held(self, columns: str = "*", name: str = "m") -> list[Row]:
        return self.rows(f"SELECT {columns} FROM marts.{name} ORDER BY ALL")

    def refused(self, *arguments: str) -> str:
        """Runs dbt, which has to fail and to leave every table as it is; returns what it said."""
        before = self.versions()
        result = self.dbt("run", *arguments)
        assert not result.success, "dbt should have refused"
        assert self.versions() == before
        return messages(result)


SELECT = "select id, part, value from {{ source('raw', 'items') }}"
CHANGED = (
    "select id, part, value, _change_type = 'delete' as _deleted from {{ delta_changes(source('raw', 'items')) }}\n"
    "qualify row_number() over (partition by id order by _change_type desc) = 1"
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.items((1, "a", 10), (2, "a", 20), (3, "b", 30))
    return shop


def test_a_table_is_replaced_at_once_and_left_alone_when_nothing_changed(shop: Shop) -> None:
    shop.model(SELECT, materialized="table", partition_by="part")
    shop.run()
    shop.run()
    assert shop.version("marts.m") == 0
    shop.items((4, "b", 40))
    shop.run()
    assert shop.version("marts.m") == 1
    assert shop.held("id") == [(1,), (2,), (3,), (4,)]
    assert shop.table("marts.m").metadata().partition_columns == ["part"]


def test_append_adds_the_changes(shop: Shop) -> None:
    sql = "select id, value from {{ delta_changes(source('raw', 'items')) }} where _change_type = 'insert'"
    shop.model(sql, materialized="incremental", incremental_strategy="append")
    shop.run()
    shop.items((4, "b", 40))
    shop.run()
    shop.run()
    assert shop.held() == [(1, 10), (2, 20), (3, 30), (4, 40)]


def test_merge_inserts_updates_and_deletes_by_key(shop: Shop) -> None:
    shop.model(CHANGED, materialized="incremental", unique_key="id", partition_by="part")
    shop.run()
    shop.table("raw.items").delete("id = 1")
    shop.table("raw.items").update(updates={"value": "21"}, predicate="id = 2")
    shop.items((4, "c", 40))
    shop.run()
    assert shop.held() == [(2, "a", 21), (3, "b", 30), (4, "c", 40)]


def test_merge_takes_a_composite_key(shop: Shop) -> None:
    sql = "select part, id, sum(value)::bigint as value from {{ source('raw', 'items') }} group by all"
    shop.model(sql, materialized="incremental", unique_key=["part", "id"])
    shop.run()
    shop.items((1, "a", 5), (1, "b", 7))
    shop.run()
    assert shop.held("part, id, value") == [("a", 1, 15), ("a", 2, 20), ("b", 1, 7), ("b", 3, 30)]


def test_merge_rewrites_only_the_partitions_whose_rows_changed(shop: Shop) -> None:
    shop.model(CHANGED, materialized="incremental", unique_key="id", partition_by="part")
    shop.run()
    before = {uri for uri in shop.table("marts.m").file_uris() if "part=b" in uri}
    shop.table("raw.items").update(updates={"value": "value + 1"}, predicate="part = 'a'")
    shop.run()
    assert before <= set(shop.table("marts.m").file_uris())
    assert shop.held("id, value") == [(1, 11), (2, 21), (3, 30)]


def test_an_empty_string_in_a_partition_column_is_the_null_that_the_table_holds(shop: Shop) -> None:
    shop.replace_items((1, "", 10), (2, "a", 20))
    shop.model(SELECT, materialized="incremental", unique_key="id", partition_by="part")
    shop.model(SELECT, "whole", materialized="table", partition_by="part")
    shop.run()
    shop.run()
    assert (shop.version("marts.m"), shop.version("marts.whole")) == (0, 0)
    shop.replace_items((1, "", 11), (2, "a", 20), (3, "", 30))
    shop.run()
    assert shop.held() == [(1, None, 11), (2, "a", 20), (3, None, 30)]


def test_an_empty_string_in_a_partition_column_of_the_key_is_refused_as_null(shop: Shop) -> None:
    shop.model(SELECT, materialized="incremental", unique_key=["id", "part"], partition_by="part")
    shop.run()
    shop.replace_items((1, "", 10))
    assert "marts.m: 1 rows have NULL in the unique key (id, part)" in shop.refused()
    shop.model(SELECT, "fresh", materialized="incremental", unique_key=["id", "part"], partition_by="part")
    assert "marts.fresh: 1 rows have NULL in the unique key (id, part)" in shop.refused("--select", "fresh")


@pytest.mark.parametrize(
    ("config", "kind", "value", "shown"),
    [
        ({"unique_key": "id"}, "date", "10000-01-01", "10000-01-01"),
        ({"unique_key": "id"}, "timestamp", "0044-03-15 (BC)", "0044-03-15 (BC) 00:00:00"),
        ({"incremental_strategy": "append"}, "date", "infinity", "infinity"),
    ],
)
def test_a_partition_that_readers_could_not_name_is_refused(
    shop: Shop, config: dict[str, Any], kind: str, value: str, shown: str
) -> None:
    day = f"case when id < 4 then {kind} '2026-01-01' else {kind} '{value}' end as day"
    sql = SELECT.replace("value from", f"{day} from")
    shop.model(sql, materialized="incremental", partition_by="day", **config)
    shop.run()
    shop.items((4, "c", 40))
    said = shop.refused()
    assert f"marts.m: the partition column day has values outside of the years 0001 to 9999: {shown}. Nothing" in said


def test_insert_overwrite_refuses_an_empty_partition(shop: Shop) -> None:
    shop.model(SELECT, materialized="incremental", incremental_strategy="insert_overwrite", partition_by="part")
    shop.run()
    shop.replace_items((7, "", 70))
    assert "a partition column (part) is NULL, which insert_overwrite cannot replace" in shop.refused()


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"merge_exclude_columns": ["part"]}, [(1, "a", 99), (4, "z", 99)]),
        ({"merge_update_columns": ["part"]}, [(1, "z", 10), (4, "z", 99)]),
    ],
)
def test_merge_updates_the_columns_it_is_told_to(shop: Shop, option: dict[str, Any], expected: list[Row]) -> None:
    shop.model(SELECT, materialized="incremental", unique_key="id", **option)
    shop.run()
    shop.replace_items((1, "z", 99), (4, "z", 99))
    shop.run()
    assert [row for row in shop.held() if row[0] in (1, 4)] == expected


def test_incremental_predicates_limit_which_rows_a_merge_looks_at(shop: Shop) -> None:
    predicate = "DBT_INTERNAL_DEST.part = 'a'"
    shop.model(SELECT, materialized="incremental", unique_key="id", incremental_predicates=[predicate])
    shop.run()
    shop.replace_items((1, "a", 11), (3, "b", 31))
    shop.run()
    assert shop.held() == [(1, "a", 11), (2, "a", 20), (3, "b", 30), (3, "b", 31)]


@pytest.mark.parametrize("partition_by", [None, "part"])
def test_delete_insert_replaces_all_rows_of_a_key(shop: Shop, partition_by: str | None) -> None:
    config = {"incremental_strategy": "delete+insert", "unique_key": "part", "partition_by": partition_by}
    shop.model(SELECT, materialized="incremental", **config)
    shop.run()
    shop.replace_items((7, "a", 70), (8, "a", 80), (9, "c", 90))
    shop.run()
    assert shop.held() == [(3, "b", 30), (7, "a", 70), (8, "a", 80), (9, "c", 90)]


def test_insert_overwrite_replaces_the_partitions_of_the_batch(shop: Shop) -> None:
    shop.model(SELECT, materialized="incremental", incremental_strategy="insert_overwrite", partition_by="part")
    shop.run()
    shop.replace_items((7, "a", 70))
    shop.run()
    assert shop.held() == [(3, "b", 30), (7, "a", 70)]


def test_microbatch_replaces_the_intervals_it_computes(shop: Shop) -> None:
    batches = {"event_time": "happened", "batch_size": "hour", "begin": "2026-01-01"}
    sql = "select id, value, happened from {{ source('raw', 'items') }}"
    shop.model(sql, materialized="incremental", incremental_strategy="microbatch", **batches)
    window = ("--event-time-start", "2026-01-01 00:00:00", "--event-time-end", "2026-01-01 06:00:00")
    shop.run(*window)
    assert shop.held("id, value") == [(1, 10), (2, 20), (3, 30)]
    shop.replace_items((1, "a", 11), (2, "a", 21), (3, "a", 31), (5, "a", 50))
    shop.run("--event-time-start", "2026-01-01 02:00:00", "--event-time-end", "2026-01-01 06:00:00", "--threads", "4")
    assert shop.held("id, value") == [(1, 10), (2, 21), (3, 31), (5, 50)]


def test_microbatch_computes_as_many_intervals_again_as_its_lookback_says(shop: Shop) -> None:
    # Intervals are counted from now; of whole years, so that the one of now is still that when dbt runs.
    year = dt.datetime.now(dt.UTC).year
    ids = [(dt.date(year - back, 7, 1) - dt.date(2026, 1, 1)).days * 24 for back in (3, 2, 1)]
    batches = {"event_time": "happened", "batch_size": "year", "begin": f"{year - 3}-01-01", "lookback": 2}
    sql = "select id, value, happened from {{ source('raw', 'items') }}"
    shop.replace_items(*((number, "a", 1) for number in ids))
    shop.model(sql, materialized="incremental", incremental_strategy="microbatch", **batches)
    shop.run()
    assert shop.held("id, value") == [(number, 1) for number in ids]
    shop.replace_items(*((number, "a", 2) for number in ids))
    shop.run()
    assert shop.held("id, value") == [(ids[0], 1), (ids[1], 2), (ids[2], 2)]


def test_a_full_refresh_replaces_table_schema_and_partitions_in_one_commit(shop: Shop) -> None:
    shop.model(CHANGED, materialized="incremental", unique_key="id")
    shop.run()
    sql = "select id, part, value::double as value from {{ delta_changes(source('raw', 'items')) }}"
    shop.model(sql, materialized="incremental", unique_key="id", partition_by="part")
    shop.run("--full-refresh")
    assert shop.version("marts.m") == 1
    assert shop.table("marts.m").metadata().partition_columns == ["part"]
    shop.items((4, "c", 40))
    shop.run()
    assert shop.held() == [(1, "a", 10.0), (2, "a", 20.0), (3, "b", 30.0), (4, "c", 40.0)]


NEW_COLUMN = SELECT.replace("value from", "value, value * 2 as twice from")


def evolving(shop: Shop, mode: str, sql: str) -> None:
    shop.model(SELECT, materialized="incremental", unique_key="id", on_schema_change=mode)
    shop.run()
    shop.items((4, "c", 40))
    shop.model(sql, materialized="incremental", unique_key="id", on_schema_change=mode)


def test_on_schema_change_ignore_stores_the_old_columns(shop: Shop) -> None:
    evolving(shop, "ignore", NEW_COLUMN)
    shop.run()
    assert shop.held() == [(1, "a", 10), (2, "a", 20), (3, "b", 30), (4, "c", 40)]


def test_on_schema_change_fail_names_the_column(shop: Shop) -> None:
    evolving(shop, "fail", NEW_COLUMN)
    assert "marts.m (on_schema_change: fail): column 'twice' is new" in shop.refused()


def test_on_schema_change_append_new_columns_keeps_the_old_ones(shop: Shop) -> None:
    evolving(
        shop,
        "append_new_columns",
        "select id, value, value * 2 as twice from {{ source('raw', 'items') }} where id > 2",
    )
    shop.run()
    assert shop.held() == [(1, "a", 10, None), (2, "a", 20, None), (3, "b", 30, 60), (4, None, 40, 80)]


@pytest.mark.parametrize(
    ("mode", "config"),
    [
        ("append_new_columns", {"unique_key": "id"}),
        ("sync_all_columns", {"unique_key": "id"}),
        ("append_new_columns", {"incremental_strategy": "append"}),
        ("append_new_columns", {"incremental_strategy": "insert_overwrite", "partition_by": "part"}),
    ],
)
def test_a_new_column_is_there_for_models_downstream_before_any_row_changes(
    shop: Shop, mode: str, config: dict[str, Any]
) -> None:
    changes = "select id, part, value from {{ delta_changes(source('raw', 'items')) }}"
    shop.model(changes, materialized="incremental", on_schema_change=mode, **config)
    shop.run()
    evolved = changes.replace("value from", "value, null::varchar as note, null::timestamp as seen from")
    shop.model(evolved, materialized="incremental", on_schema_change=mode, **config)
    shop.model("select id, note, seen from {{ ref('m') }}", "downstream", materialized="table")
    shop.run()
    assert shop.held(name="downstream") == [(1, None, None), (2, None, None), (3, None, None)]
    assert shop.version("marts.m") == 1
    shop.run()
    assert shop.version("marts.m") == 1
    shop.items((4, "c", 40))
    shop.run()
    assert shop.held("id, note") == [(1, None), (2, None), (3, None), (4, None)]


def test_on_schema_change_sync_all_columns_adds_drops_and_retypes(shop: Shop) -> None:
    sql = "select id, value::double as value, id * 2 as twice from {{ source('raw', 'items') }} where id > 2"
    evolving(shop, "sync_all_columns", sql)
    shop.run()
    assert shop.held() == [(1, 10.0, None), (2, 20.0, None), (3, 30.0, 6), (4, 40.0, 8)]


def test_a_column_that_changes_its_type_is_refused(shop: Shop) -> None:
    evolving(shop, "append_new_columns", SELECT.replace("value from", "value::varchar as value from"))
    assert "column 'value' is VARCHAR now and BIGINT in the table" in shop.refused()


def test_a_key_that_occurs_twice_is_refused(shop: Shop) -> None:
    shop.model(SELECT, materialized="incremental", unique_key="id")
    shop.run()
    shop.items((1, "b", 11))
    said = shop.refused()
    assert "marts.m: the unique key (id) is not unique in the computed rows: 1 (2 rows)" in said


def test_a_key_that_is_null_is_refused(shop: Shop) -> None:
    shop.model(SELECT, materialized="incremental", unique_key="id")
    shop.run()
    shop.items((None, "b", 11))
    assert "marts.m: 1 rows have NULL in the unique key (id)" in shop.refused()


def test_a_row_that_would_change_its_partition_is_refused_unless_the_model_allows_it(shop: Shop) -> None:
    shop.model(SELECT, materialized="incremental", unique_key="id", partition_by="part")
    shop.run()
    shop.replace_items((1, "b", 11))
    assert "rows change their partition (part): 1 from a to b" in shop.refused()
    shop.model(SELECT, materialized="incremental", unique_key="id", partition_by="part", on_partition_change="move")
    shop.run()
    assert shop.held() == [(1, "b", 11), (2, "a", 20), (3, "b", 30)]


def test_a_source_whose_history_was_vacuumed_asks_for_a_full_refresh(shop: Shop) -> None:
    shop.model(CHANGED, materialized="incremental", unique_key="id")
    shop.run()
    shop.items((4, "c", 40))
    shop.table("raw.items").optimize.compact()
    shop.table("raw.items").vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    said = shop.refused()
    assert "marts.m has consumed raw.items up to version 0" in said
    assert "dbt run --full-refresh --select m" in said


def test_a_model_reads_the_changes_of_several_sources(shop: Shop) -> None:
    shop.model("select * from {{ source('raw', 'items') }} where part = 'a'", "left", materialized="table")
    shop.model("select * from {{ source('raw', 'items') }} where part <> 'a'", "right", materialized="table")
    both = "\nunion all\n".join(
        f"select id, value from {{{{ delta_changes(ref('{name}')) }}}} where _change_type = 'insert'"
        for name in ("left", "right")
    )
    shop.model(both, materialized="incremental", unique_key="id")
    shop.run()
    shop.items((4, "a", 40), (5, "b", 50))
    shop.run()
    before = shop.versions()
    shop.run()
    assert shop.held() == [(1, 10), (2, 20), (3, 30), (4, 40), (5, 50)]
    assert shop.versions() == before


def test_a_view_is_found_by_readers_and_by_later_runs(shop: Shop, tmp_path: Path) -> None:
    shop.model(SELECT, "base", materialized="table")
    shop.model("select id, value * 2 as twice from {{ ref('base') }}", "doubled", materialized="view")
    shop.model("select sum(twice)::bigint as total from {{ ref('doubled') }}", materialized="table")
    shop.run()
    shop.items((4, "c", 40))
    shop.run("--select", "base")
    shop.run("--select", "m")
    assert shop.held() == [(200,)]
    with duckdb.connect(tmp_path / "state" / "lakehouse.duckdb", read_only=True) as reader:
        load_delta_extension(reader)
        assert reader.execute("SELECT max(twice) FROM marts.doubled").fetchall() == [(80,)]
        # A tool that has the file open does not stop the next run from publishing.
        shop.model("select id, value * 3 as twice from {{ ref('base') }}", "doubled", materialized="view")
        shop.run("--select", "doubled")
    shop.run("--select", "m")
    assert shop.held() == [(300,)]


def test_a_view_whose_table_is_gone_stops_no_other_model(shop: Shop) -> None:
    shop.model(SELECT, "base", materialized="table")
    shop.model("select * from {{ ref('base') }}", "seen", materialized="view")
    shop.run()
    shutil.rmtree(shop.catalog.uri("marts.base"))
    shop.model(SELECT, materialized="table")
    shop.run("--select", "m")
    assert shop.held("id") == [(1,), (2,), (3,)]


def test_a_view_does_not_hide_a_table_of_its_name(shop: Shop) -> None:
    shop.model(SELECT, materialized="table")
    shop.run()
    shop.model(SELECT, materialized="view")
    assert "marts.m is to be a view, but a Delta table stands at" in shop.refused()


def test_a_snapshot_keeps_every_version_of_a_row(shop: Shop) -> None:
    config = "unique_key='id', strategy='check', check_cols=['value'], hard_deletes='invalidate'"
    shop.write(
        "snapshots/history.sql",
        f"{{% snapshot history %}}{{{{ config({config}) }}}} {SELECT} {{% endsnapshot %}}",
    )
    shop.run()
    shop.replace_items((1, "a", 11), (2, "a", 20))
    shop.run()
    versions = "id, value, dbt_valid_to IS NULL"
    expected = [(1, 10, False), (1, 11, True), (2, 20, True), (3, 30, False)]
    assert shop.held(versions, "history") == expected
    before = shop.version("marts.history")
    shop.run("--full-refresh")
    assert shop.held(versions, "history") == expected
    assert shop.version("marts.history") == before


def test_a_seed_that_did_not_change_commits_nothing(shop: Shop) -> None:
    shop.write("seeds/codes.csv", "code,label\nDE,Germany\nFR,France\n")
    shop.run()
    shop.run()
    assert shop.version("marts.codes") == 0
    shop.write("seeds/codes.csv", "code,label\nDE,Germany\nIT,Italy\n")
    shop.run()
    assert shop.held(name="codes") == [("DE", "Germany"), ("IT", "Italy")]


def test_an_ephemeral_model_is_part_of_the_query(shop: Shop) -> None:
    shop.model(SELECT, "inner_model", materialized="ephemeral")
    shop.model("select count(*) as n from {{ ref('inner_model') }}", materialized="table")
    shop.run()
    assert shop.held() == [(3,)]
    assert "marts.inner_model" not in shop.catalog.names()


def test_a_python_model_is_stored_like_any_other(shop: Shop) -> None:
    shop.write(
        "models/m.py",
        "def model(dbt, session):\n"
        "    dbt.config(materialized='incremental', unique_key='id')\n"
        "    return dbt.source('raw', 'items').project('id, value * 2 as twice')\n",
    )
    shop.run()
    shop.items((4, "c", 40))
    shop.run()
    assert shop.held() == [(1, 20), (2, 40), (3, 60), (4, 80)]


CONTRACT = """
models:
  - name: m
    config: {{contract: {{enforced: true}}}}
    constraints: {constraints}
    columns:
      - {{name: id, data_type: bigint}}
      - {{name: part, data_type: varchar}}
      - {{name: value, data_type: {type}}}
"""


def test_a_contract_refuses_other_columns(shop: Shop) -> None:
    shop.write("models/m.yml", CONTRACT.format(constraints="[]", type="integer"))
    shop.model(SELECT, materialized="table")
    assert "contract" in shop.refused()


def test_a_check_constraint_refuses_the_batch(shop: Shop) -> None:
    shop.write("models/m.yml", CONTRACT.format(constraints="[{type: check, expression: value < 35}]", type="bigint"))
    shop.model(SELECT, materialized="incremental", unique_key="id", on_schema_change="fail")
    shop.run()
    shop.items((4, "c", 40), (5, "c", None))
    assert "marts.m: 1 rows break check (value < 35)" in shop.refused()


def test_a_constraint_that_delta_cannot_keep_is_refused(shop: Shop) -> None:
    constraint = "[{type: unique, columns: [value]}]"
    shop.write("models/m.yml", CONTRACT.format(constraints=constraint, type="bigint"))
    shop.model(SELECT, materialized="table")
    assert "a Delta table cannot keep the constraint unique (value)" in shop.refused()


def test_empty_consumes_nothing(shop: Shop) -> None:
    shop.model(CHANGED, materialized="incremental", unique_key="id")
    shop.run("--empty")
    assert shop.held() == []
    shop.run()
    assert shop.held("id") == [(1,), (2,), (3,)]
    shop.items((4, "c", 40))
    before = shop.versions()
    shop.run("--empty")
    assert shop.versions() == before
    shop.run()
    assert shop.held("id") == [(1,), (2,), (3,), (4,)]


def test_docs_know_every_table_and_its_columns(shop: Shop, tmp_path: Path) -> None:
    shop.model(SELECT, materialized="table")
    shop.run()
    assert shop.dbt("docs", "generate").success
    catalog = json.loads((tmp_path / "target" / "catalog.json").read_text())
    assert list(catalog["nodes"]["model.shop.m"]["columns"]) == ["id", "part", "value"]
    assert list(catalog["sources"]["source.shop.raw.items"]["columns"]) == ["id", "part", "value", "happened"]


def test_show_reads_without_writing(shop: Shop) -> None:
    shop.model(CHANGED, materialized="incremental", unique_key="id")
    shop.run()
    shop.items((4, "c", 40))
    before = shop.versions()
    assert shop.dbt("show", "--select", "m").success
    assert shop.dbt("show", "--inline", "select * from {{ ref('m') }}").success
    assert shop.versions() == before


def test_clone_is_refused_with_what_to_do_instead(shop: Shop, tmp_path: Path) -> None:
    shop.model(SELECT, materialized="table")
    shop.run()
    shutil.copytree(tmp_path / "target", tmp_path / "state_of_production")
    result = shop.dbt("clone", "--state", str(tmp_path / "state_of_production"))
    assert not result.success
    assert "Copy the table's directory to the other root" in messages(result)


def test_defer_reads_what_stands_in_the_root(shop: Shop, tmp_path: Path) -> None:
    shop.model(SELECT, "base", materialized="table")
    shop.model("select count(*) as n from {{ ref('base') }}", materialized="table")
    shop.run()
    shutil.copytree(tmp_path / "target", tmp_path / "state_of_production")
    shop.run("--select", "m", "--defer", "--state", str(tmp_path / "state_of_production"))
    assert shop.held() == [(3,)]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"incremental_strategy": "upsert"}, "incremental_strategy is 'upsert'; expected one of append, merge"),
        ({"incremental_strategy": "merge"}, "strategy 'merge' needs a unique_key"),
        ({"incremental_strategy": "insert_overwrite"}, "set partition_by"),
        ({"incremental_strategy": "append", "unique_key": "id"}, "does not look at unique_key ['id']"),
        ({"unique_key": "id", "on_schema_change": "guess"}, "on_schema_change is 'guess'; expected one of"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(shop: Shop, config: dict[str, Any], said: str) -> None:
    shop.model(SELECT, materialized="incremental", **config)
    assert said in shop.refused()


def test_files_are_clustered(shop: Shop) -> None:
    shop.replace_items(*[(number * 37 % 1000, "a", number) for number in range(1000)])
    shop.model(SELECT, materialized="table", partition_by="part", cluster_by="id")
    shop.run()
    stored: Callable[[str], duckdb.DuckDBPyRelation] = duckdb.read_parquet
    ids = [row[0] for row in stored(shop.table("marts.m").file_uris()[0]).project("id").fetchall()]
    assert ids == sorted(ids)


@pytest.mark.parametrize("materialized", ["table", "incremental", "view"])
def test_hooks_run_around_a_model_inside_and_outside_of_its_transaction(shop: Shop, materialized: str) -> None:
    written = shop.root / "hooks"
    written.mkdir()

    def hook(name: str, rows: str, *, transaction: bool) -> dict[str, object]:
        return {"sql": f"copy (select {rows}) to '{written / name}'", "transaction": transaction}

    before, after = "0 as n", "count(*) as n from {{ this }}"
    shop.model(
        SELECT,
        materialized=materialized,
        pre_hook=[hook("before", before, transaction=False), hook("before_inside", before, transaction=True)],
        post_hook=[hook("after_inside", after, transaction=True), hook("after", after, transaction=False)],
    )
    shop.run()
    assert {file.name: file.read_text() for file in written.iterdir()} == {
        **dict.fromkeys(("before", "before_inside"), "n\n0\n"),
        **dict.fromkeys(("after_inside", "after"), "n\n3\n"),
    }
