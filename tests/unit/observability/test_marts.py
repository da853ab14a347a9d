"""Event → mart, told by the source versions that real commits of dbt's writer carry."""

import time
from collections.abc import Mapping

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake
from tests.event_tables import Event, Tables

from lakehouse.dbt_delta.progress import Consumption, as_transactions
from lakehouse.observability.look import update as look_again
from lakehouse.observability.marts import MartFreshness, Model, measure_marts, update
from lakehouse.observability.state import Measured, state_file, write_state
from lakehouse.settings import Settings

NOW = int(time.time() * 1000)
ROWS = pa.table({"order_id": [1]})
STREAM, STAGING, MART = "raw.visits", "staging.stg_visits", "marts.fct_visits"


def build(tables: Tables, model: str, consumed: Mapping[str, int], at_ms: int) -> int:
    """A commit of ``model`` as dbt_delta makes it; returns its version."""
    items = [
        Consumption(source, str(tables.catalog.open(source).metadata().id), None, version)
        for source, version in consumed.items()
    ]
    transactions = [Transaction(app_id, version) for app_id, version in as_transactions(1, items).items()]
    properties = CommitProperties(app_transactions=transactions)
    write_deltalake(tables.catalog.uri(model), ROWS, mode="append", commit_properties=properties)
    return tables.stamp(at_ms, model)


