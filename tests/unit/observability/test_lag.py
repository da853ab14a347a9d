"""Messages that writers have still to finish, from what a broker tells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.contracts import visits_contract

from lakehouse.observability.broker import Broker, Partition
from lakehouse.observability.lag import consumer_lags

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]
CONTRACT = visits_contract(COLUMNS)
TOPIC = CONTRACT.source.topic


@dataclass
class Offsets(Broker):
    """Topics end there, and the groups of the contracts have finished so much."""

    topic_ends: dict[Partition, int]
    finished: dict[Partition, int]

    def partitions(self, topics: Iterable[str]) -> dict[str, list[int]]:
        return {TOPIC: [partition for _, partition in self.topic_ends]}

    def ends(self, partitions: Mapping[str, Iterable[int]]) -> dict[Partition, int]:
        return self.topic_ends

    def beginnings(self, partitions: Mapping[str, Iterable[int]]) -> dict[Partition, int]:
        return dict.fromkeys(self.topic_ends, 2)

    def committed(self, groups: Iterable[str]) -> dict[str, dict[Partition, int]]:
        return dict.fromkeys(groups, self.finished)


def test_it_is_the_sum_over_partitions() -> None:
    broker = Offsets({(TOPIC, 0): 10, (TOPIC, 1): 7}, {(TOPIC, 0): 4, (TOPIC, 1): 7})
    assert consumer_lags([CONTRACT], broker) == {CONTRACT.table: 6}


def test_a_group_that_has_finished_nothing_yet_begins_where_the_contract_says() -> None:
    broker = Offsets({(TOPIC, 0): 10}, {})
    assert consumer_lags([CONTRACT], broker) == {CONTRACT.table: 8}
    source = {**CONTRACT.source.model_dump(exclude_none=True), "starting_offsets": "latest"}
    assert consumer_lags([visits_contract(COLUMNS, source=source)], broker) == {}


def test_a_topic_that_was_made_anew_lacks_nothing() -> None:
    broker = Offsets({(TOPIC, 0): 3}, {(TOPIC, 0): 4, ("gone", 0): 1})
    assert consumer_lags([CONTRACT], broker) == {CONTRACT.table: 0}
