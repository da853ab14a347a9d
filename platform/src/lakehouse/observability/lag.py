"""How many events of its topic each table's writer has still to read."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lakehouse.contracts.model import Contract
from lakehouse.observability.positions import positions

if TYPE_CHECKING:
    from lakehouse.observability.broker import Broker


def consumer_lags(contracts: Iterable[Contract], broker: "Broker") -> dict[str, int]:
    """By table. Left out are tables that follow a table, and those of which neither topic nor group is known yet.

    A group that has not committed offsets of a partition begins where the contract says. Raises BrokerError.
    """
    lags = {}
    for contract, position in positions(contracts, broker):
        if not position.ranges or (not position.committed and contract.source.starting_offsets == "latest"):
            continue
        lags[contract.table] = sum(
            max(end - position.committed.get(number, begin), 0) for number, (begin, end) in position.ranges.items()
        )
    return lags
