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


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_an_address_loses_its_last_slash_and_s3_has_the_scheme_that_its_reader_knows(
    project: Path, scheme: str
) -> None:
    address = f"{scheme}://bucket/lake/"
    assert load_settings({"home": project, "root": address}).root == "s3://bucket/lake"
    assert load_settings({"home": project, "checkpoint_root": address}).checkpoint_root == "s3a://bucket/lake"


@pytest.mark.parametrize("name", ["root", "checkpoint_root"])
@pytest.mark.parametrize("character", ["#", "?", "%"])
@pytest.mark.parametrize("place", ["s3://bucket/team{}1/lake", "/data/team{}1/lake"])
def test_a_place_that_an_address_would_cut_short_is_refused(
    project: Path, name: str, character: str, place: str
) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"home": project, name: place.format(character)})
    assert f"LAKEHOUSE_{name.upper()}=" in str(error.value)
    assert f"team{character}1" in str(error.value)
    assert f"holds {character}, which" in str(error.value)
    assert "name one without #, ? and %" in str(error.value)


@pytest.mark.parametrize("place", ["s3://bucket/team 1+ü/lake", "/data/team 1+ü/lake"])
def test_other_characters_may_be_in_it(project: Path, place: str) -> None:
    assert load_settings({"home": project, "root": place}).root == place


@pytest.mark.parametrize("host", ["mail.example.org", "10.0.0.7", "localhost.example.org"])
def test_a_password_of_mail_is_not_sent_in_clear(project: Path, host: str) -> None:
    login = {"home": project, "notify_smtp_host": host, "notify_smtp_user": "ann", "notify_smtp_password": "hunter2"}
    with pytest.raises(SettingsError) as error:
        load_settings(login)
    assert str(error.value).startswith("LAKEHOUSE_NOTIFY_SMTP_USER='ann'")
    assert f"would go to {host} in clear: set LAKEHOUSE_NOTIFY_SMTP_SECURITY to starttls or tls" in str(error.value)
    assert "hunter2" not in str(error.value)
    assert load_settings({**login, "notify_smtp_security": "starttls"}).notify_smtp_user == "ann"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_one_machine_mail_needs_no_encryption(project: Path, host: str) -> None:
    told = {"home": project, "notify_smtp_host": host, "notify_smtp_user": "ann"}
    assert load_settings(told).notify_smtp_user == "ann"


def test_checkpoints_are_with_the_tables_on_s3(project: Path) -> None:
    settings = load_settings({"home": project, "root": "s3://bucket/lake/"})
    assert settings.checkpoint_root == "s3a://bucket/lake/_checkpoints"
    elsewhere = load_settings({"home": project, "root": "s3://bucket/lake", "checkpoint_root": "/data/checkpoints"})
    assert elsewhere.checkpoint_root == "/data/checkpoints"


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


SASL = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "ann", "kafka_sasl_password": "hunter2"}


def test_the_local_broker_is_known_by_a_certificate_of_its_own(project: Path) -> None:
    local = load_settings({"home": project, **SASL})
    assert local.kafka.ca_file == str(project / ".lakehouse" / "kafka-tls" / "ca.pem")
    elsewhere = {"home": project, **SASL, "kafka_bootstrap_servers": "broker:9093"}
    assert load_settings(elsewhere).kafka.ca_file == ""
    assert load_settings({**elsewhere, "kafka_ssl_ca": "/ca.pem"}).kafka.ca_file == "/ca.pem"


@pytest.mark.parametrize("name", ["kafka_sasl_username", "kafka_sasl_password"])
def test_sasl_needs_a_user_and_a_password(project: Path, name: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"home": project, **SASL, name: ""})
    assert str(error.value).startswith(f"LAKEHOUSE_{name.upper()}=")
    assert "LAKEHOUSE_KAFKA_SECURITY_PROTOCOL=SASL_SSL needs it" in str(error.value)


def test_pods_need_the_image_of_spark(project: Path) -> None:
    with pytest.raises(SettingsError, match=r"^LAKEHOUSE_DAGSTER_SPARK_IMAGE='': .*DAGSTER_STEPS=pods needs it"):
        load_settings({"home": project, "dagster_steps": "pods"})


def test_a_password_that_java_would_read_otherwise_is_refused_and_not_shown(project: Path) -> None:
    with pytest.raises(SettingsError, match=r"^LAKEHOUSE_KAFKA_SASL_PASSWORD=\(hidden\): .*neither \" nor") as error:
        load_settings({"home": project, **SASL, "kafka_sasl_password": 'hun"ter2'})
    assert "ter2" not in str(error.value)


def test_an_unknown_protocol_is_told_with_those_there_are(project: Path) -> None:
    with pytest.raises(SettingsError, match=r"LAKEHOUSE_KAFKA_SECURITY_PROTOCOL='TLS': .*'SASL_SSL'"):
        load_settings({"home": project, "kafka_security_protocol": "TLS"})


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:3000"),
        ({"dagster_host": "0.0.0.0", "dagster_port": 3210}, "http://127.0.0.1:3210"),  # noqa: S104
        ({"dagster_url": "https://dagster.example.com/lake/"}, "https://dagster.example.com/lake"),
    ],
)
def test_dagster_is_where_it_listens_unless_told(project: Path, given: dict[str, object], url: str) -> None:
    settings = load_settings({"home": project, **given})
    assert settings.dagster_url == url
    assert settings.webserver_url == f"http://127.0.0.1:{settings.dagster_port}"


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
    # Of these the last three are refused in places.
    st.characters(codec="utf-8", exclude_characters="\0#?%", exclude_categories=["Cs"]),
    min_size=1,
    max_size=9,
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
