"""The Spark session of the streaming application, and of the tests that run its parts."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.storage.s3a import s3a_options

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # One small table log per micro-batch: fifty shuffle tasks to read it would cost more than the batch.
    "spark.databricks.delta.snapshotPartitions": "1",
    # Delta's own stores look whether a commit is there and then write it: they lose what delta-rs commits in between.
    "spark.delta.logStore.s3a.impl": "io.lakehouse.delta.storage.ConditionalPutLogStore",
    "spark.delta.logStore.file.impl": "io.lakehouse.delta.storage.HardLinkLogStore",
}
_SQL = {
    # Offers the event parser that Spark and Flink share.
    "spark.sql.catalog.events": "io.lakehouse.spark.EventCatalog",
    "spark.sql.session.timeZone": "UTC",
    # A batch is cached for two short reads: compressing it costs more than it saves.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.parquet.compression.codec": "zstd",
    # Spark's default, INT96, has no statistics and is long deprecated.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Events are mostly ids, times and amounts: a dictionary of them took a quarter of the CPU, and zstd makes the files
    # as small without. The columns that repeat keep theirs.
    "spark.hadoop.parquet.enable.dictionary": "false",
    "spark.hadoop.parquet.enable.dictionary#kafka_topic": "true",
    "spark.hadoop.parquet.enable.dictionary#kafka_partition": "true",
    # A JSON object may name a field twice; the last one wins, as in from_json.
    "spark.sql.variant.allowDuplicateKeys": "true",
    # Plans are compared as text (see `logical_plan`): what Spark left out of a long one could change unseen.
    "spark.sql.debug.maxToStringFields": "10000",
    # Without it, a query whose batch does not end would keep the application from stopping for ever.
    "spark.sql.streaming.stopTimeout": "30s",
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    # RocksDB allocates outside of the heap, an instance a partition of each operator with state: all share this.
    "spark.sql.streaming.stateStore.rocksdb.boundedMemoryUsage": "true",
    "spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB": "128",
}

#: For every Spark but the streaming application, which runs meanwhile and has the port.
WITHOUT_UI = {"spark.ui.enabled": "false"}
_ONE_MACHINE = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def spark_session(settings: Settings, name: str, extra: Mapping[str, str] | None = None) -> SparkSession:
    """A session that reads Kafka and writes Delta, with the jars of ``settings.jars_dir``.

    Raises LakehouseError when the jars were not fetched. Spark reads most of this only when its JVM starts: a process
    has one such session.
    """
    builder = SparkSession.builder
    for key, value in {**spark_configuration(settings, name), **(extra or {})}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def spark_configuration(settings: Settings, name: str) -> dict[str, str]:
    """What such a session is configured by, for those who have others start it. Raises as ``spark_session``."""
    jars = [jar for jar_set in ("spark", "events", "log-store") for jar in _jars(settings.jars_dir / jar_set)]
    jars += _unlike_those_of_spark(_jars(settings.jars_dir / "s3"))
    s3a = s3a_options(settings.root, settings.checkpoint_root)
    return {
        "spark.app.name": name,
        "spark.master": settings.spark_master,
        **_DELTA,
        **_SQL,
        **{f"spark.hadoop.{option}": value for option, value in s3a.items()},
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.extraClassPath": ":".join(str(jar) for jar in jars),
        # In a cluster, executors have to find the driver: where it is, who submits it says.
        **(_ONE_MACHINE if settings.spark_master.startswith("local") else {}),
        "spark.ui.port": str(settings.spark_ui_port),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(Path(settings.run_dir) / "spark-warehouse"),
    }


def _jars(directory: Path) -> list[Path]:
    jars = sorted(directory.glob("*.jar"))
    if not jars:
        raise LakehouseError(f"no jars in {directory}: run `make setup` to have them")
    return jars


def _unlike_those_of_spark(jars: list[Path]) -> Iterator[Path]:
    """``jars`` but for those that pyspark ships in a version of its own, such as Netty's: it has to stay the one."""
    shipped = {_artifact(jar) for jar in Path(pyspark.__path__[0], "jars").glob("*.jar")}
    return (jar for jar in jars if _artifact(jar) not in shipped)


def _artifact(jar: Path) -> str:
    """The name of ``jar`` without its version: `netty-codec` of `netty-codec-4.1.126.Final.jar`."""
    return re.split(r"-\d", jar.stem, maxsplit=1)[0]
