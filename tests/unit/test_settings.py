"""Each port, path and address has one setting, read from the environment when asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.settings import Settings, SettingsError, find_home, load_settings

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory that is a project: it has contracts."""
    home = tmp_path / "project"
    (home / "streaming" / "contracts").mkdir(parents=True)
    return home.resolve()


@pytest.fixture
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_home_is_the_nearest_directory_with_contracts(project: Path) -> None:
    below = project / "dbt" / "models"
    below.mkdir(parents=True)
    assert find_home(below) == project
    assert find_home(project) == project


def test_from_anywhere_else_home_is_the_checkout_of_the_package(tmp_path: Path) -> None:
    assert find_home(tmp_path) == REPOSITORY


def test_without_home_every_place_searched_is_listed(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setattr("lakehouse.settings._MARKER", Path("no") / "such" / "directory")
    with pytest.raises(SettingsError) as error:
        find_home(tmp_path)
    for place in (tmp_path, *tmp_path.parents, REPOSITORY):
        assert f"\n  {place}\n" in str(error.value)
    assert "LAKEHOUSE_HOME" in str(error.value)


def test_home_is_found_from_the_working_directory(project: Path, environment: pytest.MonkeyPatch) -> None:
    environment.chdir(project / "streaming")
    assert load_settings().home == project


def test_paths_follow_from_home(project: Path) -> None:
    settings = load_settings({"home": project})
    assert settings.state_dir == project / ".lakehouse"
    assert settings.root == str(project / ".lakehouse" / "tables")
    assert settings.checkpoint_root == str(project / ".lakehouse" / "checkpoints")
    assert settings.contracts_dir == project / "streaming" / "contracts"
    assert settings.dbt_dir == project / "dbt"
    assert settings.logs_dir == project / ".lakehouse" / "logs"
    assert settings.run_dir == project / ".lakehouse" / "run"
    assert settings.jars_dir == project / ".lakehouse" / "jars"


def test_state_moves_with_the_state_directory(project: Path, tmp_path: Path) -> None:
    settings = load_settings({"home": project, "state_dir": tmp_path / "state"})
    assert settings.root == str(tmp_path / "state" / "tables")
    assert settings.checkpoint_root == str(tmp_path / "state" / "checkpoints")
    assert settings.logs_dir == tmp_path / "state" / "logs"


@pytest.mark.parametrize("name", ["state_dir", "root", "checkpoint_root", "contracts_dir"])
def test_a_relative_path_is_taken_from_home_wherever_one_stands(
    project: Path, tmp_path: Path, environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.chdir(tmp_path)
    environment.setenv(f"LAKEHOUSE_{name.upper()}", "data/here")
    assert str(getattr(load_settings({"home": project}), name)) == str(project / "data" / "here")


@pytest.mark.parametrize("name", ["root", "checkpoint_root"])
def test_an_address_is_left_as_it_is_but_for_the_last_slash(project: Path, name: str) -> None:
    assert getattr(load_settings({"home": project, name: "s3://bucket/lake/"}), name) == "s3://bucket/lake"


@pytest.mark.parametrize(
    "name", ["HOME", "STATE_DIR", "ROOT", "CHECKPOINT_ROOT", "CONTRACTS_DIR", "KAFKA_BOOTSTRAP_SERVERS"]
)
def test_an_empty_variable_means_the_default(project: Path, environment: pytest.MonkeyPatch, name: str) -> None:
    environment.chdir(project)
    expected = load_settings()
    environment.setenv(f"LAKEHOUSE_{name}", "")
    assert load_settings() == expected


def test_clients_talk_to_the_local_broker_unless_told_otherwise(project: Path) -> None:
    assert load_settings({"home": project}).kafka_bootstrap_servers == "127.0.0.1:9092"
    assert load_settings({"home": project, "kafka_port": 1234}).kafka_bootstrap_servers == "127.0.0.1:1234"
    elsewhere = load_settings({"home": project, "kafka_port": 1234, "kafka_bootstrap_servers": "a:1,b:2"})
    assert elsewhere.kafka_bootstrap_servers == "a:1,b:2"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("LAKEHOUSE_KAFKA_PORT", "19092", "kafka_port", 19092),
        ("LAKEHOUSE_KAFKA_CONTROLLER_PORT", "19093", "kafka_controller_port", 19093),
        ("LAKEHOUSE_KAFKA_HEAP", "1g", "kafka_heap", "1g"),
        ("LAKEHOUSE_DAGSTER_HOST", "0.0.0.0", "dagster_host", "0.0.0.0"),  # noqa: S104
        ("LAKEHOUSE_DAGSTER_PORT", "3333", "dagster_port", 3333),
        ("LAKEHOUSE_SPARK_UI_PORT", "5050", "spark_ui_port", 5050),
        ("LAKEHOUSE_SPARK_STATUS_PORT", "5051", "spark_status_port", 5051),
        ("LAKEHOUSE_SPARK_DRIVER_MEMORY", "4g", "spark_driver_memory", "4g"),
        ("LAKEHOUSE_SPARK_MASTER", "local[4]", "spark_master", "local[4]"),
        ("LAKEHOUSE_GENERATOR_RATE", "0.5", "generator_rate", 0.5),
        ("LAKEHOUSE_ROOT", "s3://bucket/lake", "root", "s3://bucket/lake"),
    ],
)
def test_a_setting_is_read_from_its_variable(
    project: Path, environment: pytest.MonkeyPatch, variable: str, text: str, name: str, value: object
) -> None:
    environment.setenv(variable, text)
    assert getattr(load_settings({"home": project}), name) == value


