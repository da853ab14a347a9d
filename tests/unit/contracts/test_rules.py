"""Each rule, each bound and each red flag; and what holds of all the rules together."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.conditions import AtLeast, More
from lakehouse.contracts.cost import running_cost
from lakehouse.contracts.decision import against, decide, red_flags
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.rules import RED_FLAGS, RULES
from lakehouse.contracts.workload import (
    MEANINGS,
    Budget,
    Consumer,
    Infrastructure,
    Need,
    Skill,
    SourceKind,
    Workload,
)

SLOWEST_LAST = [Engine.FLINK, Engine.SPARK, Engine.DBT]
HOUR, MINUTE, BETWEEN, SECONDS = "1 hour", "1 minute", "20 seconds", "5 seconds"

#: Workload, the engine, and the rule that decides: at least one case a rule, and both sides of each bound.
CASES: list[tuple[dict[str, Any], Engine, str]] = [
    ({"freshness": "1 ms"}, Engine.FLINK, "seconds"),
    ({"freshness": "9999 ms"}, Engine.FLINK, "seconds"),
    ({"freshness": "10 seconds"}, Engine.SPARK, "between"),
    ({"freshness": "29999 ms"}, Engine.SPARK, "between"),
    ({"freshness": "30 seconds"}, Engine.SPARK, "micro-batches"),
    ({"freshness": "15 minutes"}, Engine.SPARK, "micro-batches"),
    ({"freshness": "900001 ms"}, Engine.DBT, "scheduled"),
    ({"freshness": "365 days"}, Engine.DBT, "scheduled"),
    ({"freshness": MINUTE, "needs": ["event-patterns"]}, Engine.FLINK, "event-patterns"),
    ({"freshness": HOUR, "needs": ["event-patterns"]}, Engine.FLINK, "event-patterns"),
    ({"freshness": SECONDS, "needs": ["event-patterns"]}, Engine.FLINK, "seconds"),
    ({"freshness": MINUTE, "needs": ["event-time"]}, Engine.FLINK, "event-time"),
    ({"freshness": MINUTE, "needs": ["stream-join"]}, Engine.FLINK, "joins"),
    ({"freshness": MINUTE, "needs": ["temporal-join"]}, Engine.FLINK, "joins"),
    ({"freshness": MINUTE, "needs": ["iteration"]}, Engine.FLINK, "iteration"),
    ({"freshness": MINUTE, "events_per_second": 1_000_001}, Engine.FLINK, "million-events"),
    ({"freshness": MINUTE, "events_per_second": 1_000_000}, Engine.SPARK, "micro-batches"),
    ({"freshness": MINUTE, "needs": ["exactly-once-end-to-end"]}, Engine.FLINK, "exactly-once-end-to-end"),
    ({"freshness": HOUR, "needs": ["exactly-once-end-to-end"]}, Engine.FLINK, "exactly-once-end-to-end"),
    ({"freshness": BETWEEN, "needs": ["exactly-once"]}, Engine.SPARK, "between"),
    ({"freshness": BETWEEN, "consumers": ["alerting"]}, Engine.FLINK, "between-reactions"),
    ({"freshness": BETWEEN, "consumers": ["reactions", "bi"]}, Engine.FLINK, "between-reactions"),
    ({"freshness": BETWEEN, "infrastructure": ["flink"]}, Engine.FLINK, "between-flink-runs"),
    ({"freshness": BETWEEN, "infrastructure": ["flink", "spark"]}, Engine.SPARK, "between"),
    ({"freshness": BETWEEN, "needs": ["windows"]}, Engine.SPARK, "between"),
    ({"freshness": MINUTE, "needs": ["windows"]}, Engine.SPARK, "windows"),
    ({"freshness": MINUTE, "needs": ["exactly-once"]}, Engine.SPARK, "exactly-once"),
    ({"freshness": MINUTE, "consumers": ["alerting"]}, Engine.SPARK, "micro-batches"),
    ({"freshness": MINUTE, "source": "kafka"}, Engine.SPARK, "micro-batches"),
    ({"freshness": MINUTE, "source": "table-changes"}, Engine.SPARK, "micro-batches"),
    ({"freshness": MINUTE, "source": "database"}, Engine.SPARK, "micro-batches"),
    ({"freshness": HOUR, "source": "cdc"}, Engine.SPARK, "change-log"),
    ({"freshness": HOUR, "source": "kafka"}, Engine.SPARK, "topics"),
    ({"freshness": HOUR, "source": "kinesis"}, Engine.SPARK, "topics"),
    ({"freshness": HOUR, "consumers": ["reactions"]}, Engine.SPARK, "single-events"),
    ({"freshness": HOUR, "rows_per_run": 100_000_000}, Engine.SPARK, "large-runs"),
    ({"freshness": HOUR, "rows_per_run": 99_999_999}, Engine.DBT, "scheduled"),
    ({"freshness": HOUR, "source": "database"}, Engine.DBT, "databases"),
    ({"freshness": HOUR, "source": "warehouse"}, Engine.DBT, "databases"),
    ({"freshness": HOUR, "source": "table-changes"}, Engine.DBT, "scheduled"),
    ({"freshness": HOUR, "needs": ["reprocessing"]}, Engine.DBT, "reprocessing"),
    ({"freshness": HOUR, "needs": ["windows", "exactly-once"]}, Engine.DBT, "scheduled"),
    ({"freshness": HOUR, "consumers": ["bi", "analysts"]}, Engine.DBT, "reporting"),
    ({"freshness": HOUR, "consumers": ["bi", "other"]}, Engine.DBT, "scheduled"),
]

#: Red flag, engine, and workloads that raise it and that do not.
FLAGS: list[tuple[str, Engine, dict[str, Any], dict[str, Any]]] = [
    ("change-log", Engine.DBT, {"source": "cdc"}, {"source": "database"}),
    ("minutes", Engine.DBT, {"freshness": "299999 ms"}, {"freshness": "5 minutes"}),
    ("single-events", Engine.DBT, {"consumers": ["reactions"]}, {"consumers": ["alerting"]}),
    ("no-stream", Engine.SPARK, {"source": "database"}, {"source": "cdc"}),
    ("no-stream", Engine.FLINK, {"source": "warehouse"}, {"source": "kafka"}),
    ("short-trigger", Engine.SPARK, {"trigger": "9999 ms"}, {"trigger": "10 seconds"}),
    ("short-trigger", Engine.SPARK, {"freshness": "59999 ms"}, {"freshness": "1 minute"}),
    ("event-patterns", Engine.SPARK, {"needs": ["event-patterns"]}, {"needs": ["windows"]}),
    ("no-spark", Engine.SPARK, {"infrastructure": ["none"]}, {"infrastructure": ["spark", "dbt"]}),
    ("no-spark", Engine.SPARK, {"infrastructure": ["dbt"]}, {}),
    ("no-pyspark", Engine.SPARK, {"team": ["sql"]}, {"team": ["sql", "pyspark"]}),
    ("no-pyspark", Engine.SPARK, {"team": ["sql"]}, {"team": ["jvm"]}),
    ("no-pyspark", Engine.SPARK, {"team": ["sql"]}, {}),
    ("no-sql", Engine.DBT, {"team": ["pyspark", "jvm"]}, {"team": ["sql", "pyspark"]}),
    ("no-sql", Engine.DBT, {"team": ["jvm"]}, {}),
    ("no-jvm", Engine.FLINK, {"team": ["sql", "pyspark"]}, {"team": ["sql", "jvm"]}),
    ("no-jvm", Engine.FLINK, {"team": ["sql"]}, {}),
    ("reporting-only", Engine.FLINK, {"consumers": ["bi", "analysts"]}, {"consumers": ["bi", "alerting"]}),
    ("reporting-only", Engine.FLINK, {"consumers": ["bi"]}, {"consumers": ["dashboards"]}),
    ("tight-budget", Engine.FLINK, {"budget": "tight"}, {"budget": "normal"}),
]

freshness = st.integers(1, 10**8).map(lambda milliseconds: timedelta(milliseconds=milliseconds))
#: Freshness near the bounds, where mistakes would be, as often as anywhere else.
near = st.sampled_from([10_000, 30_000, 60_000, 300_000, 900_000]).flatmap(
    lambda bound: st.integers(bound - 1, bound + 1).map(lambda milliseconds: timedelta(milliseconds=milliseconds))
)
others = st.fixed_dictionaries(
    {
        "source": st.none() | st.sampled_from(SourceKind),
        "consumers": st.frozensets(st.sampled_from(Consumer), max_size=3),
        "needs": st.frozensets(st.sampled_from(Need), max_size=3),
        "team": st.frozensets(st.sampled_from(Skill)),
        "infrastructure": st.frozensets(st.sampled_from(Infrastructure)),
        "rows_per_run": st.none() | st.integers(1, 10**9),
        "events_per_second": st.none() | st.floats(0.1, 10**7),
        "budget": st.sampled_from(Budget),
    }
)
workloads = st.builds(lambda fresh, rest: Workload(freshness=fresh, **rest), freshness | near, others)


@pytest.mark.parametrize(("given_", "engine", "rule"), CASES)
def test_the_first_rule_that_holds_decides(given_: dict[str, Any], engine: Engine, rule: str) -> None:
    decision = decide(Workload.model_validate(given_))
    assert (decision.engine, decision.rule.name) == (engine, rule)


def test_every_rule_decides_some_case() -> None:
    assert {rule for _, _, rule in CASES} == {rule.name for rule in RULES}


@pytest.mark.parametrize(("flag", "engine", "raised", "not_raised"), FLAGS)
def test_a_red_flag_is_raised_by_what_it_names_and_by_nothing_else(
    flag: str, engine: Engine, raised: dict[str, Any], not_raised: dict[str, Any]
) -> None:
    def names(changes: dict[str, Any]) -> set[str]:
        return {flag.name for flag in red_flags(Workload.model_validate({"freshness": HOUR, **changes}), engine)}

    assert flag in names(raised)
    assert flag not in names(not_raised)


def test_every_red_flag_is_raised_against_each_of_its_engines() -> None:
    assert {(flag, engine) for flag, engine, _, _ in FLAGS} == {
        (flag.name, engine) for flag in RED_FLAGS for engine in flag.engines
    }


@given(freshness | near, freshness | near, others)
def test_a_looser_freshness_never_moves_to_a_faster_engine(
    one: timedelta, other: timedelta, rest: dict[str, Any]
) -> None:
    tight, loose = (decide(Workload(freshness=at, **rest)).engine for at in sorted((one, other)))
    assert SLOWEST_LAST.index(tight) <= SLOWEST_LAST.index(loose)


@given(workloads)
def test_what_would_change_the_answer_does(workload: Workload) -> None:
    decision = decide(workload)
    for change in decision.changes:
        assert change.engine is not decision.engine
        other = decide(workload.model_copy(update={change.input: _changed(workload, change.input, change.to)}))
        assert (other.engine, other.rule.name) == (change.engine, change.rule)


def _changed(workload: Workload, field: str, to: str) -> object:
    """The value that the text of a change names, read as a person would."""
    words = to.split(" ", 1)
    if field in ("consumers", "needs", "team", "infrastructure"):
        given_ = getattr(workload, field)
        (member,) = (answer for answer in MEANINGS if answer == words[1] and type(answer) in _kinds(field))
        assert (words[0] == "without") == (member in given_)
        return given_ ^ {member}
    if field == "freshness":
        value = Workload(freshness=to.removeprefix("below ").removeprefix("above ").split(" or ")[0]).freshness  # type: ignore[arg-type]
        step = timedelta(milliseconds=1)
        return value - step if words[0] == "below" else value + step if words[0] == "above" else value
    if field == "source":
        return SourceKind(to)
    (bound,) = (int(word.replace(",", "")) for word in to.split(" ") if word[0].isdigit())
    return bound + {"above": 1, "below": -1}.get(words[0], 0)


def _kinds(field: str) -> tuple[type, ...]:
    return {
        "consumers": (Consumer,),
        "needs": (Need,),
        "team": (Skill,),
        "infrastructure": (Infrastructure,),
    }[field]


@pytest.mark.parametrize(
    ("given_", "input_", "to", "engine"),
    [
        ({"freshness": MINUTE}, "freshness", "below 10 seconds", Engine.FLINK),
        ({"freshness": MINUTE}, "freshness", "above 15 minutes", Engine.DBT),
        ({"freshness": HOUR}, "freshness", "15 minutes or less", Engine.SPARK),
        ({"freshness": SECONDS}, "freshness", "10 seconds or more", Engine.SPARK),
        ({"freshness": MINUTE, "needs": ["event-time"]}, "needs", "without event-time", Engine.SPARK),
        ({"freshness": HOUR}, "source", "kafka", Engine.SPARK),
        ({"freshness": HOUR}, "rows_per_run", "100,000,000 or more", Engine.SPARK),
        ({"freshness": HOUR, "rows_per_run": 2 * 10**8}, "rows_per_run", "below 100,000,000", Engine.DBT),
        ({"freshness": MINUTE, "events_per_second": 2e6}, "events_per_second", "at most 1,000,000", Engine.SPARK),
    ],
)
def test_the_nearest_other_answers_are_told(given_: dict[str, Any], input_: str, to: str, engine: Engine) -> None:
    changes = decide(Workload.model_validate(given_)).changes
    assert (input_, to, engine) in {(change.input, change.to, change.engine) for change in changes}


def test_an_engine_that_the_rules_do_not_choose_is_told_with_the_rule() -> None:
    decision = decide(Workload.model_validate({"freshness": MINUTE}))
    assert against(decision, Engine.SPARK) == ()
    (told,) = against(decision, Engine.FLINK)
    assert told.startswith("the rules choose spark (micro-batches): from 30 seconds to 15 minutes")


def test_between_10_and_30_seconds_another_engine_is_no_misfit() -> None:
    decision = decide(Workload.model_validate({"freshness": BETWEEN}))
    assert decision.engine is Engine.SPARK
    assert "no rule of thumb speaks" in decision.rule.text
    assert against(decision, Engine.FLINK) == ()


def test_every_rule_and_flag_says_what_it_is_for_and_where_it_comes_from() -> None:
    for rule in RULES:
        assert rule.text
        assert rule.example
        assert rule.source
    for flag in RED_FLAGS:
        assert flag.text
        assert flag.source
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert RULES[-1].when == ()


def test_bounds_are_asked_of_fields_that_there_are() -> None:
    asked = {condition.field for rule in RULES for condition in rule.when if isinstance(condition, More | AtLeast)}
    assert asked == {"events_per_second", "rows_per_run"}


@pytest.mark.parametrize(
    ("given_", "engine", "cores"),
    [
        ({"freshness": MINUTE, "events_per_second": 18_600}, Engine.SPARK, 0.12 + 0.1),
        ({"freshness": MINUTE, "trigger": "30 seconds", "events_per_second": 18_600}, Engine.SPARK, 0.04 + 0.1),
        ({"freshness": SECONDS, "events_per_second": 48_300}, Engine.FLINK, 0.1),
        ({"freshness": SECONDS, "events_per_second": 18_100, "needs": ["windows"]}, Engine.FLINK, 0.1),
        ({"freshness": HOUR, "rows_per_run": 2_000_000}, Engine.DBT, (5.3 + 10) / 1800),
        ({"freshness": MINUTE}, Engine.SPARK, None),
        ({"freshness": HOUR}, Engine.DBT, None),
    ],
)
def test_the_cost_follows_from_the_measured_figures(
    given_: dict[str, Any], engine: Engine, cores: float | None
) -> None:
    cost = running_cost(Workload.model_validate(given_), engine)
    assert cost.cores == (None if cores is None else pytest.approx(cores))
    assert cost.memory_mb > 0
