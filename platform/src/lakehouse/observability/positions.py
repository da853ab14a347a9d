"""Where the writers of tables stand in their topics, by their consumer groups."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.contracts.model import Contract

if TYPE_CHECKING:
    from lakehouse.observability.broker import Broker


@dataclass(frozen=True)
class Position:
    """By partition: its ``ranges``, from (inclusive) and to (exclusive), and what the group has ``committed`` of it.

    Without ranges there is no such topic.
    """

    ranges: dict[int, tuple[int, int]]
    committed: dict[int, int]


def group_of(contract: Contract) -> str:
    """The consumer group to which the writer of the table commits what it has finished, whichever engine it is."""
    return f"lakehouse.{contract.table}"


def positions(contracts: Iterable[Contract], broker: "Broker") -> list[tuple[Contract, Position]]:
    """Of each of ``contracts`` but those that follow a table. Raises BrokerError."""
    reading = [contract for contract in contracts if contract.source.table is None]
    partitions = broker.partitions({contract.source.topic for contract in reading})
    ends, beginnings = broker.ends(partitions), broker.beginnings(partitions)
    committed = broker.committed(group_of(contract) for contract in reading)
    found = []
    for contract in reading:
        topic = contract.source.topic
        position = Position(
            ranges={number: (beginnings[topic, number], ends[topic, number]) for number in partitions.get(topic, ())},
            # A group may have read other topics, before its contract named this one.
            committed={p: offset for (of, p), offset in committed[group_of(contract)].items() if of == topic},
        )
        found.append((contract, position))
    return found
