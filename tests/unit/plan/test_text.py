"""A plan as it is shown: every kind of step, as golden output."""

import json
from datetime import UTC, datetime

from lakehouse.contracts import Engine
from lakehouse.plan.steps import (
    AddColumns,
    Changed,
    CreateTable,
    CreateTopic,
    End,
    Move,
    NextStart,
    Plan,
    Position,
    Refuse,
    Replay,
    Restart,
    SetProperties,
    Start,
    Step,
)
from lakehouse.plan.text import as_json, lines

FASTER = Changed("freshness", "1 minute", "5 seconds")
EVERYTHING = Plan(
    (
        CreateTopic("raw.clicks", "clicks"),
        CreateTable("raw.clicks", "raw.clicks", 9),
        CreateTable("raw.clicks", "raw.clicks_rejected", 8),
        Start("raw.clicks", Engine.SPARK, Position("clicks", {}, 0)),
        End("raw.old", Engine.FLINK, 1200),
        AddColumns("raw.orders", "raw.orders", {"note": "string"}),
        SetProperties("raw.orders", "raw.orders", {"delta.logRetentionDuration": "interval 86400 seconds"}),
        Move(
            "raw.orders",
            Engine.SPARK,
            Engine.FLINK,
            (FASTER, Changed("columns.note", None, "string"), Changed("description", "Orders", None)),
            Position("orders.events", {0: 120345, 1: 99}, 4711),
        ),
        Start("raw.stopped", Engine.FLINK, None),
        Replay(
            "streaming.metrics",
            2,
            1500,
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            10_000,
            (Changed("transform.generation", "1", "2"),),
            now=True,
        ),
        Restart("streaming.sessions", Engine.SPARK, (Changed("source.max_offsets_per_trigger", "1000", "2000"),)),
        Restart("streaming.windows", Engine.FLINK, ()),
    ),
    carried=("raw.visits", "streaming.deduplicated"),
)
SHOWN = """\
raw.clicks
  + create topic clicks
  + create table raw.clicks, 9 columns
  + create table raw.clicks_rejected, 8 columns
  + start under Spark
      topic clicks from where the contract says; 0 events wait there

raw.old
  - end its writer under Flink: no contract declares the table
      the table stays, with 1,200 rows

raw.orders
  ~ alter table raw.orders
      column note: string, empty in the rows there are
  ~ alter table raw.orders
      delta.logRetentionDuration = interval 86400 seconds
  ~ move from Spark to Flink
      freshness: 1 minute → 5 seconds
      columns.note: new, string
      description: no longer, Orders
      Spark stops after its last commit, Flink begins behind it; as the table is now:
      topic orders.events [0] at 120,345, [1] at 99; 4,711 events wait there

raw.stopped
  + start under Flink
      goes on from its checkpoint

streaming.metrics
  ± compute anew, generation 2: a new checkpoint
      transform.generation: 1 → 2
      replaces rows: those since 2026-01-01 00:00:00 UTC of 1,500, the newest of 2026-01-02 03:04:05 UTC
      reads again 10,000 events

streaming.sessions
  ~ restart in place under Spark, from its checkpoint
      source.max_offsets_per_trigger: 1000 → 2000

streaming.windows
  ~ restart in place under Flink, from its checkpoint
      its code or settings have changed

Spark's queries restart together. These go on where they stopped: raw.visits, streaming.deduplicated

Plan: 3 to create, 2 to alter, 2 to start, 2 to restart, 1 to move, 1 to replay, 1 to end.
"""


def shown(plan: Plan) -> str:
    return "\n".join(lines(plan)) + "\n"


def test_every_step_that_changes_something() -> None:
    assert shown(EVERYTHING) == SHOWN


def test_a_plan_without_steps() -> None:
    assert shown(Plan(())) == "Nothing to do: everything is as the contracts want it.\n"


def test_what_waits_for_the_next_start_is_told_and_is_nothing_to_do() -> None:
    plan = Plan(
        (
            NextStart("raw.orders", Engine.FLINK, (FASTER,)),
            Replay("streaming.metrics", 1, 7, None, None, None, (), now=False),
        )
    )
    assert not plan.changes
    assert (
        shown(plan)
        == """\
raw.orders
    counts from the next start under Flink
      freshness: 1 minute → 5 seconds

streaming.metrics
  ± compute anew at the next start, generation 1: a new checkpoint
      replaces rows: all of 7
      reads again what the source holds

Nothing to do before that.
"""
    )


def test_a_refusal_is_told_whole_and_lets_nothing_pass() -> None:
    plan = Plan((Refuse("raw.orders", "cannot go on:\n  source: was a, is b\nChange it back."), *EVERYTHING.steps[:1]))
    assert (
        shown(plan)
        == """\
raw.orders
  ! REFUSED: cannot go on:
        source: was a, is b
      Change it back.

raw.clicks
  + create topic clicks

Refused: raw.orders. Nothing can be applied before that is mended.
"""
    )


def test_an_apply_that_was_killed_is_something_to_do() -> None:
    plan = Plan((), interrupted=True)
    assert plan.changes
    assert shown(plan).endswith("and what it stopped is to be started.\nPlan: to start it.\n")


def test_contracts_that_only_readers_go_by_are_something_to_do() -> None:
    plan = Plan((), unread=True)
    assert plan.changes
    assert as_json(plan)["unread"] is True
    assert shown(plan) == "Plan: Dagster and the exporter read the contracts anew; no writer is concerned.\n"


def test_for_scripts_every_step_has_its_name_and_its_fields() -> None:
    answer = json.loads(json.dumps(as_json(EVERYTHING)))
    steps = {step["step"]: step for step in answer["steps"]}
    assert (answer["changes"], answer["refused"]) == (True, False)
    assert steps["move"]["at"] == {
        "topic": "orders.events",
        "offsets": {"0": 120345, "1": 99},
        "waiting": 4711,
    }
    assert steps["replay"]["since"] == "2026-01-01T00:00:00+00:00"
    assert [name for name, step in steps.items() if step["destructive"]] == ["end", "replay"]


def test_every_kind_of_step_is_shown() -> None:
    """One that is added has to be given a line, or a plan with it could not be shown."""
    kinds = {type(step) for step in EVERYTHING.steps} | {NextStart, Refuse}
    assert kinds == set(Step.__subclasses__())
