"""The Dagster job, over a computation by hand: what its config takes, and what a run shows."""

from datetime import UTC, datetime

import dagster as dg
import pytest
from tests.conftest import REPOSITORY
from tests.unit.replay.conftest import Lake

from lakehouse.defs.replay.jobs import replay
from lakehouse.replay.request import Request
from lakehouse.replay.run import Replays


@pytest.fixture
def asked(lake: Lake, replays: Replays, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What the job resolved against the topic, which is the range of ``lake``."""
    asked: list[Request] = []

    def resolved(_replays: Replays, _contract: object, request: Request, _broker: object) -> tuple[object, object]:
        asked.append(request)
        return lake.scope, {}

    monkeypatch.setattr(Replays, "_resolved", resolved)
    for name, value in lake.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    return asked


def run(**config: object) -> dg.ExecuteInProcessResult:
    ops = {"replay_table": {"config": config}}
    return replay().get_job_def("replay").execute_in_process(run_config={"ops": ops}, raise_on_error=False)


def test_a_run_shows_the_differences_as_a_table(lake: Lake, asked: list[Request]) -> None:
    result = run(**{"table": "raw.visits", "from": "1970-01-11", "to": "1970-01-21"})
    assert result.success
    assert asked == [Request("raw.visits", datetime(1970, 1, 11, tzinfo=UTC), datetime(1970, 1, 21, tzinfo=UTC))]
    [observation] = [event.asset_observation_data for event in result.all_events if event.is_asset_observation]
    metadata = observation.asset_observation.metadata
    assert metadata["replay/state"].value == "differs"
    assert metadata["replay/differing_rows"].value == 2
    table = metadata["replay/raw.visits"]
    assert isinstance(table, dg.TableMetadataValue)
    days = {record.data["bucket"]: record.data for record in table.records}
    assert (days["1970-01-13"]["live_rows"], days["1970-01-13"]["only_live"]) == (1, 1)
    assert lake.catalog.open("raw.visits").version() == 3


def test_it_swaps_when_its_config_says_so(lake: Lake, asked: list[Request]) -> None:
    assert run(table="raw.visits", offsets="0:10-20", swap=True).success
    assert asked[0].offsets == {0: (10, 20)}
    assert len(lake.rows()) == 28


def test_a_range_that_is_none_fails_the_run_with_what_was_expected(lake: Lake, asked: list[Request]) -> None:
    result = run(table="raw.visits")
    assert not result.success
    assert "expected one of from/to" in failure_of(result)
    assert asked == []


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    [failure] = [event for event in result.all_events if event.is_step_failure]
    return str(failure.step_failure_data.error)


def test_in_a_cluster_what_a_flink_job_computes_is_refused(
    lake: Lake, asked: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_STEPS", "pods")
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_SPARK_IMAGE", "spark:1")
    assert run(table="raw.visits", offsets="0:10-20").success
    monkeypatch.setenv("LAKEHOUSE_CONTRACTS_DIR", str(REPOSITORY / "streaming" / "contracts"))
    refused = failure_of(run(table="streaming.order_metrics_5min", whole=True))
    assert "streaming.order_metrics_5min is computed by a Flink job" in refused
    assert len(asked) == 1
