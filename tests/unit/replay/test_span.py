"""How far a replay of events reaches: no further than the topic, and no further than the table's writer."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pytest
from tests.unit.replay.conftest import DAY_MS, Lake

from lakehouse.observability.messages import BrokerError
from lakehouse.replay.errors import RangeGoneError, ReplayError
from lakehouse.replay.request import Request
from lakehouse.replay.span import Span


class KnownTopic:
    """What the broker says of topic `visits`, whose messages are a day apart; tests/integration asks a real one."""

    def __init__(self, beginning: int, end: int, committed: int = 0) -> None:
        self.beginning, self.end, self.committed_offset = beginning, end, committed

    def partitions(self, _topics: Iterable[str]) -> dict[str, list[int]]:
        return {"visits": [0]}

    def beginnings(self, _partitions: object) -> dict[tuple[str, int], int]:
        return {("visits", 0): self.beginning}

    def at(self, _partitions: object, milliseconds: int) -> dict[tuple[str, int], int]:
        return {("visits", 0): min(max(-(-milliseconds // DAY_MS), self.beginning), self.end)}

    def committed(self, groups: Iterable[str]) -> Mapping[str, Mapping[tuple[str, int], int]]:
        return {group: {("visits", 0): self.committed_offset} for group in groups}


class SilentBroker(KnownTopic):
    def committed(self, groups: Iterable[str]) -> Mapping[str, Mapping[tuple[str, int], int]]:
        raise BrokerError(f"no answer about {list(groups)}")


def day(number: int) -> datetime:
    return datetime.fromtimestamp(number * DAY_MS / 1000, UTC)


def offsets(lake: Lake, topic: KnownTopic, **asked: object) -> tuple[int, int]:
    request = Request("raw.visits", **asked)  # type: ignore[arg-type]
    return Span(lake.catalog, lake.contract, topic, request).scope().offsets[0]  # type: ignore[arg-type]


def test_the_whole_topic_is_what_the_table_has_read_of_it(lake: Lake) -> None:
    assert offsets(lake, KnownTopic(4, 50)) == (4, 30)


def test_rejected_events_behind_the_newest_row_are_done_with_once_the_group_is_behind_them(lake: Lake) -> None:
    assert offsets(lake, KnownTopic(0, 50, committed=33)) == (0, 33)


def test_times_are_those_at_which_the_broker_took_the_events(lake: Lake) -> None:
    assert offsets(lake, KnownTopic(0, 50), since=day(10), until=day(20)) == (10, 20)
    assert offsets(lake, KnownTopic(0, 50), since=day(25)) == (25, 30)


@pytest.mark.parametrize("asked", [{"offsets": {0: (2, 9)}}, {"since": day(2), "until": day(9)}])
def test_what_the_topic_has_forgotten_and_the_table_has_not_is_named(lake: Lake, asked: dict[str, object]) -> None:
    with pytest.raises(RangeGoneError, match=r"gone are the offsets visits\[0\] 2 to 4\. .*--whole"):
        offsets(lake, KnownTopic(5, 50), **asked)


def test_what_the_writer_may_still_commit_is_refused(lake: Lake) -> None:
    with pytest.raises(ReplayError, match=r"offsets to 31 of visits\[0\] .* done with those below 30"):
        offsets(lake, KnownTopic(0, 50), offsets={0: (10, 31)})


def test_a_range_without_events_is_told_with_what_there_is(lake: Lake) -> None:
    with pytest.raises(ReplayError, match=r"nothing to replay .* read 0:0-30 of topic visits"):
        offsets(lake, KnownTopic(0, 50), since=day(40))


def test_an_unknown_partition_is_told_with_those_there_are(lake: Lake) -> None:
    with pytest.raises(ReplayError, match=r"no partition 7\. Partitions: 0"):
        offsets(lake, KnownTopic(0, 50), offsets={7: (0, 1)})


def test_quarantine_asks_no_broker_and_is_taken_as_it_is_now(lake: Lake) -> None:
    request = Request("raw.visits", quarantined=True)
    scope = Span(lake.catalog, lake.contract, SilentBroker(5, 50), request).scope()  # type: ignore[arg-type]
    assert (scope.offsets, scope.quarantine_version) == ({0: (0, 30)}, 0)


def test_quarantine_behind_all_that_the_writer_is_done_with_is_left_to_it(lake: Lake) -> None:
    request = Request("raw.visits", offsets={0: (30, 40)}, quarantined=True)
    with pytest.raises(ReplayError, match="nothing to replay in quarantined events, offsets 0:30-40"):
        Span(lake.catalog, lake.contract, KnownTopic(0, 50), request).scope()  # type: ignore[arg-type]
