"""A job's state is good for what it was made for, and for nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contracts import visits_contract

from lakehouse.contracts import Contract
from lakehouse.flink.generation import (
    Generation,
    StateChangedError,
    begin_generation,
    checked_generation,
    read_generation,
    record_state,
)
from lakehouse.flink.spec import checkpoints, job_spec
from lakehouse.settings import Settings

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def counts(window: str = "5 minutes", topic: str = "visits", **overrides: object) -> Contract:
    return visits_contract(
        COLUMNS,
        freshness="5 seconds",
        source={"topic": topic, "columns": COLUMNS, "event_time": "at"},
        transform={"job": "io.example.VisitsJob", "window": window},
        on_invalid="drop",
        **overrides,
    )


def test_the_first_generation_keeps_the_plain_names(settings: Settings) -> None:
    assert read_generation(settings, "raw.visits") == Generation(1)
    assert Generation(1).sink_uid == "flink"
    assert checkpoints(settings, "raw.visits").endswith("/flink/raw.visits")


def test_the_next_has_checkpoints_and_a_name_of_its_own(settings: Settings) -> None:
    assert begin_generation(settings, "raw.visits").number == 2
    assert checkpoints(settings, "raw.visits").endswith("/flink/raw.visits-2")
    arguments = job_spec(settings, counts(), "code").arguments
    assert arguments[arguments.index("--sink-uid") + 1] == "flink-2"
    assert begin_generation(settings, "raw.visits").number == 3
    assert read_generation(settings, "raw.others").number == 1


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (counts(window="10 minutes"), "transform.window was 0:05:00 and is 0:10:00"),
        (counts(topic="clicks"), "source.topic was visits and is clicks"),
    ],
)
def test_state_that_would_mean_something_else_is_refused_with_both_ways_on(
    settings: Settings, changed: Contract, told: str
) -> None:
    record_state(settings, counts(), checked_generation(settings, counts()))
    with pytest.raises(StateChangedError) as error:
        checked_generation(settings, changed)
    assert told in str(error.value)
    assert "Change the contract back" in str(error.value)
    assert "jobs start raw.visits --anew" in str(error.value)
    begin_generation(settings, "raw.visits")
    assert checked_generation(settings, changed).number == 2


def test_other_changes_go_on_with_the_state(settings: Settings) -> None:
    record_state(settings, counts(), checked_generation(settings, counts()))
    assert checked_generation(settings, counts(description="Other words", owner="team:other")).number == 1
