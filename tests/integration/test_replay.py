"""Replays over a real broker and a real Spark: beside a writer that goes on, from quarantine, and of windows."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from lakehouse.contracts import Contract
from lakehouse.observability.look import update
from lakehouse.observability.state import Measured
from lakehouse.replay.errors import RangeGoneError, ReplayError
from lakehouse.replay.note import State
from lakehouse.replay.request import parse_request
from lakehouse.replay.rollback import roll_back
from lakehouse.replay.run import Outcome, Replays
from lakehouse.settings import Settings
from tests.integration.command_line import CommandLine
from tests.integration.spark_queries import Run, Stage
from tests.integration.test_spark_ingestion import Ingestion
from tests.integration.test_spark_transformation import Metrics
from tests.waiting import wait_for

_PATIENCE_SECONDS = 300


@pytest.fixture
def settings(own_settings: Settings, make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """With contracts of the test's own."""
    (tmp_path / "contracts").mkdir()
    return own_settings.model_copy(update={"contracts_dir": tmp_path / "contracts"})


@pytest.fixture
def replays(settings: Settings, spark: SparkSession) -> Replays:
    return Replays(settings, spark)


def declare(settings: Settings, contract: Contract) -> None:
    """Writes the contract's file."""
    text = yaml.safe_dump(contract.model_dump(mode="json", exclude_none=True))
    (settings.contracts_dir / "contract.yaml").write_text(text)


def replay(replays: Replays, stage: Stage, replay_id: str, swap: bool | None = None, **asked: object) -> Outcome:
    arguments = {"since": None, "until": None, "offsets": None, "whole": False, "quarantined": False, **asked}
    request = parse_request(stage.contract.table, **arguments)  # type: ignore[arg-type]
    return replays.run(request, replay_id, swap=swap)


@contextmanager
def load(stage: Ingestion) -> Iterator[Callable[[], int]]:
    """Events without a pause, until the block ends; tells how many there were."""
    ended, sent = threading.Event(), []

    def send() -> None:
        while not ended.wait(0.2):
            stage.produce_good(20)
            sent.append(20)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield lambda: sum(sent)
    finally:
        ended.set()
        thread.join(60)


def test_a_swap_and_its_rollback_beside_a_writer_under_load(
    spark: SparkSession, settings: Settings, replays: Replays
) -> None:
    stage = Ingestion(spark, settings)
    declare(settings, stage.contract)
    stage.produce_good(100)
    with Run(spark, stage) as run, load(stage) as sent:
        wait_for(lambda: stage.catalog.exists("raw.orders"), "the table", _PATIENCE_SECONDS, run.query)
        wait_for(lambda: len(stage.offsets()) >= 140, "the first rows", _PATIENCE_SECONDS, run.query)
        table = stage.catalog.open("raw.orders")
        # What a mistake may have done to it: ten rows gone, ten with a wrong amount.
        table.delete("kafka_offset >= 20 AND kafka_offset < 30")
        table.update(predicate="kafka_offset >= 30 AND kafka_offset < 40", updates={"amount_cents": "0"})

        outcome = replay(replays, stage, "first001", offsets="0:0-100")
        [orders, rejected] = outcome.comparisons
        assert outcome.note.state is State.DIFFERS
        assert [(b.live_rows, b.replayed_rows, b.only_live, b.only_replayed, b.changed) for b in orders.buckets] == [
            (90, 100, 0, 10, 10)
        ]
        assert rejected.differing == 0
        held = stage.offsets()
        assert len(held) == len(set(held))
        assert set(range(20, 30)).isdisjoint(held), "touched without being told to"

        before = len(stage.offsets())
        # As after a crash behind the computation, which is gone on with.
        again = replays.noted(outcome.note, {"state": State.COMPUTING})
        swapped = replays.go_on(again, swap=True)
        assert swapped.note.state is State.SWAPPED
        assert set(range(100)) <= set(stage.offsets())
        assert stage.rows("SELECT count(*) FROM raw.orders WHERE amount_cents = 0") == [(0,)]
        wait_for(lambda: len(stage.offsets()) > before + 10, "the writer to go on", _PATIENCE_SECONDS, run.query)

        assert roll_back(replays, swapped.note).state is State.ROLLED_BACK
        assert set(range(20, 30)).isdisjoint(stage.offsets())
        assert stage.rows("SELECT count(*) FROM raw.orders WHERE amount_cents = 0") == [(10,)]

        total = sent() + 100
        wait_for(lambda: len(stage.offsets()) + 10 >= total, "the writer to go on", _PATIENCE_SECONDS, run.query)
        assert run.query().error is None, "the writer failed beside the swaps"
    written = stage.offsets()
    assert len(written) == len(set(written))
    assert set(range(max(written) + 1)) - set(written) == set(range(20, 30))
    assert [name for name in stage.catalog.names() if name.startswith("replay.")] == []


