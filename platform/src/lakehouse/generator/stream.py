"""The generator itself: a stream of chunks, each with the bytes to send and what a table should hold after them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.encode import ROW_SCHEMA, Encoder, as_bytes
from lakehouse.generator.faults import MalformedKind, corrupt
from lakehouse.generator.identity import identities
from lakehouse.generator.orders import U64
from lakehouse.generator.schedule import Role, Schedule

KIND_VALID = "event"
KIND_DUPLICATE = "duplicate"
_KINDS = list(MalformedKind)

#: One message: what it is, its bytes, and the row that it becomes (null columns: malformed). `value` is kept for
#: malformed messages only, to be compared with the quarantine table.
SENT_SCHEMA = pa.schema(
    [
        ("sequence", pa.int64()),
        ("kind", pa.string()),
        ("valid", pa.bool_()),
        ("late", pa.bool_()),
        ("key", pa.binary()),
        ("value", pa.binary()),
        *ROW_SCHEMA,
    ]
)


@dataclass(frozen=True)
class Chunk:
    """Some messages in sending order; every sequence has one entry a message.

    ``malformed`` holds the index into ``list(MalformedKind)``, or -1 for a valid message. ``rows`` are the values that
    a valid message stands for; those of malformed messages mean nothing.
    """

    first: int
    keys: list[bytes]
    values: list[bytes | None]
    malformed: NDArray[np.int8]
    duplicate: NDArray[np.bool_]
    late: NDArray[np.bool_]
    rows: pa.Table

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether each message satisfies the contract."""
        return self.malformed < 0

    @cached_property
    def hashes(self) -> U64:
        """`identity.identities` of each message; 0 for a malformed one."""
        return np.where(self.valid, identities(self.rows), np.uint64(0))

    def sent(self) -> pa.Table:
        """What was sent and what is expected of it, row for row; schema SENT_SCHEMA."""
        valid = pa.array(self.valid)
        labels = pa.array([KIND_VALID, KIND_DUPLICATE, *_KINDS])
        label = np.where(self.valid, self.duplicate.astype(np.int8), self.malformed + 2)
        raw = [value if bad else None for value, bad in zip(self.values, ~self.valid, strict=True)]
        columns = {
            "sequence": pa.array(np.arange(self.first, self.first + len(self))),
            "kind": labels.take(pa.array(label)),
            "valid": valid,
            "late": pa.array(self.late),
            "key": pa.array(self.keys, pa.binary()),
            "value": pa.array(raw, pa.binary()),
        }
        for name in ROW_SCHEMA.names:
            column = self.rows[name].combine_chunks()
            columns[name] = pc.if_else(valid, column, pa.scalar(None, column.type))
        return pa.table(columns, schema=SENT_SCHEMA)


class OrderGenerator:
    """Order events as ``config`` wants them. Each call of `chunks` starts the same stream anew."""

    def __init__(self, config: GeneratorConfig) -> None:
        self.config = config

    def chunks(self) -> Iterator[Chunk]:
        """The stream, a chunk at a time; endless where ``config.events`` is None. Memory stays bounded."""
        encoder = Encoder(self.config.customers)
        first = 0
        garbled = 0
        for events, roles in Schedule(self.config).windows():
            rows = encoder.rows(events)
            values: list[bytes | None] = list(encoder.values(events, rows))
            malformed = np.full(len(events), -1, dtype=np.int8)
            for position in np.flatnonzero(roles == Role.MALFORMED):
                # Kinds take turns, so that even a short stream has each of them.
                variant, kind = divmod(garbled, len(_KINDS))
                valid_value = values[position]
                assert valid_value is not None  # noqa: S101  # only corrupt() makes tombstones
                values[position] = corrupt(_KINDS[kind], valid_value, variant)
                malformed[position] = kind
                garbled += 1
            yield Chunk(
                first=first,
                keys=as_bytes(rows["order_id"].combine_chunks()),
                values=values,
                malformed=malformed,
                duplicate=roles == Role.DUPLICATE,
                late=events["late"] & (roles == Role.LATE),
                rows=rows,
            )
            first += len(events)
