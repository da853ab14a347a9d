"""What the generator promises about its stream, without a broker."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.columns import ColumnType
from lakehouse.contracts.loader import load_contract
from lakehouse.contracts.model import Contract
from lakehouse.generator.config import GeneratorConfig, GeneratorError
from lakehouse.generator.encode import ROW_SCHEMA
from lakehouse.generator.faults import MalformedKind, corrupt
from lakehouse.generator.identity import CHECKSUM_SQL, checksum, identities
from lakehouse.generator.orders import TRANSITIONS, Status
from lakehouse.generator.stream import Chunk, OrderGenerator

START = datetime(2026, 1, 1, tzinfo=UTC)
CONTRACT = load_contract(Path(__file__).parents[3] / "streaming" / "contracts" / "orders.yaml")
LATENESS_MS = 11 * 60 * 1000

configs = st.builds(
    GeneratorConfig,
    events=st.integers(1, 1500),
    late=st.floats(0, 1),
    duplicates=st.floats(0, 0.5),
    malformed=st.floats(0, 0.49),
    seed=st.integers(0, 2**63 - 1),
    start=st.just(START),
    span=st.timedeltas(timedelta(minutes=1), timedelta(days=30)),
)


def stream(**parameters: object) -> list[Chunk]:
    return list(OrderGenerator(GeneratorConfig(**{"start": START, "seed": 1} | parameters)).chunks())


def sent(chunks: list[Chunk]) -> list[dict[str, object]]:
    return pa.concat_tables([chunk.sent() for chunk in chunks]).to_pylist()


def messages(chunks: list[Chunk]) -> list[tuple[bytes, bytes | None]]:
    return [pair for chunk in chunks for pair in zip(chunk.keys, chunk.values, strict=True)]


def parse(contract: Contract, value: bytes | None) -> dict[str, object]:
    """The row that `value` becomes under the contract; ValueError when it is invalid."""
    event = json.loads((value or b"").decode())
    if not isinstance(event, dict):
        raise ValueError("no object")
    row: dict[str, object] = {}
    for column in contract.columns:
        found = event.get(column.name)
        if found is None and column.required:
            raise ValueError(column.name)
        if found is None:
            found = row[column.default_from] if column.default_from else column.default
        elif column.type is ColumnType.TIMESTAMP:
            if not isinstance(found, str):
                raise ValueError(column.name)
            found = datetime.fromisoformat(found)
        elif column.type is ColumnType.BIGINT:
            if type(found) is not int or not -(2**63) <= found < 2**63 or found < (column.minimum or 0):
                raise ValueError(column.name)
        elif not isinstance(found, str):
            raise ValueError(column.name)
        row[column.name] = found
    return row


@settings(max_examples=20)
@given(configs)
def test_the_same_configuration_gives_the_same_bytes(config: GeneratorConfig) -> None:
    assert messages(list(OrderGenerator(config).chunks())) == messages(list(OrderGenerator(config).chunks()))


def test_another_seed_gives_other_orders() -> None:
    one, other = ({key for key, _ in messages(stream(events=2000, seed=seed))} for seed in (1, 2))
    assert not one & other


@settings(max_examples=20)
@given(configs)
def test_exactly_the_number_of_events_asked_for_is_made(config: GeneratorConfig) -> None:
    assert sum(map(len, OrderGenerator(config).chunks())) == config.events


@settings(max_examples=20)
@given(configs)
def test_valid_messages_parse_to_the_row_the_manifest_expects_and_malformed_ones_do_not_parse(
    config: GeneratorConfig,
) -> None:
    for chunk in OrderGenerator(config).chunks():
        for value, expected in zip(chunk.values, chunk.sent().to_pylist(), strict=True):
            if expected["valid"]:
                assert parse(CONTRACT, value) == {name: expected[name] for name in ROW_SCHEMA.names}
            else:
                assert expected["value"] == value
                with pytest.raises(ValueError):  # noqa: PT011  # JSON, Unicode and contract errors alike
                    parse(CONTRACT, value)


@pytest.mark.parametrize("kind", MalformedKind)
@pytest.mark.parametrize("variant", range(12))
def test_every_variant_of_every_malformed_kind_breaks_the_contract(kind: MalformedKind, variant: int) -> None:
    ((value,),) = (chunk.values for chunk in stream(events=1))
    assert value is not None
    parse(CONTRACT, value)
    with pytest.raises(ValueError):  # noqa: PT011
        parse(CONTRACT, corrupt(kind, value, variant))


@pytest.mark.parametrize(
    ("late", "duplicates", "malformed"), [(0, 0, 0), (0.05, 0.02, 0.01), (0.5, 0.3, 0.3), (1, 0, 0)]
)
def test_fractions_are_kept_to_the_event(late: float, duplicates: float, malformed: float) -> None:
    rows = sent(stream(events=20_000, late=late, duplicates=duplicates, malformed=malformed))
    kinds = Counter(row["kind"] for row in rows)
    originals = kinds["event"]
    assert kinds["duplicate"] == int(20_000 * duplicates)
    assert len(rows) - originals - kinds["duplicate"] == int(20_000 * malformed)
    assert sum(row["late"] for row in rows) == int(originals * late + 1e-9)


def test_malformed_kinds_take_turns() -> None:
    kinds = Counter(row["kind"] for row in sent(stream(events=2600, malformed=0.05)) if not row["valid"])
    assert kinds == dict.fromkeys(MalformedKind, 10)


def test_a_duplicate_has_the_bytes_of_an_earlier_event() -> None:
    seen: set[tuple[bytes, bytes | None]] = set()
    chunks = stream(events=5000, duplicates=0.2, late=0.1)
    duplicate = [flag for chunk in chunks for flag in chunk.duplicate]
    for message, is_duplicate in zip(messages(chunks), duplicate, strict=True):
        assert (message in seen) == is_duplicate
        seen.add(message)


def _histories(chunks: list[Chunk], *, late: bool) -> dict[object, list[dict[str, object]]]:
    histories = defaultdict(list)
    for row in sent(chunks):
        if row["kind"] == "event" and row["late"] == late:
            histories[row["order_id"]].append(row)
    return histories


def _assert_legal(history: list[dict[str, object]]) -> None:
    statuses = [Status[str(row["status"]).upper()] for row in history]
    assert statuses[0] is Status.PLACED
    for before, after in pairwise(statuses):
        assert after in [target for target, *_ in TRANSITIONS[before]]
    times = [row["event_time"] for row in history]
    assert times == sorted(set(times))
    assert {row["created_at"] for row in history} == {times[0]}
    assert len({(row["customer_id"], row["amount_cents"], row["currency"]) for row in history}) == 1


def test_an_order_lives_legally_in_sending_order_and_event_time() -> None:
    histories = _histories(stream(events=30_000, duplicates=0.05, malformed=0.05), late=False)
    for history in histories.values():
        _assert_legal(history)
    assert max(map(len, histories.values())) >= 4


def test_a_late_order_lives_legally_in_event_time_but_arrives_in_any_order() -> None:
    histories = _histories(stream(events=60_000, late=0.3), late=True)
    shuffled = 0
    complete = 0
    for history in histories.values():
        by_time = sorted(history, key=lambda row: row["event_time"])
        shuffled += by_time != history
        if by_time[0]["status"] == "placed":
            complete += 1
            _assert_legal(by_time)
    assert complete == len(histories)
    assert shuffled > len(histories) / 2


def test_late_events_are_at_least_11_minutes_old_and_others_at_most_20_seconds() -> None:
    config = GeneratorConfig(events=20_000, late=0.1, start=START, seed=1)
    for chunk in OrderGenerator(config).chunks():
        turn = config.start_ms + (np.arange(chunk.first, chunk.first + len(chunk)) * config.step_ms).astype(np.int64)
        age = turn - chunk.rows["event_time"].to_numpy().astype("datetime64[ms]").astype(np.int64)
        original = chunk.valid & ~chunk.duplicate
        assert (age[chunk.late] >= LATENESS_MS).all()
        assert (age[original & ~chunk.late] <= 20_000).all()
        assert (age[original & ~chunk.late] >= 0).all()


def test_ordinary_events_are_out_of_order_by_seconds() -> None:
    times = [row["event_time"] for row in sent(stream(events=5000, rate=100))]
    assert 0.2 < np.mean([a > b for a, b in pairwise(times)]) < 0.6


def test_bulk_event_times_fill_the_span() -> None:
    times = [row["event_time"] for row in sent(stream(events=10_000, span=timedelta(days=2)))]
    assert START - timedelta(seconds=21) <= min(times)
    assert START + timedelta(days=1, hours=23) < max(times) < START + timedelta(days=2)


def test_every_status_and_currency_occurs_and_placing_never_stops() -> None:
    chunks = stream(events=100_000)
    rows = pa.concat_tables([chunk.rows for chunk in chunks])
    assert set(rows["status"].to_pylist()) == {status.name.lower() for status in Status}
    assert {"USD", "EUR", "GBP", "JPY", "CHF"} <= set(rows["currency"].to_pylist())
    placed = [np.mean(np.array(chunk.rows["status"].to_pylist()) == "placed") for chunk in chunks]
    assert min(placed) > 0.15
    assert np.mean(placed) < 0.5


def test_currency_is_sometimes_absent() -> None:
    absent = [b"currency" not in (value or b"") for _, value in messages(stream(events=10_000))]
    assert 0.1 < np.mean(absent) < 0.2


def test_few_customers_and_few_large_orders_make_most_of_the_business() -> None:
    rows = pa.concat_tables([chunk.rows for chunk in stream(events=50_000)])
    by_customer = sorted(Counter(rows["customer_id"].to_pylist()).values(), reverse=True)
    assert sum(by_customer[:100]) > 0.4 * len(rows)
    amounts = np.sort(rows["amount_cents"].to_numpy())[::-1]
    assert amounts[: len(amounts) // 10].sum() > 0.4 * amounts.sum()


def test_an_endless_stream_begins_like_a_finite_one_and_shows_every_status_within_minutes() -> None:
    chunks = list(islice(OrderGenerator(GeneratorConfig(rate=50, start=START, seed=1)).chunks(), 2400))
    until = START + timedelta(minutes=4)
    rows = pa.concat_tables([chunk.rows for chunk in chunks]).to_pylist()
    assert all(row["event_time"] < until for row in rows)
    assert {row["status"] for row in rows} == {status.name.lower() for status in Status}


def test_the_checksum_depends_on_the_events_and_not_on_their_order() -> None:
    rows = pa.concat_tables([chunk.rows for chunk in stream(events=3000)])
    hashes = identities(rows)
    shuffled = rows.take(np.random.default_rng(1).permutation(len(rows)))
    assert checksum(identities(shuffled)) == checksum(hashes)
    assert len(set(hashes.tolist())) == len(rows)
    assert checksum(hashes[1:]) != checksum(hashes)


@settings(max_examples=15)
@given(configs)
def test_duckdb_computes_the_same_checksum_from_the_columns(config: GeneratorConfig) -> None:
    chunks = list(OrderGenerator(config).chunks())
    everything = pa.concat_tables([chunk.sent() for chunk in chunks])  # noqa: F841  # DuckDB reads it by name
    (in_sql,) = duckdb.sql(f"SELECT {CHECKSUM_SQL} FROM everything WHERE valid").fetchone()
    assert in_sql == str(sum(checksum(chunk.hashes) for chunk in chunks) % 2**64)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"late": 1.5}, "late=1.5: expected a fraction from 0 to 1"),
        ({"malformed": -0.1}, "malformed=-0.1: expected"),
        ({"duplicates": float("nan")}, "duplicates=nan: expected"),
        ({"duplicates": 0.5, "malformed": 0.5}, "leave no original event"),
        ({"events": 0}, "events=0: expected a number above 0"),
        ({"events": None}, "an endless stream needs a rate"),
        ({"rate": 0.0}, "rate=0.0: expected"),
        ({"seed": -1}, "seed=-1: expected"),
        ({"span": timedelta(0)}, "span=0:00:00: expected"),
        ({"start": datetime(2026, 1, 1)}, "with its zone"),  # noqa: DTZ001
    ],
)
def test_a_bad_parameter_is_named_with_what_was_expected(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(GeneratorError, match=message):
        GeneratorConfig(**{"events": 10} | parameters)
