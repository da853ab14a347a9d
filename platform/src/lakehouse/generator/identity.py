"""The checksum that ties a table to the manifest of what was sent.

The identity of a valid event is the text ``order_id|customer_id|amount_cents|status|event_ms|currency|created_ms``:
the values of the table's columns, defaults filled in, times as whole milliseconds since the epoch. Its hash is the
number that the last 16 of the 32 hexadecimal digits of the text's MD5 stand for. The checksum is the sum of the
hashes of all events, repetitions included, modulo 2^64: the order of the events does not matter, their number does.

`CHECKSUM_SQL` computes it from the table's columns in DuckDB.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.generator.encode import as_bytes
from lakehouse.generator.orders import U64

#: A DuckDB aggregate over the columns of `raw.orders`; its value, as text, equals `checksum` in the manifest.
CHECKSUM_SQL = (
    "(coalesce(sum(('0x' || right(md5(concat_ws('|', order_id, customer_id, amount_cents, status, "
    "epoch_ms(event_time), currency, epoch_ms(created_at))), 16))::UBIGINT::HUGEINT), 0) "
    "% 18446744073709551616)::VARCHAR"
)


def identities(rows: pa.Table) -> U64:
    """The hash of each row of a table that has the columns of `encode.ROW_SCHEMA`."""
    text = pc.binary_join_element_wise(
        rows["order_id"],
        rows["customer_id"],
        rows["amount_cents"].cast(pa.string()),
        rows["status"],
        rows["event_time"].cast(pa.int64()).cast(pa.string()),
        rows["currency"],
        rows["created_at"].cast(pa.int64()).cast(pa.string()),
        "|",
    ).combine_chunks()
    md5 = hashlib.md5
    digests = b"".join([md5(one, usedforsecurity=False).digest() for one in as_bytes(text)])
    return np.frombuffer(digests, dtype=">u8")[1::2].astype(np.uint64)


def checksum(hashes: U64) -> int:
    """The sum of ``hashes`` modulo 2^64."""
    return int(hashes.sum(dtype=np.uint64))
