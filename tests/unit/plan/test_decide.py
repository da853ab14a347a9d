"""Which steps lead from what there is to what a contract wants: one case a situation, without anything that runs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from deltalake import Field
from deltalake.schema import PrimitiveType
from tests.contracts import visits_contract

from lakehouse.contracts import Contract, Engine
from lakehouse.plan.decide import carried, decide
from lakehouse.plan.found import Found, FoundTable, Stack, Topic, Writer
from lakehouse.plan.steps import (
    AddColumns,
    Changed,
    CreateTable,
    CreateTopic,
    End,
    Move,
    NextStart,
    Position,
    Refuse,
    Replay,
    Restart,
    SetProperties,
    Start,
    Step,
)
from lakehouse.storage.compare import Difference
from lakehouse.storage.create import Alteration, Comparison

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]
SPARK, FLINK = visits_contract(COLUMNS), visits_contract(COLUMNS, freshness="5 seconds")
SINCE, NEWEST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
DOWN, UP = Stack(runs=False), Stack(runs=True, engines=frozenset(Engine))
TOPIC = Topic({0: 0, 1: 0}, {0: 12, 1: 5})


def transformed(**transform: Any) -> Contract:
    """Windows of the events of `visits`, which Spark computes."""
    columns = [
        {"name": "window_start", "type": "timestamp", "required": True},
        {"name": "window_end", "type": "timestamp", "required": True},
        {"name": "visits", "type": "bigint"},
    ]
    return visits_contract(
        columns,
        on_invalid="drop",
        keys=["window_start"],
        event_time={"column": "window_end", "watermark": "1 minute"},
        source={"topic": "visits", "columns": COLUMNS, "event_time": "at"},
        transform={"function": "visits.windows:count", "window": "5 minutes", "mode": "update", **transform},
    )


def there(
    rows: int = 0, columns: tuple[Field, ...] = (), conflicts: tuple[Difference, ...] = (), **properties: str
) -> FoundTable:
    """A table that exists, with what it lacks of its contract."""
    return FoundTable(Comparison(Alteration(columns, properties), conflicts), rows, NEWEST if rows else None)


def found(**changes: Any) -> Found:
    """What there is of a plain contract whose tables exist."""
    tables = {"raw.visits": there(10), "raw.visits_rejected": there()}
    return Found(**{"tables": tables, **changes})


def runs(engine: Engine, fields: Contract, *, current: bool = True) -> dict[str, Any]:
    return {
        "progress": frozenset([engine]),
        "writers": {engine: Writer(fields.writer_fields(), current)},
        "noted": {engine: fields.writer_fields()},
    }


NOTHING: dict[str, None] = {"raw.visits": None, "raw.visits_rejected": None}
CREATED = (CreateTable("raw.visits", "raw.visits", 6), CreateTable("raw.visits", "raw.visits_rejected", 8))
FASTER = (Changed("freshness", "1 minute", "5 seconds"),)


class TestTables:
    def test_what_is_missing_is_created(self) -> None:
        assert decide(SPARK, Found(NOTHING), DOWN) == CREATED

    def test_a_missing_topic_is_created_first(self) -> None:
        steps = decide(SPARK, Found(NOTHING, topic_missing=True), DOWN)
        assert steps == (CreateTopic("raw.visits", "visits"), *CREATED)

    def test_columns_and_properties_are_altered_each_in_its_table(self) -> None:
        note = Field("note", PrimitiveType("string"), nullable=True)
        tables = {"raw.visits": there(3, (note,)), "raw.visits_rejected": there(retention="30 days")}
        assert decide(SPARK, Found(tables), DOWN) == (
            AddColumns("raw.visits", "raw.visits", {"note": "string"}),
            SetProperties("raw.visits", "raw.visits_rejected", {"retention": "30 days"}),
        )

    def test_what_no_alteration_mends_is_refused_with_the_remedy_and_alone(self) -> None:
        conflict = Difference("id", "long", "string", "move the table away")
        tables = {"raw.visits": there(3, (), (conflict,)), "raw.visits_rejected": None}
        (refused,) = decide(SPARK, Found(tables), UP)
        assert isinstance(refused, Refuse)
        assert refused.reason.endswith("  id: table long, contract string. Remedy: move the table away")


class TestWriters:
    def test_while_nothing_runs_nothing_is_started(self) -> None:
        assert decide(SPARK, found(), DOWN) == ()

    def test_where_the_stack_runs_a_new_contract_is_started(self) -> None:
        steps = decide(SPARK, Found(NOTHING, topic=TOPIC), Stack(runs=True))
        assert steps == (*CREATED, Start("raw.visits", Engine.SPARK, Position("visits", {}, 17)))

    def test_it_begins_behind_the_rows_that_the_table_has(self) -> None:
        steps = decide(SPARK, found(topic=TOPIC, following={1: 2, 0: 12}), UP)
        assert steps == (Start("raw.visits", Engine.SPARK, Position("visits", {0: 12, 1: 2}, 3)),)

    def test_one_that_wants_the_latest_leaves_what_is_there(self) -> None:
        latest = visits_contract(COLUMNS, source={"topic": "visits", "starting_offsets": "latest"})
        assert decide(latest, found(topic=TOPIC), UP) == (Start("raw.visits", Engine.SPARK, Position("visits", {}, 0)),)

    @pytest.mark.parametrize("contract", [SPARK, FLINK])
    def test_one_that_runs_as_it_should_is_left_alone(self, contract: Contract) -> None:
        assert decide(contract, found(**runs(contract.resolved_engine, contract)), UP) == ()

    def test_one_that_runs_otherwise_restarts_in_place(self) -> None:
        slower = visits_contract(COLUMNS, freshness="2 minutes")
        fields = (Changed("freshness", "1 minute", "2 minutes"),)
        before = found(**runs(Engine.SPARK, SPARK, current=False))
        assert decide(slower, before, UP) == (Restart("raw.visits", Engine.SPARK, fields),)

    def test_one_whose_engine_runs_without_it_goes_on_from_its_checkpoint(self) -> None:
        before = found(progress=frozenset([Engine.FLINK]))
        assert decide(FLINK, before, UP) == (Start("raw.visits", Engine.FLINK, None),)

    def test_an_engine_that_was_left_out_stays_out(self) -> None:
        assert decide(FLINK, found(progress=frozenset([Engine.FLINK])), Stack(runs=True)) == ()

    def test_a_job_that_was_stopped_by_hand_stays_so(self) -> None:
        assert decide(FLINK, found(progress=frozenset([Engine.FLINK]), stopped=True), UP) == ()

    def test_what_changed_while_nothing_ran_counts_from_the_next_start(self) -> None:
        slower = visits_contract(COLUMNS, freshness="2 minutes")
        before = found(progress=frozenset([Engine.SPARK]), noted={Engine.SPARK: SPARK.writer_fields()})
        (step,) = decide(slower, before, DOWN)
        assert step == NextStart("raw.visits", Engine.SPARK, (Changed("freshness", "1 minute", "2 minutes"),))
        assert not step.changes


class TestMoves:
    @pytest.mark.parametrize("stack", [UP, DOWN])
    def test_another_engine_takes_the_table_over_behind_its_rows(self, stack: Stack) -> None:
        before = found(**runs(Engine.SPARK, SPARK), topic=TOPIC, following={0: 7, 1: 5})
        at = Position("visits", {0: 7, 1: 5}, 5)
        assert decide(FLINK, before, stack) == (Move("raw.visits", Engine.SPARK, Engine.FLINK, FASTER, at),)

    def test_so_it_does_where_its_own_old_checkpoint_is_left(self) -> None:
        """A crash in between: the engine that is to have the table has begun already."""
        both = frozenset([Engine.SPARK, Engine.FLINK])
        (step,) = decide(FLINK, found(progress=both), UP)
        assert isinstance(step, Move)

    def test_a_computed_table_with_rows_does_not_move_to_flink(self) -> None:
        job = visits_contract(
            COLUMNS,
            freshness="5 seconds",
            on_invalid="drop",
            source={"topic": "visits", "columns": COLUMNS, "event_time": "at"},
            transform={"job": "io.example.VisitsJob"},
        )
        before = Found({"raw.visits": there(7)}, progress=frozenset([Engine.SPARK]))
        (refused,) = decide(job, before, UP)
        assert isinstance(refused, Refuse)
        assert "holds 7 rows of Spark" in refused.reason
        empty = Found({"raw.visits": there()}, progress=frozenset([Engine.SPARK]))
        assert isinstance(decide(job, empty, UP)[0], Move)


class TestReplays:
    def test_a_new_generation_tells_what_is_replaced_and_what_is_read(self) -> None:
        topic = Topic({0: 4, 1: 0}, {0: 12, 1: 5}, SINCE)
        contract = transformed(generation=2)
        works = runs(Engine.SPARK, transformed(), current=False)
        (step,) = decide(contract, Found({"raw.visits": there(7)}, **works, topic=topic, replays=True), UP)
        fields = (Changed("transform.generation", "1", "2"),)
        assert step == Replay("raw.visits", 2, 7, SINCE, NEWEST, 13, fields, now=True)
        assert step.destructive

    def test_while_nothing_runs_it_waits_for_the_next_start(self) -> None:
        before = Found({"raw.visits": there(7)}, progress=frozenset([Engine.SPARK]), replays=True)
        (step,) = decide(transformed(), before, DOWN)
        assert step == Replay("raw.visits", 1, 7, None, NEWEST, None, (), now=False)
        assert not step.changes
        assert not step.destructive


class TestRefusals:
    def reason(self, contract: Contract, before: Found) -> str:
        (refused,) = decide(contract, before, UP)
        assert isinstance(refused, Refuse)
        return refused.reason

    def test_what_an_engine_refuses(self) -> None:
        assert self.reason(SPARK, found(refusals=("the state was made for something else",))).startswith("the state")

    def test_a_checkpoint_without_its_table(self) -> None:
        before = Found(NOTHING, progress=frozenset([Engine.SPARK]))
        assert "raw.visits is gone, but a checkpoint of Spark has read its source already" in self.reason(SPARK, before)

    def test_a_topic_that_has_less_than_the_table(self) -> None:
        assert "up to offset 12, and the topic ends before 12" in self.reason(
            SPARK, found(topic=TOPIC, following={0: 13})
        )

    def test_a_topic_that_is_gone(self) -> None:
        assert "the topic ends before 0" in self.reason(SPARK, found(topic_missing=True, following={0: 13}))

    def test_events_that_expired_before_the_table_had_them(self) -> None:
        expired = Topic({0: 9, 1: 0}, {0: 12, 1: 5})
        assert "2 events expired unread" in self.reason(FLINK, found(topic=expired, following={0: 7}))

    def test_but_not_where_the_contract_has_them_recorded(self) -> None:
        recorded = visits_contract(COLUMNS, source={"topic": "visits", "fail_on_data_loss": False})
        expired = Topic({0: 9, 1: 0}, {0: 12, 1: 5})
        (step,) = decide(recorded, found(topic=expired, following={0: 7}), UP)
        assert isinstance(step, Start)


@pytest.mark.parametrize(
    "step",
    [
        Start("raw.visits", Engine.SPARK, None),
        Restart("raw.visits", Engine.SPARK, ()),
        Move("raw.visits", Engine.SPARK, Engine.FLINK, (), None),
        Move("raw.visits", Engine.FLINK, Engine.SPARK, (), None),
        Replay("raw.visits", 2, 7, None, None, None, (), now=True),
        End("raw.visits", Engine.SPARK, 7),
    ],
)
def test_queries_of_the_same_application_are_carried_along(step: Step) -> None:
    assert carried((step,), frozenset({"raw.visits", "raw.orders"})) == ("raw.orders",)


@pytest.mark.parametrize(
    "step",
    [
        Restart("raw.visits", Engine.FLINK, ()),
        AddColumns("raw.visits", "raw.visits", {}),
        NextStart("raw.visits", Engine.SPARK, ()),
        Replay("raw.visits", 2, 7, None, None, None, (), now=False),
    ],
)
def test_they_are_not_where_spark_is_not_concerned(step: Step) -> None:
    assert carried((step,), frozenset({"raw.visits", "raw.orders"})) == ()
