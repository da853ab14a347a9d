"""Tables of a contract, and commits to them as the engines make them, at times of the test's choice."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.contracts import Contract
from lakehouse.storage import Catalog


@dataclass(frozen=True)
class Event:
    """One message: where it stands in the topic, and when it was produced."""

    offset: int
    at_ms: int
    partition: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class Tables:
    """The tables of one contract, which the test writes as an engine would."""

    catalog: Catalog
    contract: Contract

    def commit(self, events: Sequence[Event], at_ms: int, table: str | None = None) -> int:
        """Appends ``events`` in one commit, made at ``at_ms``; returns its version."""
        name = table or self.contract.table
        held = self.catalog.open(name)
        schema = pa.schema(held.schema().to_arrow())
        rows = [
            {
                self.contract.event_time.column: event.at_ms * 1000,
                "kafka_topic": self.contract.source.topic,
                "kafka_partition": event.partition,
                "kafka_offset": event.offset,
                "kafka_timestamp": event.at_ms * 1000 if event.at_ms else None,
                "ingested_at": at_ms * 1000,
                "reason": event.reason,
            }
            for event in events
        ]
        columns = {
            field.name: pa.array(
                [row.get(field.name, None if field.nullable else _any(field.type)) for row in rows],
                _physical(field.type),
            ).cast(field.type)
            for field in schema
        }
        write_deltalake(held, pa.table(columns, schema=schema), mode="append")
        return self.stamp(at_ms, name)

    def reject(self, events: Sequence[Event], at_ms: int) -> int:
        return self.commit(events, at_ms, self.contract.rejected_table)

    def stamp(self, at_ms: int, name: str | None = None) -> int:
        """Has the newest commit of the table made at ``at_ms``."""
        name = name or self.contract.table
        version = self.catalog.open(name).version()
        entry = Path(self.catalog.uri(name)) / "_delta_log" / f"{version:020}.json"
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        for action in actions:
            if "commitInfo" in action:
                action["commitInfo"]["timestamp"] = at_ms
        entry.write_text("".join(json.dumps(action) + "\n" for action in actions))
        return version


def _any(kind: pa.DataType) -> object:
    """A value for a column that has to have one, and that the test does not care for."""
    return "any" if pa.types.is_large_string(kind) or pa.types.is_string(kind) else 1


def _physical(kind: pa.DataType) -> pa.DataType:
    return pa.int64() if pa.types.is_timestamp(kind) else kind
