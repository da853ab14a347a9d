"""What needs writers or Spark on Dagster's own machine is offered only where they are."""

import dagster as dg
import pytest

from lakehouse.defs.clustering.jobs import clustering
from lakehouse.defs.replay.jobs import replay
from lakehouse.defs.streaming_jobs.jobs import streaming_job_control


@pytest.mark.parametrize(
    ("steps", "offered"),
    [("processes", {"cluster", "replay", "streaming_jobs", "dead_streaming_programs"}), ("pods", set())],
)
def test_writers_are_controlled_from_where_they_run(
    monkeypatch: pytest.MonkeyPatch, steps: str, offered: set[str]
) -> None:
    monkeypatch.setenv("LAKEHOUSE_DAGSTER_STEPS", steps)
    repository = dg.Definitions.merge(clustering(), replay(), streaming_job_control()).get_repository_def()
    names = {each.name for each in (*repository.get_all_jobs(), *repository.sensor_defs)}
    assert {name for name in names if not name.startswith("__")} == offered
