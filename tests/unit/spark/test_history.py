"""Since when a topic holds every event, and how late that may be for a table that is computed anew."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.contracts import Contract, find_contract
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from lakehouse_spark.broker import TopicOffsets
from lakehouse_spark.checkpoint import Offsets
from lakehouse_spark.history import complete_from
from lakehouse_spark.takeover import UnfinishedRowsError, take_over, unfinished_since

NOW = datetime.now(UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
REPOSITORY = Path(__file__).parents[3]
#: Windows of 5 minutes, a watermark of 10.
NEWEST = datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long after its collection the test is run."""
    monkeypatch.setattr("lakehouse_spark.history.datetime", SimpleNamespace(now=lambda _zone: NOW))


class FakeTopic:
    """Answers as TopicOffsets does; which partition has lost how much, integration tests ask a broker."""

    def __init__(self, first: dict[int, datetime | None], retention: timedelta | None) -> None:
        self._first, self._retention = first, retention

    def first_times(self, beginning: Offsets) -> dict[int, datetime | None]:
        return {partition: self._first[partition] for partition in beginning}

    def retention(self) -> timedelta | None:
        return self._retention


def since(first: dict[int, datetime | None], retention: timedelta | None, wanted: datetime | None) -> timedelta | None:
    """How long ago, in hours."""
    found = complete_from(cast(TopicOffsets, FakeTopic(first, retention)), dict.fromkeys(first, 7), wanted)
    return None if found is None else timedelta(hours=round((NOW - found) / HOUR))


@pytest.mark.parametrize(
    ("first", "retention", "wanted", "expected"),
    [
        ({0: NOW - DAY, 1: NOW - HOUR}, WEEK, NOW, HOUR),
        ({0: NOW - DAY, 1: NOW - HOUR}, WEEK, NOW - DAY, WEEK),
        ({0: NOW - DAY, 1: NOW - HOUR}, None, NOW - DAY, HOUR),
        ({0: NOW - DAY, 1: None}, WEEK, NOW - DAY, WEEK),
        ({0: NOW - DAY, 1: None}, None, NOW - DAY, timedelta(0)),
        ({0: NOW - WEEK}, DAY, NOW - 2 * WEEK, WEEK),
    ],
    ids=["early enough", "one event since", "not time alone", "emptied", "emptied by size", "kept for longer"],
)
def test_a_topic_is_complete_since_its_first_events_or_for_as_long_as_it_keeps_them(
    first: dict[int, datetime | None], retention: timedelta | None, wanted: datetime | None, expected: timedelta
) -> None:
    assert since(first, retention, wanted) == expected


def test_a_topic_that_lost_nothing_is_complete_since_ever() -> None:
    topic = cast(TopicOffsets, FakeTopic({0: NOW}, WEEK))
    assert complete_from(topic, {0: 0}, NEWEST) is None


@pytest.fixture
def contract() -> Contract:
    return find_contract(REPOSITORY / "streaming" / "contracts", "streaming.order_metrics")


@pytest.mark.parametrize(("length", "behind"), [(5, 15), (30, 40)], ids=["windows as now", "longer windows"])
def test_what_may_not_be_finished_begins_a_watermark_and_a_window_before_the_newest_row(
    make_settings: Callable[..., Settings], contract: Contract, tmp_path: Path, length: int, behind: int
) -> None:
    catalog = Catalog.from_settings(make_settings(tmp_path / "state"))
    create_tables(catalog, contract)
    table = catalog.open(contract.table)
    row = {"window_start": NEWEST, "window_end": NEWEST + timedelta(minutes=length), "status": "paid"}
    row |= {"order_count": 1, "total_amount_cents": 1, "average_amount_cents": 1.0, "processed_at": NEWEST}
    schema = pa.schema(table.schema().to_arrow())
    write_deltalake(table, pa.Table.from_pylist([row], schema=schema), mode="append")
    assert unfinished_since(catalog, contract) == NEWEST - timedelta(minutes=behind)


def test_a_source_that_is_complete_only_later_than_that_is_refused(contract: Contract) -> None:
    assert take_over(contract, NEWEST, NEWEST).since == NEWEST
    with pytest.raises(UnfinishedRowsError, match=r"go on until the table has rows that are 0:20:00 newer"):
        take_over(contract, NEWEST + timedelta(minutes=20), NEWEST)
