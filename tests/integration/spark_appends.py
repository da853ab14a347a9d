"""Appends single rows to a Delta table with a Spark of its own: python -m tests.integration.spark_appends TABLE COUNT

Prints a line for each commit that Spark says it made.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import functions as F

from lakehouse.settings import load_settings
from lakehouse.storage import Catalog
from lakehouse_spark.session import spark_session

#: What tells its rows from those of others, in place of a partition of the topic.
PARTITION = 100
_REPOSITORY = Path(__file__).parents[2]


@contextmanager
def appending(
    table: str, count: int, environment: Mapping[str, str], directory: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The process that appends meanwhile; fails the test where it has not made every commit by the end.

    What it says goes into files of ``directory``: a pipe that nobody reads is full after some warnings of lost races,
    and Spark waits for ever.
    """
    output, log = directory / "spark.out", directory / "spark.log"
    command = [sys.executable, "-m", "tests.integration.spark_appends", table, str(count)]
    with output.open("wb") as told, log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=_REPOSITORY, env={**environment}, stdout=told, stderr=errors)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)
    assert output.read_text().split() == [str(number) for number in range(count)], log.read_text()[-4000:]


def main(table: str, count: int) -> None:
    settings = load_settings()
    spark = spark_session(settings, "appends", {"spark.ui.enabled": "false", "spark.driver.memory": "512m"})
    location = Catalog.from_settings(settings).spark_uri(table)
    template = spark.read.format("delta").load(location).limit(1).cache()
    for number in range(count):
        row = template.withColumns({"kafka_partition": F.lit(PARTITION), "kafka_offset": F.lit(number).cast("long")})
        row.write.format("delta").mode("append").save(location)
        print(number, flush=True)  # noqa: T201
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