def test_an_override_wins_over_the_environment(project: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LAKEHOUSE_DAGSTER_PORT", "3333")
    assert load_settings({"home": project, "dagster_port": 4444}).dagster_port == 4444


def test_the_environment_is_read_at_each_call(project: Path, environment: pytest.MonkeyPatch) -> None:
    before = load_settings({"home": project})
    environment.setenv("LAKEHOUSE_DAGSTER_PORT", "3333")
    assert (before.dagster_port, load_settings({"home": project}).dagster_port) == (3000, 3333)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("LAKEHOUSE_KAFKA_PORT", "nine", "integer"),
        ("LAKEHOUSE_KAFKA_PORT", "70000", "less than or equal to 65535"),
        ("LAKEHOUSE_DAGSTER_PORT", "0", "greater than or equal to 1"),
        ("LAKEHOUSE_GENERATOR_RATE", "-1", "greater than 0"),
        ("LAKEHOUSE_GENERATOR_RATE", "fast", "number"),
    ],
)
def test_a_bad_value_is_told_with_its_variable_and_what_was_expected(
    project: Path, environment: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    environment.setenv(variable, value)
    with pytest.raises(SettingsError) as error:
        load_settings({"home": project})
    assert str(error.value).startswith(f"{variable}={value!r}: ")
    assert expected in str(error.value)


def test_all_bad_values_are_told_at_once(project: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"home": project, "kafka_port": "x", "dagster_port": "y"})
    assert [line.partition("=")[0] for line in str(error.value).splitlines()] == [
        "LAKEHOUSE_KAFKA_PORT",
        "LAKEHOUSE_DAGSTER_PORT",
    ]


def test_settings_do_not_change(project: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({"home": project}).kafka_port = 1  # type: ignore[misc]


def test_the_environment_for_others_holds_every_setting(project: Path) -> None:
    variables = load_settings({"home": project}).as_environment()
    assert set(variables) == {f"LAKEHOUSE_{name.upper()}" for name in Settings.model_fields}


ports = st.integers(1, 65535)
words = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=9
)


@given(
    overrides=st.fixed_dictionaries(
        {},
        optional={
            "kafka_port": ports,
            "dagster_port": ports,
            "spark_driver_memory": words,
            "spark_master": words,
            "kafka_bootstrap_servers": words,
            "generator_rate": st.floats(0, exclude_min=True, allow_infinity=False),
            "state_dir": words.map(lambda word: f"/state/{word.strip('/') or 'x'}"),
            "root": st.sampled_from(["s3://bucket/lake", "/data/lake/", "lake"]),
        },
    )
)
def test_a_process_started_with_that_environment_has_equal_settings(overrides: dict[str, object]) -> None:
    settings = load_settings({"home": REPOSITORY, **overrides})
    with pytest.MonkeyPatch.context() as environment:
        environment.chdir("/")
        for variable, value in settings.as_environment().items():
            environment.setenv(variable, value)
        assert load_settings() == settings
