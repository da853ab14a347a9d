"""Events as Kafka keys and JSON values, and as the typed rows that a table should hold after them.

Text is put together column by column with Arrow kernels: a Python loop over rows would cap the generator at a
third of its rate.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.generator import orders
from lakehouse.generator.customers import customer_ids
from lakehouse.generator.schedule import Events

_DAY_MS = 86_400_000
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype="S2")
_CLOCK = pa.array([f"T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400)])
_MILLIS = pa.array([f".{ms:03}Z" for ms in range(1000)])
_STATUS = pa.array([status.name.lower() for status in orders.Status])
_CURRENCY = pa.array([code for code, *_ in orders.CURRENCIES])
_CURRENCY_FIELD = pa.array(["" if absent else f',"currency":"{code}"' for code, _, absent, _ in orders.CURRENCIES])

ROW_SCHEMA = pa.schema(
    [
        ("order_id", pa.string()),
        ("customer_id", pa.string()),
        ("amount_cents", pa.int64()),
        ("status", pa.string()),
        ("event_time", pa.timestamp("ms", tz="UTC")),
        ("currency", pa.string()),
        ("created_at", pa.timestamp("ms", tz="UTC")),
    ]
)


class Encoder:
    """Turns events into rows and bytes, for ``customers`` different customers."""

    def __init__(self, customers: int) -> None:
        self._bounds = orders.customer_bounds(customers)
        # The busiest customers are spread over the ids, as they would be.
        numbers = np.random.default_rng(0).permutation(customers)
        self._customer_ids = customer_ids(numbers)

    def rows(self, events: Events) -> pa.Table:
        """What the contract's columns hold for each event, defaults filled in; schema ROW_SCHEMA."""
        currencies = orders.currency_codes(events["order"])
        columns = [
            _order_ids(events["order"]),
            self._customer_ids.take(pa.array(orders.customer_ranks(events["order"], self._bounds))),
            pa.array(orders.amounts(events["order"], currencies)),
            _STATUS.take(pa.array(events["status"])),
            pa.array(events["event_ms"]).cast(pa.timestamp("ms", tz="UTC")),
            _CURRENCY.take(pa.array(currencies)),
            pa.array(events["created_ms"]).cast(pa.timestamp("ms", tz="UTC")),
        ]
        return pa.Table.from_arrays(columns, schema=ROW_SCHEMA)

    def values(self, events: Events, rows: pa.Table) -> list[bytes]:
        """One compact JSON object an event. Some leave out `currency` or `created_at`, where the default is right."""
        event_time = _iso_times(events["event_ms"])
        created = _join(',"created_at":"', _iso_times(events["created_ms"]), '"')
        # Half of the orders say when they were placed only once it differs from event_time.
        implied = (events["event_ms"] == events["created_ms"]) & (orders.uniform(events["order"], 5) < 0.5)
        text = _join(
            '{"order_id":"',
            rows["order_id"].combine_chunks(),
            '","customer_id":"',
            rows["customer_id"].combine_chunks(),
            '","amount_cents":',
            rows["amount_cents"].combine_chunks().cast(pa.string()),
            ',"status":"',
            rows["status"].combine_chunks(),
            '","event_time":"',
            event_time,
            '"',
            _CURRENCY_FIELD.take(pa.array(orders.currency_codes(events["order"]))),
            pc.if_else(pa.array(implied), "", created),
            "}",
        )
        return as_bytes(text)


def as_bytes(text: pa.StringArray) -> list[bytes]:
    """UTF-8 bytes of each string; ``to_pylist`` takes several times as long."""
    encoded: list[bytes] = text.cast(pa.binary()).to_numpy(zero_copy_only=False).tolist()
    return encoded


def _order_ids(numbers: orders.U64) -> pa.StringArray:
    octets = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)
    text = np.ascontiguousarray(_HEX[octets])
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(numbers), [None, pa.py_buffer(text)])
    return fixed.cast(pa.binary()).cast(pa.string())


def _iso_times(ms: NDArray[np.int64]) -> pa.StringArray:
    """`2026-01-31T23:59:59.999Z`"""
    days, within = np.divmod(ms, _DAY_MS)
    distinct, index = np.unique(days, return_inverse=True)
    dates = pa.array(np.datetime_as_string(distinct.astype("datetime64[D]")).tolist())
    seconds, millis = np.divmod(within, 1000)
    return _join(dates.take(pa.array(index)), _CLOCK.take(pa.array(seconds)), _MILLIS.take(pa.array(millis)))


def _join(*parts: pa.StringArray | str) -> pa.StringArray:
    return pc.binary_join_element_wise(*parts, "")
