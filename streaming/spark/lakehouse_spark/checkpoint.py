"""What a query's checkpoint says about offsets, read through Hadoop's file system so that s3a works as disk does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
        self.location = location
        self._topic = topic

    def exists(self) -> bool:
        """Whether a query ever planned a batch with this checkpoint."""
        return self.last_batch() is not None

    def last_batch(self) -> int | None:
        """The newest batch that was planned, whether it was committed or not."""
        return self._newest("offsets")

    def committed_batch(self) -> int | None:
        """The newest batch that was committed."""
        return self._newest("commits")

    def committed_offsets(self) -> Offsets | None:
        """Where the newest batch that was committed ended; None when there is none."""
        committed = self.committed_batch()
        return None if committed is None else self._offsets(committed)

    def batch_range(self, batch: int) -> BatchRange:
        """The offsets of ``batch``, which has been planned. The first batch has no start that the checkpoint knows."""
        end = self._offsets(batch)
        if batch == 0:
            return BatchRange(start={}, end=end)
        # A partition that was added to the topic since is read from its beginning.
        return BatchRange(start={**dict.fromkeys(end, 0), **self._offsets(batch - 1)}, end=end)

    def source_offset(self, batch: int) -> Mapping[str, Any]:
        """What the source of ``batch`` wrote of where it ended, in its own terms."""
        # Spark's offset log: a version line, the batch's metadata, then one line of JSON a source.
        offset: Mapping[str, Any] = json.loads(self._text(self._path(f"offsets/{batch}")).splitlines()[2])
        return offset

    def table_id(self) -> str | None:
        """The id of the Delta table that was read, which each batch tells; None for another kind of source."""
        last = self.last_batch()
        return None if last is None else self.source_offset(last).get("reservoirId")

    def read(self, name: str) -> str | None:
        """The file ``name`` of the checkpoint's own directory, which Spark leaves alone; None where there is none."""
        path = self._path(name)
        return self._text(path) if self._filesystem(path).exists(path) else None

    def write(self, name: str, text: str) -> None:
        """Writes the file ``name``, whole or not at all."""
        self._write(self.location, name, text)

    def delete(self, name: str) -> None:
        """Deletes the directory or file ``name``, where there is one."""
        path = self._path(name)
        self._filesystem(path).delete(path, True)

    def replace(self, name: str, text: str, label: str) -> None:
        """Sets the checkpoint aside under ``label`` and begins another, which holds the file ``name``.

        A crash in between leaves the old one, or what ``finish_replacement`` completes.
        """
        self._write(self._next, name, text)
        self._rename(self.location, f"{self.location}-{label}")
        self.finish_replacement()

    def finish_replacement(self) -> None:
        """Completes a replacement that a crash interrupted. Nothing to do otherwise."""
        location, following = self._absolute(self.location), self._absolute(self._next)
        filesystem = self._filesystem(location)
        if filesystem.exists(following) and not filesystem.exists(location):
            self._rename(self._next, self.location)

    @property
    def _next(self) -> str:
        return f"{self.location}.next"

    def _newest(self, log: str) -> int | None:
        directory = self._path(log)
        filesystem = self._filesystem(directory)
        if not filesystem.exists(directory):
            return None
        names = [status.getPath().getName() for status in filesystem.listStatus(directory)]
        return max((int(name) for name in names if name.isdigit()), default=None)

    def _offsets(self, batch: int) -> Offsets:
        held = self.source_offset(batch).get(self._topic, {})
        return {int(partition): int(offset) for partition, offset in held.items()}

    def _text(self, path: JavaObject) -> str:
        stream = self._filesystem(path).open(path)
        try:
            text: str = self._jvm("org.apache.commons.io.IOUtils").toString(stream, "UTF-8")
        finally:
            stream.close()
        return text

    def _write(self, location: str, name: str, text: str) -> None:
        if location.startswith("s3a://"):
            # An object appears whole or not at all, and in place of the one before.
            self._create(self._absolute(f"{location}/{name}"), text)
            return
        partial = self._absolute(f"{location}/.{name}.partial")
        self._create(partial, text)
        # The plain rename of a file system replaces nothing, and to delete first would leave a moment without either.
        rename = self._jvm("org.apache.hadoop.fs.Options$Rename")
        options = self._jvm("java.lang.reflect.Array").newInstance(rename.OVERWRITE.getDeclaringClass(), 1)
        options[0] = rename.OVERWRITE
        context = self._jvm("org.apache.hadoop.fs.FileContext").getFileContext(partial.toUri(), self._configuration())
        context.rename(partial, self._absolute(f"{location}/{name}"), options)

    def _create(self, path: JavaObject, text: str) -> None:
        stream = self._filesystem(path).create(path, True)
        try:
            stream.write(bytearray(text.encode()))
        finally:
            stream.close()

    def _rename(self, location: str, target: str) -> None:
        path = self._absolute(location)
        if not self._filesystem(path).rename(path, self._absolute(target)):
            raise OSError(f"{location} could not be renamed to {target}")

    def _path(self, relative: str) -> JavaObject:
        return self._absolute(f"{self.location}/{relative}")

    def _absolute(self, location: str) -> JavaObject:
        return self._jvm("org.apache.hadoop.fs.Path")(location)

    def _filesystem(self, path: JavaObject) -> JavaObject:
        return path.getFileSystem(self._configuration())

    def _configuration(self) -> JavaObject:
        return self._spark._jsparkSession.sessionState().newHadoopConf()

    def _jvm(self, name: str) -> JavaObject:
        view = self._spark._jvm
        for part in name.split("."):
            view = getattr(view, part)
        return view
