"""The reference models on real Delta tables: values, progress, and what happens when a run dies."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from lakehouse.dbt_delta.progress import consumed_version
from lakehouse.storage import commit, log
from tests.lakehouse_dbt import PROJECT, Event, Lakehouse, day, messages, minute, parse

MODELS = ("staging.stg_orders", "marts.fct_orders_daily", "marts.fct_daily_revenue")
DAY = 24 * 60


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return parse(tmp_path_factory.mktemp("manifest"))


@pytest.fixture
def lakehouse(tmp_path: Path, manifest: Manifest) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path, manifest=manifest)
    lakehouse.create_source()
    return lakehouse


def facts(lakehouse: Lakehouse, columns: str) -> list[tuple[object, ...]]:
    return lakehouse.rows(f"SELECT {columns} FROM marts.fct_orders_daily ORDER BY order_id")


def assert_equals_full_refresh(lakehouse: Lakehouse) -> None:
    held = {model: lakehouse.rows(f"SELECT * FROM {model} ORDER BY ALL") for model in MODELS}
    lakehouse.run("--full-refresh")
    for model, rows in held.items():
        assert rows == lakehouse.rows(f"SELECT * FROM {model} ORDER BY ALL"), model


def test_an_empty_source_builds_empty_tables(lakehouse: Lakehouse) -> None:
    lakehouse.run()
    assert [lakehouse.rows(f"SELECT count(*) FROM {model}") for model in MODELS] == [[(0,)]] * 3


def test_a_missing_source_is_named_with_the_command_that_creates_it(tmp_path: Path, manifest: Manifest) -> None:
    result = Lakehouse(tmp_path, manifest=manifest).dbt("run")
    assert not result.success
    assert "staging.stg_orders reads raw.orders, and there is no such table" in messages(result)
    assert "lakehouse up" in messages(result)


def test_every_model_passes_its_data_tests(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"), Event("o2", currency="EUR"), Event("o2").later(5, status="paid"))
    result = lakehouse.dbt("build")
    assert result.success, messages(result)


def test_the_latest_event_of_an_order_wins_however_they_arrive(lakehouse: Lakehouse) -> None:
    placed = Event("o1")
    lakehouse.produce(placed, placed.later(30, status="shipped"))
    lakehouse.run()
    lakehouse.produce(placed.later(10, status="paid"))
    lakehouse.run()
    assert lakehouse.rows("SELECT order_id, status, event_time FROM staging.stg_orders") == [
        ("o1", "shipped", minute(30))
    ]


def test_events_of_one_instant_are_ordered_by_life_cycle(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1", status="delivered"), Event("o1", status="paid"))
    lakehouse.run()
    lakehouse.produce(Event("o1", status=None))
    lakehouse.run()
    assert lakehouse.rows("SELECT status FROM staging.stg_orders") == [("delivered",)]


def test_amounts_are_priced_in_us_cents_or_not_at_all(lakehouse: Lakehouse) -> None:
    lakehouse.produce(
        Event("o1", amount_cents=1999),
        Event("o2", amount_cents=1999, currency="EUR"),
        Event("o3", amount_cents=1999, currency="XAU"),
    )
    lakehouse.run()
    assert facts(lakehouse, "order_id, amount_cents, amount_usd_cents") == [
        ("o1", 1999, 1999),
        ("o2", 1999, 2303),
        ("o3", 1999, None),
    ]


def test_a_missing_rate_makes_a_data_test_warn(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1", currency="XAU"))
    result = lakehouse.dbt("build")
    assert result.success, messages(result)
    warned = [node.node.name for node in result.result.results if node.status == "warn"]
    assert warned == ["fct_orders_daily_every_order_is_priced"]


def test_facts_are_partitioned_by_the_day_the_order_was_placed(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1", at=2 * DAY, created=0), Event("o2", at=DAY))
    lakehouse.run()
    assert lakehouse.table("marts.fct_orders_daily").metadata().partition_columns == ["order_date"]
    assert facts(lakehouse, "order_id, order_date") == [("o1", day(0)), ("o2", day(1))]


def test_an_order_that_arrives_late_renumbers_its_customers_later_orders(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o2", at=20), Event("o3", at=30), Event("x1", customer_id="c2", at=25))
    lakehouse.run()
    lakehouse.produce(Event("o1", at=10))
    lakehouse.run()
    assert facts(lakehouse, "order_id, customer_order_sequence") == [("o1", 1), ("o2", 2), ("o3", 3), ("x1", 1)]


def test_an_order_that_changes_its_customer_renumbers_both(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1", at=10), Event("o2", at=20), Event("o3", customer_id="c2", at=30))
    lakehouse.run()
    lakehouse.produce(Event("o1", at=10).later(5, customer_id="c2"))
    lakehouse.run()
    assert facts(lakehouse, "order_id, customer_id, customer_order_sequence") == [
        ("o1", "c2", 1),
        ("o2", "c1", 1),
        ("o3", "c2", 2),
    ]
    assert_equals_full_refresh(lakehouse)


def test_an_event_that_says_an_earlier_day_moves_the_order_to_that_partition(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1", at=2 * DAY), Event("o2", at=2 * DAY))
    lakehouse.run()
    lakehouse.produce(Event("o1", at=2 * DAY + 5, created=0, status="paid"))
    lakehouse.run()
    assert facts(lakehouse, "order_id, order_date, status") == [("o1", day(0), "paid"), ("o2", day(2), "placed")]
    assert lakehouse.rows("SELECT order_date, orders FROM marts.fct_daily_revenue ORDER BY 1") == [
        (day(0), 1),
        (day(2), 1),
    ]
    assert_equals_full_refresh(lakehouse)


def test_deleted_events_take_their_order_back_or_away(lakehouse: Lakehouse) -> None:
    lakehouse.produce(
        Event("o1"), Event("o1").later(5, status="paid"), Event("o2", at=10), Event("o3", at=20), Event("o4", at=DAY)
    )
    lakehouse.run()
    lakehouse.table("raw.orders").delete("status = 'paid' OR order_id = 'o2' OR order_id = 'o4'")
    lakehouse.run()
    assert facts(lakehouse, "order_id, status, customer_order_sequence") == [("o1", "placed", 1), ("o3", "placed", 2)]
    assert lakehouse.rows("SELECT order_date, orders FROM marts.fct_daily_revenue") == [(day(0), 2)]
    assert_equals_full_refresh(lakehouse)


def test_a_changed_rate_reprices_the_orders_it_touches(tmp_path: Path) -> None:
    project = tmp_path / "dbt"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    lakehouse = Lakehouse(tmp_path, project)
    lakehouse.create_source()
    lakehouse.produce(Event("o1", currency="EUR", amount_cents=1000), Event("o2", currency="GBP", amount_cents=1000))
    lakehouse.run()
    untouched = facts(lakehouse, "amount_usd_cents")[1]
    seed = project / "seeds" / "dim_fx_rates.csv"
    rates = list(csv.reader(seed.open()))
    with seed.open("w", newline="") as file:
        csv.writer(file).writerows([["EUR", "2.0"] if row[0] == "EUR" else row for row in rates])
    lakehouse.run()
    assert facts(lakehouse, "amount_usd_cents") == [(2000,), untouched]
    assert_equals_full_refresh(lakehouse)


def test_an_unchanged_source_commits_nothing(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"), Event("o2", currency="EUR"))
    lakehouse.run()
    before = lakehouse.versions()
    lakehouse.run()
    assert lakehouse.versions() == before


def test_a_duplicate_event_changes_no_fact(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"), Event("o2"))
    lakehouse.run()
    files = lakehouse.table("marts.fct_orders_daily").file_uris()
    lakehouse.produce(Event("o1"), Event("o1"))
    lakehouse.run()
    assert lakehouse.table("marts.fct_orders_daily").file_uris() == files
    assert_equals_full_refresh(lakehouse)


def test_compaction_of_the_source_changes_no_row(lakehouse: Lakehouse) -> None:
    for order in range(5):
        lakehouse.produce(Event(f"o{order}"))
    lakehouse.run()
    files = lakehouse.table("staging.stg_orders").file_uris()
    lakehouse.table("raw.orders").optimize.compact()
    lakehouse.run()
    assert lakehouse.table("staging.stg_orders").file_uris() == files


def test_the_consumed_version_is_committed_with_the_rows(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"))
    lakehouse.run()
    source, model = lakehouse.table("raw.orders"), lakehouse.table("staging.stg_orders")
    assert consumed_version(model, "raw.orders", source) == source.version() == 1
    entry = Path(lakehouse.catalog.uri("staging.stg_orders")) / "_delta_log" / f"{model.version():020}.json"
    assert '"add"' in entry.read_text()
    assert '"txn"' in entry.read_text()


def test_a_source_made_anew_asks_for_a_full_refresh(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"))
    lakehouse.run()
    shutil.rmtree(lakehouse.catalog.uri("raw.orders"))
    lakehouse.create_source()
    lakehouse.produce(Event("o2"))
    lakehouse.produce(Event("o3"))
    result = lakehouse.dbt("run")
    assert "dbt run --full-refresh --select stg_orders" in messages(result)
    lakehouse.run("--full-refresh")
    lakehouse.run()
    assert facts(lakehouse, "order_id") == [("o2",), ("o3",)]


class CrashError(Exception):
    """Stands for the death of the process."""


Committer = Callable[..., None]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_around_the_commit_loses_and_doubles_nothing(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch, model: str, moment: str
) -> None:
    lakehouse.produce(Event("o1", at=10), Event("o2", at=20))
    lakehouse.run()
    lakehouse.produce(Event("o3", at=5), Event("o2", at=20).later(5, status="paid"))
    before = lakehouse.version(model)

    def crashing(committer: Committer) -> Committer:
        def commit_or_crash(first: object, name: str, *args: object, **kwargs: object) -> None:
            if name != model:
                committer(first, name, *args, **kwargs)
                return
            if moment == "after":
                committer(first, name, *args, **kwargs)
            raise CrashError(moment)

        return commit_or_crash

    with monkeypatch.context() as patch:
        patch.setattr(commit, "append", crashing(commit.append))
        patch.setattr(log, "commit_files", crashing(log.commit_files))
        assert not lakehouse.dbt("run").success
    assert lakehouse.version(model) == before + (moment == "after")
    lakehouse.run()
    if moment == "after":
        assert lakehouse.version(model) == before + 1, "the next run found everything done"
    assert facts(lakehouse, "order_id, status, customer_order_sequence") == [
        ("o1", "placed", 2),
        ("o2", "paid", 3),
        ("o3", "placed", 1),
    ]
    assert_equals_full_refresh(lakehouse)


def test_another_run_of_the_same_model_is_refused_with_its_process(lakehouse: Lakehouse, tmp_path: Path) -> None:
    import fcntl

    lakehouse.produce(Event("o1"))
    lakehouse.run()
    before = lakehouse.versions()
    with (tmp_path / "state" / "locks" / "staging.stg_orders.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = lakehouse.dbt("run")
    assert "staging.stg_orders is being built by another run" in messages(result)
    assert lakehouse.versions() == before


def test_a_single_model_runs_alone_on_what_its_parents_hold(lakehouse: Lakehouse) -> None:
    lakehouse.produce(Event("o1"))
    lakehouse.run()
    lakehouse.produce(Event("o2"))
    lakehouse.run("--select", "fct_orders_daily")
    assert facts(lakehouse, "order_id") == [("o1",)]
    lakehouse.run("--select", "stg_orders")
    lakehouse.run("--select", "fct_orders_daily")
    assert facts(lakehouse, "order_id") == [("o1",), ("o2",)]
