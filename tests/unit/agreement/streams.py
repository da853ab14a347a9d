"""Orders, and what each engine makes of them, computed one by one as the engines' documentation says.

Times are seconds after START. The tables are real ones, written with the schema of their contracts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.agreement import Agreement, compare, trials
from lakehouse.contracts import Contract, load_contracts
from lakehouse.storage import Catalog, create_tables

START = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS, SLIDING, TUMBLING, LATE = (
    "raw.orders",
    "streaming.order_metrics",
    "streaming.order_metrics_5min",
    "streaming.orders_late",
)
_DIR = Path(__file__).parents[3] / "streaming" / "contracts"
CONTRACTS = [contract for contract in load_contracts(_DIR) if contract.table in (ORDERS, SLIDING, TUMBLING)]
Windows = dict[tuple[int, str], list[int]]


@dataclass(frozen=True)
class Order:
    """An order event that happened ``at``, and was the ``offset``-th to arrive: one a second."""

    offset: int
    at: int
    cents: int = 100
    status: str | None = "paid"

    @property
    def group(self) -> str:
        return self.status or "unknown"


def arrive(times: Iterable[int]) -> list[Order]:
    """Orders that happened at ``times``, in the order of their arrival; each has an amount of its own."""
    return [Order(n, at, cents=100 + n) for n, at in enumerate(times)]


def spark(orders: Sequence[Order], batch: int) -> Windows:
    """Windows of 300 s every 60 s. The watermark is that of the batches before: the newest event less 600 s."""
    windows: Windows = defaultdict(list)
    watermark = -(10**9)
    for first in range(0, len(orders), batch):
        for order in orders[first : first + batch]:
            for start in range(order.at // 60 * 60 - 240, order.at // 60 * 60 + 60, 60):
                if start + 300 > watermark:
                    windows[start, order.group].append(order.cents)
        watermark = max(watermark, max(order.at for order in orders[first : first + batch]) - 600)
    return windows


def flink(orders: Sequence[Order]) -> tuple[Windows, list[Order]]:
    """Windows of 300 s that the watermark has passed, 30 s behind the newest event; 60 s later an order is late."""
    windows: Windows = defaultdict(list)
    late: list[Order] = []
    watermark = -(10**9)
    for order in orders:
        start = order.at // 300 * 300
        if start + 300 + 60 <= watermark:
            late.append(order)
        else:
            windows[start, order.group].append(order.cents)
        watermark = max(watermark, order.at - 30)
    return {key: cents for key, cents in windows.items() if key[0] + 300 <= watermark}, late


def found(
    root: Path,
    orders: Sequence[Order],
    batch: int = 7,
    tamper: Callable[[Windows, Windows], None] = lambda spark_windows, flink_windows: None,
    contracts: Sequence[Contract] = tuple(CONTRACTS),
    made: datetime = START,
) -> dict[str, Agreement]:
    """What the comparison says of ``orders``, by table, when ``tamper`` has changed what the engines made of them.

    ``made`` is when they made it, by their own columns.
    """
    catalog = Catalog(str(root))
    for contract in contracts:
        create_tables(catalog, contract)
    sliding, (tumbling, late) = spark(orders, batch), flink(orders)
    tamper(sliding, tumbling)
    _append(catalog, ORDERS, [_event(order) for order in orders])
    _append(catalog, SLIDING, _rows(sliding, "processed_at", made))
    _append(catalog, TUMBLING, _rows(tumbling, "emitted_at", made))
    _append(catalog, LATE, [_event(order) for order in late])
    [trial] = trials(contracts)
    return {agreement.table: agreement for agreement in compare(catalog, trial)}


def commit_at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Has the tables' last commits be of ``moment``: those of a test are of now, months after its orders."""
    # By its path: in its package the function has the module's name.
    monkeypatch.setattr(import_module("lakehouse.agreement.compare"), "commit_time", lambda _: moment)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def _event(order: Order) -> dict[str, object]:
    return {
        "order_id": str(order.offset),
        "customer_id": "c",
        "amount_cents": order.cents,
        "status": order.status,
        "event_time": at(order.at),
        "kafka_topic": "orders.events",
        "kafka_partition": 0,
        "kafka_offset": order.offset,
        "kafka_timestamp": at(order.offset),
    }


def _rows(windows: Windows, stamp: str, made: datetime) -> list[dict[str, object]]:
    return [
        {
            "window_start": at(start),
            "window_end": at(start + 300),
            "status": status,
            "order_count": len(cents),
            "total_amount_cents": sum(cents),
            "average_amount_cents": sum(cents) / len(cents),
            "max_amount_cents": max(cents),
            stamp: made,
        }
        for (start, status), cents in windows.items()
        if cents
    ]


def _append(catalog: Catalog, name: str, rows: list[dict[str, object]]) -> None:
    table = catalog.open(name)
    schema = pa.schema(table.schema().to_arrow())
    if rows:
        write_deltalake(table, pa.Table.from_pylist(rows, schema=schema), mode="append")
