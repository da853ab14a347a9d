"""What runs by itself, on the real asset graph."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

import lakehouse.definitions
from lakehouse.components.versions import DATA_VERSION_TAG
from tests.integration.conftest import REPOSITORY

NOON = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


class Graph:
    """The definitions of this project, evaluated as Dagster's daemon does."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.definitions = definitions
        self.instance = instance
        self.now = NOON
        self.cursor: object = None
        self.days: dict[str, set[str | None]] = {}

    def tick(self, after: timedelta = timedelta(seconds=15)) -> set[str]:
        """The assets that are asked for; ``days`` then has the partitions."""
        self.now += after
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, cursor=self.cursor, evaluation_time=self.now
        )
        self.cursor = result.cursor
        keys = self.definitions.resolve_asset_graph().get_all_asset_keys()
        asked = {key.to_user_string(): key for key in keys if result.get_num_requested(key)}
        self.days = {name: result.get_requested_partitions(key) for name, key in asked.items()}
        return set(asked)

    def has(self, asset: str, version: int = 1) -> None:
        """As if ``asset`` had been written."""
        tags = {DATA_VERSION_TAG: str(version)}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset.split("/"), tags=tags))


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(REPOSITORY))
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(tmp_path))
    definitions = dg.load_from_defs_folder(path_within_project=Path(lakehouse.definitions.__file__).parent)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Graph(definitions, instance)


def test_what_needs_no_stream_comes_first_then_every_model_with_the_first_data(graph: Graph) -> None:
    assert graph.tick() == {"marts/dim_fx_rates", "marts/dim_customers"}
    graph.has("marts/dim_fx_rates")
    graph.has("marts/dim_customers")
    assert graph.tick() == set()
    graph.has("raw/orders")
    assert graph.tick() >= {"staging/stg_orders", "marts/fct_orders_daily", "marts/fct_daily_revenue"}


def test_increments_of_daily_models_go_by_the_last_day_and_a_view_waits_for_no_other(graph: Graph) -> None:
    graph.now = NOON + timedelta(days=30)
    graph.tick()
    for asset in ("marts/dim_fx_rates", "marts/dim_customers", "raw/orders"):
        graph.has(asset)
    graph.tick()
    assert graph.days["marts/fct_orders_daily"] == {"2026-01-31"}
    assert "marts/rpt_orders" not in graph.days
    facts = dg.AssetMaterialization(["marts", "fct_orders_daily"], partition="2026-01-31")
    graph.instance.report_runless_asset_event(facts)
    assert graph.tick() == {"marts/rpt_orders"}


def test_no_model_is_asked_for_while_something_upstream_is_missing(graph: Graph) -> None:
    graph.tick()
    graph.has("raw/orders")
    asked = set.union(*(graph.tick(timedelta(minutes=1)) for _ in range(10)))
    assert "marts/fct_orders_daily" not in asked


def test_a_model_of_a_database_runs_once_and_then_by_the_schedule_alone(graph: Graph) -> None:
    assert "marts/dim_customers" in graph.tick()
    graph.has("marts/dim_customers")
    graph.has("raw/orders")
    asked = set.union(*(graph.tick(timedelta(minutes=1)) for _ in range(30)))
    assert "marts/dim_customers" not in asked
    job = graph.definitions.resolve_job_def("dbt_incremental")
    assert dg.AssetKey(["marts", "dim_customers"]) in job.asset_layer.executable_asset_keys


def test_a_database_is_an_asset_upstream_of_the_model_that_reads_it(graph: Graph) -> None:
    assets = graph.definitions.resolve_asset_graph()
    source = assets.get(dg.AssetKey(["postgres", "customers"]))
    assert source.is_external
    assert source.kinds == {"postgres"}
    assert source.owners == ["team:analytics"]
    assert source.child_keys == {dg.AssetKey(["marts", "dim_customers"])}


def test_the_dbt_job_is_scheduled_every_quarter_of_an_hour_and_runs_from_the_start(graph: Graph) -> None:
    schedule = graph.definitions.resolve_schedule_def("dbt_every_15_minutes")
    assert (schedule.cron_schedule, schedule.job_name) == ("*/15 * * * *", "dbt_incremental")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_two_runs_never_build_models_at_once(graph: Graph) -> None:
    node = graph.definitions.resolve_asset_graph().get(dg.AssetKey(["marts", "fct_orders_daily"]))
    assert node.pools == {"dbt"}
