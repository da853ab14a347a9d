"""What `lakehouse up` refuses before it does anything."""

from collections.abc import Callable

import pytest

from lakehouse.local.java import Java
from lakehouse.local.stack import PartMissingError, Stack
from lakehouse.local.supervisor import ProgramState, Supervisor
from lakehouse.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _java(monkeypatch: pytest.MonkeyPatch, java: Java) -> None:
    monkeypatch.setattr("lakehouse.local.stack.find_java", lambda: java)


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """As if a program ran; a real one would be a broker."""

    def alive(name: str) -> None:
        state = ProgramState(name=name, state="RUNNING", pid=1, uptime_seconds=9, detail="")
        monkeypatch.setattr(Supervisor, "states", lambda _self: {name: state})

    return alive


def test_a_part_without_what_it_needs_is_refused_with_the_command_that_works(settings: Settings) -> None:
    with pytest.raises(PartMissingError) as error:
        Stack(settings).up(["spark", "dagster-code"], 50)
    assert "spark needs kafka" in str(error.value)
    assert str(error.value).endswith("lakehouse up --only kafka,spark,dagster-code")


def test_every_part_that_lacks_something_is_named(settings: Settings) -> None:
    with pytest.raises(
        PartMissingError, match=r"spark needs kafka; generator needs kafka.*--only kafka,spark,generator"
    ):
        Stack(settings).up(["generator", "spark"], 50)


def test_what_it_needs_may_run_already(settings: Settings, alive: Callable[[str], None]) -> None:
    alive("kafka")
    assert "Spark queries" in {step.title for step in Stack(settings).up(["spark"], 50)}


def test_a_broker_of_somebody_elses_need_not_be_started_here(settings: Settings) -> None:
    elsewhere = load_settings({"home": settings.home, "kafka_bootstrap_servers": "broker.example.com:9092"})
    assert "Spark queries" in {step.title for step in Stack(elsewhere).up(["spark"], 50)}


@pytest.mark.parametrize("name", ["kafka", "dagster-code", "exporter"])
def test_a_part_that_needs_no_other_starts_alone(settings: Settings, name: str) -> None:
    assert Stack(settings).up([name], 50)
