"""Replays of tables that keep what they have corrected: readers take the newest version of each key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from tests.contracts import visits_contract

from lakehouse.contracts import Contract
from lakehouse.replay.compare import Comparison, compare
from lakehouse.replay.difference import difference
from lakehouse.replay.pairs import database, pairs
from lakehouse.replay.scope import Scope
from lakehouse.replay.swap import Step, Swap
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from lakehouse.storage.duck import delta_scan_sql

LIVE, SIDE = "streaming.pages", "replay.pages"
START = datetime(2026, 11, 20, 10, tzinfo=UTC)
COLUMNS = [
    {"name": "window_start", "type": "timestamp", "required": True},
    {"name": "window_end", "type": "timestamp", "required": True},
    {"name": "site", "type": "string"},
    {"name": "pages", "type": "bigint", "required": True},
    {"name": "emitted_at", "type": "timestamp", "required": True},
]
EVENTS = [{"name": "at", "type": "timestamp", "required": True}]
#: Minute of the window, site (None: visits of no site are a group of their own), pages, second at which it was emitted.
Row = tuple[int, str | None, int, int]
#: The window of minute 5 was corrected for one site, and the windows from minute 10 on are outside of the range.
HELD: list[Row] = [(0, "a", 1, 1), (5, "a", 1, 2), (5, "a", 2, 3), (5, None, 7, 2), (10, "a", 1, 4)]


@dataclass(frozen=True)
class Pages:
    """Windows that a Flink job has emitted."""

    settings: Settings
    contract: Contract
    scope: Scope

    @property
    def catalog(self) -> Catalog:
        return Catalog.from_settings(self.settings)

    def write(self, name: str, rows: list[Row]) -> None:
        create_tables(self.catalog, self.contract.model_copy(update={"table": name}))
        table = pa.Table.from_pylist(
            [
                {
                    "window_start": START + timedelta(minutes=minute),
                    "window_end": START + timedelta(minutes=minute + 5),
                    "site": site,
                    "pages": pages,
                    "emitted_at": START + timedelta(hours=1, seconds=second),
                }
                for minute, site, pages, second in rows
            ],
            schema=pa.schema(self.catalog.open(name).schema().to_arrow()),
        )
        write_deltalake(self.catalog.uri(name), table, mode="append")

    def held(self) -> list[Row]:
        rows = self.catalog.open(LIVE).to_pyarrow_table().to_pylist()
        found = [
            (
                (row["window_start"] - START) // timedelta(minutes=1),
                row["site"],
                row["pages"],
                (row["emitted_at"] - START - timedelta(hours=1)) // timedelta(seconds=1),
            )
            for row in rows
        ]
        return sorted(found, key=lambda row: (row[0], row[3], row[1] or ""))

    def compared(self) -> Comparison:
        with database(self.settings, self.catalog, self.contract, self.scope) as connection:
            [pair] = pairs(self.contract, self.scope, {LIVE: delta_scan_sql(self.catalog, SIDE)})
            with difference(connection, self.catalog, pair, self.catalog.open(LIVE).version()) as found:
                return compare(connection, pair, found)

    def swap(self, step: Step, version: int | None = None) -> bool:
        other = delta_scan_sql(self.catalog, SIDE if version is None else LIVE, version)
        with database(self.settings, self.catalog, self.contract, self.scope) as connection:
            [pair] = pairs(self.contract, self.scope, {LIVE: other})
            return Swap(connection, self.catalog, pair, "replay-test", step).commit()


@pytest.fixture
def pages(make_settings: Callable[..., Settings], tmp_path: Path) -> Pages:
    contract = visits_contract(
        COLUMNS,
        table=LIVE,
        freshness="5 seconds",
        source={"topic": "visits", "columns": EVENTS, "event_time": "at"},
        transform={"job": "com.example.PagesJob", "window": "5 minutes"},
        event_time={"column": "window_end"},
        keys=["window_start", "site"],
        partition_by=["site"],
        on_invalid="drop",
    )
    scope = Scope(topic="visits", column="window_start", since=START, until=START + timedelta(minutes=10))
    pages = Pages(make_settings(tmp_path / "state"), contract, scope)
    pages.write(LIVE, HELD)
    return pages


def test_the_newest_versions_are_compared_however_many_there_were(pages: Pages) -> None:
    pages.write(SIDE, [(0, "a", 1, 100), (5, "a", 2, 100), (5, None, 7, 100), (10, "a", 99, 100)])
    comparison = pages.compared()
    assert (comparison.differing, comparison.rows) == (0, 3)
    assert not pages.swap(Step.SWAP)


def test_a_key_without_a_value_is_a_key(pages: Pages) -> None:
    pages.write(SIDE, [(0, "a", 1, 100), (5, "a", 2, 100), (5, None, 8, 100)])
    [_, second] = pages.compared().buckets
    assert (second.changed, second.only_live, second.only_replayed) == (1, 0, 0)


def test_a_swap_replaces_all_versions_of_what_differs_and_a_rollback_brings_them_back(pages: Pages) -> None:
    before = pages.catalog.open(LIVE).version()
    pages.write(SIDE, [(0, "a", 1, 100), (5, "a", 3, 100), (5, "a", 4, 101), (5, None, 8, 100)])
    assert pages.swap(Step.SWAP)
    assert pages.held() == [HELD[0], (5, None, 8, 100), (5, "a", 3, 100), (5, "a", 4, 101), HELD[4]]
    assert pages.compared().differing == 0
    assert pages.swap(Step.ROLLBACK, before)
    assert pages.held() == sorted(HELD, key=lambda row: (row[0], row[3], row[1] or ""))


def test_a_window_that_the_replay_does_not_find_goes_with_all_its_versions(pages: Pages) -> None:
    pages.write(SIDE, [(0, "a", 1, 100), (5, None, 7, 100), (5, "b", 1, 100)])
    [_, second] = pages.compared().buckets
    assert (second.only_live, second.only_replayed, second.changed) == (1, 1, 0)
    assert pages.swap(Step.SWAP)
    assert pages.held() == [HELD[0], HELD[3], (5, "b", 1, 100), HELD[4]]
