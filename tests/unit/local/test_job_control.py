"""Which writers are meant by which tables, and what is said where there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import Engine
from lakehouse.defs.streaming_jobs.jobs import streaming_jobs
from lakehouse.local.job_control import JobError, start_application, tables_by_engine
from lakehouse.local.upgrade import UpgradeError, upgrade
from lakehouse.settings import Settings
from lakehouse.storage import Catalog

FLINK_TABLE = "streaming.order_metrics_5min"


@pytest.fixture
def project(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """This project's contracts, and nothing that runs."""
    return make_settings(tmp_path)


def test_no_table_means_all(project: Settings) -> None:
    found = tables_by_engine(project, [])
    assert FLINK_TABLE in found[Engine.FLINK]
    assert "raw.orders" in found[Engine.SPARK]


def test_a_table_of_flink_is_meant_alone(project: Settings) -> None:
    assert tables_by_engine(project, [FLINK_TABLE]) == {Engine.FLINK: [FLINK_TABLE]}


def test_one_of_sparks_tables_is_refused_with_the_others_of_its_application(project: Settings) -> None:
    with pytest.raises(
        JobError, match=r"raw\.orders: Spark's queries run in one application.*streaming\.order_metrics"
    ):
        tables_by_engine(project, ["raw.orders"])


def test_an_unknown_table_is_refused_with_those_there_are(project: Settings) -> None:
    with pytest.raises(JobError, match=r"no contract declares raw\.oders\. Tables: .*raw\.orders"):
        tables_by_engine(project, ["raw.oders", FLINK_TABLE])


def test_without_a_stack_the_way_to_one_is_told(project: Settings) -> None:
    with pytest.raises(JobError, match=r"no supervisor of .* knows Spark's application.*up"):
        start_application(project)


def test_without_a_stack_nothing_is_upgraded(project: Settings) -> None:
    with pytest.raises(UpgradeError, match=r"flink-jobs does not run in the stack of .* Start it: .*up"):
        list(upgrade(project, [FLINK_TABLE]))
    assert not Catalog.from_settings(project).exists(FLINK_TABLE)


def test_the_job_of_dagster_fails_with_what_is_wrong(project: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in project.as_environment().items():
        monkeypatch.setenv(name, value)
    config = {"ops": {"control_streaming_jobs": {"config": {"action": "stop", "tables": ["raw.oders"]}}}}
    result = streaming_jobs.execute_in_process(run_config=config, raise_on_error=False)
    failure = result.failure_data_for_node("control_streaming_jobs")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "no contract declares raw.oders" in (failure.user_failure_data.description or "")
