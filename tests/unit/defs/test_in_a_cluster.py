"""What needs writers on Dagster's own machine is offered where they are; what needs Spark goes to where that is."""

import json

import dagster as dg
import pytest

from lakehouse.defs.clustering.jobs import clustering
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
    container = json.loads(definitions().get_job_def(name).tags["dagster-k8s/config"])["container_config"]
    assert container["image"] == "registry.example.com/spark:1"
    assert container["resources"] == {"requests": {"cpu": "3500m", "memory": "7Gi"}, "limits": {"memory": "7Gi"}}
    # A JVM of 5 GiB leaves two to Dagster, and to what Spark has outside of its heap.
    assert {told["name"]: told["value"] for told in container["env"]} == {
        "LAKEHOUSE_SPARK_MASTER": "local[3]",
        "LAKEHOUSE_SPARK_DRIVER_MEMORY": "5120m",
    }
