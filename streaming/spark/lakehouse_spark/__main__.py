"""`python -m lakehouse_spark [--group NAME]`: the streaming application, as its supervisor starts it."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lakehouse.errors import LakehouseError
from lakehouse.logging_format import log4j_properties, log_to_stderr
from lakehouse.settings import Settings, load_settings
from lakehouse_spark.application import Application, SparkEndedError, spark_contracts
from lakehouse_spark.metrics import QueryCollector
from lakehouse_spark.noted import note_contracts
from lakehouse_spark.serve import serve_status
from lakehouse_spark.session import spark_session
from lakehouse_spark.status import first_line, now, read_status, status_file, write_status


def main() -> int:
    """Runs until a signal; the exit code is 0 after a stop that was asked for, 1 after an error."""
    log_to_stderr()
    for chatty in ("py4j", "kafka"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(prog="python -m lakehouse_spark", description=__doc__)
    parser.add_argument("--group", help="run the queries of this `group` alone; without, those of all contracts")
    group = parser.parse_args().group
    try:
        settings = load_settings()
        with _recorded(settings, group):
            _run(settings, group)
    except (LakehouseError, SparkEndedError) as error:
        logging.error("%s", error)
        return 1
    return 0


def _run(settings: Settings, group: str | None) -> None:
    contracts = spark_contracts(settings, group)
    note_contracts(settings, contracts, group)
    spark = spark_session(settings, "lakehouse-streaming", _logging(settings, group))
    application = Application(spark, settings, contracts, group)
    application.stop_on_signals()
    collector = QueryCollector(application.status, application.progress)
    address = (settings.spark_status_host, settings.spark_status_port)
    try:
        with serve_status(address, application.status, collector):
            application.run()
    finally:
        spark.stop()


def _logging(settings: Settings, group: str | None) -> dict[str, str]:
    """Spark's own lines in the form of all others."""
    file = settings.run_dir / f"spark{f'.{group}' if group else ''}.log4j2.properties"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(log4j_properties("WARN"), encoding="utf-8")
    return {"spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={file}"}


@contextmanager
def _recorded(settings: Settings, group: str | None) -> Iterator[None]:
    """Notes that the process has come, and the error that ends it, where `lakehouse status` finds both."""
    file = status_file(settings, group)
    # Spark takes its time to start: until it has, this is the only sign of life.
    before = read_status(file)
    queries = {table: query.begun_again() for table, query in before.queries.items()}
    write_status(file, replace(before, queries=queries, pid=os.getpid(), alive_at=now()))
    try:
        yield
    except Exception as error:
        write_status(file, replace(read_status(file), error=first_line(error), failed_at=now()))
        raise


if __name__ == "__main__":
    sys.exit(main())
