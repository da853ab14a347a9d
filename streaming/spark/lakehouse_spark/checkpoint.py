"""What a query's checkpoint says about offsets, read through Hadoop's file system so that s3a works as disk does."""

import json
from dataclasses import dataclass

from py4j.java_gateway import JavaObject
from pyspark.sql import SparkSession

#: Offsets of one topic: partition → next offset to read.
Offsets = dict[int, int]


@dataclass(frozen=True)
class BatchRange:
    """The offsets a micro-batch reads: ``start`` inclusive, ``end`` exclusive. An unknown start is no entry."""

    start: Offsets
    end: Offsets

    @property
    def size(self) -> int:
        """How many offsets the batch spans, counting from the known starts."""
        return sum(end - self.start.get(partition, end) for partition, end in self.end.items())


class Checkpoint:
    """The checkpoint below ``location``, of a query with one Kafka topic."""

    def __init__(self, spark: SparkSession, location: str, topic: str) -> None:
        self._spark = spark
        self._location = location
        self._topic = topic

    def exists(self) -> bool:
        """Whether a query ever planned a batch with this checkpoint."""
        return self.last_batch() is not None

    def last_batch(self) -> int | None:
        """The newest batch that was planned, whether it was committed or not."""
        directory = self._path("offsets")
        filesystem = self._filesystem(directory)
        if not filesystem.exists(directory):
            return None
        names = [status.getPath().getName() for status in filesystem.listStatus(directory)]
        return max((int(name) for name in names if name.isdigit()), default=None)

    def batch_range(self, batch: int) -> BatchRange:
        """The offsets of ``batch``, which has been planned. The first batch has no start that the checkpoint knows."""
        end = self._offsets(batch)
        if batch == 0:
            return BatchRange(start={}, end=end)
        # A partition that was added to the topic since is read from its beginning.
        return BatchRange(start={**dict.fromkeys(end, 0), **self._offsets(batch - 1)}, end=end)

    def _offsets(self, batch: int) -> Offsets:
        path = self._path(f"offsets/{batch}")
        stream = self._filesystem(path).open(path)
        try:
            text = self._jvm("org.apache.commons.io.IOUtils").toString(stream, "UTF-8")
        finally:
            stream.close()
        # Spark's offset log: a version line, the batch's metadata, then one line of JSON a source.
        source = json.loads(text.splitlines()[2])
        return {int(partition): int(offset) for partition, offset in source.get(self._topic, {}).items()}

    def _path(self, relative: str) -> JavaObject:
        return self._jvm("org.apache.hadoop.fs.Path")(f"{self._location}/{relative}")

    def _filesystem(self, path: JavaObject) -> JavaObject:
        return path.getFileSystem(self._spark._jsparkSession.sessionState().newHadoopConf())

    def _jvm(self, name: str) -> JavaObject:
        view = self._spark._jvm
        for part in name.split("."):
            view = getattr(view, part)
        return view
