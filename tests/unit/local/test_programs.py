"""The declarations of the stack's programs."""

import pytest
from tests.contracts import visits_contract

from lakehouse.contracts import Contract
from lakehouse.local.java import Java
from lakehouse.local.programs import (
    MARKER,
    PROGRAM_NAMES,
    Program,
    UnknownProgramError,
    check_names,
    declare_programs,
    endpoints,
)
from lakehouse.settings import Settings, load_settings


def declared(settings: Settings, java: Java, rate: float = 50.0, *contracts: Contract) -> dict[str, Program]:
    return {program.name: program for program in declare_programs(settings, java, rate, contracts)}


def test_every_name_is_declared_in_order_and_has_an_endpoint(settings: Settings, java: Java) -> None:
    assert tuple(declared(settings, java)) == PROGRAM_NAMES == tuple(endpoints(settings))


def test_every_program_gets_the_settings_and_its_marker(settings: Settings, java: Java) -> None:
    for name, program in declared(settings, java).items():
        assert program.environment["LAKEHOUSE_STATE_DIR"] == str(settings.state_dir)
        assert program.environment[MARKER] == name


def test_another_rate_changes_the_generator_only(settings: Settings, java: Java) -> None:
    slow, fast = declared(settings, java, 10), declared(settings, java, 99)
    assert [name for name in PROGRAM_NAMES if slow[name] != fast[name]] == ["generator"]


@pytest.mark.parametrize(
    ("before", "after", "restarted"),
    [
        ("1 minute", "2 minutes", ["spark"]),
        ("5 seconds", "6 seconds", ["flink-jobs"]),
        ("1 minute", "5 seconds", ["spark", "flink-jobs"]),
    ],
)
def test_another_contract_changes_what_serves_it(
    settings: Settings, java: Java, before: str, after: str, restarted: list[str]
) -> None:
    columns = [{"name": "at", "type": "timestamp", "required": True}]
    was, is_now = (
        declared(settings, java, 50.0, visits_contract(columns, freshness=freshness)) for freshness in (before, after)
    )
    assert [name for name in PROGRAM_NAMES if was[name] != is_now[name]] == restarted


def test_what_only_the_choice_of_an_engine_goes_by_restarts_nothing(settings: Settings, java: Java) -> None:
    columns = [{"name": "at", "type": "timestamp", "required": True}]
    was = declared(settings, java, 50.0, visits_contract(columns))
    assert was == declared(settings, java, 50.0, visits_contract(columns, workload={"events_per_second": 7}))


def test_another_default_rate_does_not_restart_the_broker(settings: Settings, java: Java) -> None:
    other = load_settings({"home": settings.home, "generator_rate": 99})
    assert declared(settings, java)["kafka"] == declared(other, java)["kafka"]


def test_the_path_of_the_callers_shell_changes_nothing(
    settings: Settings, java: Java, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = declared(settings, java)
    monkeypatch.setenv("PATH", "/somewhere/else")
    assert declared(settings, java) == before


def test_a_program_that_needs_the_broker_waits_for_it(settings: Settings, java: Java) -> None:
    spark = declared(settings, java)["spark"]
    assert spark.supervised_command[1:5] == ("-m", "lakehouse.local.wait_for", "127.0.0.1:9092", "--")
    assert spark.supervised_command[5:] == spark.command


def test_dagster_is_reached_on_loopback_where_it_listens_everywhere(settings: Settings) -> None:
    everywhere = load_settings({"home": settings.home, "dagster_host": "0.0.0.0", "dagster_port": 3210})  # noqa: S104
    assert endpoints(everywhere)["dagster-webserver"].url == "http://127.0.0.1:3210"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownProgramError, match=r"'kafak'. Parts: kafka, postgres, spark"):
        check_names(["kafka", "kafak"])


def test_dagster_waits_for_the_local_postgres_where_that_holds_its_runs(settings: Settings, java: Java) -> None:
    stored = settings.model_copy(update={"dagster_storage": "postgres"})
    elsewhere = stored.model_copy(update={"postgres_host": "database.example.com"})
    programs = declared(stored, java)
    for name in ("dagster-code", "dagster-webserver", "dagster-daemon"):
        assert "postgres" in programs[name].needs
        assert f"127.0.0.1:{settings.postgres_port}" in programs[name].waits_for
        assert "postgres" not in (*declared(settings, java)[name].needs, *declared(elsewhere, java)[name].needs)


def test_a_change_of_contracts_restarts_dagsters_code_and_not_who_asks_it(settings: Settings, java: Java) -> None:
    before = declared(settings, java)
    (settings.contracts_dir / "another.yaml").write_text("table: raw.another\n")
    after = declared(settings, java)
    dagster = {name for name in before if name.startswith("dagster-")}
    assert {name for name in dagster if before[name] != after[name]} == {"dagster-code"}
