"""The manifest: what one run of the generator delivered, for a test to compare with the tables."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lakehouse.errors import LakehouseError
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.faults import MalformedKind
from lakehouse.generator.identity import checksum
from lakehouse.generator.stream import SENT_SCHEMA, Chunk
from lakehouse.invocation import command

_KINDS = list(MalformedKind)


class ManifestError(LakehouseError):
    """A manifest cannot be read or written."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Counts(_Part):
    """Numbers of messages that the broker confirmed."""

    sent: int = Field(description="All messages: valid + malformed")
    valid: int = Field(description="Messages that satisfy the contract, repetitions included: rows of raw.orders")
    unique: int = Field(description="Valid messages without repetitions")
    duplicates: int = Field(description="Repetitions of an event sent before")
    late: int = Field(description="Of `unique`: events older than 11 minutes when they were sent")
    malformed: int = Field(description="Messages that break the contract: rows of raw.orders_rejected")
    malformed_by_kind: dict[MalformedKind, int]
    failed: int = Field(description="Messages that were given to the producer and not confirmed; counted nowhere else")


class PartitionRange(_Part):
    """What one partition took, by the delivery reports."""

    delivered: int
    first_offset: int
    last_offset: int


class Manifest(_Part):
    """What was delivered. `identity.CHECKSUM_SQL` recomputes `checksum` from a table."""

    topic: str
    bootstrap_servers: str
    seed: int
    parameters: dict[str, object] = Field(description="Of the generator; with the seed they give the same bytes again")
    started_at: datetime
    finished_at: datetime
    complete: bool = Field(description="False when the run was stopped, or failed, before all events were delivered")
    counts: Counts
    checksum: str = Field(description="Sum of the identities of valid messages modulo 2^64, decimal")
    newest_event_time: datetime | None = Field(description="Of the valid messages")
    oldest_event_time: datetime | None
    partitions: dict[int, PartitionRange]
    events_file: str | None = Field(description="Parquet beside the manifest: every message and its expected row")

    def write(self, path: Path) -> None:
        """Writes JSON to ``path``: afterwards the whole manifest is there, or what was there before."""
        with _replacing(path) as partial:
            partial.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """The manifest in ``path``; ManifestError when there is none or it is not one."""
        try:
            return cls.model_validate_json(path.read_text())
        except (OSError, ValueError) as error:
            raise ManifestError(f"{path} is no manifest: {error}. `{command('produce')}` writes one.") from error


class Tally:
    """Adds up delivered messages; optionally writes each to a Parquet file of schema `stream.SENT_SCHEMA`."""

    def __init__(self, config: GeneratorConfig, bootstrap_servers: str, events_file: Path | None) -> None:
        self._config = config
        self._bootstrap_servers = bootstrap_servers
        self._started_at = datetime.now(UTC)
        self._counts: Counter[str] = Counter()
        self._kinds = np.zeros(len(_KINDS), dtype=np.int64)
        self._checksum = 0
        self._newest: datetime | None = None
        self._oldest: datetime | None = None
        self._partitions: dict[int, PartitionRange] = {}
        self._events_file = events_file
        self._partial = None if events_file is None else _partial(events_file)
        self._writer = None if self._partial is None else pq.ParquetWriter(self._partial, SENT_SCHEMA)

    def add(self, chunk: Chunk, delivered: NDArray[np.bool_]) -> None:
        """Counts the messages of ``chunk`` whose entry in ``delivered`` is true."""
        valid = chunk.valid & delivered
        counts = self._counts
        counts["sent"] += int(delivered.sum())
        counts["valid"] += int(valid.sum())
        counts["duplicates"] += int((chunk.duplicate & delivered).sum())
        counts["late"] += int((chunk.late & delivered).sum())
        counts["failed"] += int((~delivered).sum())
        self._kinds += np.bincount(chunk.malformed[delivered & ~chunk.valid], minlength=len(_KINDS))
        self._checksum = (self._checksum + checksum(chunk.hashes[valid])) % 2**64
        if valid.any():
            times = chunk.rows["event_time"].to_numpy()[valid]
            newest, oldest = (value.item().replace(tzinfo=UTC) for value in (times.max(), times.min()))
            self._newest = max(self._newest or newest, newest)
            self._oldest = min(self._oldest or oldest, oldest)
        if self._writer is not None:
            self._writer.write_table(chunk.sent().filter(delivered))

    def add_partitions(self, partitions: dict[int, PartitionRange]) -> None:
        """Records what the delivery reports say of each partition."""
        self._partitions.update(partitions)

    @property
    def sent(self) -> int:
        """Messages confirmed so far."""
        return self._counts["sent"]

    def finish(self) -> Manifest:
        """Closes the events file and returns the manifest."""
        if self._writer is not None and self._partial is not None and self._events_file is not None:
            self._writer.close()
            self._partial.replace(self._events_file)
        counts = self._counts
        malformed = int(self._kinds.sum())
        return Manifest(
            topic=self._config.topic,
            bootstrap_servers=self._bootstrap_servers,
            seed=self._config.seed,
            parameters=self._config.parameters(),
            started_at=self._started_at,
            finished_at=datetime.now(UTC),
            complete=counts["failed"] == 0 and counts["sent"] == self._config.events,
            counts=Counts(
                sent=counts["sent"],
                valid=counts["valid"],
                unique=counts["valid"] - counts["duplicates"],
                duplicates=counts["duplicates"],
                late=counts["late"],
                malformed=malformed,
                malformed_by_kind=dict(zip(_KINDS, self._kinds.tolist(), strict=True)),
                failed=counts["failed"],
            ),
            checksum=str(self._checksum),
            newest_event_time=self._newest,
            oldest_event_time=self._oldest,
            partitions=self._partitions,
            events_file=None if self._events_file is None else self._events_file.name,
        )


def default_path(directory: Path, config: GeneratorConfig) -> Path:
    """`<directory>/<topic>-<UTC time>-<seed>.json`"""
    return directory / f"{config.topic}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{config.seed}.json"


def events_path(manifest: Path) -> Path:
    """Where the events of ``manifest`` are kept: a Parquet file beside it."""
    return manifest.with_suffix(".events.parquet")


def _partial(path: Path) -> Path:
    # In the same directory, for a rename across file systems is not atomic.
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    partial = _partial(path)
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise ManifestError(f"manifest {path} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
