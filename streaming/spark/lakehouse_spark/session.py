"""The Spark session of the streaming application, and of the tests that run its parts."""

from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # One small table log per micro-batch: fifty shuffle tasks to read it would cost more than the batch.
    "spark.databricks.delta.snapshotPartitions": "1",
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
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
}


def spark_session(settings: Settings, name: str, extra: Mapping[str, str] | None = None) -> SparkSession:
    """A session that reads Kafka and writes Delta, with the jars of ``settings.jars_dir``.

    Raises LakehouseError when the jars were not fetched. Spark reads most of this only when its JVM starts: a process
    has one such session.
    """
    jars = [jar for jar_set in ("spark", "events") for jar in _jars(settings.jars_dir / jar_set)]
    configuration = {
        **_DELTA,
        **_SQL,
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.extraClassPath": ":".join(str(jar) for jar in jars),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.port": str(settings.spark_ui_port),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(Path(settings.run_dir) / "spark-warehouse"),
        **(extra or {}),
    }
    builder = SparkSession.builder.appName(name).master(settings.spark_master)
    for key, value in configuration.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _jars(directory: Path) -> list[Path]:
    jars = sorted(directory.glob("*.jar"))
    if not jars:
        raise LakehouseError(f"no jars in {directory}: run `make setup` to have them")
    return jars
