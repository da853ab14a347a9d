"""The application without a query, which the last table that leaves Spark leaves behind."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from tests.waiting import wait_for

from lakehouse.settings import Settings
from lakehouse_spark import application as module
from lakehouse_spark.application import Application
from lakehouse_spark.status import read_status, status_file


def test_an_application_without_a_query_lives_says_why_and_ends_when_told(
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_BEAT_EVERY", timedelta(0))
    settings = make_settings(tmp_path / "state")
    # Stands for a Spark that runs, which is all that is asked of it here.
    spark = MagicMock()
    spark.sparkContext._jsc.sc().isStopped.return_value = False
    application = Application(spark, settings, [])
    thread = threading.Thread(target=application.run)
    with caplog.at_level(logging.INFO):
        thread.start()
        try:
            wait_for(lambda: read_status(status_file(settings)).alive_at is not None, "a sign of life", 10)
        finally:
            application.stop()
            thread.join(10)
    assert not thread.is_alive()
    assert "no contract is served by Spark: waiting to be told to end" in caplog.text
