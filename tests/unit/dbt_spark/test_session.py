"""The session that dbt's models are computed in, and that of the job `cluster`: both run beside the streams."""

from collections.abc import Mapping
from unittest.mock import MagicMock

import dagster as dg
import pytest

from lakehouse.dbt_spark import session
from lakehouse.defs.clustering import jobs
from lakehouse.settings import Settings, load_settings


def test_dbt_leaves_the_port_of_the_ui_to_the_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, str] = {}

    def spark_session(_: Settings, name: str, extra: Mapping[str, str]) -> MagicMock:
        asked.update({"name": name, **extra})
        return MagicMock()

    monkeypatch.setattr(session, "spark_session", spark_session)
    session.dbt_session(load_settings())
    assert asked == {"name": "dbt", "spark.ui.enabled": "false"}


def test_so_does_the_job_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    configured = {"spark.ui.port": "4040"}
    monkeypatch.setattr("lakehouse_spark.session.spark_configuration", lambda *_: configured)
    resource = jobs.pyspark(dg.build_init_resource_context())
    assert resource.spark_config == {**configured, "spark.ui.enabled": "false"}
