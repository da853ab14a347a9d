"""The invariant: whatever happened to the sources, and however runs ended, increments equal a full refresh.

Hypothesis makes up histories of a source: events in and out of order, duplicates, updates, deletes, changed exchange
rates, compaction, a new column; runs in between, some of which die at a commit or meet another run, and some of which
also compute days of the past anew. After every run that succeeds, the tables must hold exactly what the models compute
from all rows.

INVARIANT_SEQUENCES=2000 tries more of them than the 200 that continuous integration does.
"""

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pyarrow as pa
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.contracts.graph.manifest import Manifest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from lakehouse.dbt_delta.batch import Batch, Outcome
from lakehouse.dbt_delta.merge import merge
from lakehouse.dbt_delta.strategies import STRATEGIES
from lakehouse.storage import commit, log
from lakehouse.storage.duck import delta_scan_sql, load_delta_extension
from tests.lakehouse_dbt import PROJECT, Event, Lakehouse, day, messages, parse

SEQUENCES = int(os.environ.get("INVARIANT_SEQUENCES", "200"))
#: They are played in shares, by as many processes as there are cores for them.
SHARES = 4
MODELS = ("staging.stg_orders", "marts.fct_orders_daily", "marts.fct_daily_revenue")
DAY = 24 * 60

events = st.builds(
    Event,
    order_id=st.sampled_from(["o1", "o2", "o3", "o4", "o5"]),
    customer_id=st.sampled_from(["c1", "c1", "c2", "c3"]),
    amount_cents=st.integers(0, 3),
    status=st.sampled_from(["placed", "paid", "shipped", "cancelled", None]),
    at=st.integers(0, 12).map(lambda step: step * DAY // 4),
    currency=st.sampled_from(["USD", "EUR", "XAU"]),
    created=st.none() | st.integers(0, 12).map(lambda step: step * DAY // 4),
)


@dataclass(frozen=True)
class Run:
    """A dbt run that is left alone, or whose commit to ``model`` meets something; ``days`` are computed anew."""

    fate: str = "succeeds"
    model: str = MODELS[0]
    days: tuple[int, int] | None = None

    @property
    def arguments(self) -> list[str]:
        if self.days is None:
            return []
        first, after = (day(number).isoformat() for number in self.days)
        return ["--event-time-start", first, "--event-time-end", after]


changes = st.one_of(
    st.lists(events, min_size=1, max_size=4).map(lambda some: ("produce", some)),
    st.lists(events, min_size=1, max_size=4).map(lambda some: ("produce", some)),
    st.just(("duplicate", None)),
    st.sampled_from(["order_id = 'o1'", "status = 'paid'", "customer_id = 'c1'", "true"]).map(lambda w: ("delete", w)),
    st.sampled_from(["order_id = 'o2'", "currency = 'EUR'"]).map(lambda where: ("update", where)),
    st.sampled_from([None, "1.5", "2.5"]).map(lambda rate: ("rate", rate)),
    st.just(("compact", None)),
    st.just(("new column", None)),
)
fates = st.sampled_from(["succeeds", "succeeds", "dies before", "dies after", "meets another run", "stops after"])
backfills = st.sampled_from([None, None, (0, 1), (1, 3), (0, 4)])
runs = st.builds(Run, fate=fates, model=st.sampled_from(MODELS), days=backfills)
histories = st.lists(st.tuples(st.lists(changes, min_size=1, max_size=4), runs), min_size=1, max_size=3)
History = list[tuple[list[tuple[str, Any]], Run]]


class CrashError(Exception):
    """Stands for the death of the process."""


@contextmanager
def fate_of(run: Run) -> Iterator[list[str]]:
    """Lets the commits to the run's model meet their fate; yields a list that gets what must not have happened."""
    impossible: list[str] = []
    merging: list[Batch] = []

    def remembered(batch: Batch) -> Outcome:
        merging.append(batch)
        return merge(batch)

    def meeting(committer: Callable[..., object]) -> Callable[..., object]:
        def meet(first: object, name: str, *args: object, **kwargs: object) -> object:
            if name != run.model or run.fate not in ("dies before", "dies after", "meets another run"):
                return committer(first, name, *args, **kwargs)
            if run.fate == "dies before":
                raise CrashError
            if run.fate == "meets another run":
                # The other run has read what this one has, and is done with it a moment earlier.
                with mock.patch.multiple(commit, append=append), mock.patch.multiple(log, commit_files=commit_files):
                    other = DeltaTable(merging[-1].table.table_uri, version=merging[-1].table.version())
                    merge(replace(merging[-1], table=other))
            committer(first, name, *args, **kwargs)
            if run.fate == "meets another run":
                impossible.append(f"two runs that read one version of {name} have both committed")
            raise CrashError

        return meet

    append, commit_files = commit.append, log.commit_files
    with (
        mock.patch.dict(STRATEGIES, merge=remembered),
        mock.patch.multiple(commit, append=meeting(append)),
        mock.patch.multiple(log, commit_files=meeting(commit_files)),
    ):
        yield impossible


class Workshop:
    """A lakehouse whose tables were built once, on an empty source, to start each history from."""

    def __init__(self, directory: Path, project: Path) -> None:
        self._directory = directory
        self._project = project
        self._manifest: Manifest = parse(directory / "manifest", project)
        self._oracle = duckdb.connect()
        self._oracle.execute("SET TimeZone = 'UTC'")
        load_delta_extension(self._oracle)
        for schema in ("raw", "staging", "marts"):
            self._oracle.execute(f"CREATE SCHEMA {schema}")
        self._template = directory / "template"
        lakehouse = Lakehouse(self._template, project, self._manifest)
        lakehouse.create_source()
        lakehouse.run()
        compiled = lakehouse.dbt("compile", "--full-refresh", "--select", *(name.split(".")[1] for name in MODELS))
        assert compiled.success, messages(compiled)
        self._full_refresh = {
            f"{result.node.schema}.{result.node.name}": result.node.compiled_code for result in compiled.result.results
        }

    def live_through(self, history: History) -> None:
        """Plays ``history``; AssertionError where a table differs from what all rows say."""
        directory = self._directory / "history"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self._template, directory)
        lakehouse = Lakehouse(directory, self._project, self._manifest)
        lakehouse.keep_database = True
        produced: list[Event] = []
        recovery: History = [] if history[-1][1].fate == "succeeds" else [([], Run())]
        for happenings, run in history + recovery:
            for kind, detail in happenings:
                self._change(lakehouse, kind, detail, produced)
            self._run(lakehouse, run)

    def _change(self, lakehouse: Lakehouse, kind: str, detail: Any, produced: list[Event]) -> None:
        source = lakehouse.table("raw.orders")
        if kind == "produce":
            produced += detail
            lakehouse.produce(*detail)
        elif kind == "duplicate" and produced:
            lakehouse.produce(produced[-1], produced[len(produced) // 2])
        elif kind == "delete":
            source.delete(detail)
        elif kind == "update":
            source.update(updates={"amount_cents": "amount_cents + 1"}, predicate=detail)
        elif kind == "compact":
            source.optimize.compact()
        elif kind == "new column" and "note" not in [field.name for field in source.schema().fields]:
            empty = pa.schema(source.schema().to_arrow()).append(pa.field("note", pa.string())).empty_table()
            write_deltalake(source, empty, mode="append", schema_mode="merge")
        elif kind == "rate":
            rates = lakehouse.table("marts.dim_fx_rates")
            rows = [] if detail is None else [{"currency": "EUR", "usd_rate": detail}]
            schema = pa.schema(rates.schema().to_arrow())
            text = pa.schema([("currency", pa.string()), ("usd_rate", pa.string())])
            write_deltalake(rates, pa.Table.from_pylist(rows, schema=text).cast(schema), mode="overwrite")

    def _run(self, lakehouse: Lakehouse, run: Run) -> None:
        selected = [name.split(".")[1] for name in MODELS]
        if run.fate == "stops after":
            selected = selected[: MODELS.index(run.model) + 1]
        quick = ["--no-write-json", "--no-populate-cache", "--log-level", "none", "--log-level-file", "none"]
        with fate_of(run) as impossible:
            result = lakehouse.dbt("run", *quick, *run.arguments, "--select", *selected)
        assert not impossible
        if run.fate == "succeeds":
            assert result.success, messages(result)
            self._compare(lakehouse)

    def _compare(self, lakehouse: Lakehouse) -> None:
        connection = self._oracle
        for source in ("raw.orders", "marts.dim_fx_rates"):
            connection.execute(f"CREATE OR REPLACE VIEW {source} AS FROM {delta_scan_sql(lakehouse.catalog, source)}")
        for model in MODELS:
            computed = f"SELECT * EXCLUDE (_deleted) FROM ({self._full_refresh[model]}) WHERE NOT _deleted"
            connection.execute(f"CREATE OR REPLACE TABLE {model} AS {computed}")
            expected = connection.execute(f"SELECT * FROM {model} ORDER BY ALL").fetchall()
            held = f"SELECT * FROM {delta_scan_sql(lakehouse.catalog, model)} ORDER BY ALL"
            assert connection.execute(held).fetchall() == expected, model


@cache
def workshop(directory: Path) -> Workshop:
    """The workshop of this process, which plays one share after the other in it."""
    return Workshop(directory / str(os.getpid()), PROJECT)


def play(share: int, directory: Path) -> None:
    """Makes up and plays one of the SHARES of histories, always the same ones."""

    @seed(share)
    # A process of its own, which has not read conftest.
    @settings(
        max_examples=-(-SEQUENCES // SHARES), deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(history=histories)
    def increments_equal_a_full_refresh(history: History) -> None:
        workshop(directory).live_through(history)

    increments_equal_a_full_refresh()


def test_increments_equal_a_full_refresh(tmp_path: Path) -> None:
    workers = min(SHARES, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for share in [pool.submit(play, number, tmp_path) for number in range(SHARES)]:
            share.result()


NAIVE = """
{{ config(materialized='incremental', unique_key='order_id', partition_by='order_date', on_partition_change='move',
          on_schema_change='append_new_columns') }}
select
    order_id, customer_id, amount_cents, currency, status, event_time, created_at, created_at::date as order_date,
    kafka_topic, kafka_partition, kafka_offset, ingested_at, false as _deleted
from {{ source('raw', 'orders') }}
{% if is_incremental() %} where event_time > (select max(event_time) from {{ this }}) {% endif %}
qualify row_number() over (partition by order_id order by event_time desc, kafka_offset desc) = 1
"""


def test_the_usual_filter_on_the_newest_timestamp_is_caught(tmp_path: Path) -> None:
    project = tmp_path / "dbt"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    (project / "models" / "staging" / "stg_orders.sql").write_text(NAIVE)
    DuckDBConnectionManager.close_all_connections()
    naive = Workshop(tmp_path, project)

    @settings(max_examples=50, derandomize=True, phases=[Phase.generate], database=None)
    @given(history=histories)
    def increments_equal_a_full_refresh(history: History) -> None:
        naive.live_through(history)

    try:
        with pytest.raises(AssertionError, match=r"staging\.stg_orders"):
            increments_equal_a_full_refresh()
    finally:
        DuckDBConnectionManager.close_all_connections()
