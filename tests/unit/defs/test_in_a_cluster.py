"""What needs writers on Dagster's own machine is offered where they are; what needs Spark goes to where that is."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from tests.lakehouse_dbt import REPOSITORY, home_with_spark

from lakehouse.components.dbt_engine import DbtEngine
from lakehouse.defs.clustering.jobs import clustering
from lakehouse.defs.dbt.assets import dbt
from lakehouse.defs.executor.steps import steps
from lakehouse.defs.replay.jobs import replay
from lakehouse.defs.streaming_jobs.jobs import streaming_job_control


def in_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_STEPS", "pods")
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_SPARK_IMAGE", "registry.example.com/spark:1")
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_SPARK_CPU", "3500m")
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_SPARK_MEMORY", "7Gi")


def offered() -> set[str]:
    repository = dg.Definitions.merge(clustering(), replay(), streaming_job_control()).get_repository_def()
    names = {each.name for each in (*repository.get_all_jobs(), *repository.sensor_defs)}
    return {name for name in names if not name.startswith("__")}


def test_writers_are_controlled_from_where_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered() == {"cluster", "replay", "streaming_jobs", "dead_streaming_programs"}
    in_pods(monkeypatch)
    assert offered() == {"cluster", "replay"}


@pytest.mark.parametrize(("definitions", "name"), [(clustering, "cluster"), (replay, "replay")])
def test_a_run_that_starts_spark_has_a_pod_of_its_image(
    monkeypatch: pytest.MonkeyPatch, definitions: dg.Definitions, name: str
) -> None:
    assert definitions().get_job_def(name).tags == {}
    in_pods(monkeypatch)
    check_pod(definitions().get_job_def(name).tags)


def check_pod(tags: Any) -> None:
    """Fails the test where ``tags`` ask for another pod than the settings do."""
    container = json.loads(tags["dagster-k8s/config"])["container_config"]
    assert container["image"] == "registry.example.com/spark:1"
    assert container["resources"] == {"requests": {"cpu": "3500m", "memory": "7Gi"}, "limits": {"memory": "7Gi"}}
    # A JVM of 5 GiB leaves two to Dagster, and to what Spark has outside of its heap.
    assert {told["name"]: told["value"] for told in container["env"]} == {
        "LAKEHOUSE_SPARK_MASTER": "local[3]",
        "LAKEHOUSE_SPARK_DRIVER_MEMORY": "5120m",
    }


@pytest.fixture(scope="module", params=[DbtEngine.DUCKDB, DbtEngine.SPARK])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[DbtEngine, Path, Path]:
    """The engine of one of its models, while DuckDB computes the others; its home, and a state that has it parsed."""
    directory = tmp_path_factory.mktemp("project")
    home = home_with_spark(directory) if request.param is DbtEngine.SPARK else REPOSITORY
    return request.param, home, directory / "state"


@pytest.fixture
def engine(project: tuple[DbtEngine, Path, Path], monkeypatch: pytest.MonkeyPatch) -> DbtEngine:
    """As ``project``, whose definitions are loaded."""
    engine, home, state = project
    monkeypatch.setenv("LAKEHOUSE_HOME", str(home))
    monkeypatch.setenv("LAKEHOUSE_STATE_DIR", str(state))
    return engine


def test_a_step_of_sparks_models_has_a_pod_of_its_image_and_no_other(
    monkeypatch: pytest.MonkeyPatch, engine: DbtEngine
) -> None:
    def tags() -> dict[str, Any]:
        nodes = dbt().resolve_job_def("dbt_incremental").graph.nodes
        return {node.name: node.tags for node in nodes if "dagster-k8s/config" in node.tags}

    assert tags() == {}
    in_pods(monkeypatch)
    found = tags()
    assert list(found) == (["dbt_models_spark"] if engine is DbtEngine.SPARK else [])
    for each in found.values():
        check_pod(each)


def test_steps_are_pods_only_where_they_differ(monkeypatch: pytest.MonkeyPatch, engine: DbtEngine) -> None:
    def executors() -> set[str]:
        definitions = dg.Definitions.merge(dbt(), steps())
        return {definitions.resolve_job_def(job).executor_def.name for job in ("dbt_incremental", "dbt_backfill")}

    assert executors() == {"in_process"}
    in_pods(monkeypatch)
    assert executors() == {"k8s" if engine is DbtEngine.SPARK else "in_process"}