def test_what_a_mended_contract_takes_leaves_quarantine(
    spark: SparkSession, settings: Settings, replays: Replays
) -> None:
    stage = Ingestion(spark, settings)
    event = {"order_id": "o", "customer_id": "c", "status": "paid", "event_time": "2026-01-01T00:00:00Z"}
    amounts = [*range(10), *range(-5, 0)]
    stage.send(*(json.dumps({**event, "amount_cents": cents}).encode() for cents in amounts), b"no JSON")
    declare(settings, stage.contract)
    # A good one behind them all: up to that the writer is done.
    stage.produce_good(1)
    stage.run_until(lambda: len(stage.offsets()) == 11, "the good rows")
    assert stage.rows("SELECT count(*) FROM raw.orders_rejected") == [(6,)]

    values = stage.contract.model_dump()
    for column in values["columns"]:
        column["minimum"] = None
    stage.use(Contract.model_validate(values))
    declare(settings, stage.contract)
    # The bytes are in quarantine: the topic may have forgotten them.
    stage.expire_before(16)
    outcome = replay(replays, stage, "quarant1", swap=True, quarantined=True)
    assert outcome.note.state is State.SWAPPED
    assert stage.rows("SELECT amount_cents FROM raw.orders WHERE amount_cents < 0 ORDER BY 1") == [
        (cents,) for cents in range(-5, 0)
    ]
    assert [reason for (reason,) in stage.rows("SELECT split_part(reason, ':', 1) FROM raw.orders_rejected")] == [
        "invalid_json"
    ]
    measured = update(stage.catalog, stage.contract, Measured(stage.contract.source.topic))
    assert measured.duplicates == 0

    roll_back(replays, outcome.note)
    assert len(stage.offsets()) == 11
    assert stage.rows("SELECT count(*) FROM raw.orders_rejected") == [(6,)]


def test_a_range_that_the_topic_has_forgotten_is_refused_by_its_offsets(
    spark: SparkSession, settings: Settings, replays: Replays
) -> None:
    stage = Ingestion(spark, settings)
    declare(settings, stage.contract)
    stage.produce_good(20)
    stage.run_until(lambda: len(stage.offsets()) == 20, "20 rows")
    stage.expire_before(5)
    with pytest.raises(RangeGoneError, match=r"\[0\] 2 to 4"):
        replay(replays, stage, "gone0001", offsets="0:2-20")
    with pytest.raises(RangeGoneError, match=r"\[0\] 0 to 4"):
        replay(replays, stage, "gone0002", since="2026-01-01")
    with pytest.raises(ReplayError, match="is done with those below 20"):
        replay(replays, stage, "gone0003", offsets="0:5-21")

    # As a user types it: with a Spark of its own.
    lakehouse = CommandLine(settings)
    told = json.loads(lakehouse.succeed("replay", "raw.orders", "--whole", "--json"))
    assert (told["state"], told["differing"]) == ("equal", 0)
    assert sum(day["replayed_rows"] for day in told["comparisons"]["raw.orders"]) == 15
    assert told["id"] in lakehouse.succeed("replay", "list")
    assert stage.offsets() == list(range(20))


def test_windows_are_computed_again_whole_and_replaced(
    spark: SparkSession, settings: Settings, replays: Replays
) -> None:
    stage = Metrics(spark, settings)
    declare(settings, stage.contract)
    minutes = [timedelta(minutes=minute) for minute in range(60)]
    # One batch after another, so that the watermark moves.
    for part in (minutes[:30], minutes[30:]):
        stage.run_over(*((minute, "paid", 100) for minute in part))
    assert stage.count(10) == 5
    table = stage.catalog.open("streaming.order_metrics")
    table.update(predicate="order_count = 5", updates={"order_count": "4"})
    wrong = stage.count(10)
    assert wrong == 4
    outcome = replay(replays, stage, "window01", swap=True, whole=True)
    [metrics] = outcome.comparisons
    assert outcome.note.state is State.SWAPPED
    assert all(bucket.changed == bucket.live_rows == 1 for bucket in metrics.buckets if bucket.differing)
    assert stage.count(10) == 5
    # What may still change is the live query's own affair.
    assert stage.count(50) == 4
    roll_back(replays, outcome.note)
    assert stage.count(10) == 4