class Measuring:
    """Looks as one process does, with what it stored between."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.models = tables, dict[str, Model]()
        self.stream = Measured("visits")

    def look(self) -> dict[str, Model]:
        self.stream = look_again(self.tables.catalog, self.tables.contract, self.stream)
        stored = {name: Model.from_json(model.as_json()) for name, model in self.models.items()}
        names = [name for name in (STAGING, MART) if self.tables.catalog.exists(name)]
        self.models = update(self.tables.catalog, names, stored, {STREAM: self.stream})
        return self.models


@pytest.fixture
def measuring(tables: Tables) -> Measuring:
    """A staging model and a mart that have read all of a stream."""
    version = tables.commit([Event(0, NOW - 900_000)], NOW - 890_000)
    staging = build(tables, STAGING, {STREAM: version}, NOW - 880_000)
    build(tables, MART, {STAGING: staging}, NOW - 870_000)
    measuring = Measuring(tables)
    measuring.look()
    return measuring


def test_the_first_build_reads_history_which_is_no_latency(measuring: Measuring) -> None:
    assert measuring.models[MART].reached == {STREAM: 1}
    assert measuring.models[MART].totals.count == 0


def test_latency_reaches_from_the_message_through_the_staging_model_to_the_mart(measuring: Measuring) -> None:
    tables = measuring.tables
    version = tables.commit([Event(1, NOW - 600_000), Event(2, NOW - 500_000)], NOW - 490_000)
    staging = build(tables, STAGING, {STREAM: version}, NOW - 300_000)
    measuring.look()
    build(tables, MART, {STAGING: staging}, NOW - 100_000)
    models = measuring.look()
    assert (models[STAGING].totals.count, models[STAGING].totals.total_ms) == (2, 300_000 + 200_000)
    assert (models[MART].totals.count, models[MART].totals.total_ms) == (2, 500_000 + 400_000)
    assert models[MART].totals.max_ms == 500_000


def test_what_one_look_finds_of_both_models_is_the_same(measuring: Measuring) -> None:
    tables = measuring.tables
    version = tables.commit([Event(1, NOW - 600_000)], NOW - 590_000)
    staging = build(tables, STAGING, {STREAM: version}, NOW - 300_000)
    build(tables, MART, {STAGING: staging}, NOW - 100_000)
    assert measuring.look()[MART].totals.total_ms == 500_000


def test_a_mart_shows_only_what_the_staging_model_had_when_it_was_read(measuring: Measuring) -> None:
    tables = measuring.tables
    first = tables.commit([Event(1, NOW - 600_000)], NOW - 590_000)
    staging = build(tables, STAGING, {STREAM: first}, NOW - 500_000)
    second = tables.commit([Event(2, NOW - 450_000)], NOW - 440_000)
    build(tables, STAGING, {STREAM: second}, NOW - 400_000)
    build(tables, MART, {STAGING: staging}, NOW - 300_000)
    models = measuring.look()
    assert models[MART].reached == {STREAM: first}
    assert models[MART].totals.count == 1


def test_a_mart_that_reads_a_stream_by_two_ways_shows_what_both_have(measuring: Measuring) -> None:
    tables = measuring.tables
    first = tables.commit([Event(1, NOW - 600_000)], NOW - 590_000)
    staging = build(tables, STAGING, {STREAM: first}, NOW - 500_000)
    second = tables.commit([Event(2, NOW - 450_000)], NOW - 440_000)
    build(tables, MART, {STAGING: staging, STREAM: second}, NOW - 300_000)
    assert measuring.look()[MART].reached == {STREAM: first}


def freshness(settings: Settings, tables: Tables, stream: Measured) -> dict[str, MartFreshness]:
    file = state_file(settings, STREAM)
    file.parent.mkdir(exist_ok=True, parents=True)
    write_state(file, stream.as_json())
    return measure_marts(settings, tables.catalog, [tables.contract])


def test_age_is_that_of_the_oldest_event_which_is_not_in_the_mart(settings: Settings, measuring: Measuring) -> None:
    tables, stream = measuring.tables, measuring.stream
    stream.age_ms, stream.asked_ms = 2000, NOW
    assert freshness(settings, tables, stream)[MART].age == 2.0
    tables.commit([Event(1, NOW - 70_000), Event(2, NOW - 60_500)], NOW - 60_000)
    stream = look_again(tables.catalog, tables.contract, stream)
    assert freshness(settings, tables, stream)[MART].age == pytest.approx(70 + time.time() - NOW / 1000, abs=1)


def test_age_is_unknown_while_that_of_the_stream_is(settings: Settings, measuring: Measuring) -> None:
    assert freshness(settings, measuring.tables, measuring.stream)[MART].age is None


@pytest.mark.parametrize("hours", [5.9, 6.1, 30])
def test_a_model_that_keeps_failing_grows_older(settings: Settings, measuring: Measuring, hours: float) -> None:
    """Also when the latencies of what it has not read are forgotten."""
    tables, stream = measuring.tables, measuring.stream
    at_ms = NOW - int(hours * 3_600_000)
    tables.commit([Event(1, at_ms - 5000)], at_ms)
    tables.commit([Event(2, NOW - 2000)], NOW - 1000)
    stream = look_again(tables.catalog, tables.contract, Measured.from_json(stream.as_json()))
    stream.age_ms, stream.asked_ms = 0, NOW
    age = freshness(settings, tables, Measured.from_json(stream.as_json()))[MART].age
    assert age == pytest.approx(hours * 3600 + 5 + time.time() - NOW / 1000, abs=1)


def test_an_old_answer_of_the_broker_tells_no_age(settings: Settings, measuring: Measuring) -> None:
    measuring.stream.age_ms, measuring.stream.asked_ms = 0, NOW - 3_600_000
    assert freshness(settings, measuring.tables, measuring.stream)[MART].age is None


def test_a_table_that_reads_no_stream_is_no_mart(settings: Settings, measuring: Measuring) -> None:
    write_deltalake(measuring.tables.catalog.uri("marts.dim_rates"), ROWS)
    assert freshness(settings, measuring.tables, measuring.stream).keys() == {STAGING, MART}


def test_a_model_with_a_long_log_is_followed_from_now_on(tables: Tables) -> None:
    """What it has consumed is in the table, so that the next commit is told from there."""
    version = tables.commit([Event(0, NOW - 900_000)], NOW - 890_000)
    for number in range(12):
        build(tables, STAGING, {STREAM: version}, NOW - 880_000 + number)
    measuring = Measuring(tables)
    assert measuring.look()[STAGING].reached == {STREAM: version}
    version = tables.commit([Event(1, NOW - 600_000)], NOW - 590_000)
    build(tables, STAGING, {STREAM: version}, NOW - 300_000)
    assert measuring.look()[STAGING].totals.total_ms == 300_000
