"""Which windows of a computed table can be replayed; the topic's own answers are asked for in tests/integration."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from tests.contracts import visits_contract

from lakehouse.contracts import Contract, find_contract
from lakehouse.replay.errors import RangeGoneError, ReplayError
from lakehouse.replay.request import Request, parse_request
from lakehouse.replay.scope import Scope
from lakehouse.replay.windows import Windows, replayable
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables

CONTRACTS = Path(__file__).parents[3] / "streaming" / "contracts"
TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


class EmptyTopic:
    """What a broker says of where to begin to read."""

    def partitions(self, _topics: object) -> dict[str, list[int]]:
        return {"orders.events": [0]}

    def beginnings(self, _partitions: object) -> dict[tuple[str, int], int]:
        return {("orders.events", 0): 7}

    def at(self, _partitions: object, milliseconds: int) -> dict[tuple[str, int], int]:
        return {("orders.events", 0): milliseconds}


@pytest.fixture
def catalog(tmp_path: Path, make_settings: Callable[..., Settings]) -> Catalog:
    """`streaming.order_metrics`, of windows from 10:00 to 11:00 on."""
    catalog = Catalog.from_settings(make_settings(tmp_path / "state"))
    contract = find_contract(CONTRACTS, "streaming.order_metrics")
    create_tables(catalog, contract)
    schema = pa.schema(catalog.open(contract.table).schema().to_arrow())
    starts = [at(minute) for minute in range(61)]
    values = {
        "window_start": starts,
        "window_end": [start + timedelta(minutes=5) for start in starts],
        "status": ["paid"] * len(starts),
        "processed_at": starts,
    }
    table = pa.table({f.name: pa.array(values.get(f.name, [1] * len(starts)), f.type) for f in schema}, schema=schema)
    write_deltalake(catalog.open(contract.table), table, mode="append")
    return catalog


@pytest.fixture
def flink(catalog: Catalog) -> None:
    """`streaming.order_metrics_5min`, its windows from 10:00 to 10:20 on, and an alert of `streaming.fraud_alerts`."""
    starts = [at(minute) for minute in range(0, 21, 5)]
    ends = [start + timedelta(minutes=5) for start in starts]
    rows = {
        "streaming.order_metrics_5min": {"window_start": starts, "window_end": ends, "emitted_at": ends},
        "streaming.fraud_alerts": {"order_time": [at(61)], "first_order_time": [at(60)], "detected_at": [at(62)]},
    }
    for name, values in rows.items():
        create_tables(catalog, find_contract(CONTRACTS, name))
        schema = pa.schema(catalog.open(name).schema().to_arrow())
        others = pa.array([1] * len(next(iter(values.values()))))
        columns = {
            f.name: pa.array(values[f.name], f.type) if f.name in values else others.cast(f.type) for f in schema
        }
        table = pa.table(columns, schema=schema)
        write_deltalake(catalog.open(name), table, mode="append")


@pytest.fixture
def resolve(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Scope, dict[int, int]]]:
    """What is asked for ``table``, of a topic that holds every event since ``complete`` (None: ever since)."""

    def resolve(
        table: str = "streaming.order_metrics", complete: datetime | None = None, **asked: object
    ) -> tuple[Scope, dict[int, int]]:
        monkeypatch.setattr(Windows, "_complete_from", lambda _windows, _wanted: complete)
        contract = find_contract(CONTRACTS, table)
        return Windows(catalog, contract, EmptyTopic(), "none:1", Request(table, **asked)).scope()  # type: ignore[arg-type]

    return resolve


Resolve = Callable[..., tuple[Scope, dict[int, int]]]


def test_windows_are_taken_whole_and_read_from_their_watermark_on(resolve: Resolve) -> None:
    scope, start = resolve(since=at(20.5), until=at(29.5))
    assert (scope.column, scope.since, scope.until) == ("window_start", at(20), at(30))
    assert start == {0: int(at(10).timestamp() * 1000)}


def test_the_whole_ends_where_windows_may_still_change(resolve: Resolve) -> None:
    scope, start = resolve()
    # Ten minutes of watermark and five of a window before the newest one.
    assert (scope.since, scope.until, start) == (None, at(45), {0: 7})


def test_the_whole_begins_where_the_topic_has_what_its_first_window_needs(resolve: Resolve) -> None:
    assert resolve(complete=at(3.5))[0].since == at(14)


def test_windows_that_may_still_change_are_refused_with_how_far_to_go(resolve: Resolve) -> None:
    with pytest.raises(ReplayError, match="--to 2026-11-20T10:45:00"):
        resolve(since=at(20), until=at(46))


def test_windows_whose_events_are_gone_are_refused_with_where_to_begin(resolve: Resolve) -> None:
    with pytest.raises(RangeGoneError, match="--from 2026-11-20T10:22:00"):
        resolve(since=at(20), complete=at(11.5))


def test_a_table_without_windows_is_told_to_the_millisecond_where_to_begin(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = of_visits()
    create_tables(catalog, contract)
    schema = pa.schema(catalog.open(contract.table).schema().to_arrow())
    values = {"at": [at(0), at(60)], "visitor": ["ann", "bob"]}
    rows = pa.table({f.name: pa.array(values.get(f.name, [1, 1]), f.type) for f in schema}, schema=schema)
    write_deltalake(catalog.open(contract.table), rows, mode="append")
    complete = at(11) + timedelta(milliseconds=250)
    monkeypatch.setattr(Windows, "_complete_from", lambda _windows, _wanted: complete)
    request = Request(contract.table, since=at(0))
    with pytest.raises(RangeGoneError) as gone:
        Windows(catalog, contract, EmptyTopic(), "none:1", request).scope()  # type: ignore[arg-type]
    begin = str(gone.value).rpartition("--from ")[2]
    assert parse_request(contract.table, begin, None, None, whole=False, quarantined=False).since == complete


@pytest.mark.usefixtures("flink")
def test_windows_of_flink_are_final_beyond_their_allowed_lateness_and_need_no_event_before_them(
    resolve: Resolve,
) -> None:
    # The last window shows, so the watermark has passed 10:25; what ended after 10:24 may still be corrected.
    scope, start = resolve("streaming.order_metrics_5min", since=at(6))
    assert (scope.column, scope.since, scope.until) == ("window_start", at(5), at(20))
    assert start == {0: int(at(5).timestamp() * 1000)}


@pytest.mark.usefixtures("flink")
def test_what_a_pattern_finds_is_read_from_a_window_before_it_on(resolve: Resolve) -> None:
    scope, start = resolve("streaming.fraud_alerts", since=at(30))
    assert (scope.column, scope.since, scope.until) == ("order_time", at(30), at(61))
    assert start == {0: int(at(20).timestamp() * 1000)}


def test_rows_that_are_updated_and_have_no_window_are_refused() -> None:
    with pytest.raises(ReplayError, match=r"has no windows: .* set `generation: 2` below `transform`"):
        replayable(of_visits(mode="update"), Request("streaming.visitors"))


def of_visits(**transform: object) -> Contract:
    columns = [
        {"name": "at", "type": "timestamp", "required": True},
        {"name": "visitor", "type": "string", "required": True},
    ]
    return visits_contract(
        columns,
        table="streaming.visitors",
        source={"topic": "visits", "columns": columns, "event_time": "at"},
        transform={"function": "visitors:visitors", **transform},
        keys=["visitor"],
        on_invalid="drop",
    )


@pytest.mark.parametrize(
    ("table", "asked", "told"),
    [
        ("streaming.orders_enriched", {}, r"without `transform.window`.*jobs start streaming.orders_enriched --anew"),
        ("streaming.order_metrics", {"offsets": {0: (0, 5)}}, "--offsets goes with tables that hold events"),
        ("streaming.order_metrics", {"quarantined": True}, "--quarantined goes with tables that hold events"),
        ("streaming.order_metrics", {"since": at(50), "until": at(45)}, "nothing to replay"),
    ],
)
def test_what_cannot_be_computed_in_part_is_told_with_the_way_there_is(
    resolve: Resolve, table: str, asked: dict[str, object], told: str
) -> None:
    with pytest.raises(ReplayError, match=told):
        resolve(table, **asked)
