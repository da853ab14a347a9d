"""What a replay by a Flink job refuses before it begins; its way to the end is in tests/integration/flink."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse.contracts import find_contract
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.flink_job import FlinkReplay, job_ends
from lakehouse.replay.note import Note
from lakehouse.replay.scope import Scope
from lakehouse.settings import Settings
from lakehouse.storage import Catalog

CONTRACTS = Path(__file__).parents[3] / "streaming" / "contracts"
TABLE, TOPIC = "streaming.order_metrics_5min", "orders.events"


class Told:
    """What a broker says of a topic of two partitions that ends at offset 100, and of how far a job has read it."""

    def __init__(self, committed: int) -> None:
        self._committed = committed

    def partitions(self, topics: list[str]) -> dict[str, list[int]]:
        return {topic: [0, 1] for topic in topics}

    def ends(self, partitions: dict[str, list[int]]) -> dict[tuple[str, int], int]:
        return {(topic, number): 100 for topic, numbers in partitions.items() for number in numbers}

    def beginnings(self, partitions: dict[str, list[int]]) -> dict[tuple[str, int], int]:
        return {(topic, number): 0 for topic, numbers in partitions.items() for number in numbers}

    def committed(self, groups: list[str]) -> dict[str, dict[tuple[str, int], int]]:
        return {group: {(TOPIC, 1): self._committed} for group in groups}


def ends(table: str, committed: int) -> dict[int, int]:
    broker: Any = Told(committed)
    return job_ends(find_contract(CONTRACTS, table), broker)


def test_it_ends_where_the_topic_does() -> None:
    assert ends(TABLE, committed=100) == {0: 100, 1: 100}


def test_what_spark_computes_has_no_job() -> None:
    assert ends("streaming.order_metrics", committed=100) == {}
    assert ends("raw.orders", committed=100) == {}


def test_a_topic_that_ends_before_what_was_read_is_another_one() -> None:
    with pytest.raises(ReplayError, match=r"orders.events\[1\] ends at offset 100, .* read up to 101: .*created again"):
        ends(TABLE, committed=101)


def test_without_a_cluster_the_way_to_one_is_told(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "state")
    scope = Scope(topic=TOPIC, column="window_start")
    note = Note(id="test0001", table=TABLE, asked="", scope=scope, end={0: 1}, sides={TABLE: "replay.x_test0001"})
    replay = FlinkReplay(settings, Catalog.from_settings(settings), find_contract(CONTRACTS, TABLE), note)
    with pytest.raises(ReplayError, match=r"(?s)no answer from the JobManager.*Start it: .*up.*replay resume test0001"):
        replay.compute()
