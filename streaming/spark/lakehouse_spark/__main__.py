"""`python -m lakehouse_spark`: the streaming application, as its supervisor starts it."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lakehouse.contracts import Engine, load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, load_settings
from lakehouse_spark.application import Application, QueryFailedError
from lakehouse_spark.serve import serve_status
from lakehouse_spark.session import spark_session
from lakehouse_spark.status import first_line, now, read_status, status_file, write_status


def main() -> int:
    """Runs until a signal; the exit code is 0 after a stop that was asked for, 1 after an error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("py4j", "kafka"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = load_settings()
        with _recorded(settings):
            _run(settings)
    except (LakehouseError, QueryFailedError) as error:
        logging.error("%s", error)
        return 1
    return 0


def _run(settings: Settings) -> None:
    contracts = [c for c in load_contracts(settings.contracts_dir) if c.resolved_engine is Engine.SPARK]
    spark = spark_session(settings, "lakehouse-streaming")
    application = Application(spark, settings, contracts)
    application.stop_on_signals()
    server = serve_status(settings.spark_status_port, application.status)
    try:
        application.run()
    finally:
        server.shutdown()
        spark.stop()


@contextmanager
def _recorded(settings: Settings) -> Iterator[None]:
    """Notes the error that ends the application where `lakehouse status` finds it when the process has gone."""
    try:
        yield
    except Exception as error:
        file = status_file(settings)
        write_status(file, replace(read_status(file), error=first_line(error), failed_at=now()))
        raise


if __name__ == "__main__":
    sys.exit(main())
