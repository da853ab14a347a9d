"""Dagster runs a project of two engines: Spark computes a model between those of DuckDB, in one run."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

import lakehouse.definitions
from tests.lakehouse_dbt import Event, Lakehouse, home_with_spark

DAY = 24 * 60
FIRST, OTHER = Event("o1", amount_cents=1999), Event("o2", "c2", at=DAY)
MODELS = ("staging.stg_orders", "marts.fct_orders_daily", "marts.fct_daily_revenue")


class Platform:
    """Orders, and the definitions that Dagster loads."""

    def __init__(self, directory: Path, home: Path) -> None:
        self.tables = Lakehouse(directory, home / "dbt")
        self.tables.create_source()
        self.tables.produce(FIRST, OTHER, Event("o3", "c3", at=DAY, currency="EUR"))
        self.definitions = dg.load_from_defs_folder(path_within_project=Path(lakehouse.definitions.__file__).parent)
        self.instance = dg.DagsterInstance.ephemeral()

    def run(self, name: str, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(name).execute_in_process(instance=self.instance, tags=tags)

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        return {model: self.tables.rows(f"SELECT * FROM {model} ORDER BY ALL") for model in MODELS}

    def check_rows(self) -> None:
        """Fails the test where the tables are not what DuckDB makes of all events."""
        held = self.rows()
        self.tables.run("--full-refresh")
        assert held == self.rows()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, jars: Path) -> Iterator[Platform]:
    directory = tmp_path_factory.mktemp("engines")
    home = home_with_spark(directory)
    (directory / "state").mkdir()
    (directory / "state" / "jars").symlink_to(jars)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAKEHOUSE_HOME", str(home))
        environment.setenv("LAKEHOUSE_STATE_DIR", str(directory / "state"))
        environment.setenv("LAKEHOUSE_ROOT", str(directory / "tables"))
        environment.setenv("LAKEHOUSE_SPARK_MASTER", "local[1]")
        environment.setenv("LAKEHOUSE_SPARK_DRIVER_MEMORY", "512m")
        platform = Platform(directory, home)
        with platform.instance:
            yield platform


def built(done: dg.ExecuteInProcessResult) -> list[tuple[str, set[str]]]:
    """What each step has built, in the order of the steps."""
    steps: dict[str, set[str]] = {}
    for event in done.all_events:
        if event.is_step_success:
            steps[str(event.step_key)] = {
                materialization.asset_key.path[-1]
                for materialization in done.asset_materializations_for_node(str(event.step_key))
            }
    return list(steps.items())


def writers(platform: Platform, table: str) -> list[str]:
    """Who has made the commits of a table, oldest first."""
    entries = platform.tables.table(table).history()
    return [str(entry.get("engineInfo", "")).partition("/")[0] for entry in reversed(entries)]


def test_spark_builds_its_model_between_those_of_duckdb(platform: Platform) -> None:
    done = platform.run("dbt_incremental")
    assert built(done) == [
        ("dbt_models", {"stg_orders", "dim_fx_rates", "mart_order_metrics"}),
        ("dbt_models_spark", {"fct_orders_daily"}),
        ("dbt_models_2", {"fct_daily_revenue", "rpt_orders"}),
    ]
    assert [writers(platform, model)[0] == "Apache-Spark" for model in MODELS] == [False, True, False]
    metadata = done.asset_materializations_for_node("dbt_models_spark")[0].metadata
    assert metadata["dagster/row_count"].value == 3
    columns = {column.name: column.type for column in metadata["dagster/column_schema"].value.columns}
    assert columns["amount_usd_cents"] == "BIGINT"
    checks = {check.check_name: check.passed for check in done.get_asset_check_evaluations()}
    # Of a model of Spark's, which reads one of DuckDB's, too.
    assert checks["relationships_fct_orders_daily_order_id__order_id__ref_stg_orders_"]
    assert checks["unique_fct_daily_revenue_order_date"]


def test_an_increment_goes_through_both(platform: Platform) -> None:
    platform.tables.produce(FIRST.later(5, status="refunded"), Event("o0", "c2", at=0))
    before = platform.tables.version("marts.fct_orders_daily")
    done = platform.run("dbt_incremental")
    assert platform.tables.version("marts.fct_orders_daily") == before + 1
    days = {each.partition for each in done.asset_materializations_for_node("dbt_models_spark")}
    assert {"2026-01-01", "2026-01-02"} <= days, "the second order of a customer became one by an earlier"
    platform.check_rows()


def test_a_day_is_computed_anew_by_both(platform: Platform) -> None:
    day = "SELECT * FROM marts.fct_orders_daily WHERE order_date = '2026-01-02' ORDER BY ALL"
    held = platform.tables.rows(day)
    platform.tables.table("marts.fct_orders_daily").update(updates={"amount_usd_cents": "-1"})
    done = platform.run("dbt_backfill", {"dagster/partition": "2026-01-02"})
    assert [step for step, _ in built(done)] == ["dbt_models_2", "dbt_models_spark", "dbt_models"]
    assert platform.tables.rows(day) == held
    wrong = "SELECT DISTINCT order_date::VARCHAR FROM marts.fct_orders_daily WHERE amount_usd_cents = -1"
    assert platform.tables.rows(wrong) == [("2026-01-01",)], "a day that was not asked for"
